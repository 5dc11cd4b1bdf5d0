"""News that wait to be sent: one notice per proposal and hour, and one per cause that affects everything.

Kept in the output folder, ``<root>/.jwst_mast_assets/outbox.json``, until the receiver has them::

    {"news": [{"id": "<run>", "proposal": "01138", "kind": "new", "title": "new data for 1138: 24 files, 2.1 GB",
               "body": "...", "at": "..."}],
     "sent": {"01138": "2026-03-01T06:00:03+00:00"}, "done": ["<run>"], "tried": null,
     "outages": {"disk": {"since": "...", "failures": 3, "told": true, "last": "...", "ended": null, "why": "..."}}}
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jwst_mast_assets.mast.connection import TOKEN_PAGE
from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.notices import Notice
from jwst_mast_assets.records.store import TableStore

BETWEEN_NOTICES = dt.timedelta(hours=1)
RETRY = dt.timedelta(minutes=10)
"""Time between two attempts to reach a receiver that is down."""

SHORT = "short list"
"""Kind of the news that MAST lists less than before."""

NEWS_KINDS = ("new", "released", "reprocessed", "healed", SHORT, "failed")
"""What news are about, in the order in which a notice names them."""

OUTAGES = {"disk": "the disk is full", "mast": "MAST does not answer"}
"""Causes that make everything fail, so that one notice is enough until they are over."""

TOKEN = "token"
"""Cause that makes only exclusive files wait: MAST does not accept the token."""

OVER_AFTER = dt.timedelta(hours=6)
"""An outage without another failure for so long holds nothing up any more."""

MOST_REMEMBERED = 2000
MOST_PARTS = 20


class News(NamedTuple):
    """Something that happened to a proposal."""

    id: str
    """The same for the same event: it is reported once, whoever finds it how often."""
    proposal: str
    kind: str
    title: str
    body: str


class Outbox:
    """The outbox of one output folder."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.path = store.state / "outbox.json"

    def add(self, news: Sequence[News], now: dt.datetime) -> None:
        """Keep news until they are sent; those that are known already are left out. Raises OutputError."""
        with self.store.locked("outbox"):
            box = self._read()
            for each in news:
                if each.id not in box["done"]:
                    box["done"] = [*box["done"], each.id][-MOST_REMEMBERED:]
                    box["news"].append({**each._asdict(), "at": iso_second(now)})
            self._write(box)

    def note_short(self, notices: Mapping[str, Notice], now: dt.datetime) -> None:
        """Keep notices of short lists, by proposal: one a day for each, whoever finds it. Raises OutputError."""
        self.add([News(f"short {now:%Y-%m-%d} {key}", key, SHORT, *each[:2]) for key, each in notices.items()], now)

    def fail(self, cause: str, why: str, event: str, now: dt.datetime) -> None:
        """Note a failure with one of the ``OUTAGES``: the first opens the outage. Raises OutputError."""
        with self.store.locked("outbox"):
            box = self._read()
            if event not in box["done"]:
                box["done"] = [*box["done"], event][-MOST_REMEMBERED:]
                known = box["outages"].get(cause)
                if known is None or known["ended"]:
                    known = {"since": iso_second(now), "failures": 0, "told": False, "ended": None, "why": why}
                box["outages"][cause] = {**known, "failures": known["failures"] + 1, "last": iso_second(now)}
                self._write(box)

    def work_again(self, now: dt.datetime) -> None:
        """A download succeeded, so every outage is over, but for that of the token. Raises OutputError."""
        if not any(not outage["ended"] for cause, outage in self._read()["outages"].items() if cause != TOKEN):
            return
        with self.store.locked("outbox"):
            box = self._read()
            for cause, outage in box["outages"].items():
                outage["ended"] = outage["ended"] or (iso_second(now) if cause != TOKEN else None)
            self._write(box)

    def note_token(self, accepted: bool | None, now: dt.datetime) -> None:
        """Note what MAST says of the token: the first refusal is reported, and that it works again.

        Parameters
        ----------
        accepted : bool or None
            None: no token is set, so there is nothing to report.
        now : datetime
            Aware.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        known = self._read()["outages"].get(TOKEN)
        if accepted is False and known and not known["ended"]:
            return
        if accepted is not False and (known is None or (accepted and known["ended"])):
            return
        with self.store.locked("outbox"):
            box = self._read()
            if accepted is False:
                at = iso_second(now)
                opened = {"since": at, "failures": 1, "told": False, "ended": None, "last": at, "why": ""}
                box["outages"][TOKEN] = {**box["outages"].get(TOKEN, opened), "ended": None}
            elif accepted and box["outages"][TOKEN]["told"]:
                box["outages"][TOKEN]["ended"] = iso_second(now)
            else:
                # Nobody was told that it had failed, or there is none any more.
                del box["outages"][TOKEN]
            self._write(box)

    @property
    def is_token_refused(self) -> bool:
        """Whether MAST did not accept the token when it was last used."""
        known = self._read()["outages"].get(TOKEN)
        return known is not None and not known["ended"]

    def outages(self, now: dt.datetime) -> list[str]:
        """The causes that are making everything fail now."""
        known = self._read()["outages"].items()
        return [cause for cause, each in known if not each["ended"] and _within(each["last"], OVER_AFTER, now)]

    def deliver(self, send: Callable[[Notice], list[str]], now: dt.datetime) -> tuple[int, int, list[str]]:
        """Send what is due.

        Parameters
        ----------
        send : callable
            Sends a notice; returns what went wrong.
        now : datetime
            Aware.

        Returns
        -------
        sent : int
            How many notices.
        left : int
            How many wait for the next attempt.
        problems : list of str
            Why others could not be sent; they are kept, and sent later.
        """
        with self.store.locked("outbox"):
            box = self._read()
            due = _due(box, now)
            if _within(box["tried"], RETRY, now):
                return 0, len(due), []
            sent, problems = 0, []
            for key, notice in due:
                if problems := send(notice):
                    break
                sent += 1
                _settle(box, key, now)
            box["tried"] = iso_second(now) if problems else None
            if sent or problems:
                self._write(box)
        return sent, len(due) - sent, problems

    def _read(self) -> dict[str, Any]:
        # If it is lost, only notices are.
        return {"news": [], "sent": {}, "done": [], "tried": None, "outages": {}, **read_json(self.path)}

    def _write(self, box: dict[str, Any]) -> None:
        write_json(self.path, box)


def _due(box: dict[str, Any], now: dt.datetime) -> list[tuple[str, Notice]]:
    """The notices that can be sent now, each with its cause or proposal."""
    due = [(cause, notice) for cause, outage in box["outages"].items() if (notice := _of_outage(cause, outage))]
    for proposal in dict.fromkeys(news["proposal"] for news in box["news"]):
        if not _within(box["sent"].get(proposal), BETWEEN_NOTICES, now):
            due.append((proposal, _of_proposal([news for news in box["news"] if news["proposal"] == proposal])))
    return due


def _of_outage(cause: str, outage: dict[str, Any]) -> Notice | None:
    if cause == TOKEN:
        return _of_token(outage)
    runs = f"{outage['failures']} download{'s' * (outage['failures'] > 1)} failed since {outage['since'][:16]} (UTC)"
    if not outage["told"] and not outage["ended"]:
        more = "Others will, too; no more notices of this until it is over."
        return Notice(f"downloads fail: {OUTAGES[cause]}", f"{outage['why']}\n{runs}. {more}", "failure")
    if outage["told"] and outage["ended"]:
        return Notice(f"downloads work again: {OUTAGES[cause]} no longer", f"{runs}; they are repeated.", "success")
    return None


def _of_token(outage: dict[str, Any]) -> Notice | None:
    if not outage["told"] and not outage["ended"]:
        why = "Public data are fetched without it; exclusive files wait. No more notices of this until it works again."
        how = f"Get a new token at {TOKEN_PAGE} and set MAST_API_TOKEN."
        return Notice("MAST does not accept the token", f"{why}\n{how}", "warning")
    if outage["told"] and outage["ended"]:
        waited = f"Exclusive files that waited since {outage['since'][:16]} (UTC) are requested."
        return Notice("MAST accepts the token again", waited, "success")
    return None


def _of_proposal(news: list[dict[str, str]]) -> Notice:
    """One notice of all that is new of a proposal."""
    counts = {kind: sum(each["kind"] == kind for each in news) for kind in NEWS_KINDS}
    told = {kind: count for kind, count in counts.items() if count}
    kind = "failure" if set(told) == {"failed"} else "warning" if {"failed", SHORT} & set(told) else "success"
    if len(news) == 1:
        return Notice(news[0]["title"], news[0]["body"], kind)
    whose = news[0]["proposal"].lstrip("0") or "daily checks"
    title = f"{whose}: {', '.join(f'{count} {name}' for name, count in told.items())}"
    in_order = sorted(news, key=lambda each: NEWS_KINDS.index(each["kind"]))
    parts = list(dict.fromkeys(f"{each['kind']}: {each['title']}\n{each['body']}" for each in in_order))
    more = [f"... and {len(parts) - MOST_PARTS} more"] if len(parts) > MOST_PARTS else []
    return Notice(title, "\n\n".join([*parts[:MOST_PARTS], *more]), kind)


def _settle(box: dict[str, Any], key: str, now: dt.datetime) -> None:
    """Note that a notice was sent."""
    if key not in (*OUTAGES, TOKEN):
        box["sent"][key] = iso_second(now)
        box["news"] = [news for news in box["news"] if news["proposal"] != key]
    elif box["outages"][key]["ended"]:
        del box["outages"][key]
    else:
        box["outages"][key]["told"] = True


def _within(at: str | None, span: dt.timedelta, now: dt.datetime) -> bool:
    """Whether a time is less than a span ago; one in the future is a clock's that was ahead, and counts for nothing."""
    return bool(at) and dt.timedelta(0) <= now - dt.datetime.fromisoformat(str(at)) < span
