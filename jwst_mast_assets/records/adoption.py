"""Files that another tool put into the output folder, taken into the records without fetching them again."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads import Code, Item
from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.discovery import cells_with_data, find_observations
from jwst_mast_assets.mast.errors import ConfigError, NothingRecorded
from jwst_mast_assets.mast.exclusions import ALL_FILES
from jwst_mast_assets.records.plain_runs import fetch_files, list_files
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.steps import Steps

DATA = re.compile(r"^jw(\d{5})[-\d].*\.(?!part$)\w+$")
"""Names of MAST's files; the pages' thumbnails are none."""
THUMBNAIL = ".TN.jpg"

AGREES, DIFFERS, ELSEWHERE, UNKNOWN = "agrees", "differs", "elsewhere", "unknown"

AS_IT_IS: dict[str, Any] = {
    **ALL_FILES,
    "obsmode": [],
    "date_select": [],
    "all_dates": True,
    "verify": "checksum",
    "skipdownload": True,
    "clobber": False,
    "skip_check_filesize": False,
    "skip_check_if_outfile_exists": False,
}
"""The configuration that looks at everything and fetches nothing."""


def check_place(folder: Path, config: Config) -> None:
    """Check that a folder is the output folder, or in it.

    Raises
    ------
    ConfigError
        If it is not; the message says what to set. Files are never moved or copied.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give the folder that jwst_mast_query filled")
    if folder != config.root and config.root not in folder.parents:
        whole = folder.parent if re.fullmatch(r"\d{5}", folder.name) else folder
        raise ConfigError(
            f"{folder} is not in the output folder, {config.root}, and adopt never moves or copies files; to use it as "
            f"it is, set JWSTDOWNLOAD_OUTDIR={whole} (or outrootdir in the config file) and run this again"
        )


def adopt(folder: Path, config: Config, archive: Archive, warn: Callable[[str], None] = lambda _: None) -> pd.DataFrame:
    """Take the files in a folder into the records.

    Each is compared with MAST: by md5 where MAST has a checksum, else by size. No file is fetched, changed, moved or
    deleted. What differs is recorded as it is; the next download replaces it.

    Parameters
    ----------
    folder : Path
        The output folder or one in it.
    config : Config
        Its output parameters say where each file belongs.
    archive : Archive
    warn : callable, optional
        Receives sentences about what could not be found out.

    Returns
    -------
    DataFrame
        One row per file: ``path``; ``verdict``, which is ``agrees``, ``differs``, ``elsewhere`` (not where the output
        parameters put it) or ``unknown`` (not in MAST); ``why``; ``new``, whether it was not on record before.

    Raises
    ------
    ConfigError
        If the folder is not in the output folder.
    NothingRecorded
        If it has no files of MAST.
    ArchiveError
        If MAST does not answer.
    """
    check_place(folder, config)
    found = files_in(folder)
    if not found:
        raise NothingRecorded(
            f"{folder} has no files of JWST: none has a name that begins with jw and a proposal number"
        )
    proposals = sorted({Path(path).name[2:7] for path in found})
    config = config.merged({**AS_IT_IS, "propID": proposals})
    cells = cells_with_data(find_observations(archive, config, utc_now()))
    if not cells:
        return _table([(path, UNKNOWN, "MAST does not list it", False) for path in found])
    steps = Steps(Snapshot(config), archive, cells)
    before = steps.store.read("product_table", steps.cells)
    products = list_files(steps, lambda table: _choose(table, before, found))
    to_fetch = steps.plan(products)
    for sentence in archive.unsaid():
        warn(sentence)
    known = set(to_fetch.known.loc[to_fetch.known["bytes_on_disk"].notna(), "dataURI"])
    fetch_files(steps, to_fetch, record_as_current=False)
    places = {item.path: item for item in to_fetch.plan.items.values()}
    listed = set(products["productFilename"].dropna())
    return _table([_verdict(path, places.get(path), listed, known) for path in found])


def files_in(folder: Path) -> list[str]:
    """The paths of MAST's files in a folder, sorted; hidden folders and kept older versions are left out."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "superseded"]
        found += [os.path.join(place, name) for name in files if DATA.match(name) and not name.endswith(THUMBNAIL)]
    return sorted(found)


def _choose(products: pd.DataFrame, before: pd.DataFrame, found: list[str]) -> pd.DataFrame:
    """Select what is on disk, and what was selected before; a file without a number of its own stays where it is."""
    by_name: dict[str, list[str]] = {}
    for path in found:
        by_name.setdefault(Path(path).name, []).append(path)
    single = products["productFilename"].map({name: paths[0] for name, paths in by_name.items() if len(paths) == 1})
    free = names.obsnum(products["productFilename"]).isna() & single.notna() & products["outfilename"].notna()
    place = products["outfilename"].mask(free, single.astype("string"))
    selected_before = before.loc[tables.is_true(before["selected"]), "dataURI"]
    selected = place.isin(found) | products["dataURI"].isin(selected_before)
    return products.assign(outfilename=place, selected=selected.astype("boolean"))


def _verdict(path: str, item: Item | None, listed: set[str], known: set[str]) -> tuple[str, str, str, bool]:
    if item is None:
        if Path(path).name in listed:
            return path, ELSEWHERE, "not where the output parameters put it", False
        return path, UNKNOWN, "MAST does not list it", False
    new = item.uri not in known
    if item.code in (Code.BLOCKED, Code.BAD_NAME):
        return path, DIFFERS, item.message or "it cannot be read", new
    # A preview whose FITS file differs may well be MAST's; the next download fetches it with the FITS file.
    if item.reason not in (None, "companion") or item.code == Code.EXCLUSIVE:
        return path, DIFFERS, _difference(item), new
    return path, AGREES, item.verified or "size", new


def _difference(item: Item) -> str:
    if item.keywords.checksum and item.md5 and item.md5 != item.keywords.checksum:
        return "MAST has another version (checksum)"
    if item.found and item.size not in (None, item.found.size):
        return f"{item.found.size} bytes, but MAST's has {item.size}"
    return "MAST has another version"


def _table(rows: list[tuple[str, str, str, bool]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "verdict", "why", "new"])
