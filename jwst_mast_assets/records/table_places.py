"""Where the tables by asset and partition are: below the output folder, or in a bucket (:mod:`.table_bucket`)."""

import json
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from jwst_mast_assets.mast.errors import ConfigError, OutputError
from jwst_mast_assets.records.files import read_parquet, write_arrow

NOTE = "tables.json"
"""File in ``<root>/.jwst_mast_assets`` that says where the tables are, if they are not beside it."""

REMEDY = "run the job jwst_download for this proposal and day again"
"""What to do about a damaged table."""


class Found(NamedTuple):
    """A table that is there."""

    stamp: Hashable
    """If this differs, so may the content."""
    changed: float
    """When it was written, seconds since 1970."""


class TablePlace(Protocol):
    """A place for tables, each of which has a name: ``obs_table/01138/2022-04-10.parquet``.

    All methods raise a :class:`~jwst_mast_assets.mast.errors.JwstMastError` if the place cannot be used: no table is
    missing because its place did not answer.
    """

    def check(self) -> None:
        """Check that the place can be used, and is that of this output folder."""
        ...

    def exists(self) -> bool:
        """Whether any table was ever written."""
        ...

    def list_again(self) -> None:
        """See from now on what others have written until now."""
        ...

    def where(self, name: str) -> str:
        """The path or address of a table or an asset, for people."""
        ...

    def names(self, asset: str) -> list[str]:
        """The names of all tables of an asset, sorted."""
        ...

    def of_proposal(self, asset: str, proposal: str) -> dict[str, Found]:
        """The tables of an asset and proposal, sorted by name."""
        ...

    def find(self, names: Iterable[str]) -> dict[str, Found]:
        """Those of some tables that are there, in the order of `names`."""
        ...

    def read(self, found: Mapping[str, Found]) -> list[tuple[Hashable, pa.Table]]:
        """The stamp and content of each of some tables."""
        ...

    def write(self, name: str, table: pa.Table, found: Found | None) -> Hashable:
        """Replace a table, in one step, unless its content is the same; returns its stamp.

        `found` is the table that is there.
        """
        ...


class Folder:
    """A folder for tables.

    Parameters
    ----------
    folder : Path
        ``<root>/.jwst_mast_assets/tables``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> None:
        """Check that the tables of the output folder are here.

        Raises
        ------
        ConfigError
            If they are in a bucket.
        """
        _ = self._checked

    def exists(self) -> bool:
        """Whether any table was ever written."""
        self.check()
        return self.folder.exists()

    def list_again(self) -> None:
        """Nothing to do: what is in the folder is always seen."""

    def where(self, name: str) -> str:
        """A path."""
        return str(self.folder / name)

    def names(self, asset: str) -> list[str]:
        """The names of all tables of an asset, sorted."""
        self.check()
        return [self._name(path) for path in sorted((self.folder / asset).glob("*/*.parquet"))]

    def of_proposal(self, asset: str, proposal: str) -> dict[str, Found]:
        """The tables of an asset and proposal, sorted by name."""
        return self.find(self._name(path) for path in sorted((self.folder / asset / proposal).glob("*.parquet")))

    def find(self, names: Iterable[str]) -> dict[str, Found]:
        """Those of some tables that are there."""
        self.check()
        found = {}
        for name in names:
            try:
                at = (self.folder / name).stat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            found[name] = Found((name, at.st_mtime_ns, at.st_size, at.st_ino), at.st_mtime)
        return found

    def read(self, found: Mapping[str, Found]) -> list[tuple[Hashable, pa.Table]]:
        """The stamp and content of each of some tables."""
        return [(one.stamp, read_parquet(self.folder / name, REMEDY)) for name, one in found.items()]

    def write(self, name: str, table: pa.Table, found: Found | None) -> Hashable:
        """Replace a table; a file that is the same already stays as it is."""
        self.check()
        at = write_arrow(self.folder / name, table)
        return name, at.st_mtime_ns, at.st_size, at.st_ino

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @cached_property
    def _checked(self) -> None:
        note = read_note(self.folder.parent)
        if note.get("since"):
            raise ConfigError(
                f"The tables of {self.folder.parent.parent} are in {note['place']}: set tablerootdir in the config "
                f"file, or copy them back with: aws s3 sync {note['place']} {self.folder}, and then remove "
                f"{self.folder.parent / NOTE}"
            )


def read_note(state: Path) -> dict[str, Any]:
    """What an output folder notes of the place of its tables; empty if they are in the folder.

    Parameters
    ----------
    state : Path
        ``<root>/.jwst_mast_assets``.

    Returns
    -------
    dict
        ``place``, an address; ``id`` of the folder; ``since``, if the place has a mark of the folder.

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    path = state / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return {"place": str(note["place"]), "id": str(note["id"]), "since": note["since"]}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError):
        raise OutputError(f"{path} is damaged: restore it from a copy; it says where the tables are") from None
