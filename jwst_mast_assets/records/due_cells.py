"""Which cells want a run, and why: MAST's list of observations against the ledger."""

import datetime as dt
import hashlib
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.ledger import Entry, Recorded, fingerprints, selection_fingerprint


class DueCell(NamedTuple):
    """A cell that wants a run."""

    cell: Cell
    reason: str
    """For people: ``3 new observations``."""
    cause: str
    """For counting attempts: the same as long as nothing changes but the number of tries."""


def due_cells(observations: pd.DataFrame, recorded: Recorded, config: Config, now: dt.datetime) -> list[DueCell]:
    """The cells whose observations are new or changed, whose last run left files out, or whose files were released.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``: MAST's list now.
    recorded : Recorded
        From :meth:`Ledger.recorded`.
    config : Config
    now : datetime
        Aware.

    Returns
    -------
    list of DueCell
        Newest day first.
    """
    selection = selection_fingerprint(config)
    found = fingerprints(observations)
    entries = recorded.entries
    wanted = []
    for key in sorted({*found, *entries}, reverse=True):
        fingerprint, number = found.get(key, ("", 0))
        entry = entries.get(key)
        reason = _reason(fingerprint, number, entry, now)
        if entry is None and key in recorded.others:
            reason = "selection changed"
        if reason:
            released = entry.release if entry and reason.startswith("released") else None
            cause = hashlib.sha256(f"{fingerprint} {selection} {released}".encode()).hexdigest()[:12]
            wanted.append(DueCell(Cell.from_key(key), reason, cause))
    return wanted


def _reason(fingerprint: str, number: int, entry: Entry | None, now: dt.datetime) -> str:
    if entry is None:
        return _new(number)
    # On the day after: a release is at a time of day that MAST keeps to only roughly.
    if entry.release is not None and entry.release + 1 <= mjd_of(now):
        return f"released on {day_of_mjd(entry.release)}"
    if entry.observations != fingerprint:
        if not number:
            # MAST has none any more, or not just now; nothing is to be fetched, and nothing is deleted.
            return ""
        return _new(number - entry.number) if number > entry.number else "observations changed"
    if not entry.complete:
        files = f"{entry.waiting} public file{'s' if entry.waiting != 1 else ''}"
        return f"{files} that MAST did not give out yet" if entry.waiting else "files missing"
    return ""


def _new(number: int) -> str:
    return f"{number} new observation{'s' if number != 1 else ''}"
