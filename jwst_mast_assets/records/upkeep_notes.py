"""What the looks at the disk have noted, ``<root>/.jwst_mast_assets/upkeep.json``.

::

    {"scanned": {"01138": "2026-03-01T04:00:02+00:00"}, "held": {"01138": [30, 30]},
     "read": {"at": "2026-03-01T04:00:02+00:00", "bytes_left": 120000}}
"""

from typing import Any

from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.store import TableStore


def read_notes(store: TableStore) -> dict[str, Any]:
    """When each proposal was looked at, of which most files vanished, and what of the share is left to read."""
    # If they are lost, files are only looked at sooner.
    return {"scanned": {}, "held": {}, "read": {}, **read_json(store.state / "upkeep.json")}


def write_notes(store: TableStore, notes: dict[str, Any]) -> None:
    """Write them. Raises OutputError."""
    write_json(store.state / "upkeep.json", notes)
