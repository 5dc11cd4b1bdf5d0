"""Files below the output folder, each written in one step: text, JSON, Parquet, ECSV. Failures are one sentence."""

import filecmp
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jwst_mast_assets.mast.errors import OutputError

if TYPE_CHECKING:
    from astropy.table import Table


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path next to another; moved onto it in one step if the block succeeds, otherwise removed.

    A file that is the same already stays as it is.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield partial
        # The same again is no change, for a backup as for another run.
        if not (path.is_file() and filecmp.cmp(path, partial, shallow=False)):
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def create_no_more_open(path: Path, source: Path) -> None:
    """Create an empty file that is made from another one: whoever cannot read that cannot read it either."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, source.stat().st_mode & 0o666 | 0o600))


@contextmanager
def written(path: Path, hint: str = "") -> Iterator[Path]:
    """:func:`atomic_path`, which also creates the folder if necessary.

    Parameters
    ----------
    path : Path
    hint : str
        What to do if it fails, after the reason: ``; choose another with -o``.

    Raises
    ------
    OutputError
        If the file cannot be written; the message names it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial:
            yield partial
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}){hint}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file. Raises as :func:`written`."""
    with written(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, with a line for each value and sorted keys. Raises as :func:`written`."""
    write_text(path, json.dumps(content, indent=0, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is no file, or if it is damaged.

    For records that can be lost without harm. Files are written in one step, so few are ever damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def arrow_table(table: pd.DataFrame) -> pa.Table:
    """A table as Arrow's, without its index."""
    return pa.Table.from_pandas(table, preserve_index=False)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, without its index. Raises as :func:`written`."""
    write_arrow(path, arrow_table(table))


def write_arrow(path: Path, table: pa.Table) -> os.stat_result:
    """Write a table of Arrow's as Parquet. Raises as :func:`written`.

    Returns
    -------
    stat_result
        The file as it was before another process could replace it.
    """
    with written(path) as partial:
        pq.write_table(table, partial)
        return partial.stat()


def write_ecsv(path: Path, table: "Table", hint: str = "") -> None:
    """Write a table as ECSV, with its units. Raises as :func:`written`."""
    with written(path, hint) as partial:
        table.write(partial, format="ascii.ecsv", overwrite=True)


def read_parquet(path: Path, remedy: str) -> pa.Table:
    """Read a Parquet file.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do if it is damaged: ``run the job jwst_reprocessing again``.

    Raises
    ------
    OutputError
        If it cannot be read; the message names it.
    """
    try:
        # `pq.read_table` takes four times as long for a small one, as it also reads whole folders.
        with pa.OSFile(str(path)) as file:
            return pq.ParquetFile(file).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "damaged"
        raise OutputError(f"{path} cannot be read ({reason}); {remedy}") from None
