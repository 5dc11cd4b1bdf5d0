"""The asset of files that MAST has reprocessed."""

import datetime as dt

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import OWNERS, TAGS, preview, table_metadata
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import schema_of
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast import tables
from jwst_mast_assets.records import reprocessing
from jwst_mast_assets.records.comparisons import compare_with_mast, describe_ways, read_compared, write_compared
from jwst_mast_assets.records.history import manifest_at, read_history, record_events
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets.records.status import read_selected, status

PREVIEW_COLUMNS = ["kind", "cells", "productFilename", "old_cal_ver", "new_cal_ver", "old_crds_ctx", "new_crds_ctx"]


@dg.asset(
    group_name="jwst_reprocessing",
    owners=OWNERS,
    tags=TAGS,
    kinds={"mast", "parquet"},
    code_version="1",
    pool="mast",
    # Shown downstream of what it compares. It waits for no partition: naming all would list the whole grid.
    deps=[dg.AssetDep("downloaded_files", partition_mapping=dg.SpecificPartitionsPartitionMapping([]))],
    metadata={"dagster/column_schema": schema_of(tables.CHANGE_TABLE)},
)
def reprocessed_files(
    context: dg.AssetExecutionContext, jwst_config: JwstConfig, archive: ArchiveResource
) -> dg.MaterializeResult:
    """The files on disk, of all watched proposals, that are no longer what MAST has.

    MAST processes its whole archive again every few months; names and often sizes stay, so checksums and versions
    are compared; of files without a checksum what MAST's server says of them, their size, or their FITS file.
    `content`: MAST has other bytes, which the next download fetches; `versions`: only the recorded versions differ;
    `superseded`: MAST lists a newer association or pool; `gone`: MAST no longer lists the file, as answers on several
    days say.

    Its metadata also have the `status` of every proposal and the `calendar` of what becomes public when. It has no
    partitions: one look, by the schedule `daily_reprocessing`, covers all proposals and days.
    """
    with plain_failures(context):
        config, store = jwst_config.checked(), jwst_config.store()
        mast = archive.open(config)
        watched = watched_proposals(context.instance, store, config)
        recorded, events, lists = [], [], []
        for proposal in watched:
            files = store.read_proposal("downloaded_files", proposal)
            recorded.append(files[files["bytes_on_disk"].notna()])
            asked = {cell.key for cell in store.cells("product_table") if cell.proposal == proposal}
            # Without a list of products nothing can be said to be missing from it.
            listed = files[files["cell"].isin(asked)]
            products, gone = store.read_proposal("product_table", proposal), Listings(store).gone(proposal)
            events.append(reprocessing.superseded(products, listed, gone))
            lists.append(products)
        files = _joined(recorded, tables.FILE_TABLE)
        products = _joined(lists, tables.PRODUCT_TABLE)
        now = dt.datetime.now(dt.timezone.utc)
        with warnings_logged(context, mast):
            changes, looked = compare_with_mast(mast, files, products, read_compared(store), now)
        write_compared(store, looked)
        table = _joined([changes, *events], tables.CHANGE_TABLE)
        reprocessing.write_changes(store, table)
        for proposal in watched:
            of_proposal = table[table["cells"].str.contains(f"|{proposal}", regex=False)]
            news = reprocessing.events_of(of_proposal, manifest_at(read_history(store, proposal)))
            record_events(store, proposal, news.assign(run_id=context.run.run_id))
        sentence = reprocessing.describe_changes(table)
        compared, ways = files["dataURI"].nunique(), describe_ways(looked)
        context.log.info(f"{compared} files on disk compared with MAST ({ways}): {sentence}")
        held = [read_selected(store, proposal, config) for proposal in watched]
        counts = {f"n_{kind}": int((table["kind"] == kind).sum()) for kind in reprocessing.KINDS}
        return dg.MaterializeResult(
            metadata={
                **table_metadata(table, PREVIEW_COLUMNS),
                "compared": compared,
                "compared_by": ways,
                "not_comparable": int(looked["compared_by"].isna().sum()),
                "queued": int(tables.is_true(looked["isStale"]).sum()),
                "changes": sentence,
                **counts,
                "status": preview(status(store, watched, config, now)),
                "calendar": preview(releases(_joined(held, tables.FILE_TABLE), now)),
                "path": dg.MetadataValue.path(str(store.folder / reprocessing.FILE)),
            }
        )


def _joined(parts: list[pd.DataFrame], schema: tables.Schema) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else tables.empty(schema)
