"""What is known of a proposal over all its days, and the tables for people made of it."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets import __version__, downloads
from jwst_mast_assets.downloads import FETCHED, PRESENT, Code, state_on_disk
from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.config_reading import fill_in
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.products import closest_parent_first
from jwst_mast_assets.mast.selection import is_excluded
from jwst_mast_assets.records import reports
from jwst_mast_assets.records.file_states import without_relisted
from jwst_mast_assets.records.reports import Reports, make_reports, write_reports
from jwst_mast_assets.records.reprocessing import changes_version, read_changes
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.store import TableStore

NOT_SHOWN = ("bytes_fetched", "run_id", "cell", "dl_message", *tables.ORIGIN_COLUMNS, "isStale")
"""Columns that do not appear on the page."""


class Holdings(NamedTuple):
    """All that is recorded of a proposal."""

    observations: pd.DataFrame
    """Columns of ``tables.OBS_TABLE``."""
    files: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``, one row per ``dataURI``: selected now, selected once, or on disk."""
    reports: Reports
    changes: pd.DataFrame
    """Columns of ``tables.CHANGE_TABLE``: the files among these of which MAST has another version."""


def read_proposal(snapshot: Snapshot, proposal: str) -> Holdings:
    """All that is recorded of a proposal, with the state of its files on disk.

    The snapshot keeps that of the last proposal: the tables for people and the page show the same.
    """
    store = snapshot.store
    version = (
        proposal,
        *(store.versions(asset, proposal) for asset in ("obs_table", "product_table", "downloaded_files")),
    )
    return snapshot.once((*version, changes_version(store)), lambda: _read_proposal(snapshot, proposal))


def _read_proposal(snapshot: Snapshot, proposal: str) -> Holdings:
    store, config = snapshot.store, snapshot.config
    observations = store.read_proposal("obs_table", proposal).drop_duplicates("obsid", ignore_index=True)
    products = store.read_proposal("product_table", proposal)
    recorded = snapshot.recorded_files(proposal)
    files = files_to_list(observations, products, recorded, config, disk=snapshot.disk)
    unlisted = files.loc[~tables.among(files["dataURI"], products["dataURI"]), "dataURI"]
    changes = without_relisted(read_changes(store), unlisted)
    # Nothing is going to fetch another version of a file that is excluded.
    changes = changes[(changes["kind"] != "content") | ~is_excluded(changes["productFilename"], config)]
    changes = changes[tables.among(changes["dataURI"], files["dataURI"])]
    return Holdings(observations, files, make_reports(observations, files, config), changes)


def files_to_list(
    observations: pd.DataFrame,
    products: pd.DataFrame,
    recorded: pd.DataFrame,
    config: Config,
    run_ids: Collection[str] = (),
    disk: Disk | None = None,
) -> pd.DataFrame:
    """The products that are selected, were selected once, or are on disk; once each, with their state now.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``.
    recorded : DataFrame
        Columns of ``tables.FILE_TABLE``: what the downloads recorded.
    config : Config
    run_ids : collection of str
        Files that these runs fetched are ``downloaded``; all others that are there merely exist.
    disk : Disk, optional
        What the run has listed so far.

    Returns
    -------
    DataFrame
        Columns of ``tables.FILE_TABLE``, one row per ``dataURI``.
    """
    own = [name for name in tables.FILE_TABLE if name not in tables.PRODUCT_TABLE]
    recorded = recorded.drop_duplicates("dataURI", keep="last").set_index("dataURI")
    disk = disk or Disk()
    # Most of what MAST lists is neither selected nor here; only the rest is looked at more closely.
    selected = products.loc[tables.is_true(products["selected"]), "dataURI"]
    uri = products["dataURI"]
    products = products[
        tables.among(uri, selected) | tables.among(uri, recorded.index) | disk.holds(products["outfilename"])
    ]
    # MAST may no longer list a file that is recorded and still on disk.
    gone = recorded[~tables.among(recorded.index.to_series(), products["dataURI"]).to_numpy()].reset_index()
    everything = pd.concat([part for part in (products, gone) if len(part)] or [products], ignore_index=True)
    # A file is selected if any of the days that list it selects it.
    everything = closest_parent_first(everything, observations).sort_values(
        "selected", ascending=False, kind="stable", na_position="last"
    )
    everything = everything.drop_duplicates("dataURI", ignore_index=True)
    state = state_on_disk(everything, config, recorded.reset_index(), disk)
    uri = everything["dataURI"]
    known = tables.conform(recorded, tables.FILE_TABLE)[[*own, "dl_code", "dl_str"]].reindex(uri)
    known.index = everything.index
    everything[own] = known[own]
    code, word = known["dl_code"], known["dl_str"]
    why_missing = (state["dl_code"] == 0) & (code >= 3)
    fetched_now = (state["dl_code"] == 2) & everything["run_id"].isin(list(run_ids))
    as_recorded = tables.is_true(why_missing | fetched_now)
    everything["dl_code"] = state["dl_code"].where(~as_recorded, code)
    everything["dl_str"] = state["dl_str"].where(~as_recorded, word)
    listed = (
        tables.is_true(everything["selected"])
        | tables.among(uri, recorded.index)
        | tables.is_true(everything["dl_code"] > 0)
    )
    return tables.conform(everything[listed.astype(bool)].reset_index(drop=True), tables.FILE_TABLE)


