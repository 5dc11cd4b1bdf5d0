"""``index.html`` of a proposal, in one file, and the same table as text beside it."""

import datetime as dt
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.layout import make_folder, proposal_folder
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.reports import to_text
from jwst_mast_assets.records.store import STATE_FOLDER
from jwst_mast_assets.webpage.archive_card import make_card, write_card
from jwst_mast_assets.webpage.columns import FIGURE, Columns, PageColumn, level3_figures, resolve
from jwst_mast_assets.webpage.headers import fill_in_keywords
from jwst_mast_assets.webpage.observed import Observed
from jwst_mast_assets.webpage.overview import make_overview, make_summary
from jwst_mast_assets.webpage.page_data import ROW_KINDS, page_data
from jwst_mast_assets.webpage.previews import PREVIEW, make_previews
from jwst_mast_assets.webpage.rows import GUIDE_STAR, LEVEL3, File, Row, make_files, make_rows
from jwst_mast_assets.webpage.sky import make_sky
from jwst_mast_assets.webpage.table_cells import Figure, figure_of, value_of
from jwst_mast_assets.webpage.templates import render, writable
from jwst_mast_assets.webpage.thumbnails import make_thumbnails, measure

LAYOUT = 3
"""Raised where the page looks different: pages that nothing else has changed are then made again."""

PROGRAM_PAGE = "https://www.stsci.edu/jwst/science-execution/program-information?id="
PROGRAM_AT_MAST = "https://mast.stsci.edu/search/ui/#/jwst/results?program_id="
TITLES = dict(zip(ROW_KINDS, ("Exposures", "Level-3 products", "Guide stars"), strict=True))
MAX_PROBLEMS = 100
"""This many problems are listed in the page; for the others, only their number."""


class Page(NamedTuple):
    """What was written."""

    path: Path
    rows: int
    thumbnails_made: int
    previews_made: int
    problems: list[str]
    """One sentence for each name in the configuration and each file that could not be used."""


def write_page(
    config: Config,
    proposal: str,
    observations: pd.DataFrame,
    files: pd.DataFrame,
    summary: pd.DataFrame,
    now: dt.datetime | None = None,
    disk: Disk | None = None,
    changes: pd.DataFrame | None = None,
    compared: str | None = None,
    history: pd.DataFrame | None = None,
) -> Page:
    """Write ``<root>/<PPPPP>/index.html`` and ``<PPPPP>.products.txt``, and make the thumbnails.

    Parameters
    ----------
    config : Config
        Its ``webpage_*`` parameters and its output folder.
    proposal : str
        Five digits, ``"01138"``.
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``, of all days.
    files : DataFrame
        Columns of ``tables.FILE_TABLE``, one row per ``dataURI``: what is selected or on disk.
    summary : DataFrame
        ``proposal_id``, ``obsnum``, a count per file type, ``date_start``.
    now : datetime, optional
        When the page is made (aware). Default: now.
    disk : Disk, optional
        What the run has listed so far.
    changes : DataFrame, optional
        Columns of ``tables.CHANGE_TABLE``: what is known about MAST's versions.
    compared : str, optional
        When the proposal was last compared with MAST, ISO, UTC.
    history : DataFrame, optional
        Columns of ``tables.HISTORY_TABLE``: what came in the last month, for the page of all proposals.

    Returns
    -------
    Page

    Raises
    ------
    OutputError
        If the page cannot be written. Files that cannot be read are problems of the page, not errors.
    """
    now = now or utc_now()
    folder = proposal_folder(config, proposal)
    make_folder(folder)
    state = config.root / STATE_FOLDER / "pages"
    shown = make_files(files, now, disk, changes)
    columns = resolve(config, {file.filetype for file in shown})
    rows = make_rows(shown)
    problems = [*columns.problems, *fill_in_keywords(rows, columns.keywords, state / f"{proposal}.headers.json")]
    rows = _in_order(rows, columns.order)
    previews = make_previews(rows, folder, config.make_previews)
    figures, made, faults = _make_figures(config, folder, rows, columns)
    problems += [*previews.problems, *faults]
    write_text(folder / f"{proposal}.products.txt", to_text(_text_table(rows, columns)))
    observed, overview = Observed(observations), make_overview(observations, shown)
    html = render(
        "page.html",
        **_about(folder, proposal),
        **_of_rows(rows),
        overview=overview,
        summary=make_summary(summary, observations, shown),
        sky=make_sky(observed),
        data={
            "proposal": proposal,
            "mast": PROGRAM_AT_MAST + str(int(proposal)),
            **page_data(rows, _page_columns(rows, columns), folder, figures, observed),
        },
        compared=(compared or "")[:16].replace("T", " "),
        problems=problems,
        max_problems=MAX_PROBLEMS,
        made=now.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S"),
    )
    write_text(folder / "index.html", html)
    write_card(state, make_card(config.root, proposal, overview, shown, rows, figures, observed, history, compared))
    return Page(folder / "index.html", len(rows), made, previews.made, problems)


