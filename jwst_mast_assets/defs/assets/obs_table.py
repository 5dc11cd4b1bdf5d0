"""The asset of observations."""

import dagster as dg

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.list_checks import columns_as_expected, list_check_specs, no_sudden_fall
from jwst_mast_assets.defs.metadata import data_version, on_last_partition, partitioned_asset, table_metadata
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import TABLE, column_schema
from jwst_mast_assets.mast.exclusions import excluded_observations
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets.records.steps import Steps


@partitioned_asset(
    kinds={"mast", "parquet"},
    pool="mast",
    dagster_type=TABLE,
    metadata={"dagster/column_schema": column_schema("obs_table")},
    check_specs=list_check_specs(
        "obs_table",
        columns="MAST sends every requested column. A missing one that the pipeline needs fails the run.",
        rows="MAST lists all observations that are on record.",
    ),
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
        snapshot, cells = jwst_config.snapshot(), cells_of(context)
        config, mast = snapshot.config, archive.open(snapshot.config)
        with warnings_logged(context, mast):
            (table, listing, known), moved = Steps(snapshot, mast, cells).list_observations()
        for warning in mode_warnings(config, listing.table):
            context.log.warning(warning)
        for day in moved:
            context.log.info(
                f"MAST has corrected the date of observations of {day}, which are listed under another day now"
            )
        for problem in listing.open:
            context.log.warning(f"{problem.name}: {problem.why}; what is on record is kept")
        days = "1 day" if len(cells) == 1 else f"{len(cells)} days"
        context.log.info(
            f"{len(table)} observations in MAST on {days}, {table['wanted'].sum()} match the configuration"
        )
        if excluded := excluded_observations(table, config):
            context.log.warning(excluded)
        shown = list(dict.fromkeys(["obsnum", "target_name", "filters", *config.outcolumns_obsTable]))
        metadata = table_metadata(table, shown) | ({"excluded": excluded} if excluded else {})
        return dg.MaterializeResult(
            value=table,
            metadata=on_last_partition(context, metadata, table),
            data_version=data_version(table, ["cell", "obsid", "t_min", "calib_level", "wanted"]),
            check_results=[columns_as_expected(mast, "observations"), no_sudden_fall(listing, known)],
        )
