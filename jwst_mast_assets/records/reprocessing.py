"""Files that MAST has reprocessed, has replaced by files with another name, or no longer lists.

Sizes do not show it: of 4,031 recorded changes of a file under the same name, 1,832 left the size unchanged. So MAST's
checksums and versions are compared with those recorded at download.
"""

import hashlib
import re
from collections.abc import Collection, Mapping

import pandas as pd

from jwst_mast_assets.downloads import PRESENT, Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.keywords import UNKNOWN, Keywords
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.files import read_parquet, write_parquet
from jwst_mast_assets.records.history import CURRENT, NEWS_OF_MAST
from jwst_mast_assets.records.store import TableStore

CHANGE_KINDS = {
    "content": "MAST has other bytes under the same name",
    "versions": "MAST records other versions; the bytes are the same, or cannot be compared",
    "superseded": "an association or pool of which MAST lists a newer one, under another time stamp",
    "gone": "MAST no longer lists it among its products",
}
"""What MAST may have done to a file that is on disk."""

VERSIONS = ("cal_ver", "crds_ctx")
TIME_STAMP = re.compile(r"_(\d{8}t\d{6})(?=_(?:.*_)?(?:asn\.json|pool\.csv)$)", re.IGNORECASE)
FILE = "reprocessed_files.parquet"


def changes_by_keywords(files: pd.DataFrame, now: Mapping[str, Keywords]) -> pd.DataFrame:
    """The files on disk for which MAST has another version.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE`` of one or many proposals. Rows whose file was not on disk are left out; of a file
        recorded in several cells the row of the newest file on disk counts.
    now : mapping
        What the keyword service says of each file name, see :func:`current_keywords`.

    Returns
    -------
    DataFrame
        ``tables.CHANGE_TABLE`` of kinds ``content`` and ``versions``, one row per changed file, by name. What is
        compared is the md5 of the file on disk where it was computed, else MAST's checksum of the time when it was
        fetched. A file with neither and without one in MAST, and one that the keyword service does not have (JPEGs,
        associations), cannot be compared and is not listed.
    """
    table = on_disk_once(files)
    said = [now.get(str(name), UNKNOWN) for name in table["productFilename"]]
    for position, name in enumerate(("md5", *VERSIONS)):
        table[f"new_{name}"] = pd.Series([row[position] for row in said], index=table.index, dtype="string")
    return _compared(table)


