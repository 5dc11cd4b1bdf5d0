"""The asset of totals, and the text tables next to the page."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import on_last_partition, partitioned_asset, table_metadata
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.records import holdings


@partitioned_asset(
    kinds={"parquet", "file"},
    # After the downloads, where the run has some, so that the tables say what became of the files.
    deps=["downloaded_files"],
    metadata={"dagster/column_schema": column_schema("summary_table")},
)
def summary_table(
    context: dg.AssetExecutionContext, obs_table: pd.DataFrame, product_table: pd.DataFrame, jwst_config: JwstConfig
) -> dg.MaterializeResult[pd.DataFrame]:
    """How many files of each type each observation number has, and when it began.

    Also writes the tables for people: per proposal, over all its days so far, as `<PPPPP>.obs.txt`, `.selprod.txt`,
    `.summary.txt` (and `.ecsv`) beside the page; and with `savetables` those of this run in the output folder.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        snapshot, cells = jwst_config.snapshot(), cells_of(context)
        config = snapshot.config
        files = snapshot.store.read("downloaded_files", cells)
        reports = holdings.run_reports(obs_table, product_table, files, config, [context.run.run_id], snapshot.disk)
        paths = holdings.save_run_reports(reports, config)
        for proposal in proposals_of(cells):
            paths += holdings.write_proposal_reports(snapshot, proposal)
        table = holdings.summaries_of_cells(obs_table, product_table)
        metadata = {
            **table_metadata(reports.summary, list(reports.summary.columns)),
            "tables": dg.MetadataValue.md("\n".join(f"- `{path}`" for path in paths)),
        }
        return dg.MaterializeResult(value=table, metadata=on_last_partition(context, metadata, table))
