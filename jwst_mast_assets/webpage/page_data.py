"""The page's rows as data: the script of the page draws from it what is to be seen.

Every text occurs once: cells, files and facets refer to lists of texts by number. So 5,000 exposures with their files
fit into two megabytes.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwst_mast_assets.mast.file_states import URGENCY
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.webpage.columns import FIGURE, PageColumn
from jwst_mast_assets.webpage.observed import Observed
from jwst_mast_assets.webpage.previews import PREVIEW
from jwst_mast_assets.webpage.rows import EXPOSURE, GUIDE_STAR, LEVEL3, File, Row
from jwst_mast_assets.webpage.table_cells import Figure, link_to, make_cells, value_of

ROW_KINDS = (EXPOSURE, LEVEL3, GUIDE_STAR)
URI_OF_FILES = "mast:JWST/product/"
SHOWN_AT_FIRST = ("picture", "name", "sca", "FILTER", "PUPIL", "EFFEXPTM", "DATE-BEG", "state")
"""Shown in every window, in this order, where the configuration has them."""

PICTURES = (
    "_i2d.jpg", "_s2d.jpg", "_s3d.jpg", "_x1d.png", "_x1dints.png", "_cal.jpg", "_calints.jpg", "_rate.jpg",
    "_rateints.jpg", "_uncal.jpg",
)  # fmt: skip
"""Which picture stands for a row: the first of these that it has, else any other."""


class Numbered:
    """Texts, or lists of numbers, each with a number of its own, in the order of their first use."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The number of a text or tuple."""
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


def page_data(
    rows: Sequence[Row], columns: Sequence[PageColumn], folder: Path, figures: Mapping[str, Figure], observed: Observed
) -> dict[str, Any]:
    """The rows as what becomes the page's JSON.

    Parameters
    ----------
    rows : sequence of Row
        In the order in which they are shown.
    columns : sequence of PageColumn
    folder : Path
        Where the page is.
    figures : mapping
        Path of each picture on disk to what is shown of it.
    observed : Observed
        What the observations say of each row.

    Returns
    -------
    dict
    """
    files = _FileTable(folder)
    listed = [files.add(row) for row in rows]
    shown = [_column(rows, column, folder, figures) for column in columns]
    return {
        "kinds": [ROW_KINDS.index(row.kind) for row in rows],
        "names": [row.name for row in rows],
        "obsids": [row.main.values["obsID"] for row in rows],
        "shapes": [observed.shape(row) for row in rows],
        "captions": [observed.caption(row) if row.kind == LEVEL3 else None for row in rows],
        "files": listed,
        "previews": {
            number: [row.preview.name, link_to(row.preview.path, folder)]
            for number, row in enumerate(rows)
            if row.preview and row.preview.path
        },
        **files.lists(),
        "states": [state.value for state in URGENCY],
        "meanings": {state.value: state.meaning for state in URGENCY},
        "columns": [column for column in shown if column],
        "empty": [column.name for column, made in zip(columns, shown, strict=True) if made is None],
        "first": SHOWN_AT_FIRST,
        "facets": [facet for facet in _facets(rows, observed) if len(facet["words"]) > 1],
    }


