"""Where a file may be written: what is already there, what is in the way, and how a new file gets its name."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast import names, patterns, tables
from jwst_mast_assets.mast.errors import FolderMoved

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
    return "a folder is there" if stat.S_ISDIR(found.st_mode) else "something that is not a file is there"


class Disk:
    """The contents of some folders: each is listed once, when first needed.

    The one place where a run looks at its files. Code that changes a file afterwards calls :meth:`look_again`.
    """

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, OnDisk | str]] = {}
        self._unlisted: set[str] = set()
        self._tables: dict[tuple[str, ...], pd.DataFrame] = {}

    def look(self, path: str) -> OnDisk | str | None:
        """What is at a path, see :func:`look`; from the listing of its folder."""
        folder, name = os.path.split(path)
        listing = self._listing(folder)
        return look(path) if folder in self._unlisted else listing.get(name)

    def looks(self, paths: Iterable[str]) -> dict[str, OnDisk | str]:
        """What is at those of some paths that exist or are blocked."""
        found = ((path, self.look(path)) for path in dict.fromkeys(paths))
        return {path: what for path, what in found if what is not None}

    def look_again(self, paths: Iterable[str]) -> None:
        """Take note of files that have just been changed."""
        self._tables.clear()
        for path in paths:
            folder, name = os.path.split(path)
            if folder in self._folders and folder not in self._unlisted:
                if (found := look(path)) is None:
                    self._folders[folder].pop(name, None)
                else:
                    self._folders[folder][name] = found

    def table(self, paths: pd.Series) -> pd.DataFrame:
        """What is at some paths.

        Parameters
        ----------
        paths : Series of string
            Missing values are not looked for.

        Returns
        -------
        DataFrame
            Indexed as `paths`: ``bytes_on_disk`` (Int64, byte), ``mtime`` (Float64, seconds since 1970), missing
            where there is no regular file, and ``blocked`` (string): what is in the way, in words.
        """
        found = self._found(paths)
        return found.reindex(pd.Index(paths, dtype=found.index.dtype)).set_axis(paths.index)

    def holds(self, paths: pd.Series) -> pd.Series:
        """Whether there is anything at some paths, missing ones left out. A Series of bool."""
        return tables.among(paths, self._found(paths).index.to_series())

    def _found(self, paths: pd.Series) -> pd.DataFrame:
        """What is in the folders of some paths, or, where a folder cannot be listed, at the paths in it; by path."""
        folders = tuple(patterns.extract(paths, r"(?s)^(.*)/").dropna().unique())
        if folders in self._tables:
            return self._tables[folders]
        there: dict[str, OnDisk | str] = {}
        for folder in folders:
            listing = self._listing(folder)
            if folder in self._unlisted:
                there |= self.looks(paths[tables.is_true(paths.str.startswith(f"{folder}/"))])
            else:
                # No product has a name that is not UTF-8, and Arrow has no text for it.
                there |= {f"{folder}/{name}": what for name, what in listing.items() if _is_utf8(name)}
        rows = [
            (what.size, what.mtime, None) if isinstance(what, OnDisk) else (None, None, what) for what in there.values()
        ]
        names = ("bytes_on_disk", "mtime", "blocked")
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        kinds = dict(zip(names, ("Int64", "Float64", "string"), strict=True))
        found = pd.DataFrame(
            {name: pd.array(list(column), dtype=kinds[name]) for name, column in zip(names, columns, strict=True)},
            index=pd.Index(list(there), dtype="string"),
        )
        # A run asks for the same several times.
        if self._unlisted.isdisjoint(folders):
            self._tables[folders] = found
        return found

    def _listing(self, folder: str) -> dict[str, OnDisk | str]:
        if folder not in self._folders:
            try:
                self._folders[folder] = list_folder(folder)
            except FileNotFoundError:
                self._folders[folder] = {}
            except (OSError, ValueError):
                # A folder that may be entered but not listed: its files are checked one by one.
                self._folders[folder] = {}
                self._unlisted.add(folder)
        return self._folders[folder]


def list_folder(folder: str) -> dict[str, OnDisk | str]:
    """What is in a folder, by name; see :func:`look`.

    Raises
    ------
    OSError
        If it cannot be listed.
    """
    with os.scandir(folder) as entries:
        return {entry.name: found for entry in entries if (found := look(entry.path)) is not None}


def _is_utf8(name: str) -> bool:
    """Whether a name that the system gave is text, and not bytes in another encoding."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


LEADS_OUT = "the path leads out of the output folder"
UNUSABLE = "the name that MAST sent cannot be a file name here"


def bad_names(paths: pd.Series, root: Path) -> pd.Series:
    """Why paths may not be written; missing if they may. A Series of string."""
    paths = paths.astype("string")
    # Below the output folder, with no empty part, no dot or two for a part, and no slash at its end.
    inside = tables.is_true(paths.str.startswith(f"{str(root).rstrip('/')}/"))
    inside &= ~patterns.found(paths, r"//|/\.{1,2}/|/\.{0,2}$|\x00")
    safe = names.is_safe(patterns.extract(paths, r"([^/]*)$"))
    problem = pd.Series(pd.NA, index=paths.index, dtype="string").mask(~safe, UNUSABLE).mask(~inside, LEADS_OUT)
    return problem.mask(paths.fillna("") == "", UNUSABLE)


def ignores_case(folder: str) -> bool:
    """Whether the file system of a folder (or of its nearest existing parent) treats ``a`` and ``A`` alike."""
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


class Place:
    """A folder as it is now, to notice later that its disk was unmounted or that it was moved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = self._look()

    def check(self) -> None:
        """Check that it is still the same folder.

        Raises
        ------
        FolderMoved
            If it is not.
        """
        if self._look() != self._identity:
            raise FolderMoved(
                f"The output folder {self.path} was moved or replaced while files were fetched; is its disk mounted? "
                "Nothing more is written there"
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def sync_folder(folder: str) -> None:
    """Make the renames in a folder survive a power cut, if the file system can."""
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
