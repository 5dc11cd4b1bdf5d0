"""Belongs here: the asset of observations."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import OWNERS, TAGS, data_version, table_metadata
from jwst_mast_assets.defs.partitions import cells_of, grid
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets.mast.observations import query_observations

SUDDEN_FALL = 0.5
"""Fewer than this share of the observations known before is worth a look."""


@dg.asset(
    partitions_def=grid,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="jwst",
    owners=OWNERS,
    tags=TAGS,
    kinds={"mast", "parquet"},
    code_version="1",
    pool="mast",
    # Where there are check results the annotation cannot say that the value is a table.
    dagster_type=dg.PythonObjectDagsterType(pd.DataFrame),
    metadata={"dagster/column_schema": column_schema("obs_table")},
    check_specs=[
        dg.AssetCheckSpec(
            "columns_as_expected",
            asset="obs_table",
            description="MAST sends every column that it was asked for. One that the pipeline needs fails the run.",
        ),
        dg.AssetCheckSpec(
            "no_sudden_fall",
            asset="obs_table",
            description="MAST lists at least half of the observations that it listed before.",
        ),
    ],
)
def obs_table(
    context: dg.AssetExecutionContext, jwst_config: JwstConfig, archive: ArchiveResource
) -> dg.MaterializeResult:
    """The observations that MAST has of a proposal on a day (UTC, by their start `t_min`).

    One row per CAOM observation, with APT's observation number `obsnum` and the start as a date, `date_min`.
    Observations that are only planned are not listed.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        config, cells, mast = jwst_config.checked(), cells_of(context), archive.open()
        known = len(jwst_config.store().read("obs_table", cells))
        table = query_observations(mast, config, cells)
        for warning in mode_warnings(config, table):
            context.log.warning(warning)
        # Only now, so that a run that cannot ask MAST leaves no trace; and here, so that no later step finds it out.
        make_folder(config.root)
        days = "1 day" if len(cells) == 1 else f"{len(cells)} days"
        context.log.info(
            f"{len(table)} observations in MAST on {days}, {table['wanted'].sum()} match the configuration"
        )
        absent = mast.absent_columns.get("observations", [])
        return dg.MaterializeResult(
            value=table,
            metadata=table_metadata(table, config.outcolumns_obsTable),
            data_version=data_version(table, ["cell", "obsid", "t_min", "calib_level", "wanted"]),
            check_results=[
                dg.AssetCheckResult(
                    check_name="columns_as_expected",
                    passed=not absent,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"absent": absent},
                ),
                dg.AssetCheckResult(
                    check_name="no_sudden_fall",
                    passed=len(table) >= SUDDEN_FALL * known,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"before": known, "now": len(table)},
                ),
            ],
        )
