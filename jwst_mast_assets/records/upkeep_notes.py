"""What the looks at the disk have noted, ``<root>/.jwst_mast_assets/upkeep.json``.

::

    {"scanned": {"01138": "2026-03-01T04:00:02+00:00"}, "held": {"01138": [30, 30]},
     "read": {"at": "2026-03-01T04:00:02+00:00", "bytes_left": 120000}}

What was read is in ``<root>/.jwst_mast_assets/tables/read_files.parquet``, columns of ``tables.READ_TABLE``.
"""

from typing import Any

import pandas as pd

from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import tables
from jwst_mast_assets.records.files import read_json, read_parquet, write_json
from jwst_mast_assets.records.store import TableStore

FILE = "read_files.parquet"


def read_notes(store: TableStore) -> dict[str, Any]:
    """When each proposal was looked at, of which most files vanished, and what of the share is left to read."""
    # If they are lost, files are only looked at sooner.
    return {"scanned": {}, "held": {}, "read": {}, **read_json(store.state / "upkeep.json")}


def write_notes(store: TableStore, notes: dict[str, Any]) -> None:
    """Write them. Raises OutputError."""
    write_json(store.state / "upkeep.json", notes)


def read_again(store: TableStore) -> pd.DataFrame:
    """Which files were read again and when; columns of ``tables.READ_TABLE``. Raises OutputError."""
    path = store.folder / FILE
    if not path.exists():
        return tables.empty(tables.READ_TABLE)
    found = read_parquet(path, "remove it; the files are then read again").to_pandas()
    return tables.conform(found, tables.READ_TABLE)


def spoiled_files(store: TableStore) -> dict[str, float]:
    """The files that were found spoiled, by dataURI, and when those on disk were last changed; for a plan."""
    table = read_again(store)
    rows = table[table["problem"].notna() & table["mtime"].notna()]
    return dict(zip(rows["dataURI"], rows["mtime"].astype(float), strict=True))


def spoiled_now(store: TableStore, files: pd.DataFrame, disk: Disk) -> set[str]:
    """The dataURIs of those files (with ``outfilename``) that were found spoiled and have not changed since."""
    spoiled = spoiled_files(store)
    rows = files[files["dataURI"].isin(list(spoiled))]
    mtime = disk.table(rows["outfilename"])["mtime"]
    return set(rows.loc[tables.is_true(rows["dataURI"].map(spoiled).astype("Float64") == mtime), "dataURI"])
