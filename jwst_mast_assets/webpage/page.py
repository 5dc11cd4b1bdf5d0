"""``index.html`` of a proposal, in one file, and the same table as text beside it."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.file_states import URGENCY
from jwst_mast_assets.mast.layout import make_folder, proposal_folder
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.reports import to_text
from jwst_mast_assets.webpage.columns import FIGURE, Columns, PageColumn, level3_figures, missing_keywords, resolve
from jwst_mast_assets.webpage.fits_keys import NotFits, read_keywords
from jwst_mast_assets.webpage.overview import make_overview, make_summary
from jwst_mast_assets.webpage.rows import (
    EXPOSURE,
    GUIDE_STAR,
    LEVEL3,
    File,
    Row,
    make_files,
    make_rows,
)
from jwst_mast_assets.webpage.table_cells import Figure, ShownColumn, figure_of, link_to, make_column, value_of
from jwst_mast_assets.webpage.thumbnails import make_thumbnails, measure

HERE = Path(__file__).parent
PROGRAM_PAGE = "https://www.stsci.edu/jwst/science-execution/program-information?id="
TITLES = {EXPOSURE: "Exposures", LEVEL3: "Level 3", GUIDE_STAR: "Guide stars"}
MAX_PROBLEMS = 100
"""This many problems are listed in the page; for the others, only their number."""


class Page(NamedTuple):
    """What was written."""

    path: Path
    rows: int
    thumbnails_made: int
    problems: list[str]
    """One sentence for each name in the configuration and each file that could not be used."""


class Section(NamedTuple):
    """One of the page's tables."""

    kind: str
    title: str
    rows: list[Row]
    columns: list[ShownColumn]
    empty: list[str]
    """Names of configured columns that are empty in all rows."""


def write_page(
    config: Config,
    proposal: str,
    observations: pd.DataFrame,
    files: pd.DataFrame,
    summary: pd.DataFrame,
    now: dt.datetime | None = None,
    disk: Disk | None = None,
    changes: pd.DataFrame | None = None,
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

    Returns
    -------
    Page

    Raises
    ------
    OutputError
        If the page cannot be written. Files that cannot be read are problems of the page, not errors.
    """
    now = now or dt.datetime.now(dt.timezone.utc)
    folder = proposal_folder(config, proposal)
    make_folder(folder)
    shown = make_files(files, now, disk, changes)
    columns = resolve(config, {file.filetype for file in shown})
    rows = make_rows(shown)
    problems = [*columns.problems, *_read_headers(rows, columns.keywords)]
    rows = _in_order(rows, columns.order)
    figures, made, faults = _make_figures(config, folder, rows, columns)
    problems += faults
    sections = [_section(kind, rows, columns, folder, figures) for kind in TITLES]
    text_path = folder / f"{proposal}.products.txt"
    write_text(text_path, to_text(_text_table(rows, columns)))
    html = _render(
        proposal=proposal,
        program_page=PROGRAM_PAGE + str(int(proposal)),
        overview=make_overview(observations, shown),
        summary=make_summary(summary, observations, shown),
        sections=[section for section in sections if section.rows],
        rows=len(rows),
        detectors=sorted({row.sca for row in rows if row.sca}),
        obsnums=sorted({number for row in rows for number in row.obsnums}),
        all_states=[state.value for state in URGENCY],
        states=[state.value for state in URGENCY if any(row.state == state for row in rows)],
        tables=[text_path.name, *sorted(path.name for path in folder.glob(f"{proposal}.*.ecsv"))],
        problems=problems,
        max_problems=MAX_PROBLEMS,
        made=now.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S"),
        link=lambda path: link_to(path, folder),
    )
    write_text(folder / "index.html", html)
    return Page(folder / "index.html", len(rows), made, problems)


def _read_headers(rows: Iterable[Row], keywords: list[str]) -> list[str]:
    """Fill in the rows' keywords, each row's from its first readable FITS file; returns the problems."""
    if not keywords:
        return []
    problems, found = [], set()
    for row in rows:
        for file in row.fits_files:
            if not file.on_disk or file.path is None:
                break
            try:
                row.keywords = read_keywords(file.path, keywords)
                break
            except NotFits as error:
                problems.append(f"{file.name}: {error}")
        found |= set(row.keywords)
    return [*missing_keywords(keywords, found), *problems]


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
    width, height = config.webpage_thumbnails_width, config.webpage_thumbnails_height
    figure_size = (config.webpage_tablefigsize_width, config.webpage_tablefigsize_height)
    if config.webpage_mkthumbnails and (width or height):
        result = make_thumbnails(list(files), width, height, config.webpage_thumbnails_overwrite)
    else:
        result = measure(list(files))
    if not any(figure_size):
        figure_size = (width, height) if width or height else (100, None)
    figures = {
        path: figure_of(path, picture, folder, files[path].name, figure_size)
        for path, picture in result.pictures.items()
    }
    return figures, result.made, result.problems


def _section(kind: str, rows: list[Row], columns: Columns, folder: Path, figures: dict[str, Figure]) -> Section:
    """One of the page's tables. The name is already its first column; level-3 rows have their own pictures."""
    rows = [row for row in rows if row.kind == kind]
    wanted = [column for column in columns.shown if column.name != "obs_id" or kind == GUIDE_STAR]
    if kind == LEVEL3:
        own = level3_figures(rows)
        types = {column.filetype for column in own}
        wanted = [*own, *(column for column in wanted if column.kind != FIGURE or column.filetype not in types)]
    made = [(column.name, make_column(rows, column, folder, figures)) for column in wanted]
    return Section(
        kind,
        TITLES[kind],
        rows,
        [column for _, column in made if column],
        [name for name, column in made if column is None] if kind == EXPOSURE else [],
    )


def _text_table(rows: Sequence[Row], columns: Columns) -> pd.DataFrame:
    """The page's table without its pictures, for ``products.txt``; no value contains a space."""
    shown = [column for column in columns.shown if column.kind != FIGURE]
    table = {column.name: [_word(value_of(row, column)) for row in rows] for column in shown}
    table["state"] = [row.state.value for row in rows]
    return pd.DataFrame(table, dtype=object)


def _word(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"\s+", "_", _writable(value)) or None
    return value


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["bytes"] = human_bytes
    return environment


def _render(**context: Any) -> str:
    css, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return _writable(_environment().get_template("page.html").render(css=css, script=script, **context))


def _writable(text: str) -> str:
    """Text without lone surrogates, which cannot be written as UTF-8 and can be in what MAST sends."""
    return text.encode("utf-8", "replace").decode("utf-8")