def one_place_each(products: pd.DataFrame, recorded: pd.DataFrame) -> pd.Series:
    """The path of each product's file, the same in all rows that list the product.

    If a file's name has no observation number (a pool, a product of a candidate), the number comes from the observation
    that lists it, so several observations would give it several paths. It keeps the path where a download put it;
    otherwise it gets that of its first row.

    Parameters
    ----------
    products : DataFrame
        With ``dataURI``, ``productFilename``, ``outfilename``.
    recorded : DataFrame
        Columns of ``tables.FILE_TABLE``, of all days of the proposals.

    Returns
    -------
    Series of string
        ``outfilename``.
    """
    uri, own = products["dataURI"], products["outfilename"]
    on_disk = recorded[recorded["bytes_on_disk"].notna()].drop_duplicates("dataURI", keep="last")
    first = products.drop_duplicates("dataURI").set_index("dataURI")["outfilename"]
    there = uri.map(on_disk.set_index("dataURI")["outfilename"]).astype("string")
    place = there.fillna(uri.map(first).astype("string"))
    shared = names.obsnum(products["productFilename"]).isna() & own.notna() & place.notna()
    return own.mask(shared, place)


def carry_over(
    files: pd.DataFrame,
    known: pd.DataFrame,
    products: pd.DataFrame,
    config: Config,
    run_id: str,
    disk: Disk | None = None,
) -> pd.DataFrame:
    """The files of a run, and those that earlier runs recorded: a run that selects less forgets nothing.

    Parameters
    ----------
    files : DataFrame
        Columns of ``tables.FILE_TABLE``, from :func:`downloads.download`.
    known : DataFrame
        Columns of ``tables.FILE_TABLE``: what was recorded of the same cells.
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``: the same cells' products.
    config : Config
    run_id : str
        Recorded with the files that the run fetched.
    disk : Disk, optional
        What the run has listed so far.

    Returns
    -------
    DataFrame
        Columns of ``tables.FILE_TABLE``.
    """
    key = ["cell", "dataURI"]
    fetched = files["dl_code"].isin(FETCHED)
    earlier_run = files[key].merge(known.drop_duplicates(key)[[*key, "run_id"]], on=key, how="left")["run_id"]
    files = files.assign(run_id=earlier_run.set_axis(files.index).mask(fetched, run_id).astype("string"))
    listed = pd.MultiIndex.from_frame(files[key])
    others = known[~pd.MultiIndex.from_frame(known[key]).isin(listed)]
    if others.empty:
        return files
    places = products.drop_duplicates(key).set_index(key)["outfilename"]
    place = others.join(places.rename("place"), on=key)["place"].fillna(others["outfilename"])
    others = others.assign(selected=False, outfilename=place)
    state = state_on_disk(others, config, known, disk)
    changed = (state["dl_code"] != 0) | (others["dl_code"].isin(PRESENT))
    others["dl_code"] = state["dl_code"].where(changed, others["dl_code"])
    others["dl_str"] = state["dl_str"].where(changed, others["dl_str"])
    others["bytes_fetched"] = 0
    return tables.conform(pd.concat([files, others], ignore_index=True), tables.FILE_TABLE)


