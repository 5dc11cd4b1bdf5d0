"""What is on disk, and what earlier runs recorded about it."""

from dataclasses import dataclass

import pandas as pd

from jwst_mast_assets.downloads import filesystem
from jwst_mast_assets.downloads.codes import CODES, PRESENT, Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config


@dataclass(frozen=True)
class Record:
    """What an earlier run recorded about a file on disk."""

    disk: filesystem.OnDisk
    md5: str | None = None
    checksum: str | None = None
    verified: str | None = None
    code: int | None = None
    listed: int | None = None
    """Size in MAST's table at that time, in bytes."""
    cal_ver: str | None = None
    crds_ctx: str | None = None
    checksum_source: str | None = None
    source: str | None = None
    etag: str | None = None
    last_modified: str | None = None

    @property
    def origin(self) -> dict[str, str | None]:
        """The source of the file and what it said about the file, as in ``tables.FILE_TABLE``."""
        return {name: getattr(self, name) for name in ("checksum", *tables.ORIGIN_COLUMNS)}

    def proven_although(self, listed: int | None) -> bool:
        """Whether the file was found to be complete although MAST's table has a different size."""
        return self.code in PRESENT and self.verified in ("content", "checksum") and self.listed == listed


def records(known: pd.DataFrame | None) -> dict[str, Record]:
    """The files of a ``tables.FILE_TABLE`` by path; those that were not on disk are left out."""
    if known is None or known.empty:
        return {}
    table = tables.conform(known, tables.FILE_TABLE)
    columns = ["outfilename", "bytes_on_disk", "mtime", "md5", "checksum", "verified", "dl_code", "size"]
    columns += ["cal_ver", "crds_ctx", *tables.ORIGIN_COLUMNS]
    table = table.loc[table[columns[:3]].notna().all(axis=1), columns]
    rows = tables.plain(table).itertuples(index=False, name=None)
    return {row[0]: Record(filesystem.OnDisk(row[1], row[2]), *row[3:]) for row in rows}


RECORDED = ["md5", "verified", "checksum", "cal_ver", "crds_ctx", *tables.ORIGIN_COLUMNS, "isStale"]
"""The recorded columns about a file's content."""


def recorded_of_same_file(files: pd.DataFrame, known: pd.DataFrame | None) -> pd.DataFrame:
    """What earlier runs recorded about the content of files that have not changed since.

    Parameters
    ----------
    files : DataFrame
        With ``outfilename``, ``bytes_on_disk`` and ``mtime`` as they are now.
    known : DataFrame, optional
        ``tables.FILE_TABLE`` of earlier runs.

    Returns
    -------
    DataFrame
        The columns ``RECORDED``, indexed as `files`; missing where size or time differ.
    """
    earlier = tables.empty(tables.FILE_TABLE) if known is None else tables.conform(known, tables.FILE_TABLE)
    earlier = earlier[earlier[["outfilename", "bytes_on_disk", "mtime"]].notna().all(axis=1)]
    earlier = earlier.drop_duplicates("outfilename", keep="last").set_index("outfilename")
    path = files["outfilename"]
    same = pd.Series(True, index=files.index)
    for name in ("bytes_on_disk", "mtime"):
        same &= tables.is_true(path.map(earlier[name]).astype(files[name].dtype) == files[name])
    kinds = {name: pd.api.types.pandas_dtype(tables.FILE_TABLE[name].dtype) for name in RECORDED}
    return pd.DataFrame({name: path.map(earlier[name]).astype(kind).where(same) for name, kind in kinds.items()})


def state_on_disk(
    products: pd.DataFrame, config: Config, known: pd.DataFrame | None = None, disk: filesystem.Disk | None = None
) -> pd.DataFrame:
    """State of each product's file from its size alone.

    Parameters
    ----------
    products : DataFrame
        With ``outfilename`` and ``size`` (byte).
    config : Config
        ``skip_check_filesize`` accepts any size; ``skip_check_if_outfile_exists`` skips the check.
    known : DataFrame, optional
        ``tables.FILE_TABLE`` of earlier runs: a file that one of them found to be whole although MAST's table has
        another size counts as there.
    disk : Disk, optional
        What the run has listed so far.

    Returns
    -------
    DataFrame
        ``dl_code`` (0 not there, 2 there, 4 another size, 3 no usable name, 6 something in the way) and
        ``dl_str``, indexed as `products`; missing where it was not looked.
    """
    codes = pd.Series(pd.NA, index=products.index, dtype="Int64")
    if not config.skip_check_if_outfile_exists and len(products):
        paths = products["outfilename"].astype("string")
        bad = filesystem.bad_names(paths, config.root).notna()
        found = (disk or filesystem.Disk()).table(paths.mask(bad))
        size = found["bytes_on_disk"]
        other = tables.is_true(size != products["size"]) & (not config.skip_check_filesize)
        if other.any():
            other &= ~_proven_although(products[other], found[other], known).reindex(other.index, fill_value=False)
        codes[:] = Code.NOT_THERE
        codes[size.notna()] = Code.EXISTS
        codes[other] = Code.BAD_SIZE
        codes[found["blocked"].notna()] = Code.BLOCKED
        codes[bad] = Code.BAD_NAME
    words = codes.map({code: meaning.dl_str for code, meaning in CODES.items()}).astype("string")
    return pd.DataFrame({"dl_code": codes, "dl_str": words})


def _proven_although(products: pd.DataFrame, found: pd.DataFrame, known: pd.DataFrame | None) -> pd.Series:
    """Whether an earlier run found a file to be complete although MAST's table has a different size."""
    recorded = records(known)
    rows = zip(products["outfilename"], products["size"], found["bytes_on_disk"], found["mtime"], strict=True)
    proven = [
        (record := recorded.get(path)) is not None
        and record.disk == filesystem.OnDisk(size, mtime)
        and record.proven_although(listed)
        for path, listed, size, mtime in rows
    ]
    return pd.Series(proven, index=products.index, dtype=bool)
