"""The contents of the page's cells: readable values, links and pictures."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.webpage.columns import KEYWORD, PageColumn
from jwst_mast_assets.webpage.rows import Row
from jwst_mast_assets.webpage.thumbnails import Picture, Size, thumbnail_size

MAX_DECIMALS = 6


class Figure(NamedTuple):
    """What is shown of a picture."""

    source: str
    """Link to it."""
    size: Size | None
    """Pixels; None if it cannot be opened."""
    is_thumbnail: bool


class Cells(NamedTuple):
    """A column's cells as text; the template and the script escape it."""

    texts: list[str]
    sort: list[float | None]
    """What to sort by, if not the text."""
    numeric: bool


def link_to(path: str, folder: Path) -> str:
    """A relative link from a page in a folder to a file, percent-encoded."""
    parent, name = os.path.split(path)
    try:
        way = _way(parent, str(folder))
    except ValueError:
        return Path(path).as_uri()
    if name in ("", ".", ".."):
        way = os.path.relpath(path, folder)
    elif way == ".":
        way = name
    else:
        way = f"{way}/{name}"
    return quote(os.fsencode(way))


@lru_cache(maxsize=1024)
def _way(parent: str, folder: str) -> str:
    """The way from one folder to another: the same for all the files in it."""
    return Path(os.path.relpath(parent, folder)).as_posix()


def value_of(row: Row, column: PageColumn) -> Any:
    """A row's value in a column without figures; None if it has none."""
    if column.kind == KEYWORD:
        return row.keywords.get(column.name)
    if column.name == "sca":
        return row.sca
    if column.name == "obsnum":
        return row.obsnums[0] if len(row.obsnums) == 1 else ",".join(map(str, row.obsnums)) or None
    return row.main.values.get(column.name)


def make_cells(name: str, values: Sequence[Any]) -> Cells:
    """The texts of a column without figures.

    Parameters
    ----------
    name : str
        Of the column; sizes are written as such.
    values : sequence
        None where there is none.
    """
    if name in ("size", "bytes_on_disk", "bytes_fetched"):
        return Cells([human_bytes(value) for value in values], list(values), True)
    if all(value is None or _is_number(value) for value in values):
        digits = max((_decimals(value) for value in values), default=0)
        return Cells(["" if v is None else _number(v, digits) for v in values], [None] * len(values), True)
    return Cells(["" if value is None else str(value) for value in values], [None] * len(values), False)


def figure_of(path: str, picture: Picture, folder: Path, size: tuple[int | None, int | None]) -> Figure:
    """A picture as the table shows it, at a configured width or height, else at its own."""
    is_thumbnail = picture.path != path
    shown = thumbnail_size(picture.size, *size) if picture.size else None
    return Figure(link_to(picture.path, folder), shown, is_thumbnail)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decimals(value: Any) -> int:
    """Decimals that a number needs, at nine significant digits."""
    if not isinstance(value, float) or value.is_integer() or "e" in (text := f"{value:.9g}"):
        return 0
    return min(len(text.partition(".")[2]), MAX_DECIMALS)


def _number(value: Any, digits: int) -> str:
    """A number with its column's decimals, so that the decimal points line up."""
    if isinstance(value, float) and value != 0 and not 1e-4 <= abs(value) < 1e12:
        return f"{value:.6g}"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