def write_files(store: TableStore, files: pd.DataFrame, cells: Collection[Cell]) -> None:
    """Write what a run left; what another run has written meanwhile about the files that it fetched stays.

    Parameters
    ----------
    store : TableStore
    files : DataFrame
        Columns of ``tables.FILE_TABLE``.
    cells : collection of Cell

    Raises
    ------
    OutputError, ConfigError, TablesUnreachable
        As :meth:`TableStore.write`.
    """
    found = tables.is_true(files["dl_code"] == Code.EXISTS) & files["run_id"].isna()
    with store.locked("downloaded_files", look_again=bool(found.any())):
        if found.any():
            files = files.assign(**_results_of_others(files, found, store.read("downloaded_files", cells)))
        store.write("downloaded_files", files, cells)


def _results_of_others(files: pd.DataFrame, found: pd.Series, written: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of results, with those that other runs have written about files found on disk that are the same."""
    same = ["cell", "dataURI", "bytes_on_disk", "mtime"]
    theirs = written[written["run_id"].notna()].drop_duplicates(same).set_index(same)
    row = pd.Series(theirs.index.get_indexer(pd.MultiIndex.from_frame(files[same])), index=files.index)
    known = found & (row >= 0)
    columns = {}
    for name in ("run_id", *downloads.RESULT_COLUMNS):
        columns[name] = files[name].copy()
        columns[name][known] = theirs[name].iloc[row[known]].to_numpy()
    return columns


def page_fingerprint(held: Holdings, config: Config) -> str:
    """Sixteen hexadecimal digits that change when anything that a proposal's page shows does."""
    shown = [name for name in tables.FILE_TABLE if name not in NOT_SHOWN]
    parts = [repr(sorted(config.model_dump(exclude={"verbose"}).items(), key=str)), __version__]
    changes = held.changes[["dataURI", "kind", "new_md5"]]
    for table in (held.observations, held.files[shown], held.reports.summary, changes):
        # The page is the same whether a file was fetched just now or was already there.
        rows = table.replace({"dl_code": {1: 2, 5: 2}, "dl_str": {"downloaded": "exists", "replaced": "exists"}})
        parts += map(str, pd.util.hash_pandas_object(rows.astype("string"), index=False))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def run_reports(
    observations: pd.DataFrame,
    products: pd.DataFrame,
    recorded: pd.DataFrame,
    config: Config,
    run_ids: Collection[str],
    disk: Disk | None = None,
) -> Reports:
    """The tables of one call: what it selected; files that the runs `run_ids` fetched count as fetched now."""
    files = files_to_list(observations, products, recorded, config, run_ids, disk)
    return make_reports(observations, files[tables.is_true(files["selected"])], config)


def save_run_reports(run: Reports, config: Config) -> list[Path]:
    """Write a run's tables as ``<root>/<savetables>.obs.txt`` and so on, where ``savetables`` is set."""
    if not config.savetables:
        return []
    target = config.root / fill_in(config.savetables, "savetables")
    return write_reports(run, target.parent, target.name)


def write_proposal_reports(snapshot: Snapshot, proposal: str) -> list[Path]:
    """Write a proposal's tables over all its days beside its page, ``<PPPPP>/<PPPPP>.obs.txt`` and so on."""
    with snapshot.store.locked(proposal):
        held = read_proposal(snapshot, proposal)
        note = snapshot.store.state / "reports" / f"{proposal}.txt"
        return write_reports(held.reports, snapshot.config.root / proposal, proposal, note)


def summaries_of_cells(observations: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The summary of each cell.

    Returns
    -------
    DataFrame
        Columns of ``tables.SUMMARY_FIXED`` and one Int64 column per file type.
    """
    selected = products[tables.is_true(products["selected"])]
    filetypes = sorted(selected["filetype"].dropna().unique())
    table = reports.summarize(observations, selected, filetypes, ["cell"])
    return tables.conform(table, tables.SUMMARY_FIXED).join(table[[f for f in filetypes if f in table]])
