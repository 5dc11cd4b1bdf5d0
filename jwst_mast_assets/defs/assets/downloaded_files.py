"""The asset of files on disk."""

import time

import dagster as dg
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import (
    data_version,
    files_preview,
    folder_of,
    images_of,
    on_last_partition,
    outcome,
    partitioned_asset,
    preview,
)
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.progress import LoggedProgress
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.downloads import Fetcher, Progress
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records import reprocessing, upkeep
from jwst_mast_assets.records.steps import Steps


@partitioned_asset(
    kinds={"mast", "file"},
    pool="mast_download",
    metadata={"dagster/column_schema": column_schema("downloaded_files")},
)
def downloaded_files(
    context: dg.AssetExecutionContext,
    product_table: pd.DataFrame,
    jwst_config: JwstConfig,
    archive: ArchiveResource,
    progress: dg.ResourceParam[Progress],
    fetcher: dg.ResourceParam[Fetcher],
) -> dg.MaterializeResult[pd.DataFrame]:
    """The selected files on disk, whole and verified, at `<outrootdir>/<outsubdir>/<PPPPP>/obsnum<XX>/`.

    A file that is there and complete is not fetched again. One that could not be downloaded is listed with the
    reason, and the check `all_selected_files_present` then fails the run; the next run fetches only what is missing.
    Files that an earlier run selected stay listed.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        snapshot, start = jwst_config.snapshot(), time.monotonic()
        config, mast = snapshot.config, archive.open(snapshot.config)
        steps = Steps(snapshot, mast, cells_of(context), context.run.run_id)
        with warnings_logged(context, mast):
            to_fetch = steps.plan(product_table)
        _, known, plan = to_fetch
        context.log.info(f"{plan.n_files} files to fetch, {human_bytes(plan.n_bytes)}")
        with warnings_logged(context, mast):
            table = steps.fetch(to_fetch, LoggedProgress(context.log, progress), fetcher=fetcher)
        totals = outcome(table, time.monotonic() - start)
        context.log.info(totals["outcome"])
        # Dagster's page shows them to everyone.
        images = images_of(downloads.open_to_all(table, config, utc_now()))
        # In the order in which a person reads it.
        shown = {"outcome": totals["outcome"], **images, "files": files_preview(table), **folder_of(table)}
        metadata = {**shown, **totals, "dagster/row_count": len(table)}
        if len(changes := reprocessing.changes_of_run(table, known)):
            metadata |= {"changed": reprocessing.describe_changes(changes), "changes": preview(changes)}
        if restored := upkeep.restored(plan, table, known):
            context.log.info(restored)
            metadata["restored"] = restored
        if len(waiting := downloads.not_provided_yet(table)):
            context.log.info(f"{len(waiting)} public files that MAST does not provide yet are requested again later")
            metadata["waiting_files"] = preview(waiting)
        version = data_version(table, ["cell", "dataURI", "bytes_on_disk", "md5"])
        metadata = on_last_partition(context, metadata, table)
        return dg.MaterializeResult(value=table, metadata=metadata, data_version=version)
