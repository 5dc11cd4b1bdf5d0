"""Missing and spoiled files of proposals that nobody watches, fetched again without Dagster."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.exclusions import ALL_FILES
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.selection import is_excluded
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.plain_runs import fetch_files, list_files
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.steps import Steps
from jwst_mast_assets.records.store import TableStore


def failed_before(store: TableStore, proposals: Collection[str], config: Config) -> pd.DataFrame:
    """The selected files of some proposals whose last download failed: ``cell`` and ``dataURI``.

    Without those that `config` excludes and those that were forgotten.
    """
    parts = [store.read_proposal("downloaded_files", proposal) for proposal in proposals]
    files = pd.concat(parts, ignore_index=True)
    failed = tables.is_true(files["selected"]) & files["dl_code"].isin(downloads.FAILURES)
    failed &= ~is_excluded(files["productFilename"], config) & ~files["dataURI"].isin(list(Forgotten(store).read()))
    return files.loc[failed & files["bytes_on_disk"].isna(), ["cell", "dataURI"]]


def restore(
    bad: pd.DataFrame, config: Config, archive: Archive, progress: Callable[[downloads.Event], None] | None = None
) -> pd.DataFrame:
    """Fetch some recorded files again, and nothing else; what else is selected of their days stays as it is.

    Parameters
    ----------
    bad : DataFrame
        With ``cell`` and ``dataURI``, as :class:`jwst_mast_assets.records.upkeep.Findings` has it.
    config : Config
    archive : Archive
    progress : callable, optional
        As for :func:`downloads.download`.

    Returns
    -------
    DataFrame
        Columns of ``tables.FILE_TABLE``: the requested files that MAST lists, once each.

    Raises
    ------
    ArchiveError
        If MAST does not answer.
    ConfigError, OutputError
        As :func:`downloads.download`.
    """
    whole = config.merged({**ALL_FILES, "obsmode": [], "date_select": [], "all_dates": True})
    steps = Steps(Snapshot(whole), archive, [Cell.from_key(str(key)) for key in bad["cell"].unique()])
    before = steps.store.read("product_table", steps.cells)
    wanted = {*bad["dataURI"], *before.loc[tables.is_true(before["selected"]), "dataURI"]}
    products = list_files(
        steps, lambda table: table.assign(selected=table["dataURI"].isin(list(wanted)).astype("boolean"))
    )
    to_fetch, asked = steps.plan(products), set(bad["dataURI"])
    items = to_fetch.plan.items.items()
    only = {uri: item if uri in asked else replace(item, reason=None) for uri, item in items}
    to_fetch = to_fetch._replace(plan=replace(to_fetch.plan, items=only))
    files = fetch_files(steps, to_fetch, progress, record_as_current=False)
    return files[files["dataURI"].isin(list(asked))].drop_duplicates("dataURI", ignore_index=True)
