"""The daily look at all files on disk: which of them MAST has changed, and how each proposal stands."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.current_keywords import silent_services, unanswered
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records import reprocessing
from jwst_mast_assets.records.comparisons import compare_with_mast, describe_ways, read_compared, write_compared
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import read_manifests, record_events
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets.records.silent_services import note_silent
from jwst_mast_assets.records.status import PartitionTables, Selected, read_together, select, selected_by, status
from jwst_mast_assets.records.store import TableStore

IDENTITY = ("dataURI", "productFilename", "outfilename", "proposal_id", "cell", "size", "bytes_on_disk", "mtime", "md5")
IDENTITY += ("checksum", "dl_code")
COMPARED = (*IDENTITY, "cal_ver", "crds_ctx", "source", "etag", "last_modified")
COUNTED = (*IDENTITY, "obsnum", "obsnums", "dataRights", "t_obs_release", "isStale")
"""Columns that a comparison and the status need of each file: there can be millions of them in memory."""


class DailyLook(NamedTuple):
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
) -> DailyLook:
    """Compare all files on disk of some proposals with MAST, and record the changes in tables and history.

    A day is made due again if a run has listed selected files that no download has on record.

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
    selected: list[Selected] = []
    unfetched: dict[str, set[str]] = {}
    forgotten = list(Forgotten(store).read())
    asked = {cell.key for cell in store.cells("product_table")}
    # Each table is read here, once: there can be one for each day of many years.
    for group, held in read_together(store, proposals):
        recorded.append(held.files.loc[held.files["bytes_on_disk"].notna(), list(COMPARED)])
        # Without a list of products nothing can be said to be missing from it.
        listed = held.files[held.files["cell"].isin(asked)]
        gone = {uri for proposal in group for uri in Listings(store).gone(proposal)}
        events.append(reprocessing.superseded(held.products, listed, gone))
        lists.append(held.products[["dataURI", "size"]])
        unfetched |= _unfetched(held, forgotten, config)
        chosen = select(group, held, store, config)
        selected.append(chosen._replace(files=chosen.files[list(COUNTED)]))
    files = _joined(recorded, tables.FILE_TABLE)
    products = _joined(lists, {name: tables.PRODUCT_TABLE[name] for name in ("dataURI", "size")})
    changes, compared = compare_with_mast(mast, files, products, read_compared(store), now)
    note_silent(store, silent_services(mast), unanswered(mast), now)
    # A service that fails today forgets nothing that was found before.
    changes = reprocessing.with_unanswered(changes, reprocessing.read_changes(store), unanswered(mast))
    write_compared(store, compared)
    table = _joined([changes, *events], tables.CHANGE_TABLE)
    reprocessing.write_changes(store, table)
    Ledger(store).mark_due(_reasons(store, unfetched), config, now)
    comparable = set(compared.loc[compared["compared_by"].notna(), "dataURI"]) & set(products["dataURI"])
    for manifest in read_manifests(store, proposals):
        _record_news(store, table, manifest, comparable, run_id)
    return DailyLook(
        table,
        files["dataURI"].nunique(),
        describe_ways(compared),
        int(compared["compared_by"].isna().sum()),
        int(tables.is_true(compared["isStale"]).sum()),
        status(store, proposals, config, now, selected=selected),
        releases(_joined([part.files for part in selected], tables.FILE_TABLE), now),
    )


def _unfetched(held: PartitionTables, forgotten: Collection[str], config: Config) -> dict[str, set[str]]:
    """The selected files, by partition key, that were listed and that no download has on record: dataURIs."""
    products = held.products
    wanted = selected_by(config, products, held.observations) & products["dataURI"].notna()
    known = [*forgotten, *held.files["dataURI"].dropna()]
    unknown = products[wanted.astype(bool) & ~products["dataURI"].isin(known)]
    return {str(cell): set(uris) for cell, uris in unknown.groupby("cell")["dataURI"]}


def _reasons(store: TableStore, unfetched: Mapping[str, set[str]]) -> dict[str, str]:
    """Why days become due again, if no run has fetched the files since the tables were read."""
    reasons = {}
    for key, uris in unfetched.items():
        if left := uris - set(store.read("downloaded_files", [Cell.from_key(key)])["dataURI"].dropna()):
            reasons[key] = f"{counted(len(left), 'listed file')} not fetched yet"
    return reasons


def _record_news(
    store: TableStore, changes: pd.DataFrame, held: pd.DataFrame, comparable: Collection[str], run_id: str
) -> None:
    """Record in the history of each proposal what is new about its files at MAST."""
    proposal_of = held.set_index("dataURI")["proposal"]
    news = reprocessing.events_of(changes, held)
    # A file can be in the history of a proposal that no longer lists it.
    pairs = zip(news["dataURI"], changes["cells"].reindex(news.index), strict=True)
    listing = pd.Series([f"|{proposal_of[uri]}" in cells for uri, cells in pairs], index=news.index, dtype=bool)
    news = news[listing]
    for events in (news, reprocessing.events_taken_back(changes, held, comparable)):
        for proposal, rows in events.groupby(events["dataURI"].map(proposal_of)):
            record_events(store, str(proposal), rows.assign(run_id=run_id))


def _joined(parts: Collection[pd.DataFrame], schema: tables.Schema) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else tables.empty(schema)
