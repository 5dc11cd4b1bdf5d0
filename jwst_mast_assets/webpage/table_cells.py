"""The contents of the page's cells: readable values, links and pictures."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.webpage.columns import FIGURE, KEYWORD, PageColumn
from jwst_mast_assets.webpage.rows import File, Row
from jwst_mast_assets.webpage.thumbnails import Picture, Size, thumbnail_size

MAX_DECIMALS = 6


class Figure(NamedTuple):
    """A picture in a cell."""

    source: str
    size: Size | None
    alt: str


class TableCell(NamedTuple):
    """A cell of the page; everything in it is plain text, escaped by the template."""

    text: str = ""
    sort: str | None = None
    """What to sort by, if not the text."""
    title: str = ""
    link: str = ""
    figure: Figure | None = None
    css: str = ""


class ShownColumn(NamedTuple):
    """A column with its cells."""

    name: str
    css: str
    """``number``, ``text`` or ``figure``."""
    cells: list[TableCell]


def link_to(path: str, folder: Path) -> str:
    """A relative link from a page in a folder to a file, percent-encoded."""
    try:
        return quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix()))
    except ValueError:
        return Path(path).as_uri()


def value_of(row: Row, column: PageColumn) -> Any:
    """A row's value in a column without figures; None if it has none."""
    if column.kind == KEYWORD:
        return row.keywords.get(column.name)
    if column.name == "sca":
        return row.sca
    if column.name == "obsnum":
        return row.obsnums[0] if len(row.obsnums) == 1 else ",".join(map(str, row.obsnums)) or None
    return row.main.values.get(column.name)


def make_column(
    rows: Sequence[Row], column: PageColumn, folder: Path, figures: Mapping[str, Figure]
) -> ShownColumn | None:
    """A column with its cells; None if it is empty in all rows.

    Parameters
    ----------
    rows : sequence of Row
    column : PageColumn
    folder : Path
        Where the page is.
    figures : mapping
        Path of each picture on disk to what is shown of it.
    """
    if column.kind == FIGURE:
        files = [row.picture(column.filetype) for row in rows]
        pictures = [_figure_cell(file, folder, figures) for file in files]
        return ShownColumn(column.name, "figure", pictures) if any(files) else None
    values = [value_of(row, column) for row in rows]
    if all(value is None or value == "" for value in values):
        return None
    if column.name in ("size", "bytes_on_disk", "bytes_fetched"):
        sizes = [
            TableCell() if value is None else TableCell(human_bytes(value), str(value), f"{value:,} bytes")
            for value in values
        ]
        return ShownColumn(column.name, "number", sizes)
    if column.name == "outfilename":
        return ShownColumn(column.name, "text", [_path_cell(row.main, folder) for row in rows])
    if all(value is None or _is_number(value) for value in values):
        digits = max(_decimals(value) for value in values)
        numbers = [TableCell() if value is None else TableCell(_number(value, digits), repr(value)) for value in values]
        return ShownColumn(column.name, "number", numbers)
    return ShownColumn(column.name, "text", [TableCell("" if value is None else str(value)) for value in values])


def figure_of(path: str, picture: Picture, folder: Path, alt: str, size: tuple[int | None, int | None]) -> Figure:
    """A picture as the table shows it, at a configured width or height, else at its own."""
    shown = thumbnail_size(picture.size, *size) if picture.size else None
    return Figure(link_to(picture.path, folder), shown, alt)


def _figure_cell(file: File | None, folder: Path, figures: Mapping[str, Figure]) -> TableCell:
    if file is None:
        return TableCell(sort="")
    if not file.on_disk or file.path is None:
        return TableCell(file.state, "", " ".join((file.state, file.note)).strip(), css=f"absent {file.state}")
    figure = figures.get(file.path)
    return TableCell(
        "" if figure and figure.size else "unreadable", "1", link=link_to(file.path, folder), figure=figure
    )


def _path_cell(file: File, folder: Path) -> TableCell:
    if not file.path:
        return TableCell()
    return TableCell(
        os.path.basename(file.path),
        title=file.path,
        link=link_to(file.path, folder) if file.on_disk else "",
        css="path" if file.state in (State.PRESENT, State.WAITING) else f"path {file.state}",
    )


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
