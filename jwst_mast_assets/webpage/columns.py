"""The page's columns: which of the configured names are product columns, FITS keywords or pictures."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import FITS_KEYS, LEVEL12_JPGS, Config
from jwst_mast_assets.mast.values import nearest
from jwst_mast_assets.webpage.rows import LEVEL3, PICTURE, Row

PRODUCT, KEYWORD, FIGURE = "product", "keyword", "figure"
LEVEL3_PICTURES = ("_i2d.jpg", "_s2d.jpg", "_s3d.jpg", "_x1d.png", "_x1dints.png", "_thumb.jpg")
"""Pictures of level-3 products, in the order of the page; others follow."""

KNOWN_PICTURES = (*LEVEL12_JPGS, "_rate_thumb.jpg", "_cal_thumb.jpg", *LEVEL3_PICTURES)


class PageColumn(NamedTuple):
    """A column of the page's table."""

    name: str
    kind: str
    filetype: str = ""
    """Of a figure."""


class Columns(NamedTuple):
    """What the configuration's lists mean."""

    shown: list[PageColumn]
    order: list[PageColumn]
    """Columns to sort by."""
    keywords: list[str]
    """FITS keywords to read."""
    problems: list[str]
    """One sentence for each unknown name."""


def picture_filetype(name: str) -> str:
    """File type of a figure column: ``uncal``, ``_uncal`` and ``_uncal.jpg`` all mean ``_uncal.jpg``."""
    word = name if name.startswith("_") else f"_{name}"
    return word if "." in word else f"{word}.jpg"


def resolve(config: Config, filetypes: set[str]) -> Columns:
    """Sort the configured names into product columns, keywords and pictures.

    Parameters
    ----------
    config : Config
    filetypes : set of str
        File types that the proposal has.
    """
    problems: list[str] = []
    figures = _figures(config.webpage_level12_jpgs, filetypes, problems)
    keywords = _keywords(config.webpage_fitskeys2table, problems)
    shown, order = [], []
    for name in dict.fromkeys(config.webpage_cols4table):
        if column := _column(name, keywords, figures):
            shown.append(column)
        else:
            problems.append(_unknown("webpage_cols4table", name, keywords, figures))
    for name in dict.fromkeys(config.webpage_sortcols):
        column = _column(name, keywords, {})
        if column:
            order.append(column)
        else:
            problems.append(_unknown("webpage_sortcols", name, keywords, {}))
    used = {column.name for column in (*shown, *order)}
    return Columns(shown, order, [key for key in keywords if key in used], problems)


def _figures(configured: list[str], filetypes: set[str], problems: list[str]) -> dict[str, str]:
    """The ways to spell each picture, to its file type."""
    figures = {}
    for name in configured:
        filetype = picture_filetype(name)
        stem = filetype.rpartition(".")[0]
        hint = nearest(filetype, KNOWN_PICTURES)
        if not PICTURE.search(filetype):
            problems.append(f"webpage_level12_jpgs: {name!r} is not an image (.jpg, .png) and is ignored")
        elif filetype not in filetypes and filetype not in KNOWN_PICTURES and hint:
            problems.append(f"webpage_level12_jpgs: the proposal has no image {name!r}{hint}")
        else:
            figures |= dict.fromkeys((filetype, filetype[1:], stem, stem[1:], name), filetype)
    return figures


def _keywords(configured: list[str], problems: list[str]) -> list[str]:
    keywords = []
    for name in dict.fromkeys(configured):
        if re.fullmatch(r"[A-Za-z0-9_-]{1,8}", name):
            keywords.append(name)
        else:
            hint = nearest(name, FITS_KEYS)
            problems.append(f"webpage_fitskeys2table: {name!r} is not a FITS keyword and is ignored{hint}")
    return keywords


def _column(name: str, keywords: list[str], figures: dict[str, str]) -> PageColumn | None:
    if name in figures:
        return PageColumn(name, FIGURE, figures[name])
    if name in keywords:
        return PageColumn(name, KEYWORD)
    return PageColumn(name, PRODUCT) if name in tables.FILE_TABLE else None


def _unknown(parameter: str, name: str, keywords: list[str], figures: dict[str, str]) -> str:
    if picture_filetype(name) in KNOWN_PICTURES:
        where = "an image; a page cannot be sorted by it" if parameter == "webpage_sortcols" else "not listed in"
        more = "" if parameter == "webpage_sortcols" else " webpage_level12_jpgs"
        return f"{parameter}: {name!r} is {where}{more}; it is ignored"
    if name in FITS_KEYS:
        return f"{parameter}: {name!r} is not listed in webpage_fitskeys2table; it is ignored"
    hint = nearest(name, [*tables.FILE_TABLE, *keywords, *figures])
    return f"{parameter}: {name!r} is not a column, FITS keyword or image and is ignored{hint}"


def missing_keywords(keywords: list[str], found: set[str]) -> list[str]:
    """One sentence for each keyword that no file has and that looks like a typo of one that they may have."""
    if not found:
        return []
    unusual = [key for key in keywords if key not in found and key not in FITS_KEYS]
    hints = {key: nearest(key, FITS_KEYS) for key in unusual}
    return [f"webpage_fitskeys2table: no file has the keyword {key!r}{hint}" for key, hint in hints.items() if hint]


def level3_figures(rows: Iterable[Row]) -> list[PageColumn]:
    """A column for each type of picture that level-3 rows have."""
    found = {file.filetype for row in rows if row.kind == LEVEL3 for file in row.files if file.is_picture}
    known = [filetype for filetype in LEVEL3_PICTURES if filetype in found]
    return [
        PageColumn(filetype.rpartition(".")[0][1:] or filetype, FIGURE, filetype)
        for filetype in (*known, *sorted(found - set(known) - {""}))
    ]
