"""The lists of products of known observations, asked again from time to time: new files can come years later.

A row among the observations does not change when MAST adds a file. Young days are asked about daily, older ones weekly
to monthly, a few in each tick of the sensor. After a run, the list is first asked for again on the next day: an answer
that was cut short looks like a whole one where nothing was on record before.
``<root>/.jwst_mast_assets/ledger/relisted.json``::

    {"day": "2026-03-01", "received": 120000,
     "cells": {"2022-04-10|01138": {"at": "2026-03-01T06:00:03+00:00", "asked": 0, "confirmed": true,
                                     "uris": ["mast:JWST/product/jw01138..."], "lost": []}}}
"""

import datetime as dt
import hashlib
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.mast.errors import ArchiveUnavailable
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.products import describe_products
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.ledger import Entry, Ledger, Recorded
from jwst_mast_assets.records.looking import within
from jwst_mast_assets.records.store import TableStore

SCHEDULE = ((30, 1), (180, 7), (float("inf"), 30))
"""Up to this age in days, the list is asked for again after so many days."""

FIRST = 1
"""Days after which the list of a run is asked for again, whatever its age."""

EARLY = dt.timedelta(hours=2)
"""By which a list may be asked for early, so that a new file is found within the day."""

AGAIN = dt.timedelta(hours=1)
"""After which a list that failed is asked for again."""

LISTS_PER_TICK, OBSERVATIONS_PER_LIST = 3, 10
"""What one tick asks for; a day with more observations takes several ticks."""

OBSERVATIONS_PER_QUERY = 5
"""As MAST's documentation advises."""

LEAST_SECONDS = 8.0
"""That must be left of a tick for another list."""

RELISTED_BYTES_PER_DAY = 500_000_000
"""After which, on one day (UTC), only young days are asked about."""


class Overdue(NamedTuple):
    """A cell whose products are to be asked for again."""

    lateness: float
    """How often the interval has passed since."""
    cell: Cell
    obsids: list[int]
    interval: dt.timedelta
    young: bool
    """Whether it is always asked about daily."""


class NewProducts(NamedTuple):
    """What is new in lists of products: dataURIs."""

    new: list[str]
    """Selected files that no download has on record, even if a run has listed them."""
    lost: list[str]
    """Recorded files that are not listed."""


