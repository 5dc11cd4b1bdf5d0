"""Belongs here: the asset of observations."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.metadata import table_metadata
from jwst_mast_assets.defs.partitions import cells_of, grid
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, said_plainly
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.mast import selection
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.observations import query_observations


@dg.asset(
    partitions_def=grid,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="jwst",
    kinds={"mast", "parquet"},
    code_version="1",
    pool="mast",
    metadata={"dagster/column_schema": column_schema("obs_table")},
)
def obs_table(
    context: dg.AssetExecutionContext, jwst_config: JwstConfig, archive: ArchiveResource
) -> dg.MaterializeResult[pd.DataFrame]:
    """The observations that MAST has of a proposal on a day (UTC, by their start `t_min`).

    One row per CAOM observation, with APT's observation number `obsnum` and the start as a date, `date_min`.
    Observations that are only planned are not listed.
    """
    with said_plainly():
        config, cells = jwst_config.checked(), cells_of(context)
        for warning in selection.mode_warnings(config):
            context.log.warning(warning)
        table = query_observations(archive.open(), config, cells)
        # Only now, so that a run that cannot ask MAST leaves no trace; and here, so that no later step finds it out.
        make_folder(config.root)
        context.log.info(f"{len(table)} observations in {len(cells)} partition(s), {table['wanted'].sum()} wanted")
        return dg.MaterializeResult(value=table, metadata=table_metadata(table, config.outcolumns_obsTable))
