"""The state of each file, from its ``dl_code`` and what is known of MAST's versions."""

import datetime as dt
from collections.abc import Collection

import pandas as pd

from jwst_mast_assets.downloads.codes import CODES, Code
from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.file_states import ON_DISK, State


def file_states(
    files: pd.DataFrame, changes: pd.DataFrame, now: dt.datetime, spoiled: Collection[str] = ()
) -> pd.Series:
    """What each file is.

    Parameters
    ----------
    files : DataFrame
        Columns of ``tables.FILE_TABLE``, with the state on disk now.
    changes : DataFrame
        Columns of ``tables.CHANGE_TABLE``: what is known about MAST's versions, of any date.
    now : datetime
        Aware. A file that is not on disk and not public at that time is waiting.
    spoiled : collection of str
        dataURIs of files that were found spoiled when they were read, and have not changed since.

    Returns
    -------
    Series of string
        Values of :class:`State`.
    """
    code, uri = files["dl_code"], files["dataURI"]
    state = code.map({code: meaning.state.value for code, meaning in CODES.items()}).astype("string")
    state = state.fillna(State.MISSING.value)
    exclusive = tables.is_true(files["t_obs_release"] > mjd_of(now)) & (files["dataRights"].fillna("") != "PUBLIC")
    state = state.mask(tables.is_true(code == Code.NOT_THERE) & exclusive, State.WAITING.value)
    there = state.isin(ON_DISK)
    # What was recorded has the size that MAST lists; the disk has another one.
    cut = tables.is_true((code == Code.BAD_SIZE) & (files["bytes_on_disk"] == files["size"]))
    state = state.mask(cut | (there & uri.isin(list(spoiled))), State.SPOILED.value)
    superseded, gone = (
        there & uri.isin(changes.loc[changes["kind"] == kind.value, "dataURI"])
        for kind in (State.SUPERSEDED, State.GONE)
    )
    state = state.mask(superseded, State.SUPERSEDED.value)
    state = state.mask(there & _has_other_version(files, changes), State.STALE.value)
    # There is no other version to fetch of what MAST no longer lists.
    return state.mask(gone, State.GONE.value)


def without_relisted(changes: pd.DataFrame, unlisted: Collection[str]) -> pd.DataFrame:
    """What is known about MAST's versions, without files that were gone and that a run has found listed again.

    Parameters
    ----------
    changes : DataFrame
        Columns of ``tables.CHANGE_TABLE``, as the last daily look left them.
    unlisted : collection of str
        The dataURIs that are not among the recorded products.
    """
    gone = changes["kind"] == State.GONE.value
    return changes[~gone | changes["dataURI"].isin(list(unlisted))]


def why_failed(files: pd.DataFrame, disk: Disk) -> pd.Series:
    """Why files failed or were refused: what is in the way now, else what the last download said.

    Parameters
    ----------
    files : DataFrame
        Columns of ``tables.FILE_TABLE``, and ``state``.
    disk : Disk

    Returns
    -------
    Series of string
        Empty where nothing is known, and for files in other states.
    """
    blocked = disk.table(files["outfilename"])["blocked"]
    freed = (files["dl_code"] == Code.BLOCKED) & blocked.isna()
    said = files["dl_message"].mask(tables.is_true(freed), "what was in the way is gone; the next run tries it again")
    failed = files["state"].isin([State.FAILED.value, State.REFUSED.value])
    return blocked.fillna(said).fillna("").where(failed, "")


def _has_other_version(files: pd.DataFrame, changes: pd.DataFrame) -> pd.Series:
    """Whether MAST has other bytes under the same name, of files that are on disk."""
    # After a query MAST's size is newer than the file's, after a plan its md5; a look for changes asks only for that.
    seen = changes[changes["kind"] == "content"].drop_duplicates("dataURI", keep="last").set_index("dataURI")
    checksums = files["dataURI"].map(seen["new_md5"]).astype("string").fillna(files["checksum"])
    # Files without a checksum: the result is valid as long as the file on disk is the one that was compared.
    unnamed = seen["old_mtime"].where(seen["new_md5"].isna())
    same_file = tables.is_true(files["dataURI"].map(unnamed).astype("Float64") == files["mtime"])
    return tables.is_true(files["md5"] != checksums) | same_file
