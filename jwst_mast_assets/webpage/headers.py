"""The rows' FITS keywords, read once per version of a file and kept beside the page's other records."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.webpage.columns import missing_keywords
from jwst_mast_assets.webpage.fits_keys import NotFits, read_keywords
from jwst_mast_assets.webpage.rows import File, Row


def fill_in_keywords(rows: Iterable[Row], keywords: list[str], memory: Path | None = None) -> list[str]:
    """Fill in the rows' keywords, each row's from its first readable FITS file.

    Parameters
    ----------
    rows : iterable of Row
    keywords : list of str
    memory : Path, optional
        Where to keep what was read. If it is damaged, the headers are read again.

    Returns
    -------
    list of str
        One sentence for each file that cannot be read, and for each keyword that looks like a typo.
    """
    if not keywords:
        return []
    known = _remembered(memory, keywords)
    kept: dict[str, Any] = {}
    problems, found = [], set()
    for row in rows:
        for file in row.fits_files:
            if not file.on_disk or file.path is None:
                break
            version = [file.bytes_on_disk, file.mtime]
            if (entry := known.get(file.path)) and entry[0] == version:
                row.keywords = entry[1]
            else:
                problem = _read(row, file, keywords)
                if problem:
                    problems.append(problem)
                    continue
            kept[file.path] = [version, row.keywords]
            break
        found |= set(row.keywords)
    if memory is not None and kept != known:
        write_text(memory, json.dumps({"keywords": keywords, "files": kept}))
    return [*missing_keywords(keywords, found), *problems]


def _read(row: Row, file: File, keywords: list[str]) -> str | None:
    try:
        row.keywords = read_keywords(str(file.path), keywords)
    except NotFits as error:
        return f"{file.name}: {error}"
    return None


def _remembered(memory: Path | None, keywords: list[str]) -> dict[str, Any]:
    if memory is None:
        return {}
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
        return kept["files"] if kept["keywords"] == keywords else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
