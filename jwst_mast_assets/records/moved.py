"""Observations whose date MAST has corrected: each stands once, under its new day, with its files."""

from collections.abc import Iterable

import pandas as pd

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.holdings import summaries_of_cells
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.store import TableStore


def move_to_new_days(store: TableStore, listed: pd.DataFrame, proposals: Iterable[str], config: Config) -> list[str]:
    """Take observations out of the tables of days under which MAST no longer lists them.

    Parameters
    ----------
    store : TableStore
    listed : DataFrame
        Columns of ``tables.OBS_TABLE``: what MAST lists now, of any days.
    proposals : iterable of str
        Whose tables to look at.
    config : Config
        The selection whose record of the earlier days is corrected too.

    Returns
    -------
    list of str
        The partition keys of the earlier days.

    Raises
    ------
    OutputError
        If a table cannot be read or written.
    """
    new_day = listed.drop_duplicates("obsid").set_index("obsid")["cell"]
    left: list[str] = []
    for proposal in proposals:
        recorded = store.read_proposal("obs_table", proposal)
        now = recorded["obsid"].map(new_day).astype("string")
        moved = recorded.assign(now=now)[now.notna() & (now != recorded["cell"])]
        if moved.empty:
            continue
        with store.locked(proposal):
            for old, of_day in moved.groupby("cell"):
                for new, rows in of_day.groupby("now"):
                    _move(store, Cell.from_key(str(old)), Cell.from_key(str(new)), list(rows["obsid"]))
                left.append(str(old))
    for key in left:
        cell = [Cell.from_key(key)]
        Listings(store).forget_doubts(cell)
        Ledger(store).correct(cell, store.read("obs_table", cell), config)
    return left


def _move(store: TableStore, old: Cell, new: Cell, obsids: list[int]) -> None:
    """Move the rows of some observations from the tables of a day to those of another."""
    for asset in ("product_table", "downloaded_files"):
        table = store.read(asset, [old])
        goes = table["parent_obsid"].isin(obsids)
        if goes.any():
            there = store.read(asset, [new])
            comes = table[goes & ~table["dataURI"].isin(there["dataURI"])].assign(cell=new.key)
            parts = [part for part in (there, comes) if len(part)]
            # First to its new place, so that nothing is in neither if this is interrupted.
            store.write(asset, pd.concat(parts, ignore_index=True), [new])
            store.write(asset, table[~goes], [old])
    observations = store.read("obs_table", [old])
    observations = observations[~observations["obsid"].isin(obsids)]
    store.write("obs_table", observations, [old])
    if not store.missing("summary_table", [old]):
        store.write("summary_table", summaries_of_cells(observations, store.read("product_table", [old])), [old])
