"""What the looks at the disk have noted, ``<root>/.jwst_mast_assets/upkeep.json``.

::

    {"scanned": {"01138": "2026-03-01T04:00:02+00:00"}, "held": {"01138": [30, 30]},
     "read": {"at": "2026-03-01T04:00:02+00:00", "bytes_left": 120000}}
"""

import json
from typing import Any

from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.store import TableStore


def read_notes(store: TableStore) -> dict[str, Any]:
    """When each proposal was looked at, of which most files vanished, and what of the share is left to read."""
    try:
        content = json.loads((store.state / "upkeep.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Written in one step; if it is damaged anyway, files are only looked at sooner.
        content = {}
    content = content if isinstance(content, dict) else {}
    return {"scanned": {}, "held": {}, "read": {}, **content}


def write_notes(store: TableStore, notes: dict[str, Any]) -> None:
    """Write them. Raises OutputError."""
    write_text(store.state / "upkeep.json", json.dumps(notes, indent=0, sort_keys=True) + "\n")
