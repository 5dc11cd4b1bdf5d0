"""Rows of ``tables.FILE_TABLE`` for tests, with only what matters said."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads.codes import PRESENT, word
from jwst_mast_assets.mast import tables

CELL = "2022-04-10|01138"


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def file_row(root: Path, name: str, code: int, version: str | None = "1", **values: Any) -> dict[str, Any]:
    """A selected file; its bytes are those of a version, which MAST has too unless `values` say otherwise."""
    md5 = md5_of(f"{name} {version}") if version and code in PRESENT else None
    return {
        "proposal_id": 1138,
        "obsnum": 4,
        "dataURI": f"mast:JWST/product/{name}",
        "productFilename": name,
        "outfilename": f"{root}/01138/obsnum04/{name}",
        "size": 100,
        "bytes_on_disk": 100 if code in PRESENT else None,
        "mtime": 1e9 if code in PRESENT else None,
        "md5": md5,
        "checksum": md5,
        "cal_ver": f"{version}.0",
        "crds_ctx": f"jwst_{version}.pmap",
        "verified": "checksum",
        "selected": True,
        "dataRights": "PUBLIC",
        "t_obs_release": 59700.0,
        "dl_code": code,
        "dl_str": word(code),
        "cell": CELL,
        **values,
    }


def file_table(*rows: dict[str, Any]) -> pd.DataFrame:
    """``tables.FILE_TABLE`` of some rows."""
    return tables.conform(pd.DataFrame(list(rows)), tables.FILE_TABLE) if rows else tables.empty(tables.FILE_TABLE)
