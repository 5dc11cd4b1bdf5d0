"""All files on disk compared with MAST: by checksum, else by its server's headers, size, or FITS sibling.

The keyword service has FITS files only. For JPEGs, associations, pools and catalogs MAST's server is asked (HEAD) for
``ETag`` and ``Last-Modified``: one request per file, so each check asks for some, longest-waiting first.
"""

import datetime as dt
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.downloads.companions import sibling_stem, stem
from jwst_mast_assets.downloads.heads import Version, versions_at_mast
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.current_keywords import current_keywords
from jwst_mast_assets.mast.keywords import UNKNOWN
from jwst_mast_assets.records import reprocessing
from jwst_mast_assets.records.files import read_parquet, write_parquet
from jwst_mast_assets.records.store import TableStore

HEADS_PER_LOOK = 2000
"""Files that MAST's server is asked about per check; with a daily check 60,000 a month."""

FILE = "compared_files.parquet"


class Comparison(NamedTuple):
    """The result of a comparison with MAST."""

    changes: pd.DataFrame
    """``tables.CHANGE_TABLE`` of kinds ``content`` and ``versions``."""
    compared: pd.DataFrame
    """``tables.COMPARISON_TABLE``: every file on disk, and how it was compared."""


def compare_with_mast(
    archive: Archive, files: pd.DataFrame, products: pd.DataFrame, earlier: pd.DataFrame, now: dt.datetime
) -> Comparison:
    """Compare the files on disk with what MAST has now.

    Parameters
    ----------
    archive : Archive
    files : DataFrame
        ``tables.FILE_TABLE`` of one or many proposals.
    products : DataFrame
        ``tables.PRODUCT_TABLE``: MAST's lists, for their sizes.
    earlier : DataFrame
        ``tables.COMPARISON_TABLE`` of the previous check.
    now : datetime
        Aware.

    Raises
    ------
    ArchiveError
        If the keyword service does not answer. If the server gives no answer for a file, its earlier result is kept.
    """
    table = reprocessing.on_disk_once(files)
    had = table.loc[table["checksum"].notna() & table["dataURI"].isin(products["dataURI"]), "productFilename"]
    said = current_keywords(archive, table["productFilename"], set(had))
    changes = reprocessing.changes_by_keywords(files, said)
    keywords = [said.get(str(name), UNKNOWN) for name in table["productFilename"]]
    has_checksum = (
        pd.Series([each.checksum is not None for each in keywords], index=table.index) & table["old_md5"].notna()
    )
    table = table.assign(
        isStale=pd.Series([each.stale for each in keywords], index=table.index, dtype="boolean"),
        compared_by=pd.Series("checksum", index=table.index, dtype="string").where(has_checksum),
    )
    others = _others(archive, table[~has_checksum], table[has_checksum], changes, products, earlier, now)
    for name in others:
        table.loc[others.index, name] = others[name]
    compared = tables.conform(table, tables.COMPARISON_TABLE)
    differ = others.index[tables.is_true(others["changed"])]
    found = table.loc[differ].assign(kind="content", old_mtime=table.loc[differ, "mtime"])
    found = tables.conform(found, tables.CHANGE_TABLE)
    parts = [part for part in (changes[~changes["dataURI"].isin(found["dataURI"])], found) if len(part)]
    changes = (
        pd.concat(parts, ignore_index=True).sort_values("productFilename", ignore_index=True) if parts else changes
    )
    return Comparison(changes, compared)


def write_compared(store: TableStore, compared: pd.DataFrame) -> None:
    """Write the table ``<root>/.jwst_mast_assets/tables/compared_files.parquet``; raises OutputError."""
    write_parquet(store.folder / FILE, compared)


def read_compared(store: TableStore) -> pd.DataFrame:
    """The table as it was last written; no rows if it never was. Raises OutputError."""
    path = store.folder / FILE
    if not path.exists():
        return tables.empty(tables.COMPARISON_TABLE)
    found = read_parquet(path, "run the job jwst_reprocessing again").to_pandas()
    return tables.conform(found, tables.COMPARISON_TABLE)


def last_look(store: TableStore) -> str | None:
    """When the table was written, ISO, UTC; None if it never was."""
    path = store.folder / FILE
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.timezone.utc).isoformat() if path.exists() else None


