"""The daily look at all files on disk: which of them MAST has changed, and how each proposal stands."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.current_keywords import unanswered
from jwst_mast_assets.records import reprocessing
from jwst_mast_assets.records.comparisons import compare_with_mast, describe_ways, read_compared, write_compared
from jwst_mast_assets.records.history import manifest_at, read_history, record_events
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets.records.status import read_selected, status
from jwst_mast_assets.records.store import TableStore


class Look(NamedTuple):
    """What a look found."""

    changes: pd.DataFrame
    """``tables.CHANGE_TABLE``, one row per changed file."""
    compared: int
    """Files on disk."""
    ways: str
    """How they were compared, as a phrase."""
    not_comparable: int
    queued: int
    """Files that MAST says it is about to process again."""
    status: pd.DataFrame
    """``tables.STATUS_TABLE`` of the proposals."""
    calendar: pd.DataFrame
    """What becomes public when."""


def look_for_changes(
    mast: Archive, store: TableStore, config: Config, proposals: Sequence[str], run_id: str, now: dt.datetime
) -> Look:
    """Compare all files on disk of some proposals with MAST, and record the changes in tables and history.

    Parameters
    ----------
    mast : Archive
    store : TableStore
    config : Config
        What selects, for the status.
    proposals : sequence of str
        Five digits each.
    run_id : str
        For the history.
    now : datetime
        Aware.

    Raises
    ------
    ArchiveError
        If MAST does not answer.
    OutputError
        If a table cannot be read or written.
    """
    recorded, events, lists = [], [], []
    for proposal in proposals:
        files = store.read_proposal("downloaded_files", proposal)
        recorded.append(files[files["bytes_on_disk"].notna()])
        asked = {cell.key for cell in store.cells("product_table") if cell.proposal == proposal}
        # Without a list of products nothing can be said to be missing from it.
        listed = files[files["cell"].isin(asked)]
        products, gone = store.read_proposal("product_table", proposal), Listings(store).gone(proposal)
        events.append(reprocessing.superseded(products, listed, gone))
        lists.append(products)
    files = _joined(recorded, tables.FILE_TABLE)
    changes, compared = compare_with_mast(mast, files, _joined(lists, tables.PRODUCT_TABLE), read_compared(store), now)
    # A service that fails today forgets nothing that was found before.
    changes = reprocessing.with_unanswered(changes, reprocessing.read_changes(store), unanswered(mast))
    write_compared(store, compared)
    table = _joined([changes, *events], tables.CHANGE_TABLE)
    reprocessing.write_changes(store, table)
    for proposal in proposals:
        of_proposal = table[table["cells"].str.contains(f"|{proposal}", regex=False)]
        news = reprocessing.events_of(of_proposal, manifest_at(read_history(store, proposal)))
        record_events(store, proposal, news.assign(run_id=run_id))
    held = [read_selected(store, proposal, config) for proposal in proposals]
    return Look(
        table,
        files["dataURI"].nunique(),
        describe_ways(compared),
        int(compared["compared_by"].isna().sum()),
        int(tables.is_true(compared["isStale"]).sum()),
        status(store, proposals, config, now),
        releases(_joined(held, tables.FILE_TABLE), now),
    )


def _joined(parts: Collection[pd.DataFrame], schema: tables.Schema) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else tables.empty(schema)
