"""What is on disk, and what earlier runs wrote down about it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from jwst_mast_assets.downloads import filesystem
from jwst_mast_assets.downloads.codes import PRESENT, Code, word
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config


@dataclass(frozen=True)
class Record:
    """What an earlier run knew of a file on disk."""

    disk: filesystem.OnDisk
    md5: str | None = None
    checksum: str | None = None
    verified: str | None = None
    code: int | None = None
    listed: int | None = None
    """Size in MAST's table at that time, in bytes."""
    cal_ver: str | None = None
    crds_ctx: str | None = None

    def proven_although(self, listed: int | None) -> bool:
        """Whether the file was found to be whole although MAST's table has another size for it."""
        return self.code in PRESENT and self.verified in ("content", "checksum") and self.listed == listed


def records(known: pd.DataFrame | None) -> dict[str, Record]:
    """The files of a ``tables.FILE_TABLE`` by path; those that were not on disk are left out."""
    if known is None or known.empty:
        return {}
    table = tables.conform(known, tables.FILE_TABLE)
    columns = ["outfilename", "bytes_on_disk", "mtime", "md5", "checksum", "verified", "dl_code", "size"]
    columns += ["cal_ver", "crds_ctx"]
    table = table.loc[table[columns[:3]].notna().all(axis=1), columns]
    rows = table.astype(object).where(table.notna(), None).itertuples(index=False, name=None)
    return {row[0]: Record(filesystem.OnDisk(row[1], row[2]), *row[3:]) for row in rows}


def state_on_disk(products: pd.DataFrame, config: Config, known: pd.DataFrame | None = None) -> pd.DataFrame:
    """State of each product's file from its size alone.

    Parameters
    ----------
    products : DataFrame
        With ``outfilename`` and ``size`` (byte).
    config : Config
        ``skip_check_filesize`` takes any size; ``skip_check_if_outfile_exists`` does not look.
    known : DataFrame, optional
        ``tables.FILE_TABLE`` of earlier runs: a file that one of them found to be whole although MAST's table has
        another size counts as there.

    Returns
    -------
    DataFrame
        ``dl_code`` (0 not there, 2 there, 4 another size, 3 no usable name, 6 something in the way) and
        ``dl_str``, indexed as `products`; missing where it was not looked.
    """
    codes = pd.Series(pd.NA, index=products.index, dtype="Int64")
    if not config.skip_check_if_outfile_exists and len(products):
        paths = [path if isinstance(path, str) else None for path in products["outfilename"]]
        sizes = products["size"].astype(object).where(products["size"].notna(), None)
        usable = [path for path in dict.fromkeys(paths) if path and not filesystem.bad_name(path, config.root)]
        looks = filesystem.looks(usable)
        earlier = records(known)
        codes[:] = [
            _code(looks[path], size, config, earlier.get(path)) if path in looks else Code.BAD_NAME
            for path, size in zip(paths, sizes, strict=True)
        ]
    words = pd.Series([None if pd.isna(code) else word(code) for code in codes], index=products.index, dtype="string")
    return pd.DataFrame({"dl_code": codes, "dl_str": words})


def _code(found: filesystem.OnDisk | str | None, size: int | None, config: Config, record: Record | None) -> Code:
    if found is None:
        return Code.NOT_THERE
    if isinstance(found, str):
        return Code.BLOCKED
    if config.skip_check_filesize or size is None or size == found.size:
        return Code.EXISTS
    proven = record is not None and record.disk == found and record.proven_although(size)
    return Code.EXISTS if proven else Code.BAD_SIZE


def now_on_disk(paths: list[str]) -> Mapping[str, filesystem.OnDisk]:
    """Size and time of those paths that are regular files."""
    looks = filesystem.looks([path for path in dict.fromkeys(paths) if path])
    return {path: found for path, found in looks.items() if isinstance(found, filesystem.OnDisk)}
