"""How tables pass between assets, as one Parquet file per cell."""

from collections.abc import Sequence

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.daemon_config import check_not_lost
from jwst_mast_assets.defs.failures import plain_failures_of
from jwst_mast_assets.defs.partitions import cells_of_run
from jwst_mast_assets.mast.errors import NothingRecorded
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.tables import Schema
from jwst_mast_assets.records.holdings import write_files
from jwst_mast_assets.records.store import SCHEMAS, TableStore

TABLE = dg.PythonObjectDagsterType(pd.DataFrame)
"""The type of an asset with check results; its annotation cannot say that its value is a table."""


class TableIOManager(dg.IOManager):
    """Stores an asset's table cell by cell, below the run's output folder or in a bucket.

    See :class:`jwst_mast_assets.records.store.TableStore` for the places.
    """

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        """Write the table of an asset, one file per cell of the run."""
        store = context.resources.jwst_config.store()
        asset = context.asset_key.path[-1]
        with plain_failures_of(context.step_context.instance, context.step_context.run_id):
            cells, _ = cells_of_run(context.step_context.dagster_run.tags, context.step_context.instance)
            if asset == "downloaded_files":
                write_files(store, obj, cells)
            else:
                store.write(asset, obj, cells)
        context.add_output_metadata({"path": dg.MetadataValue.path(store.where(asset))})

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Read the table of an upstream asset for the cells of the run."""
        store = context.resources.jwst_config.store()
        asset = context.asset_key.path[-1]
        with plain_failures_of(context.step_context.instance, context.step_context.run_id):
            check_not_lost(context.step_context.instance, store)
            cells, _ = cells_of_run(context.step_context.dagster_run.tags, context.step_context.instance)
            check_recorded(store, asset, cells)
            return store.read(asset, cells)


@dg.io_manager(required_resource_keys={"jwst_config"})
def table_io_manager(_context: dg.InitResourceContext) -> TableIOManager:
    """Tables as typed Parquet, one file per cell, below the output folder or in a bucket."""
    return TableIOManager()


def check_recorded(store: TableStore, asset: str, cells: Sequence[Cell]) -> None:
    """Check that an asset was made for every cell to be read: a missing table is not the same as an empty one.

    Raises
    ------
    NothingRecorded
        If not; it names the first cells that are missing.
    """
    if missing := sorted(store.missing(asset, cells), key=lambda cell: (cell.proposal, cell.day)):
        named = ", ".join(cell.key for cell in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        count = f" ({len(missing)} of {len(cells)} partitions)" if len(cells) > 1 else ""
        raise NothingRecorded(f"{asset} of {named}{more} is missing{count}: run the job jwst_download")


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
