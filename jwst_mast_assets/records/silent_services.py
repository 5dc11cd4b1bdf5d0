"""Keyword services that did not answer in the last daily look: their files are compared again the same day.

``<root>/.jwst_mast_assets/silent_services.json``::

    {"services": ["nircam"], "looks": 1, "at": "2026-03-01T06:00:03+00:00",
     "since": {"01138": "2026-02-28T06:00:03+00:00"}}
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.records.comparisons import last_look
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.store import TableStore

FILE = "silent_services.json"

FIRST_WAIT = dt.timedelta(hours=1)
"""After which files are compared again whose keyword service did not answer; each further wait is twice as long."""


class Silent(NamedTuple):
    """Keyword services that did not answer in the last look."""

    services: list[str]
    """Instruments."""
    looks: int
    """Looks in a row in which one did not."""
    at: str
    """When the last one was, ISO, UTC."""
    since: dict[str, str | None] = {}
    """The proposals with files of these services, and when the checksums of all their files were last compared, ISO,
    UTC; None: never."""

    def is_due(self, now: dt.datetime) -> bool:
        """Whether it is time to look again."""
        waited = now - dt.datetime.fromisoformat(self.at)
        # A clock that was ahead must not hold this up.
        return bool(self.services) and not dt.timedelta() <= waited < FIRST_WAIT * 2 ** (self.looks - 1)


def note_silent(store: TableStore, services: Sequence[str], files: Collection[str], now: dt.datetime) -> None:
    """Write down which keyword services did not answer just now, before the results of the look are written.

    Parameters
    ----------
    store : TableStore
    services : sequence of str
        Instruments.
    files : collection of str
        The names of the files that they should have told about.
    now : datetime
        Aware.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    before, last = read_silent(store), last_look(store)
    since = {proposal: before.since.get(proposal, last) for proposal in sorted({name[2:7] for name in files})}
    silent = Silent(list(services), before.looks + 1 if services else 0, iso_second(now), since)
    write_json(store.state / FILE, silent._asdict())


def read_silent(store: TableStore) -> Silent:
    """Which keyword services did not answer in the last look."""
    try:
        return Silent(**read_json(store.state / FILE))
    except TypeError:
        return Silent([], 0, "")
