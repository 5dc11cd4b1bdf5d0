"""A summary of what happened to files, and whether they are still unchanged."""

import os
from collections.abc import Collection
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads import filesystem
from jwst_mast_assets.downloads.codes import AWAITED, FAILURES, FETCHED, PRESENT, Code, word
from jwst_mast_assets.downloads.verify import content_problem, file_md5
from jwst_mast_assets.mast import tables

MOST_FAILURES = 25


def summary(files: pd.DataFrame, seconds: float | None = None) -> dict[str, Any]:
    """Counts of a table of files.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``. A file listed in several rows counts once.
    seconds : float, optional
        How long the run took, for the rate.

    Returns
    -------
    dict
        ``selected``, ``fetched``, ``present``, ``failed``, ``waiting`` (files); ``bytes_fetched``
        (this run, from the network), ``bytes_on_disk``; ``rate`` (bytes per second) if `seconds` is given;
        ``failures``, see :func:`failures`.
    """
    once = files.drop_duplicates("dataURI")
    chosen = once[tables.is_true(once["selected"])]
    codes = chosen["dl_code"]
    fetched = int(once["bytes_fetched"].fillna(0).sum())
    counts: dict[str, Any] = {
        "selected": len(chosen),
        "fetched": int(codes.isin(FETCHED).sum()),
        "present": int(codes.isin(PRESENT).sum()),
        "failed": int(codes.isin(FAILURES).sum()),
        "waiting": int(codes.isin(AWAITED).sum()),
        "bytes_fetched": fetched,
        "bytes_on_disk": int(once["bytes_on_disk"].fillna(0).sum()),
    }
    if seconds:
        counts["rate"] = fetched / seconds
    return counts | {"failures": failures(files)}


def failures(files: pd.DataFrame, most: int = MOST_FAILURES) -> pd.DataFrame:
    """The selected files that failed: ``productFilename``, ``dl_code``, ``dl_str``, ``dl_message``.

    At most `most` rows; where there are more, the last says how many.
    """
    failed = _selected_with(files, FAILURES)
    columns = list(failed.columns)
    if len(failed) <= most:
        return failed
    rest = len(failed) - (most - 1)
    shown = failed.iloc[:most].copy()
    shown.loc[most - 1, columns] = [f"... and {rest} more", pd.NA, pd.NA, pd.NA]
    return shown


def not_provided_yet(files: pd.DataFrame) -> pd.DataFrame:
    """The selected public files that MAST does not provide yet, with the columns of :func:`failures`."""
    return _selected_with(files, (Code.WAITING,))


def _selected_with(files: pd.DataFrame, codes: Collection[int]) -> pd.DataFrame:
    chosen = files[tables.is_true(files["selected"]) & files["dl_code"].isin(codes)]
    columns = ["productFilename", "dl_code", "dl_str", "dl_message"]
    return chosen.drop_duplicates("dataURI")[columns].reset_index(drop=True)


def audit(files: pd.DataFrame, deep: bool = True) -> pd.DataFrame:
    """Read the disk again and compare it with what was recorded.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``, of any date. Rows whose file was not on disk are left out.
    deep : bool
        Read every byte: compare the md5 if one was recorded, otherwise check that the file is readable to its
        end. If False, check only presence and size.

    Returns
    -------
    DataFrame
        One row per file: ``dataURI``, ``outfilename``, ``ok`` (bool), ``dl_code`` and ``dl_str`` (2 exists, 4 another
        size, 6 something in the way, 8 changed or does not open, 9 gone), ``problem`` (text; missing if
        ``ok``), ``md5`` (if it was computed).
    """
    recorded = files[files["bytes_on_disk"].notna()].drop_duplicates("outfilename")
    columns = ["dataURI", "outfilename", "bytes_on_disk", "md5"]
    rows = []
    for uri, path, size, md5 in tables.plain(recorded[columns]).itertuples(index=False, name=None):
        code, problem, now = _audited(path, size, md5, deep)
        rows.append((uri, path, problem is None, int(code), word(code), problem, now))
    table = pd.DataFrame(rows, columns=["dataURI", "outfilename", "ok", "dl_code", "dl_str", "problem", "md5"])
    kinds = {"ok": "boolean", "dl_code": "Int64"}
    return table.astype({name: kinds.get(name, "string") for name in table.columns})


def _audited(path: str, size: int, md5: str | None, deep: bool) -> tuple[Code, str | None, str | None]:
    """Code, problem and md5 of one file."""
    found = filesystem.look(path)
    if found is None:
        return Code.VANISHED, "it is gone", None
    if isinstance(found, str):
        return Code.BLOCKED, found, None
    if found.size != size:
        return Code.BAD_SIZE, f"it has {found.size} bytes, {size} were recorded", None
    if not deep:
        return Code.EXISTS, None, None
    try:
        now = file_md5(path)
    except OSError as error:
        return Code.UNVERIFIED, f"it cannot be read ({error.strerror})", None
    if md5:
        problem = None if now == md5 else f"its md5 is {now}, {md5} was recorded"
    else:
        problem = content_problem(path, os.path.basename(path))
    return (Code.UNVERIFIED if problem else Code.EXISTS), problem, now
