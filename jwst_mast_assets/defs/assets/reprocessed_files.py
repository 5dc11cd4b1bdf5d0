"""The asset of files that MAST has reprocessed.

It has no computation of its own, so that "Materialize all" in Dagster's page does not include it: Dagster would add an
unpartitioned asset to every backfill. The op of the job `jwst_reprocessing` makes it.
"""

import dagster as dg

from jwst_mast_assets.defs.failures import plain_failures_of
from jwst_mast_assets.defs.metadata import OWNERS, TAGS, preview, table_metadata
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import schema_of
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.records import metrics, reprocessing
from jwst_mast_assets.records.daily_look import look_for_changes

PREVIEW_COLUMNS = ["kind", "cells", "productFilename", "old_cal_ver", "new_cal_ver", "old_crds_ctx", "new_crds_ctx"]

reprocessed_files = dg.AssetSpec(
    "reprocessed_files",
    group_name="jwst",
    owners=OWNERS,
    tags=TAGS,
    kinds={"mast", "parquet"},
    code_version="1",
    # Shown downstream of what it compares. It waits for no partition: naming all would list the whole grid.
    deps=[dg.AssetDep("downloaded_files", partition_mapping=dg.SpecificPartitionsPartitionMapping([]))],
    metadata={"dagster/column_schema": schema_of(tables.CHANGE_TABLE)},
    description="""The files on disk, of all watched proposals, that are no longer what MAST has.

Made by the job `jwst_reprocessing`, each morning or whenever you launch it; it is not part of "Materialize all".

MAST processes its whole archive again every few months; names and often sizes stay, so checksums and versions
are compared; for files without a checksum, what MAST's server says about them, their size, or their FITS file.
`content`: MAST has other bytes, which the next download fetches; `versions`: only the recorded versions differ;
`superseded`: MAST lists a newer association or pool; `gone`: MAST no longer lists the file, as answers on several
days say.

Its metadata also have the `status` of every proposal and the `calendar` of what becomes public when; the status is
also written for Prometheus, to `.jwst_mast_assets/metrics.prom`. It has no
partitions: one look covers all proposals and days.""",
)


@dg.op(name="reprocessed_files", pool="mast", out=dg.Out(dg.Nothing))
def make_reprocessed_files(context: dg.OpExecutionContext, jwst_config: JwstConfig, archive: ArchiveResource) -> None:
    """Compares all files on disk of the watched proposals with what MAST has now."""
    with plain_failures_of(context.instance, context.run_id):
        config, store = jwst_config.checked(), jwst_config.store()
        mast = archive.open(config)
        watched = watched_proposals(context.instance, store, config)
        now = utc_now()
        with warnings_logged(context, mast):
            look = look_for_changes(mast, store, config, watched, context.run_id, now)
        metrics.write_metrics(store, look.status)
    sentence = reprocessing.describe_changes(look.changes)
    context.log.info(f"{look.compared} files on disk compared with MAST ({look.ways}): {sentence}")
    counts = {f"n_{kind}": int((look.changes["kind"] == kind).sum()) for kind in reprocessing.CHANGE_KINDS}
    metadata = {
        **table_metadata(look.changes, PREVIEW_COLUMNS),
        "compared": look.compared,
        "compared_by": look.ways,
        "not_comparable": look.not_comparable,
        "queued": look.queued,
        "changes": sentence,
        **counts,
        "status": preview(look.status),
        "calendar": preview(look.calendar),
        "path": dg.MetadataValue.path(str(store.folder / reprocessing.FILE)),
    }
    context.log_event(dg.AssetMaterialization(reprocessed_files.key, metadata=metadata))
