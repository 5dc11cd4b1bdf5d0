"""Belongs here: how tables pass between assets, as one Parquet file per cell."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.tables import Schema
from jwst_mast_assets.records.store import SCHEMAS

TABLE = dg.PythonObjectDagsterType(pd.DataFrame)
"""The type of an asset with check results, of which the annotation cannot say that its value is a table."""


class TableIOManager(dg.IOManager):
    """Stores an asset's table cell by cell below the run's output folder.

    See :class:`jwst_mast_assets.records.store.TableStore` for the places.
    """

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        store = context.resources.jwst_config.store()
        asset = context.asset_key.path[-1]
        cells = [Cell.from_key(key) for key in context.asset_partition_keys]
        store.write(asset, obj, cells)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(store.folder / asset))})

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        store = context.resources.jwst_config.store()
        cells = [Cell.from_key(key) for key in context.asset_partition_keys]
        return store.read(context.asset_key.path[-1], cells)


@dg.io_manager(required_resource_keys={"jwst_config"})
def table_io_manager(_context: dg.InitResourceContext) -> TableIOManager:
    """Tables as typed Parquet, one file per cell, below the output folder."""
    return TableIOManager()


def column_schema(asset: str) -> dg.TableSchema:
    """The columns of a partitioned asset's table, for its page in the UI."""
    return schema_of(SCHEMAS[asset])


def schema_of(schema: Schema) -> dg.TableSchema:
    """A table's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, column.dtype, f"{column.meaning} [{column.unit}]" if column.unit else column.meaning)
            for name, column in schema.items()
        ]
    )
