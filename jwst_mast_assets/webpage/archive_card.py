"""What the page of all proposals says of one of them: kept as a small file when the proposal's own page is made.

So the page of all proposals is made of a few kilobytes per proposal, however many files these have.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import iso_of_mjd
from jwst_mast_assets.mast.file_states import URGENCY, State
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.webpage.observed import Observed
from jwst_mast_assets.webpage.overview import Overview
from jwst_mast_assets.webpage.page_data import newest_pictures
from jwst_mast_assets.webpage.rows import File, Row
from jwst_mast_assets.webpage.table_cells import Figure, link_to

NEWEST = 8
"""Pictures of a proposal that the page of all proposals may show."""

Card = dict[str, Any]


def make_card(
    root: Path,
    proposal: str,
    overview: Overview,
    files: Sequence[File],
    rows: Sequence[Row],
    figures: Mapping[str, Figure],
    observed: Observed,
    history: pd.DataFrame | None,
    compared: str | None,
) -> Card:
    """What is to be said of a proposal.

    Parameters
    ----------
    root : Path
        Where the page of all proposals is.
    proposal : str
    overview : Overview
    files : sequence of File
    rows : sequence of Row
    figures : mapping
        Path of each picture on disk to what is shown of it.
    observed : Observed
    history : DataFrame, optional
        Columns of ``tables.HISTORY_TABLE``, of the last month.
    compared : str, optional
        ISO, UTC.

    Returns
    -------
    dict
        What JSON can hold.
    """
    events = tables.conform(pd.DataFrame() if history is None else history, tables.HISTORY_TABLE)
    states = Counter(file.state for file in files)
    last = max((file.mtime for file in files if file.mtime), default=None)
    return {
        "proposal": proposal,
        "title": overview.titles[0] if overview.titles else "",
        "pi": overview.investigators,
        "instruments": overview.instruments,
        "states": {state.value: states[state] for state in URGENCY if states[state]},
        "bytes": sum(file.bytes_on_disk or 0 for file in files),
        "changed": f"{dt.datetime.fromtimestamp(last, dt.timezone.utc):%Y-%m-%d %H:%M}" if last else "",
        "compared": (compared or "")[:16].replace("T", " "),
        "days": _days(events),
        "releases": _releases(files),
        "pictures": [
            {
                "source": link_to(str(picture.path), root),
                "name": row.name,
                "came": picture.mtime or 0,
                **observed.caption(row),
            }
            for row, picture in newest_pictures(rows, figures, NEWEST)
        ],
    }


def _days(events: pd.DataFrame) -> dict[str, list[int]]:
    """Per day (UTC): files that came, bytes that came, files of these that replaced an older version."""
    came = events[events["event"].isin(("downloaded", "replaced", "adopted"))]
    by_day = came.assign(
        day=came["when"].str[:10], bytes=came["size"].fillna(0), replaced=(came["event"] == "replaced").astype("Int64")
    ).groupby("day")
    table = by_day.agg(files=("event", "size"), bytes=("bytes", "sum"), replaced=("replaced", "sum"))
    return {str(day): [int(value) for value in values] for day, *values in table.itertuples(name=None)}


def _releases(files: Sequence[File]) -> dict[str, list[int]]:
    """Per day on which files become public: their number and bytes."""
    waiting = [file for file in files if file.state == State.WAITING and file.values["t_obs_release"]]
    if not waiting:
        return {}
    days = iso_of_mjd(pd.Series([file.values["t_obs_release"] for file in waiting], dtype="Float64")).str[:10]
    found: dict[str, list[int]] = {}
    for day, file in zip(days, waiting, strict=True):
        number, size = found.get(day, [0, 0])
        found[day] = [number + 1, size + (file.values["size"] or 0)]
    return dict(sorted(found.items()))


def write_card(folder: Path, card: Card) -> None:
    """Keep a card. Raises as :func:`records.files.write_text`."""
    write_text(folder / f"{card['proposal']}.card.json", json.dumps(card))


def read_cards(folder: Path) -> list[Card]:
    """All cards, by proposal; one that is damaged is left out until its proposal's page is made again."""
    cards = []
    for path in sorted(folder.glob("*.card.json")):
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            cards.append({**card, "proposal": str(card["proposal"])})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return cards
