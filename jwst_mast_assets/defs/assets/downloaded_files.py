"""The asset of files on disk."""

import datetime as dt
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
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, Progress, warnings_logged
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records import holdings, reprocessing, upkeep
from jwst_mast_assets.records.archive_identity import claim
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import record_fetches
from jwst_mast_assets.records.ledger import Ledger, selection_fingerprint
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.status import here
from jwst_mast_assets.records.upkeep_notes import spoiled_files


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
) -> dg.MaterializeResult[pd.DataFrame]:
    """The selected files on disk, whole and verified, at `<outrootdir>/<outsubdir>/<PPPPP>/obsnum<XX>/`.

    A file that is there and complete is not fetched again. One that could not be downloaded is listed with the
    reason, and the check `all_selected_files_present` then fails the run; the next run fetches only what is missing.
    Files that an earlier run selected stay listed.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        snapshot, start = jwst_config.snapshot(), time.monotonic()
        config, store, cells = snapshot.config, snapshot.store, cells_of(context)
        mast = archive.open(config)
        known = here(store.read("downloaded_files", cells), config)
        with warnings_logged(context, mast):
            product_table = Forgotten(store).left_out(product_table)
            outdated, spoiled = reprocessing.outdated(store), spoiled_files(store)
            plan = downloads.plan_download(product_table, config, mast, known, snapshot.disk, outdated, spoiled)
        for warning in plan.warnings:
            context.log.warning(warning)
        context.log.info(f"{plan.n_files} files to fetch, {human_bytes(plan.n_bytes)}")
        claim(store.root, mast.server)
        with warnings_logged(context, mast):
            table = downloads.download(product_table, config, mast, known, LoggedProgress(context.log, progress), plan)
        table = holdings.carry_over(table, known, product_table, config, context.run.run_id, snapshot.disk)
        now = dt.datetime.now(dt.timezone.utc)
        record_fetches(store, table, known, context.run.run_id, now)
        # The ledger is for those who watch with the config file; a run with another selection is not theirs.
        if selection_fingerprint(config) == selection_fingerprint(load_config()):
            doubtful = {problem.cell for problem in Listings(store).open(cells)}
            with_token = mast.token is not None
            observations = store.read("obs_table", cells)
            Ledger(store).record(cells, observations, table, config, now, doubtful, with_token)
        totals = outcome(table, time.monotonic() - start)
        context.log.info(totals["outcome"])
        # Dagster's page shows them to everyone.
        images = images_of(downloads.open_to_all(table, config, now))
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
