"""Keeping the older version of a file that is about to be replaced."""

import datetime as dt
import glob
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from jwst_mast_assets.downloads import filesystem
from jwst_mast_assets.downloads.partial import Blocked
from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    from astropy.io import fits
else:
    fits = Lazily("astropy.io.fits")

FOLDER = "superseded"


def keep(path: str) -> Path:
    """Give a file a second name, ``<folder>/superseded/<stem>.<version>.<ext>``; it also keeps its own.

    The version is its ``CAL_VER``; if it has none, the date (UTC) on which it was written. A hard link if the
    file system has them, else a copy.

    Returns
    -------
    Path
        The second name.

    Raises
    ------
    Blocked
        If something other than a folder has the folder's name.
    OSError
        If it cannot be written.
    """
    source = Path(path)
    folder = source.parent / FOLDER
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Blocked(f"{folder} must be a folder, for older versions")
    folder.mkdir(exist_ok=True)
    version, number = _version(source), 1
    while True:
        suffix = f"-{number}" if number > 1 else ""
        target = folder / f"{source.stem}.{version}{suffix}{source.suffix}"
        if not os.path.lexists(target):
            _second_name(source, target)
            filesystem.sync_folder(str(folder))
            return target
        if os.path.samefile(source, target):
            return target
        number += 1


def versions(path: str) -> list[Path]:
    """The older versions that are kept of a file."""
    source = Path(path)
    kept = (source.parent / FOLDER).glob(f"{glob.escape(source.stem)}.*{source.suffix}")
    return sorted(path for path in kept if path.is_file())


def _version(path: Path) -> str:
    version = None
    if path.suffix == ".fits":
        try:
            version = fits.getheader(path).get("CAL_VER")
        except (OSError, ValueError):
            version = None
    if not isinstance(version, str) or not version.strip():
        return f"{dt.datetime.fromtimestamp(path.stat().st_mtime, dt.timezone.utc):%Y-%m-%d}"
    return re.sub(r"[^A-Za-z0-9.+-]", "-", version.strip())[:40]


def _second_name(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        partial = target.with_name(f".{target.name}.tmp")
        try:
            # The copy is never more open than its source.
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            shutil.copy2(source, partial)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
