"""Which cells runs have been started for and how often, kept with the data, for a Dagster home that was deleted.

One JSON file per proposal, ``<root>/.jwst_mast_assets/attempts/<PPPPP>.json``: the number of the last attempt and when
it started, by day and cause::

    {"2022-04-10": {"3f2a9c...": [2, "2026-03-01T06:00:03+00:00"]}}
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.store import TableStore

MOST_CAUSES = 4
"""Causes remembered per cell, the newest."""


class Started(NamedTuple):
    """The last attempt that was started."""

    number: int
    at: dt.datetime


class AttemptLog:
    """The attempts of one output folder."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.folder = store.state / "attempts"

    def note(self, causes: Mapping[str, str], attempt: int, now: dt.datetime) -> None:
        """Write down that a run has started.

        Parameters
        ----------
        causes : mapping
            Partition key to cause.
        attempt : int
        now : datetime
            Aware.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        for proposal in {key[-5:] for key in causes}:
            with self.store.locked(proposal):
                known = read_json(self._path(proposal))
                for key, cause in causes.items():
                    if key.endswith(f"|{proposal}"):
                        others = {name: last for name, last in known.get(key[:-6], {}).items() if name != cause}
                        newest = sorted(others.items(), key=lambda item: item[1][1])[-(MOST_CAUSES - 1) :]
                        started = [attempt, iso_second(now)]
                        known[key[:-6]] = {**dict(newest), cause: started}
                write_json(self._path(proposal), known)

    def read(self, proposals: Iterable[str]) -> dict[tuple[str, str], Started]:
        """The last attempts of some proposals, by (partition key, cause); where one is lost, the next comes sooner."""
        return {
            (f"{day}|{proposal}", cause): Started(int(number), dt.datetime.fromisoformat(at))
            for proposal in proposals
            for day, causes in read_json(self._path(proposal)).items()
            for cause, (number, at) in causes.items()
        }

    def _path(self, proposal: str) -> Path:
        return self.folder / f"{proposal}.json"
