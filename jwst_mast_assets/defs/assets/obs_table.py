"""The asset of observations."""

import dagster as dg

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.list_checks import columns_as_expected, list_check_specs, no_sudden_fall
from jwst_mast_assets.defs.metadata import data_version, on_last_partition, partitioned_asset, table_metadata
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import TABLE, column_schema
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.exclusions import excluded_observations
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets.mast.observations import query_observations
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.records.archive_identity import claim
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.moved import move_to_new_days


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
        config, store, cells = jwst_config.checked(), jwst_config.store(), cells_of(context)
        mast = archive.open(config)
        known = store.read("obs_table", cells)
        with warnings_logged(context, mast):
            listing = query_observations(mast, config, cells, known)
        for warning in mode_warnings(config, listing.table):
            context.log.warning(warning)
        # Only now, so that a run that cannot ask MAST leaves no trace; and here, so that no later step finds it out.
        make_folder(store.root)
        if not store.exists():
            claim(store.root, mast.server)
        table = Listings(store).settle("obs_table", cells, listing, known, utc_now())
        listed = table[table["obsid"].isin(list(listing.listed))]
        for day in move_to_new_days(store, listed, proposals_of(cells), config):
            context.log.info(f"MAST has corrected the date of observations of {day}, which stand under another day now")
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