class _FileTable:
    """The files of all rows: five numbers for each, into lists of texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endings, self.whole = Numbered(), Numbered()
        self.folders, self.sizes, self.notes = Numbered(), Numbered(), Numbered()

    def add(self, row: Row) -> list[int]:
        numbers = []
        for file in row.files:
            on_disk = file.on_disk and file.path is not None
            where = self.folders.number(link_to(os.path.dirname(str(file.path)), self.folder)) if on_disk else -1
            name = os.path.basename(file.path) if on_disk and file.path else file.name
            uri = file.values["dataURI"]
            usual = name == file.name and uri == URI_OF_FILES + name and file.name.startswith(row.name)
            if usual and name.isascii():
                ending = self.endings.number(name[len(row.name) :])
            else:
                link = link_to(os.path.join(self.folder, name), self.folder)
                ending = -1 - self.whole.number((file.name, link, uri or ""))
            numbers += [
                ending,
                where,
                self.sizes.number(human_bytes(file.size)),
                URGENCY.index(file.state),
                self.notes.number(file.note),
            ]
        return numbers

    def lists(self) -> dict[str, list[Any]]:
        """The lists that the numbers mean."""
        return {name: getattr(self, name).values for name in ("endings", "whole", "folders", "sizes", "notes")}


def _column(
    rows: Sequence[Row], column: PageColumn, folder: Path, figures: Mapping[str, Figure]
) -> dict[str, Any] | None:
    """A column with its cells; None if it is empty in all rows."""
    if column.kind == FIGURE:
        return _figure_column(rows, column, figures)
    values = [value_of(row, column) for row in rows]
    if all(value is None or value == "" for value in values):
        return None
    cells = make_cells(column.name, values)
    words = Numbered()
    if column.name == "outfilename":
        return {"name": column.name, "kind": "path", "cells": [_main_number(row) for row in rows]}
    numbers = [words.number((text, sort)) for text, sort in zip(cells.texts, cells.sort, strict=True)]
    made: dict[str, Any] = {
        "name": column.name,
        "kind": "number" if cells.numeric else "text",
        "words": [text for text, _ in words.values],
        "cells": numbers,
    }
    if any(sort is not None for _, sort in words.values):
        made["sort"] = [sort for _, sort in words.values]
    return made


def _main_number(row: Row) -> int:
    return row.files.index(row.main)


def _figure_column(rows: Sequence[Row], column: PageColumn, figures: Mapping[str, Figure]) -> dict[str, Any] | None:
    """Of each row the number of the picture among its files (-1 for its preview) and of its size, or 0.

    None if there is none at all.
    """
    sizes = Numbered()
    cells: list[Any] = []
    for row in rows:
        drawn = column.filetype == PREVIEW
        file = row.preview if drawn else row.picture(column.filetype)
        figure = figures.get(file.path or "") if file else None
        if file is None:
            cells.append(0)
            continue
        number = -1 if drawn else row.files.index(file)
        if figure is None or figure.size is None:
            cells.append([number, -1])
        else:
            cells.append([number, sizes.number((*figure.size, int(figure.is_thumbnail)))])
    if not any(cells):
        return None
    rank = PICTURES.index(column.filetype) if column.filetype in PICTURES else len(PICTURES)
    return {"name": column.name, "kind": "figure", "rank": rank, "words": sizes.values, "cells": cells}


def _facets(rows: Sequence[Row], observed: Observed) -> Iterable[dict[str, Any]]:
    """What rows can be filtered by; several values of a row are a list."""
    yield _facet("obsnum", "Observation", [row.obsnums for row in rows])
    yield _facet("sca", "Detector", [[row.sca] if row.sca else [] for row in rows])
    yield _facet("filter", "Filter", [observed.elements(row)[0] for row in rows])
    yield _facet("state", "State", [sorted({f.state for f in row.files}, key=URGENCY.index) for row in rows])
    yield _facet("visit", "Visit", [[row.main.values["visit"]] if row.main.values["visit"] else [] for row in rows])
    yield _facet("pupil", "Pupil", [observed.elements(row)[1] for row in rows])
    yield _facet("mode", "Mode", [observed.modes(row) for row in rows])
    yield _facet("target", "Target", [observed.targets(row) for row in rows])
    yield _facet("type", "File type", [sorted({file.filetype for file in row.files if file.filetype}) for row in rows])


def _facet(key: str, label: str, values: list[list[Any]]) -> dict[str, Any]:
    ordered = sorted({value for several in values for value in several}, key=_facet_order(key))
    number = {value: index for index, value in enumerate(ordered)}
    cells = [[number[v] for v in several] for several in values]
    words = [str(getattr(value, "value", value)) for value in ordered]
    return {"key": key, "label": label, "words": words, "cells": [c[0] if len(c) == 1 else c for c in cells]}


def _facet_order(key: str) -> Any:
    if key == "state":
        return URGENCY.index
    return (lambda value: value) if key == "obsnum" else str


def newest_pictures(rows: Iterable[Row], figures: Mapping[str, Figure], number: int) -> list[tuple[Row, File]]:
    """The level-3 pictures that came last, each with its row; of exposures where there are none of level 3."""
    for kind in (LEVEL3, EXPOSURE):
        found = [(row, picture) for row in rows if row.kind == kind and (picture := best_picture(row, figures))]
        if found:
            return sorted(found, key=lambda pair: (-(pair[1].mtime or 0), pair[0].name))[:number]
    return []


def best_picture(row: Row, figures: Mapping[str, Figure]) -> File | None:
    """The picture that stands for a row."""
    files = [*row.files, *([row.preview] if row.preview else [])]
    readable = [file for file in files if file.path and (figure := figures.get(file.path)) and figure.size]
    order = {filetype: rank for rank, filetype in enumerate(PICTURES)}
    return min(readable, key=lambda file: order.get(file.filetype, len(order)), default=None)