def with_unanswered(changes: pd.DataFrame, earlier: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """The changes found now, and of files for which MAST did not answer those found earlier.

    Parameters
    ----------
    changes, earlier : DataFrame
        ``tables.CHANGE_TABLE``.
    names : collection of str
        Of the files that were not compared now.
    """
    kept = earlier[earlier["productFilename"].isin(list(names)) & earlier["kind"].isin(["content", "versions"])]
    kept = kept[~kept["dataURI"].isin(changes["dataURI"])]
    return pd.concat([changes, kept], ignore_index=True) if len(kept) else changes


def changes_of_run(files: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The files that a run replaced, with what was recorded of them before.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE`` after the run.
    known : DataFrame
        ``tables.FILE_TABLE`` before it.

    Returns
    -------
    DataFrame
        ``tables.CHANGE_TABLE``, one row per file that replaced another version.
    """
    replaced = on_disk_once(files[files["dl_code"] == Code.REPLACED])
    before = on_disk_once(known).set_index("dataURI")
    for name in ("old_md5", *(f"old_{name}" for name in VERSIONS)):
        replaced[f"new_{name[4:]}"] = replaced[name]
        replaced[name] = replaced["dataURI"].map(before[name]).astype("string")
    return _compared(replaced)


def superseded(products: pd.DataFrame, files: pd.DataFrame, gone: Collection[str] | None = None) -> pd.DataFrame:
    """The files on disk that MAST no longer lists, or has replaced by files with newer names.

    Associations and pools carry a time stamp in their names and are matched by the name without it. Of several the
    newest that MAST lists counts; the others are superseded, whether MAST still lists them or not.

    Parameters
    ----------
    products : DataFrame
        ``tables.PRODUCT_TABLE``, all of MAST's list for the cells of `files`.
    files : DataFrame
        ``tables.FILE_TABLE``.
    gone : collection of str, optional
        The dataURIs that MAST no longer lists for certain, as a single answer can be incomplete. Default: all that
        are not among the products.

    Returns
    -------
    DataFrame
        ``tables.CHANGE_TABLE`` of kinds ``superseded`` (with ``successor``) and ``gone``, one row per file.
    """
    table = on_disk_once(files)
    listed = products["productFilename"].dropna().drop_duplicates()
    stamped = pd.DataFrame({"name": listed, "stamp": time_stamp(listed), "stands_for": stands_for(listed)})
    newest = stamped.dropna().sort_values("stamp").drop_duplicates("stands_for", keep="last").set_index("stands_for")
    own = time_stamp(table["productFilename"])
    successor = stands_for(table["productFilename"]).map(newest["name"]).astype("string")
    is_old = tables.is_true(own < time_stamp(successor))
    is_gone = ~table["dataURI"].isin(products["dataURI"])
    if gone is not None:
        is_gone &= table["dataURI"].isin(list(gone))
    kind = pd.Series(pd.NA, index=table.index, dtype="string").mask(is_gone, "gone").mask(is_old, "superseded")
    table = table.assign(kind=kind, successor=successor.where(is_old))
    return _conformed(table[kind.notna()])


def time_stamp(names: pd.Series) -> pd.Series:
    """The time stamp (``20251221t142913``) in names of associations and pools; missing in others. Series of string."""
    return names.astype("string").str.extract(TIME_STAMP)[0].str.lower()


def stands_for(names: pd.Series) -> pd.Series:
    """Names without the time stamp of associations and pools; others stay as they are. A Series of string."""
    return names.astype("string").str.replace(TIME_STAMP, "", regex=True)


def describe_changes(changes: pd.DataFrame) -> str:
    """One short sentence: ``24 files reprocessed: cal_ver 1.18.0 -> 1.19.2, crds_ctx jwst_1364.pmap -> ...``."""
    count = changes["kind"].value_counts()
    parts = []
    if n := int(count.get("content", 0)):
        parts.append(f"{counted(n, 'file')} reprocessed" + _transitions(changes[changes["kind"] == "content"]))
    if n := int(count.get("versions", 0)):
        parts.append(f"{counted(n, 'file')} with other versions" + _transitions(changes[changes["kind"] == "versions"]))
    if n := int(count.get("superseded", 0)):
        parts.append(f"{counted(n, 'file')} superseded by newer names")
    if n := int(count.get("gone", 0)):
        parts.append(f"{counted(n, 'file')} gone from MAST")
    return "; ".join(parts) or "nothing reprocessed"


def changes_by_cell(changes: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The changes that a download would act on, by partition key, newest day first.

    These are changed contents, and other versions of files whose md5 on disk is not yet known.
    """
    unknown = (changes["kind"] == "versions") & changes["old_md5"].isna() & changes["new_md5"].notna()
    acted = changes[(changes["kind"] == "content") | unknown]
    rows = acted.assign(cell=acted["cells"].str.split(", ")).explode("cell")
    groups = {str(cell): part.drop(columns="cell") for cell, part in rows.groupby("cell")}
    return dict(sorted(groups.items(), reverse=True))


def events_of(changes: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """The changes that the history of the output folder does not have yet.

    Parameters
    ----------
    changes : DataFrame
        ``tables.CHANGE_TABLE``.
    held : DataFrame
        ``tables.MANIFEST_TABLE`` of the same proposal.

    Returns
    -------
    DataFrame
        For ``history.record_events``: ``stale`` for changed contents, ``superseded`` for newer names, ``gone``.
    """
    event = changes["kind"].replace({"content": State.STALE.value})
    status = changes["dataURI"].map(held.drop_duplicates("dataURI").set_index("dataURI")["status"])
    # Earlier versions of this package recorded both as superseded.
    known = (status == event) | ((status == State.SUPERSEDED) & (event == State.STALE))
    new = event.isin(NEWS_OF_MAST) & status.notna() & ~tables.is_true(known)
    columns = {"old_md5": "md5", "old_cal_ver": "cal_ver", "old_crds_ctx": "crds_ctx"}
    return changes[["dataURI", "productFilename", *columns]].rename(columns=columns).assign(event=event)[new]


def events_taken_back(changes: pd.DataFrame, held: pd.DataFrame, comparable: Collection[str]) -> pd.DataFrame:
    """The files that the history calls stale, superseded or gone, and that are none of these any more.

    Parameters
    ----------
    changes : DataFrame
        ``tables.CHANGE_TABLE``.
    held : DataFrame
        ``tables.MANIFEST_TABLE`` of the same proposal.
    comparable : collection of str
        The dataURIs that MAST lists, and that could be compared.

    Returns
    -------
    DataFrame
        For ``history.record_events``: ``current``.
    """
    back = held[held["status"].isin(NEWS_OF_MAST) & held["dataURI"].isin(list(comparable))]
    back = back[~back["dataURI"].isin(changes["dataURI"])]
    columns = ["dataURI", "productFilename", "md5", "cal_ver", "crds_ctx"]
    return back[columns].assign(event=CURRENT)


def outdated(store: TableStore) -> dict[str, float]:
    """The files without a checksum for which MAST has another version, for :func:`downloads.plan_download`.

    Raises
    ------
    OutputError
        If the table of changes cannot be read.
    """
    changes = read_changes(store)
    chosen = changes[(changes["kind"] == "content") & changes["new_md5"].isna() & changes["old_mtime"].notna()]
    return dict(zip(chosen["dataURI"], chosen["old_mtime"].astype(float), strict=True))


def fingerprint(changes: pd.DataFrame) -> str:
    """Twelve hexadecimal digits that identify MAST's present versions of the changed files."""
    columns = ["dataURI", "new_md5", "new_cal_ver", "new_crds_ctx"]
    rows = changes[columns].astype(object).where(changes[columns].notna(), "")
    tags = changes["new_tag"].astype(object).where(changes["new_tag"].notna(), "")
    known = zip(rows.itertuples(index=False, name=None), tags, strict=True)
    lines = sorted("\t".join([*row, *([tag] if tag else [])]) for row, tag in known)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def write_changes(store: TableStore, changes: pd.DataFrame) -> None:
    """Write the table of changes, ``<root>/.jwst_mast_assets/tables/reprocessed_files.parquet``, in one step.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_parquet(store.folder / FILE, _conformed(changes))


def read_changes(store: TableStore) -> pd.DataFrame:
    """The table of changes as it was last written; no rows if it never was.

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    path = store.folder / FILE
    if not path.exists():
        return tables.empty(tables.CHANGE_TABLE)
    return _conformed(read_parquet(path, "run the job jwst_reprocessing again").to_pandas())


def changes_version(store: TableStore) -> tuple[int, ...]:
    """What changes when the table of changes is written; empty if it never was."""
    try:
        found = (store.folder / FILE).stat()
    except FileNotFoundError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def on_disk_once(files: pd.DataFrame) -> pd.DataFrame:
    """One row per file that is on disk, of the newest record, with all its cells and what was recorded as old_*."""
    table = tables.conform(files, tables.FILE_TABLE)
    table = table[table["bytes_on_disk"].notna()].sort_values("mtime", kind="stable", na_position="first")
    cells = _cells_of_files(table)
    table = table.drop_duplicates("dataURI", keep="last").reset_index(drop=True)
    # After a failed download, MAST's checksum is not that of the older file that is still there.
    checksum = table["checksum"].where(table["dl_code"].isin(PRESENT))
    return table.assign(
        cells=table["dataURI"].map(cells).astype("string").fillna(""),
        old_md5=table["md5"].fillna(checksum),
        old_cal_ver=table["cal_ver"],
        old_crds_ctx=table["crds_ctx"],
    )


def _cells_of_files(table: pd.DataFrame) -> pd.Series:
    """The cells that list each file, separated by a comma and a space, by dataURI."""
    listed = table[["dataURI", "cell"]].dropna().drop_duplicates().sort_values("cell")
    # Nearly all files have one, and need no function call each.
    repeated = listed["dataURI"].duplicated(keep=False)
    several = listed[repeated].groupby("dataURI")["cell"].agg(", ".join).astype("string")
    return pd.concat([listed[~repeated].set_index("dataURI")["cell"], several])


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose old_* and new_* differ, with ``kind``, by name."""
    content = _differ(table, "md5")
    versions = (_differ(table, "cal_ver") | _differ(table, "crds_ctx")) & ~content
    versions &= table["old_md5"].notna() | table["new_md5"].notna()
    kind = pd.Series(pd.NA, index=table.index, dtype="string").mask(versions, "versions").mask(content, "content")
    told = table.assign(kind=kind, compared_by="checksum", old_mtime=table["mtime"])
    return _conformed(told[kind.notna()].sort_values("productFilename"))


def _differ(table: pd.DataFrame, name: str) -> pd.Series:
    """Where both are known and differ."""
    return tables.is_true(table[f"old_{name}"] != table[f"new_{name}"])


def _conformed(table: pd.DataFrame) -> pd.DataFrame:
    return tables.conform(table.reset_index(drop=True), tables.CHANGE_TABLE)


def _transitions(changes: pd.DataFrame) -> str:
    """``: cal_ver 1.18.0 -> 1.19.2, crds_ctx ...``, the most common of each first; empty if none is known."""
    told = []
    for name in VERSIONS:
        rows = changes[_differ(changes, name)]
        counts = (rows[f"old_{name}"] + " -> " + rows[f"new_{name}"]).value_counts()
        if len(counts):
            more = f" and {len(counts) - 1} more" if len(counts) > 1 else ""
            told.append(f"{name} {counts.index[0]}{more}")
    return ": " + ", ".join(told) if told else ""
