"""Belongs here: the asset of products."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import OWNERS, TAGS, data_version, table_metadata
from jwst_mast_assets.defs.partitions import cells_of, grid
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig
from jwst_mast_assets.defs.table_io import column_schema
from jwst_mast_assets.downloads import state_on_disk
from jwst_mast_assets.mast.products import query_products
from jwst_mast_assets.mast.sizes import human_bytes


@dg.asset(
    partitions_def=grid,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="jwst",
    owners=OWNERS,
    tags=TAGS,
    kinds={"mast", "parquet"},
    code_version="1",
    pool="mast",
    metadata={"dagster/column_schema": column_schema("product_table")},
)
def product_table(
    context: dg.AssetExecutionContext, obs_table: pd.DataFrame, jwst_config: JwstConfig, archive: ArchiveResource
) -> dg.MaterializeResult[pd.DataFrame]:
    """Every file that MAST has of those observations, once each, and whether the configuration selects it.

    Level-3 observations bring the level-1 and level-2 files of their members. `outfilename` says where the file is
    or would be on disk, `dl_code` whether it is there.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        config, mast = jwst_config.checked(), archive.open()
        known = jwst_config.store().read("product_table", cells_of(context))
        table = query_products(mast, config, obs_table, known)
        table = table.assign(**state_on_disk(table, config))
        if mast.unusable_rows:
            context.log.warning(f"{mast.unusable_rows} rows of MAST name no file or observation and are left out")
        selected = table[table["selected"].fillna(False)]
        refused = table.loc[table["outfilename"].isna(), "productFilename"]
        for name in refused.head(25):
            context.log.warning(f"MAST sent a file name that cannot be used here and is not fetched: {name!r}")
        size = int(selected["size"].fillna(0).sum())
        listed = f"{len(table)} files of {len(obs_table)} observations in MAST"
        context.log.info(f"{listed}, {len(selected)} selected, {human_bytes(size)}")
        return dg.MaterializeResult(
            value=table,
            data_version=data_version(table, ["cell", "dataURI", "size", "selected", "outfilename"]),
            metadata={
                **table_metadata(selected, config.outcolumns_productTable),
                "dagster/row_count": len(table),
                "selected": len(selected),
                "selected_size": human_bytes(size),
                "selected_bytes": size,
                "refused_names": len(refused),
            },
        )
