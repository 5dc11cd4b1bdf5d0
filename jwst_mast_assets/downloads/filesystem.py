"""Where a file may be written: what is there already, what is in the way, and how a new file gets its name."""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jwst_mast_assets.mast import names

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a quota, a file larger than the file system or the process may write."""


@dataclass(frozen=True)
class OnDisk:
    """A regular file as ``stat`` sees it."""

    size: int
    mtime: float


def look(path: str) -> OnDisk | str | None:
    """What is at a path, links not followed.

    Returns
    -------
    OnDisk, str or None
        A regular file; what is in the way, in words; nothing.
    """
    try:
        found = os.lstat(path)
    except (FileNotFoundError, ValueError):
        return None
    except NotADirectoryError:
        return f"{_first_non_folder(path)} is a file where a folder must be"
    except OSError as error:
        return f"it cannot be looked at ({error.strerror})"
    if stat.S_ISREG(found.st_mode):
        return OnDisk(found.st_size, found.st_mtime)
    if stat.S_ISLNK(found.st_mode):
        return "a symbolic link is there; it is neither followed nor replaced"
    return "a folder is there" if stat.S_ISDIR(found.st_mode) else "something that is no file is there"


def looks(paths: list[str]) -> dict[str, OnDisk | str | None]:
    """:func:`look` for many paths, with one listing per folder instead of one question per missing file."""
    listings: dict[str, set[str] | None] = {}
    found: dict[str, OnDisk | str | None] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in listings:
            try:
                listings[folder] = set(os.listdir(folder))
            except FileNotFoundError:
                listings[folder] = set()
            except (OSError, ValueError):
                listings[folder] = None
        listing = listings[folder]
        found[path] = None if listing is not None and name not in listing else look(path)
    return found


def bad_name(path: object, root: Path) -> str | None:
    """Why a path may not be written, in words; None if it may."""
    if not isinstance(path, str) or not path:
        return "the name that MAST sent cannot be a file name here"
    if "\0" in path or os.path.normpath(path) != path or not path.startswith(str(root).rstrip("/") + "/"):
        return "the path leads out of the output folder"
    name = os.path.basename(path)
    if len(name) > 200 or not names.SAFE_NAME.fullmatch(name):
        return "the name that MAST sent cannot be a file name here"
    return None


def ignores_case(folder: str) -> bool:
    """Whether the file system of a folder (or of its nearest existing parent) takes ``a`` and ``A`` for one name."""
    parent = nearest_folder(folder)
    probe = os.path.join(parent, f".jwst_mast_assets_case_{os.getpid()}")
    try:
        with open(probe, "x"):
            pass
    except OSError:
        return False
    try:
        return os.path.lexists(os.path.join(parent, os.path.basename(probe).upper()))
    finally:
        with suppress(OSError):
            os.unlink(probe)


def nearest_folder(path: str) -> str:
    """The nearest folder at or above a path that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def sync_folder(folder: str) -> None:
    """Make the renames in a folder last through a power cut, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _first_non_folder(path: str) -> str:
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    return parent
