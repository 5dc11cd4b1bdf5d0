"""What MAST's lists left out: what was recorded and is missing now, by day, and what could not be listed at all.

A short answer can be a mistake, so nothing counts as gone before it has been missing on several days.
One JSON file per proposal, ``<root>/.jwst_mast_assets/listings/<PPPPP>.json``::

    {"missing": {"mast:JWST/product/jw01138...": ["2026-03-01", "2026-03-02"]},
     "open": {"2022-04-10|01138": {"product_table": [["2022-04-10|01138", "jw01138...", "MAST ... time-out", true]]}}}
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from jwst_mast_assets.mast import selection, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.mast.listing import Listing, OpenList
from jwst_mast_assets.mast.modes import instrument_is_wanted
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.reprocessing import time_stamp
from jwst_mast_assets.records.store import TableStore

GONE_AFTER = 3
"""Number of days with an answer that does not list a file before it counts as gone."""


class Listings:
    """The record of one output folder."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.folder = store.state / "listings"

    def settle(
        self, asset: str, cells: Collection[Cell], listing: Listing, recorded: pd.DataFrame, now: dt.datetime
    ) -> pd.DataFrame:
        """Record what is missing from an answer.

        Parameters
        ----------
        asset : str
            ``obs_table`` or ``product_table``.
        cells : collection of Cell
            What was asked for.
        listing : Listing
            The answer.
        recorded : DataFrame
            What it should have: with ``cell`` and the listing's key and group.
        now : datetime
            Aware.

        Returns
        -------
        DataFrame
            The listing's table, without what has been missing on enough days to be gone.
        """
        answered = recorded[~recorded[listing.group].isin(listing.unanswered)]
        lost = answered[~tables.among(answered[listing.key], listing.listed)]
        listed = {str(key) for key in listing.listed}
        gone: set[str] = set()
        for proposal in proposals_of(cells):
            with self._editing(proposal) as record:
                missing = {key: days for key, days in record["missing"].items() if key not in listed}
                of_proposal = lost[lost["cell"].str.endswith(f"|{proposal}").astype(bool)]
                for key in {str(key) for key in of_proposal[listing.key]}:
                    missing[key] = sorted({*missing.get(key, []), f"{now:%Y-%m-%d}"})
                gone |= {key for key, days in missing.items() if len(days) >= GONE_AFTER}
                record["missing"] = missing
                problems = [*listing.open, *_doubtful(of_proposal, listing.key, missing)]
                for cell in cells:
                    if cell.proposal == proposal:
                        of_cell = [problem for problem in problems if problem.cell == cell.key]
                        record["open"].setdefault(cell.key, {})[asset] = of_cell
        return listing.table[~listing.table[listing.key].astype("string").isin(gone)].reset_index(drop=True)

    def forget_doubts(self, cells: Collection[Cell]) -> None:
        """Forget what was missing from the lists of some cells: it was found elsewhere. Raises OutputError."""
        for proposal in proposals_of(cells):
            with self._editing(proposal) as record:
                record["open"] = {key: some for key, some in record["open"].items() if Cell.from_key(key) not in cells}

    def gone(self, proposal: str) -> set[str]:
        """The dataURIs, and obsids as text, that have been missing on enough days to be gone."""
        return {key for key, days in self._load(proposal)["missing"].items() if len(days) >= GONE_AFTER}

    def open(self, cells: Collection[Cell]) -> list[OpenList]:
        """The lists of some cells that failed, are short, or do not have files that are on record."""
        records = {proposal: self._load(proposal)["open"] for proposal in proposals_of(cells)}
        return [
            OpenList(*problem)
            for cell in sorted(cells)
            for problems in records[cell.proposal].get(cell.key, {}).values()
            for problem in problems
        ]

    @contextmanager
    def _editing(self, proposal: str) -> Iterator[dict[str, Any]]:
        """The record of a proposal, which no other process changes meanwhile; written at the end of the block."""
        with self.store.locked(proposal):
            record = self._load(proposal)
            yield record
            write_json(self.folder / f"{proposal}.json", record)

    def _load(self, proposal: str) -> dict[str, Any]:
        # If it is lost, the days are only counted from the start again.
        return {"missing": {}, "open": {}, **read_json(self.folder / f"{proposal}.json")}


def left_out(
    store: TableStore, found: pd.DataFrame, proposals: Collection[str], config: Config, now: dt.datetime
) -> list[str]:
    """Which recorded observations are on days that MAST's list leaves out altogether; it may have been cut short.

    Parameters
    ----------
    store : TableStore
    found : DataFrame
        Columns of ``tables.OBS_TABLE``: MAST's list now.
    proposals : collection of str
        Whose observations were asked for, and answered.
    config : Config
        With the dates, instrument and modes that were asked for.
    now : datetime
        Aware.

    Returns
    -------
    list of str
        A sentence per proposal.
    """
    lower, upper = selection.window(config, now)
    listed = {Cell.from_key(str(key)) for key in found["cell"].unique()}
    absent = [
        cell
        for cell in store.cells("obs_table", proposals)
        if cell not in listed
        and (lower is None or cell.day >= day_of_mjd(lower))
        and (upper is None or cell.day <= day_of_mjd(upper))
    ]
    if not absent:
        return []
    rows = store.read("obs_table", absent).drop_duplicates("obsid")
    lost = ~tables.among(rows["obsid"], found["obsid"]) & ~tables.among(rows["obs_id"], found["obs_id"])
    inside = rows["t_min"].between(-np.inf if lower is None else lower, np.inf if upper is None else upper)
    rows = rows[lost & tables.is_true(inside) & tables.is_true(instrument_is_wanted(rows, config))]
    sentences = []
    for proposal, some in rows.groupby(rows["cell"].str[-5:]):
        first, last = some["cell"].min()[:10], some["cell"].max()[:10]
        days = first if first == last else f"{first} to {last}"
        sentences.append(
            f"MAST's list leaves out {counted(len(some), 'recorded observation')} of {proposal} ({days}): it was cut "
            "short, or MAST has withdrawn data; what is on record is kept"
        )
    return sentences


def _doubtful(lost: pd.DataFrame, key: str, missing: Mapping[str, list[str]]) -> list[OpenList]:
    """The files that are missing but not yet gone, nor replaced by one with a newer time stamp."""
    if key != "dataURI":
        return []
    files = lost[time_stamp(lost["productFilename"]).isna()]
    rows = files[["cell", "productFilename", "dataURI"]].drop_duplicates().itertuples(index=False, name=None)
    return [
        OpenList(cell, name, f"missing from MAST's list since {missing[uri][0]}", False)
        for cell, name, uri in rows
        if len(missing[uri]) < GONE_AFTER
    ]
