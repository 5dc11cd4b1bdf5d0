"""``index.html`` of the output folder: all proposals, what came last, and what comes next."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.store import STATE_FOLDER
from jwst_mast_assets.webpage.archive_card import NEWEST, Card, read_cards
from jwst_mast_assets.webpage.templates import GENERATOR, render

PLOT_DAYS = 30
RELEASES = 12


class Day(NamedTuple):
    """A bar of the plot of bytes per day."""

    date: str
    files: int
    bytes: int
    height: float
    """Of the plot's height."""


def write_archive_page(root: Path, now: dt.datetime | None = None) -> Path | None:
    """Write ``<root>/index.html`` from what the proposals' own pages left to be said of them.

    Parameters
    ----------
    root : Path
        The output folder.
    now : datetime, optional
        Aware. Default: now.

    Returns
    -------
    Path or None
        None where the folder has an ``index.html`` that is not ours: it is left as it is.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = root / "index.html"
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    if before is not None and GENERATOR not in before[:2000]:
        return None
    now = (now or utc_now()).astimezone(dt.timezone.utc)
    cards = [card for card in read_cards(root / STATE_FOLDER / "pages") if (root / card["proposal"]).is_dir()]
    html = render("archive.html", **_context(cards, now))
    if before is None or _without_time(before) != _without_time(html):
        write_text(path, html)
    return path


def _without_time(html: str) -> str:
    return re.sub(r"<time>[^<]*</time>", "", html)


def _context(cards: Sequence[Card], now: dt.datetime) -> dict[str, Any]:
    today = now.date()
    week = {(today - dt.timedelta(days=back)).isoformat() for back in range(7)}
    pictures = [{**picture, "proposal": card["proposal"]} for card in cards for picture in card["pictures"]]
    releases = [
        {"date": date, "proposal": card["proposal"], "files": number, "bytes": size}
        for card in cards
        for date, (number, size) in card["releases"].items()
    ]
    arrivals = [
        {"date": date, "proposal": card["proposal"], "files": number, "bytes": size, "replaced": replaced}
        for card in cards
        for date, (number, size, replaced) in card["days"].items()
        if date in week
    ]
    last_week = {
        "files": sum(arrival["files"] for arrival in arrivals),
        "bytes": sum(arrival["bytes"] for arrival in arrivals),
        "replaced": sum(arrival["replaced"] for arrival in arrivals),
    }
    return {
        "cards": cards,
        "total": {
            "files": sum(sum(card["states"].values()) for card in cards),
            "bytes": sum(card["bytes"] for card in cards),
            "waiting": sum(card["states"].get("waiting", 0) for card in cards),
        },
        "pictures": sorted(pictures, key=lambda picture: -picture["came"])[:NEWEST],
        "days": _plot(cards, today),
        "plot_days": PLOT_DAYS,
        "arrivals": sorted(arrivals, key=lambda arrival: (arrival["date"], arrival["proposal"]), reverse=True),
        "last_week": last_week,
        "releases": sorted(releases, key=lambda release: (release["date"], release["proposal"]))[:RELEASES],
        "more_releases": max(0, len(releases) - RELEASES),
        "made": now.strftime("%Y-%m-%d %H:%M"),
    }


def _plot(cards: Sequence[Card], today: dt.date) -> list[Day]:
    """The last days with their bytes."""
    dates = [(today - dt.timedelta(days=back)).isoformat() for back in reversed(range(PLOT_DAYS))]
    found = [[card["days"].get(date, [0, 0, 0]) for card in cards] for date in dates]
    sums = [(sum(day[0] for day in days), sum(day[1] for day in days)) for days in found]
    most = max((size for _, size in sums), default=0) or 1
    return [Day(date, files, size, size / most) for date, (files, size) in zip(dates, sums, strict=True)]
