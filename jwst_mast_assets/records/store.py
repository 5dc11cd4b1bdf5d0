"""The tables on disk: one Parquet file per asset and cell, inside the output folder that they describe.

``<root>/.jwst_mast_assets/tables/<asset>/<PPPPP>/<YYYY-MM-DD>.parquet``. They belong to the data: a copied or
moved output folder keeps its records, and those of two folders never mix.
"""

import os
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import filelock
import pandas as pd
import pyarrow as pa

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.files import arrow_table, read_parquet, write_arrow

STATE_FOLDER = ".jwst_mast_assets"
LOCK_TIMEOUT = 600.0
"""Seconds to wait for another run that writes the same proposal's page and tables; that takes moments."""

SCHEMAS: dict[str, tables.Schema] = {
    "obs_table": tables.OBS_TABLE,
    "product_table": tables.PRODUCT_TABLE,
    "downloaded_files": tables.FILE_TABLE,
    "summary_table": tables.SUMMARY_FIXED,
}


TABLES_KEPT = 12
"""Tables that a store keeps in memory: enough for all that a run reads of a proposal."""

FILES_KEPT = 2000
"""Files whose content a store keeps in memory: a year of a proposal, four tables a day."""

Stamp = tuple[str, int, int, int]
"""A file's path, time of change, size and inode: if one of them differs, so may the content."""


class PartitionTables(NamedTuple):
    """What runs have recorded of some partitions."""

    observations: pd.DataFrame
    """Columns of ``tables.OBS_TABLE``."""
    products: pd.DataFrame
    """Columns of ``tables.PRODUCT_TABLE``."""
    files: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``."""


class TableStore:
    """Reads and writes the tables of one output folder; what has not changed on disk is read once.

    Parameters
    ----------
    root : Path
        ``<outrootdir>/<outsubdir>``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / STATE_FOLDER
        self.folder = self.state / "tables"
        self._kept: OrderedDict[tuple[str, tuple[Stamp, ...]], pd.DataFrame] = OrderedDict()
        self._contents: OrderedDict[Stamp, pa.Table] = OrderedDict()

    def path(self, asset: str, cell: Cell) -> Path:
        """The path of a cell's table, which may not exist."""
        return self.folder / asset / cell.proposal / f"{cell.day:%Y-%m-%d}.parquet"

    def write(self, asset: str, table: pd.DataFrame, cells: Collection[Cell]) -> None:
        """Write one file per cell, also for a cell without rows; one that is the same already stays as it is.

        Parameters
        ----------
        asset : str
        table : DataFrame
            With a column ``cell``. Rows of cells that are not among `cells` are not written.
        cells : collection of Cell

        Raises
        ------
        OutputError
            If the folder cannot be written or is full.
        """
        rows = table.groupby("cell", sort=False).indices
        # Converted once, which takes longer than to divide it.
        content = arrow_table(table)
        for cell in cells:
            path = self.path(asset, cell)
            part = content.take(rows[cell.key]) if cell.key in rows else content.slice(0, 0)
            if not self._is_written(path, part):
                self._keep(_stamp(path, write_arrow(path, part)), part)

    def read(self, asset: str, cells: Collection[Cell]) -> pd.DataFrame:
        """The rows of some cells; a cell never written has none."""
        return self._read_all(asset, [self.path(asset, cell) for cell in cells])

    def missing(self, asset: str, cells: Collection[Cell]) -> list[Cell]:
        """Those of some cells that were never written."""
        return [cell for cell in cells if not self.path(asset, cell).exists()]

    def read_proposal(self, asset: str, proposal: str) -> pd.DataFrame:
        """The rows of all days of a proposal."""
        return self._read_all(asset, sorted((self.folder / asset / proposal).glob("*.parquet")))

    def versions(self, asset: str, proposal: str) -> tuple[Stamp, ...]:
        """What changes when any table of a proposal is written: paths, times, sizes and inodes."""
        paths = sorted((self.folder / asset / proposal).glob("*.parquet"))
        return tuple(_stamp(path, path.stat()) for path in paths)

    def cells(self, asset: str) -> list[Cell]:
        """The cells that have been written."""
        return [
            Cell.from_key(f"{path.stem}|{path.parent.name}")
            for path in sorted((self.folder / asset).glob("*/*.parquet"))
        ]

    @contextmanager
    def locked(self, proposal: str) -> Iterator[None]:
        """Keep other runs, of this machine or another, from writing the same proposal's page and tables.

        Raises
        ------
        OutputError
            If another program holds the lock for more than ten minutes.
        """
        folder = self.state / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be created ({error.strerror})") from None
        try:
            with filelock.FileLock(folder / f"{proposal}.lock", timeout=LOCK_TIMEOUT):
                yield
        except filelock.Timeout as error:
            raise OutputError(
                f"Another program has held {error.lock_file} for ten minutes; end it and run again"
            ) from None

    def _read_all(self, asset: str, paths: list[Path]) -> pd.DataFrame:
        there = [path for path in paths if path.exists()]
        key = asset, tuple(_stamp(path, path.stat()) for path in there)
        if key not in self._kept:
            self._kept[key] = _table(asset, [self._content(path) for path in there])
            if len(self._kept) > TABLES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key].copy()

    def _content(self, path: Path) -> pa.Table:
        stamp = _stamp(path, path.stat())
        if stamp not in self._contents:
            self._keep(stamp, read_parquet(path, "run the job jwst_download for this proposal and day again"))
        return self._contents[stamp]

    def _is_written(self, path: Path, table: pa.Table) -> bool:
        """Whether a file that this store has read or written has just this content."""
        try:
            known = self._contents.get(_stamp(path, path.stat()))
        except OSError:
            return False
        return known is not None and known.equals(table)

    def _keep(self, stamp: Stamp, content: pa.Table) -> None:
        self._contents[stamp] = content
        if len(self._contents) > FILES_KEPT:
            self._contents.popitem(last=False)


def _stamp(path: Path, found: os.stat_result) -> Stamp:
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def _table(asset: str, found: list[pa.Table]) -> pd.DataFrame:
    schema = SCHEMAS[asset]
    filled = [table for table in found if len(table)]
    if not filled:
        return tables.empty(schema)
    table = _nullable(pa.concat_tables(filled, promote_options="permissive"))
    extra = [name for name in table.columns if name not in schema]
    return tables.conform(table, schema).join(table[extra])


def _nullable(table: pa.Table) -> pd.DataFrame:
    types = {pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(
        types_mapper=lambda kind: types.get(kind, pd.StringDtype() if pa.types.is_string(kind) else None)
    )
