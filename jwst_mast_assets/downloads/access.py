"""Who may read files with exclusive access: ``exclusive_file_mode`` until their release, then what all files have."""

import datetime as dt
import os
import stat
from contextlib import suppress

import pandas as pd

from jwst_mast_assets.downloads import superseded
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of

# The mask can only be read by setting it; nothing that another thread creates meanwhile is more open.
UMASK = os.umask(0o077)
os.umask(UMASK)


def is_exclusive(files: pd.DataFrame, now: dt.datetime) -> pd.Series:
    """Whether files have exclusive access; one that MAST does not list as public has, until its release.

    Parameters
    ----------
    files : DataFrame
        With ``dataRights`` and ``t_obs_release`` (MJD).
    now : datetime
        Aware.

    Returns
    -------
    Series of bool
    """
    public = tables.is_true(files["dataRights"] == "PUBLIC")
    return ~(public | tables.is_true(files["t_obs_release"] <= mjd_of(now)))


def give_modes(files: pd.DataFrame, config: Config, now: dt.datetime) -> list[str]:
    """Close the files on disk that have exclusive access, and open those whose access has ended.

    A file is opened only if its mode is ``exclusive_file_mode``; other modes are someone's own choice. Its older
    versions in ``superseded`` and the page's pictures of it are treated alike. Without ``exclusive_file_mode`` nothing
    is changed.

    Parameters
    ----------
    files : DataFrame
        With ``outfilename``, ``bytes_on_disk``, ``dataRights``, ``t_obs_release``.
    config : Config
    now : datetime
        Aware.

    Returns
    -------
    list of str
        The paths of the products whose mode was changed.
    """
    closed = config.exclusive_mode
    if closed is None:
        return []
    there = files[files["bytes_on_disk"].notna() & files["outfilename"].notna()].drop_duplicates("outfilename")
    changed = []
    for path, exclusive in zip(there["outfilename"], is_exclusive(there, now), strict=True):
        if _give_mode(str(path), closed, exclusive):
            changed.append(str(path))
            for other in (*superseded.versions(str(path)), *pictures(str(path))):
                _give_mode(str(other), closed, exclusive)
    return changed


def open_to_all(files: pd.DataFrame, config: Config, now: dt.datetime) -> pd.DataFrame:
    """The files that everyone on the machine may see: all, or with ``exclusive_file_mode`` those not exclusive."""
    return files if config.exclusive_mode is None else files[~is_exclusive(files, now)]


def pictures(path: str) -> list[str]:
    """Where the page's pictures of a file may be: the thumbnail of a picture, the preview of a FITS file."""
    stem, extension = os.path.splitext(path)
    folder, name = os.path.split(stem)
    previews = [
        os.path.join(above, "previews", f"{name}.preview{kind}")
        for above in (folder, os.path.dirname(folder))
        for kind in (".jpg", ".TN.jpg")
    ]
    return [f"{stem}.TN{extension}", *previews]


def normal_mode(closed: int) -> int:
    """The mode of a file once it is released; what those could do who had access before, they still can."""
    return (0o666 & ~UMASK) | closed


def _give_mode(path: str, closed: int, exclusive: bool) -> bool:
    with suppress(OSError):  # Someone else's file.
        found = os.lstat(path)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            return False
        # What is closed further by hand stays so.
        wanted = mode & closed if exclusive else normal_mode(closed) if mode == closed else mode
        if wanted != mode:
            os.chmod(path, wanted)
            return True
    return False
