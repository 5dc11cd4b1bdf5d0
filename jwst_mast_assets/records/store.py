"""The tables: one Parquet file per asset and cell, inside the output folder that they describe or in a bucket.

``<root>/.jwst_mast_assets/tables/<asset>/<PPPPP>/<YYYY-MM-DD>.parquet``. They belong to the data: a copied or
moved output folder keeps its records, and those of two folders never mix. With ``tablerootdir`` they are objects with
the same names in a bucket (:mod:`jwst_mast_assets.records.table_bucket`).
"""

import datetime as dt
import shlex
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import filelock
import pandas as pd
import pyarrow as pa

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.files import arrow_table
from jwst_mast_assets.records.table_places import Folder, Found, TablePlace

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

ROWS_TOGETHER = 20_000
"""Rows of small proposals that are worked on in one step, which takes pandas hardly longer than the rows of one."""


class PartitionTables(NamedTuple):
    """What runs have recorded of some partitions."""

    observations: pd.DataFrame
    """Columns of ``tables.OBS_TABLE``."""
    products: pd.DataFrame
    """Columns of ``tables.PRODUCT_TABLE``."""
    files: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``."""


class TableStore:
    """Reads and writes the tables of one output folder; what has not changed is read once.

    Parameters
    ----------
    root : Path
        ``<outrootdir>/<outsubdir>``.
    tables_url : str, optional
        ``s3://bucket/prefix``; default: the tables are in the output folder.
    """

    def __init__(self, root: Path, tables_url: str | None = None) -> None:
        self.root = root
        self.state = root / STATE_FOLDER
        self.folder = self.state / "tables"
        self.place: TablePlace = Folder(self.folder)
        if tables_url:
            # Not needed by those who have no bucket.
            from jwst_mast_assets.records.table_bucket import Bucket

            self.place = Bucket(tables_url, self.state, self.locked)
        self._kept: OrderedDict[tuple[str, tuple[Hashable, ...]], pd.DataFrame] = OrderedDict()
        self._contents: OrderedDict[Hashable, pa.Table] = OrderedDict()

    @classmethod
    def of(cls, config: Config) -> "TableStore":
        """The tables of a configuration's output folder, wherever they are."""
        return cls(config.root, config.tables_url)

    def check(self) -> None:
        """Check that the tables can be reached, and are those of this output folder.

        Raises
        ------
        ConfigError
            If they are another output folder's, or elsewhere.
        TablesUnreachable
            If their server does not answer or refuses.
        OutputError
            If they are lost.
        """
        self.place.check()

    def exists(self) -> bool:
        """Whether any table was ever written. Raises as :meth:`check`."""
        return self.place.exists()

    def has_other_files(self) -> bool:
        """Whether the output folder has anything but records."""
        try:
            return any(path.name != STATE_FOLDER for path in self.root.iterdir())
        except OSError:
            # Not there, no folder, or closed to us.
            return False

    def where(self, asset: str) -> str:
        """The path or address of an asset's tables, for people."""
        return self.place.where(asset)

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
        ConfigError, TablesUnreachable
            As :meth:`check`.
        """
        rows = table.groupby("cell", sort=False).indices
        # Converted once, which takes longer than to divide it.
        content = arrow_table(table)
        there = self.place.find(_name(asset, cell) for cell in cells)
        for cell in cells:
            name = _name(asset, cell)
            part = content.take(rows[cell.key]) if cell.key in rows else content.slice(0, 0)
            if not self._is_written(there.get(name), part):
                self._keep(self.place.write(name, part, there.get(name)), part)

    def read(self, asset: str, cells: Collection[Cell]) -> pd.DataFrame:
        """The rows of some cells; a cell never written has none. Raises as :meth:`check`."""
        return self._read_all(asset, self.place.find(_name(asset, cell) for cell in cells))

    def missing(self, asset: str, cells: Collection[Cell]) -> list[Cell]:
        """Those of some cells that were never written. Raises as :meth:`check`."""
        there = self.place.find(_name(asset, cell) for cell in cells)
        return [cell for cell in cells if _name(asset, cell) not in there]

    def read_proposal(self, asset: str, proposal: str) -> pd.DataFrame:
        """The rows of all days of a proposal. Raises as :meth:`check`."""
        return self._read_all(asset, self.place.of_proposal(asset, proposal))

    def read_together(
        self, assets: Sequence[str], proposals: Iterable[str]
    ) -> Iterator[tuple[list[str], list[pd.DataFrame]]]:
        """The rows of all days of many proposals, of small proposals together.

        Parameters
        ----------
        assets : sequence of str
        proposals : iterable of str

        Yields
        ------
        list of str, list of DataFrame
            Proposals, one or as many as have ``ROWS_TOGETHER`` rows, and the table of each asset.

        Raises
        ------
        OutputError, ConfigError, TablesUnreachable
            As :meth:`check`.
        """
        group, found, rows = list[str](), [list[pa.Table]() for _ in assets], 0
        for proposal in proposals:
            own = [self._contents_of(self.place.of_proposal(asset, proposal)) for asset in assets]
            own_rows = sum(len(content) for contents in own for content in contents)
            if group and rows + own_rows > ROWS_TOGETHER:
                yield group, [_table(asset, contents) for asset, contents in zip(assets, found, strict=True)]
                group, found, rows = [], [[] for _ in assets], 0
            group.append(proposal)
            rows += own_rows
            for contents, more in zip(found, own, strict=True):
                contents += more
        if group:
            yield group, [_table(asset, contents) for asset, contents in zip(assets, found, strict=True)]

    def versions(self, asset: str, proposal: str) -> tuple[Hashable, ...]:
        """What changes when any table of a proposal is written."""
        return tuple(found.stamp for found in self.place.of_proposal(asset, proposal).values())

    def written(self, asset: str, proposal: str) -> dict[Cell, dt.datetime]:
        """When the table of each day of a proposal was written (UTC)."""
        return {
            _cell(name): dt.datetime.fromtimestamp(found.changed, dt.timezone.utc)
            for name, found in self.place.of_proposal(asset, proposal).items()
        }

    def cells(self, asset: str, proposals: Iterable[str] | None = None) -> list[Cell]:
        """The cells that have been written, of some proposals or of all."""
        if proposals is None:
            return [_cell(name) for name in self.place.names(asset)]
        return [_cell(name) for proposal in proposals for name in self.place.of_proposal(asset, proposal)]

    @contextmanager
    def locked(self, name: str, look_again: bool = True) -> Iterator[None]:
        """Keep other runs, of this machine or another, from writing the same, for example a proposal's page and tables.

        Parameters
        ----------
        name : str
            Of what is written; for a proposal's page and tables its five digits.
        look_again : bool
            Whether to forget what was known of the tables, as others may have written some.

        Raises
        ------
        OutputError
            If another program holds the lock for more than ten minutes, or the folder cannot be written.
        """
        folder = self.state / "locks"
        lock = filelock.FileLock(folder / f"{name}.lock", timeout=LOCK_TIMEOUT)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except filelock.Timeout as error:
            raise OutputError(
                f"Another program has held {error.lock_file} for ten minutes; end it and run again"
            ) from None
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be written ({error.strerror or error})") from None
        try:
            if look_again:
                self.place.list_again()
            yield
        finally:
            lock.release()

    def _read_all(self, asset: str, there: Mapping[str, Found]) -> pd.DataFrame:
        key = asset, tuple(found.stamp for found in there.values())
        if key not in self._kept:
            self._kept[key] = _table(asset, self._contents_of(there))
            if len(self._kept) > TABLES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key].copy()

    def _contents_of(self, there: Mapping[str, Found]) -> list[pa.Table]:
        known = {name: self._contents[found.stamp] for name, found in there.items() if found.stamp in self._contents}
        unknown = {name: found for name, found in there.items() if name not in known}
        for name, (stamp, content) in zip(unknown, self.place.read(unknown), strict=True):
            self._keep(stamp, content)
            known[name] = content
        return [known[name] for name in there]

    def _is_written(self, found: Found | None, table: pa.Table) -> bool:
        """Whether a table that this store has read or written has just this content."""
        known = None if found is None else self._contents.get(found.stamp)
        return known is not None and known.equals(table)

    def _keep(self, stamp: Hashable, content: pa.Table) -> None:
        self._contents[stamp] = content
        if len(self._contents) > FILES_KEPT:
            self._contents.popitem(last=False)


def put_back(store: TableStore) -> str:
    """What to do where files are without records."""
    command = suggest(f"adopt {shlex.quote(str(store.root))}")
    return f"put the records back from a backup, or have the files recorded again with: {command}"


def _name(asset: str, cell: Cell) -> str:
    """The name of a cell's table, which may not exist."""
    return f"{asset}/{cell.proposal}/{cell.day:%Y-%m-%d}.parquet"


def _cell(name: str) -> Cell:
    _, proposal, file = name.split("/")
    return Cell.from_key(f"{file.removesuffix('.parquet')}|{proposal}")


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