def of_files_on_disk(compared: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """The rows of a comparison for some files, indexed as these; missing where the file was replaced since."""
    by_uri = compared.drop_duplicates("dataURI", keep="last").set_index("dataURI")
    rows = by_uri.reindex(files["dataURI"]).set_axis(files.index)
    same = tables.is_true(rows["mtime"] == files["mtime"])
    return rows.where(same)


def describe_ways(compared: pd.DataFrame) -> str:
    """``1200 by checksum, 300 by etag, 4 not comparable``."""
    counts = ("by " + compared["compared_by"]).fillna("not comparable")
    return ", ".join(f"{number} {way}" for way, number in counts.value_counts().items()) or "nothing"


def _others(
    archive: Archive,
    table: pd.DataFrame,
    with_checksum: pd.DataFrame,
    changes: pd.DataFrame,
    products: pd.DataFrame,
    earlier: pd.DataFrame,
    now: dt.datetime,
) -> pd.DataFrame:
    """Verdicts on the files without a checksum: columns of ``tables.COMPARISON_TABLE``, indexed as `table`."""
    content = changes[changes["kind"] == "content"]
    changed_siblings = {
        stem(str(name)): md5 for name, md5 in zip(content["productFilename"], content["new_md5"], strict=True)
    }
    siblings = {stem(str(name)) for name in with_checksum["productFilename"]}
    listed = products.drop_duplicates("dataURI", keep="last").set_index("dataURI")["size"]
    before = of_files_on_disk(earlier, table)
    work = table[["dataURI", "productFilename", "size", "bytes_on_disk", "mtime", "source", "etag", "last_modified"]]
    work = work.assign(
        listed=table["dataURI"].map(listed).astype("Int64").fillna(table["size"]),
        asked_before=before["asked"],
        etag_before=before["etag"],
        date_before=before["last_modified"],
        changed_before=tables.is_true(before["changed"]),
        way_before=before["compared_by"],
        tag_before=before["new_tag"],
    )
    work["sibling"] = [sibling_stem(str(name), siblings) for name in work["productFilename"]]
    work["sibling_changed"] = [sibling_stem(str(name), changed_siblings) for name in work["productFilename"]]
    # First the doubtful ones, then those that have waited longest.
    calm = work["sibling_changed"].isna() & ~work["changed_before"]
    order = work.assign(calm=calm).sort_values(["calm", "asked_before"], na_position="first", kind="stable")
    told = versions_at_mast(archive, order["dataURI"].head(HEADS_PER_LOOK))
    moving = _with_moving_tags(archive, work, told)
    rows = []
    for row in tables.as_dicts(work):
        version = told.get(row["dataURI"])
        verdict = _by_version(row, version, row["dataURI"] in moving, now) if version else _kept(row)
        rows.append(verdict if verdict.get("compared_by") else {**verdict, **_without_version(row, changed_siblings)})
    columns = ["compared_by", "changed", "new_tag", "asked", "etag", "last_modified"]
    found = pd.DataFrame(rows, columns=columns, index=work.index, dtype=object)
    return tables.conform(found.where(found.notna(), None), {name: tables.COMPARISON_TABLE[name] for name in columns})


def _known(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """ETag and Last-Modified of the file on disk: as MAST sent them with it, else from the first check after that."""
    from_mast = row["source"] == "mast"
    etag = row["etag"] if from_mast else None
    date = row["last_modified"] if from_mast else None
    return etag or row["etag_before"], date or row["date_before"]


def _by_version(row: Mapping[str, Any], version: Version, moving: bool, now: dt.datetime) -> dict[str, Any]:
    """The verdict from what MAST's server says."""
    etag, date = _known(row)
    way, changed = None, None
    same_tag = None if moving or not (etag and version.etag) else etag == version.etag
    same_date = None if not (date and version.last_modified) else date == version.last_modified
    if version.size is not None and version.size != row["bytes_on_disk"]:
        way, changed = "size", True
    elif same_tag is not None:
        # Servers behind one address may disagree about one of the two; for a different file both differ.
        way, changed = "etag", not (same_tag or same_date)
    elif same_date is not None:
        way, changed = "last-modified", not same_date
    elif version.last_modified and (modified := _seconds(version.last_modified)) is not None:
        way, changed = "last-modified", modified > row["mtime"]
    if not changed:
        etag, date = etag or version.etag, date or version.last_modified
    tag = (version.etag or version.last_modified or str(version.size)) if changed else None
    asked = f"{now:%Y-%m-%dT%H:%M:%S}"
    verdict = {"compared_by": way, "changed": changed, "new_tag": tag, "asked": asked}
    # For a changed file, what MAST says now must not become what the next check compares with.
    return {**verdict, "etag": etag, "last_modified": date}


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict of the previous check, for a file that was not requested now."""
    etag, date = _known(row)
    kept = {"asked": row["asked_before"], "etag": etag, "last_modified": date}
    if row["way_before"] in ("etag", "last-modified") or row["changed_before"]:
        kept |= {"compared_by": row["way_before"], "changed": row["changed_before"], "new_tag": row["tag_before"]}
        if row["sibling_changed"] and not row["changed_before"]:
            kept["compared_by"] = None
    return kept


def _without_version(row: Mapping[str, Any], changed_siblings: Mapping[str, str]) -> dict[str, Any]:
    """The verdict if the server says nothing: by MAST's list, else by the FITS file that it belongs to."""
    if row["listed"] is not None and row["listed"] not in (row["bytes_on_disk"], row["size"]):
        return {"compared_by": "size", "changed": True, "new_tag": str(row["listed"])}
    if row["sibling_changed"]:
        return {"compared_by": "sibling", "changed": True, "new_tag": changed_siblings[row["sibling_changed"]]}
    if row["listed"] is not None:
        return {"compared_by": "size", "changed": False, "new_tag": None}
    return {"compared_by": "sibling" if row["sibling"] else None, "changed": False, "new_tag": None}


def _with_moving_tags(archive: Archive, work: pd.DataFrame, told: Mapping[str, Version]) -> set[str]:
    """Files whose ETag changes with every request, so it is useless."""
    suspects = [
        row["dataURI"]
        for row in tables.as_dicts(work[work["dataURI"].isin(list(told))])
        if (version := told.get(row["dataURI"])) and version.etag and _known(row)[0] not in (None, version.etag)
    ]
    again = versions_at_mast(archive, suspects)
    return {uri for uri in suspects if uri in again and again[uri].etag != told[uri].etag}


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None