class Relisting:
    """The record of one output folder, and what one tick asks.

    Parameters
    ----------
    ledger : Ledger
    now : datetime
        Aware.
    """

    def __init__(self, ledger: Ledger, now: dt.datetime) -> None:
        self.ledger, self.now = ledger, now
        content = ledger.relisted()
        cells = content.get("cells")
        self.cells: dict[str, dict[str, Any]] = {
            key: known
            for key, known in (cells.items() if isinstance(cells, dict) else ())
            if isinstance(known, dict) and {"at", "asked", "uris"} <= known.keys()
        }
        today = f"{now:%Y-%m-%d}"
        self.received = int(content.get("received") or 0) if content.get("day") == today else 0
        self._overdue: list[Overdue] = []
        self._entries: dict[str, Entry] = {}

    def consider(self, observations: pd.DataFrame, recorded: Recorded) -> list[DueCell]:
        """Note which cells of some proposals are to be asked about again.

        Parameters
        ----------
        observations : DataFrame
            Columns of ``tables.OBS_TABLE``: MAST's list now.
        recorded : Recorded
            What finished runs have left of the same proposals.

        Returns
        -------
        list of DueCell
            Those of which an earlier tick has found new files, or missed some, and no run has asked since.
        """
        wanted = observations[tables.is_true(observations["wanted"])]
        due = []
        for key, rows in wanted.groupby("cell")["obsid"]:
            entry = recorded.entries.get(str(key))
            if entry is None:
                continue
            known = self.cells.get(str(key))
            if known and known["at"] <= entry.at:
                # A run has listed them since.
                del self.cells[str(key)]
                known = None
            cell = Cell.from_key(str(key))
            if known and (known["uris"] or known.get("lost")):
                on_record, listed = self._on_record(cell), self._uris("product_table", cell)
                known["uris"] = [uri for uri in known["uris"] if uri not in on_record]
                known["lost"] = [uri for uri in known.get("lost", ()) if uri in listed]
                due += _due(str(key), known["uris"], known["lost"], entry)
            last = dt.datetime.fromisoformat(known["at"] if known else entry.at)
            age = (self.now.date() - cell.day).days
            by_age = next(days for limit, days in SCHEDULE if age <= limit)
            days = by_age if known and known.get("confirmed", True) else min(by_age, FIRST)
            late = (self.now - last + EARLY) / dt.timedelta(days=days)
            if late >= 1:
                obsids = sorted(int(obsid) for obsid in rows)
                self._overdue.append(Overdue(late, cell, obsids, dt.timedelta(days=days), by_age <= 1))
                self._entries[str(key)] = entry
        return due

    def ask(self, archive: Archive, config: Config, seconds_left: Any) -> list[DueCell]:
        """Ask for the lists that are most overdue.

        Parameters
        ----------
        archive : Archive
        config : Config
        seconds_left : callable
            Returns how much of the tick is left.

        Returns
        -------
        list of DueCell
            The cells that have new selected files, or of which MAST no longer lists recorded ones.
        """
        due: dict[str, DueCell] = {}
        left_over = LISTS_PER_TICK
        chosen = [one for one in self._overdue if one.young or self.received < RELISTED_BYTES_PER_DAY]
        for one in sorted(chosen, key=lambda one: (one.young, one.lateness), reverse=True):
            key = one.cell.key
            known = self.cells.get(key, {"at": iso_second(self._since(one.cell))})
            begun = int(known.get("asked", 0))
            uris = list(known["uris"]) if begun else []
            lost = list(known.get("lost", ())) if begun else []
            while left_over and begun < len(one.obsids) and (left := seconds_left()) > LEAST_SECONDS:
                left_over -= 1
                part = one.obsids[begun : begun + OBSERVATIONS_PER_LIST]
                connection = archive.another(left)
                try:
                    news = within(left, lambda some=part, of=one, to=connection: self._news(to, config, of, some))
                except ArchiveUnavailable as error:
                    archive.warn(f"The products of {key} could not be listed again: {error}")
                    again = max(self.now - one.interval + AGAIN + EARLY, self._since(one.cell))
                    known = {**known, "at": iso_second(again)}
                    break
                finally:
                    self.received += connection.received
                uris, lost = uris + news.new, lost + news.lost
                begun += len(part)
            whole = begun >= len(one.obsids)
            self.cells[key] = {
                "at": iso_second(self.now) if whole else known["at"],
                "asked": 0 if whole else begun,
                "confirmed": whole or bool(known.get("confirmed", "uris" in known)),
                "uris": sorted(set(uris)),
                "lost": sorted(set(lost)),
            }
            due |= {item.cell.key: item for item in _due(key, uris, lost, self._entries[key])}
            if not left_over or seconds_left() <= LEAST_SECONDS:
                break
        return list(due.values())

    def save(self) -> None:
        """Write it down."""
        today = f"{self.now:%Y-%m-%d}"
        self.ledger.note_relisted({"day": today, "received": self.received, "cells": self.cells})

    def _since(self, cell: Cell) -> dt.datetime:
        """A moment after the last run of a cell."""
        return dt.datetime.fromisoformat(self._entries[cell.key].at) + dt.timedelta(seconds=1)

    def _news(self, archive: Archive, config: Config, one: Overdue, obsids: list[int]) -> NewProducts:
        """What is new in the lists of some observations."""
        store: TableStore = self.ledger.store
        found = archive.products(obsids, max(config.batch_size or 0, OBSERVATIONS_PER_QUERY))
        known = store.read("product_table", [one.cell])
        observations = store.read("obs_table", [one.cell])
        products = Forgotten(store).left_out(describe_products(found, observations, config))
        selected = products.loc[tables.is_true(products["selected"]), "dataURI"].dropna()
        recorded = known.loc[known["parent_obsid"].isin(obsids), "dataURI"].dropna()
        return NewProducts(
            sorted(set(selected) - self._on_record(one.cell)), sorted(set(recorded) - set(found["dataURI"]))
        )

    def _on_record(self, cell: Cell) -> set[str]:
        """The listed files of a cell that a download has on record; one that was gone is no longer listed."""
        return self._uris("downloaded_files", cell) & self._uris("product_table", cell)

    def _uris(self, asset: str, cell: Cell) -> set[str]:
        """The dataURIs in a table of a cell."""
        return set(self.ledger.store.read(asset, [cell])["dataURI"].dropna())


def _due(key: str, uris: list[str], lost: list[str], entry: Entry) -> list[DueCell]:
    """The cell, if there is anything that a run should look at: it asks again before it believes a shorter list."""
    if not uris and not lost:
        return []
    # A list can be cut short in the same way again after a run; that is another cause, with attempts of its own.
    since = [entry.at] if lost else []
    which = hashlib.sha256("\n".join([*uris, *lost, *since]).encode()).hexdigest()[:12]
    told = [f"{counted(len(uris), 'new file')} of known observations"] if uris else []
    told += [f"{counted(len(lost), 'file')} no longer listed"] if lost else []
    return [DueCell(Cell.from_key(key), ", ".join(told), f"files{which}", unlisted=bool(uris))]
