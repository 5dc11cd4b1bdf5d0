"""What one run, or one command with its runs, knows of its output folder: each table and folder is read once."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import pandas as pd

from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.records.store import TableStore

Made = TypeVar("Made")


class Snapshot:
    """The configuration, the tables and the files of one run or command; handed on, and not kept longer.

    Parameters
    ----------
    config : Config
        Checked.

    Attributes
    ----------
    store : TableStore
        Notices tables that another run has written since.
    disk : Disk
        What is in the folders, each listed when it is first asked for.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = TableStore.of(config)
        self.disk = Disk()
        self._last: tuple[Hashable, Any] = (None, None)

    def list_again(self) -> None:
        """Forget what is in the folders: enough time has passed that it may have changed."""
        self.disk = Disk()
        self._last = (None, None)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` returns; the last result is kept, and returned again for the same key."""
        if self._last[0] != key:
            self._last = (key, make())
        return self._last[1]

    def recorded_files(self, proposal: str) -> pd.DataFrame:
        """What the downloads recorded of a proposal over all its days; columns of ``tables.FILE_TABLE``.

        Where the record and the listing of the folder differ the file is looked at again, as another run may have
        written or removed it in the meantime.
        """
        recorded = self.store.read_proposal("downloaded_files", proposal)
        inside = tables.is_true(recorded["outfilename"].str.startswith(f"{self.config.root}/"))
        paths = recorded["outfilename"].where(inside)
        found = self.disk.table(paths)
        same = pd.Series(True, index=recorded.index)
        for name in ("bytes_on_disk", "mtime"):
            both_missing = found[name].isna() & recorded[name].isna()
            same &= both_missing | tables.is_true(found[name] == recorded[name])
        self.disk.look_again(paths[~same].dropna())
        return recorded
