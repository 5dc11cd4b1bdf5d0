"""The asset of products."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.list_checks import columns_as_expected, list_check_specs, no_sudden_fall
from jwst_mast_assets.defs.metadata import data_version, on_last_partition, partitioned_asset, table_metadata
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig, warnings_logged
from jwst_mast_assets.defs.table_io import TABLE, column_schema
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.exclusions import excluded_files
from jwst_mast_assets.mast.products import NO_PRODUCTS
from jwst_mast_assets.mast.sizes import counted, human_bytes
from jwst_mast_assets.records.steps import Steps


@partitioned_asset(
    kinds={"mast", "parquet"},
    pool="mast",
    dagster_type=TABLE,
    metadata={"dagster/column_schema": column_schema("product_table")},
    check_specs=list_check_specs(
        "product_table",
        columns="MAST sends every column of its products that is used here.",
        rows="MAST lists all products of each observation that are on record.",
    ),
)
def product_table(
    context: dg.AssetExecutionContext, obs_table: pd.DataFrame, jwst_config: JwstConfig, archive: ArchiveResource
) -> dg.MaterializeResult:
    """Every file that MAST has of those observations, once each, and whether the configuration selects it.

    Level-3 observations bring the level-1 and level-2 files of their members. `outfilename` says where the file is
    or would be on disk, `dl_code` whether it is there.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        snapshot, cells = jwst_config.snapshot(), cells_of(context)
        config, mast = snapshot.config, archive.open(snapshot.config)
        with warnings_logged(context, mast):
            table, listing, known = Steps(snapshot, mast, cells).list_products(obs_table)
        for problem in listing.open:
            kept = "" if problem.why == NO_PRODUCTS else "; its recorded products are kept"
            context.log.warning(f"{problem.name}: {problem.why}{kept}")
        if mast.unusable_rows:
            rows = counted(mast.unusable_rows, "row")
            context.log.warning(f"left out, as they name no file or observation: {rows} of MAST's lists")
        selected = table[tables.is_true(table["selected"])]
        if excluded := excluded_files(table, obs_table, config):
            context.log.warning(excluded)
        refused = table.loc[table["outfilename"].isna(), "productFilename"]
        for name in refused.head(25):
            context.log.warning(f"MAST sent a file name that cannot be used here and is not fetched: {name!r}")
        size = int(selected["size"].fillna(0).sum())
        listed = f"{len(table)} files of {len(obs_table)} observations in MAST"
        context.log.info(f"{listed}, {len(selected)} selected, {human_bytes(size)}")
        metadata = {
            **table_metadata(selected, config.outcolumns_productTable),
            "dagster/row_count": len(table),
            "selected": len(selected),
            "selected_size": human_bytes(size),
            "selected_bytes": size,
            "refused_names": len(refused),
            **({"excluded": excluded} if excluded else {}),
        }
        return dg.MaterializeResult(
            value=table,
            data_version=data_version(table, ["cell", "dataURI", "size", "selected", "outfilename"]),
            metadata=on_last_partition(context, metadata),
            check_results=[columns_as_expected(mast, "products"), no_sudden_fall(listing, known)],
        )
