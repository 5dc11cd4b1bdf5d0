"""Manifests as files to keep with a paper, and differences between manifests as text."""

from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets import __version__
from jwst_mast_assets.mast.dates import moment
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.mast.tables import MANIFEST_TABLE
from jwst_mast_assets.records.files import write_ecsv
from jwst_mast_assets.records.reports import to_astropy


def about(proposal: str, manifest: pd.DataFrame, history: pd.DataFrame, when: str | None) -> dict[str, Any]:
    """What a manifest describes.

    Parameters
    ----------
    proposal : str
    manifest : DataFrame
        Columns of ``tables.MANIFEST_TABLE``.
    history : DataFrame
        Columns of ``tables.HISTORY_TABLE``, oldest first.
    when : str, optional
        The time asked for; without one the manifest is that of the last event, and stays the same until the next.

    Returns
    -------
    dict
        ``proposal``, ``at`` (ISO, UTC), ``files``, ``bytes``, ``files_without_md5``, ``program``.
    """
    return {
        "proposal": proposal,
        "at": (moment(when) if when else str(history["when"].max())).removesuffix(".000000"),
        "files": len(manifest),
        "bytes": int(manifest["size"].fillna(0).sum()),
        "files_without_md5": int(manifest["md5"].isna().sum()),
        "program": f"jwst_mast_assets {__version__}",
    }


def write_manifest(manifest: pd.DataFrame, about: dict[str, Any], path: Path) -> None:
    """Write a manifest as ECSV: the same bytes for the same manifest on any machine and in any run.

    Parameters
    ----------
    manifest : DataFrame
        Columns of ``tables.MANIFEST_TABLE``.
    about : dict
        From :func:`about`; the file's meta.
    path : Path

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    table = to_astropy(manifest, MANIFEST_TABLE)
    table.meta = dict(about)
    write_ecsv(path.expanduser().absolute(), table, "; choose another with -o")


def steps(changes: pd.DataFrame, name: str) -> list[str]:
    """How many changed files went from which version to which: ``cal_ver 1.18.0 -> 1.19.2: 24 files``.

    Parameters
    ----------
    changes : DataFrame
        Columns of ``tables.DIFF_TABLE``.
    name : str
        ``cal_ver`` or ``crds_ctx``.
    """
    changed = changes[changes["change"] == "changed"]
    counts = old_to_new(changed, name).value_counts()
    return [f"{name} {step}: {counted(number, 'file')}" for step, number in sorted(counts.items())]


def old_to_new(changes: pd.DataFrame, name: str) -> pd.Series:
    """``old -> new`` of each row; the one value where both are the same or only one file is there; ``?`` is unknown."""
    old = changes[f"old_{name}"].astype("string").fillna("?")
    new = changes[f"new_{name}"].astype("string").fillna("?")
    step = (old + " -> " + new).mask(old == new, new)
    return step.mask(changes["change"] == "added", new).mask(changes[f"new_{name}"].isna() & _left(changes), old)


def _left(changes: pd.DataFrame) -> pd.Series:
    return changes["change"] == "gone"