def _about(folder: Path, proposal: str) -> dict[str, Any]:
    """The proposal's number, and where more is to be found about it."""
    number = str(int(proposal))
    return {
        "proposal": proposal,
        "program_page": PROGRAM_PAGE + number,
        "program_at_mast": PROGRAM_AT_MAST + number,
        "tables": [f"{proposal}.products.txt", *_tables_beside(folder, proposal)],
    }


def _of_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """How many rows there are, and the sections in which they are shown."""
    titles = {kind: title for kind, title in TITLES.items() if any(row.kind == kind for row in rows)}
    return {"rows": len(rows), "titles": titles, "level3": LEVEL3, "kinds": ROW_KINDS}


def _tables_beside(folder: Path, proposal: str) -> list[str]:
    """The proposal's tables for people: ASCII, and the same as ECSV."""
    found = (path for path in folder.glob(f"{proposal}.*") if path.suffix in (".ecsv", ".txt"))
    return sorted(path.name for path in found if path.name != f"{proposal}.products.txt")


def _page_columns(rows: Sequence[Row], columns: Columns) -> list[PageColumn]:
    """The configured columns, and a figure for each type of picture of level 3; the name is a column anyway."""
    shown = [column for column in columns.shown if column.name != "obs_id" or any(r.kind == GUIDE_STAR for r in rows)]
    known = {column.filetype for column in shown if column.kind == FIGURE}
    previews = [PageColumn(PREVIEW, FIGURE, PREVIEW)] if any(row.preview for row in rows) else []
    return [*shown, *(column for column in level3_figures(rows) if column.filetype not in known), *previews]


def _in_order(rows: list[Row], order: list[PageColumn]) -> list[Row]:
    """Rows sorted by some columns, missing values last, numbers before words; ties by name."""

    def key(row: Row) -> list[tuple[int, Any]]:
        values = [value_of(row, column) for column in order]
        ranked: list[tuple[int, Any]] = [
            (2, "") if value is None else (0, value) if isinstance(value, int | float) else (1, str(value))
            for value in values
        ]
        return [*ranked, (1, row.name), (1, row.sca or ""), (0, row.obsnum or 0)]

    return sorted(rows, key=key)


def _make_figures(
    config: Config, folder: Path, rows: Iterable[Row], columns: Columns
) -> tuple[dict[str, Figure], int, list[str]]:
    """What is shown of each picture on disk, how many thumbnails were made, and what was wrong."""
    rows = list(rows)
    wanted = {column.filetype for column in columns.shown if column.kind == FIGURE}
    level3 = {column.filetype for column in level3_figures(rows)}
    files: dict[str, File] = {}
    for row in rows:
        for filetype in sorted(wanted | level3 if row.kind == LEVEL3 else wanted):
            file = row.picture(filetype)
            if file and file.on_disk and file.path:
                files[file.path] = file
        if row.preview and row.preview.path and os.path.exists(row.preview.path):
            files[row.preview.path] = row.preview
    width, height = config.webpage_thumbnails_width, config.webpage_thumbnails_height
    figure_size = (config.webpage_tablefigsize_width, config.webpage_tablefigsize_height)
    if config.webpage_mkthumbnails and (width or height):
        result = make_thumbnails(list(files), width, height, config.webpage_thumbnails_overwrite)
    else:
        result = measure(list(files))
    if not any(figure_size):
        figure_size = (width, height) if width or height else (100, None)
    figures = {path: figure_of(path, picture, folder, figure_size) for path, picture in result.pictures.items()}
    return figures, result.made, result.problems


def _text_table(rows: Sequence[Row], columns: Columns) -> pd.DataFrame:
    """The page's table without its pictures, for ``products.txt``; no value contains a space."""
    shown = [column for column in columns.shown if column.kind != FIGURE]
    table = {column.name: [_word(value_of(row, column)) for row in rows] for column in shown}
    table["state"] = [row.state.value for row in rows]
    return pd.DataFrame(table, dtype=object)


def _word(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"\s+", "_", writable(value)) or None
    return value
