"""Which cells need a run, and why: MAST's list of observations compared with the ledger."""

import datetime as dt
import hashlib
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.ledger import Entry, Recorded, fingerprints, selection_fingerprint

TOKEN_IS_SET = "a token is set"


class DueCell(NamedTuple):
    """A cell that needs a run."""

    cell: Cell
    reason: str
    """For people: ``3 new observations``."""
    cause: str
    """For counting attempts: the same as long as nothing changes but the number of tries."""
    observations: int = 0
    """How many the day has, as far as is known: a measure of what a run has to do."""
    released: bool = False
    """Whether files of it have become public."""
    unlisted: bool = False
    """Whether MAST has observations or files of it that no run has listed yet."""

    def joined(self, other: "DueCell") -> "DueCell":
        """The cell for both reasons, which is another cause: the attempts for one of them do not count for both."""
        cause = hashlib.sha256(f"{self.cause} {other.cause}".encode()).hexdigest()[:12]
        unlisted = self.unlisted or other.unlisted
        return self._replace(reason=f"{self.reason}, {other.reason}", cause=cause, unlisted=unlisted)


def due_cells(
    observations: pd.DataFrame, recorded: Recorded, config: Config, now: dt.datetime, with_token: bool = False
) -> list[DueCell]:
    """The cells whose observations are new or changed, whose last run left files out, or whose files were released.

    A day whose list has become empty is asked about again as long as the proposal has other observations: otherwise
    MAST's answer is more likely wrong.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``: MAST's list now.
    recorded : Recorded
        From :meth:`Ledger.recorded`.
    config : Config
    now : datetime
        Aware.
    with_token : bool
        Whether there is a token now, for files that were left out because there was none.

    Returns
    -------
    list of DueCell
        Newest day first.
    """
    selection = selection_fingerprint(config)
    found = fingerprints(observations)
    entries, listed = recorded.entries, {key[-5:] for key in found}
    wanted = []
    for key in sorted({*found, *entries}, reverse=True):
        fingerprint, number = found.get(key, ("", 0))
        entry = entries.get(key)
        reason = _reason(fingerprint, number, entry, now)
        if entry and entry.number and not number and key[-5:] in listed:
            reason = "no observation listed any more"
        if not reason and entry and entry.wants_token and with_token:
            reason = TOKEN_IS_SET
        if entry is None and key in recorded.others:
            reason = "selection changed"
        if reason:
            released = entry.release if entry and _is_released(entry, now) else None
            token = " token" if reason == TOKEN_IS_SET else ""
            again = f" {entry.due} {entry.due_since}" if entry and entry.due else ""
            cause = hashlib.sha256(f"{fingerprint} {selection} {released}{token}{again}".encode()).hexdigest()[:12]
            unlisted = entry is None or (entry.observations != fingerprint and number >= entry.number)
            wanted.append(DueCell(Cell.from_key(key), reason, cause, number, released is not None, unlisted))
    return wanted


def fallen(observations: pd.DataFrame, recorded: Recorded) -> list[str]:
    """The cells for which MAST lists fewer observations than a run has seen, perhaps only for the moment."""
    found = fingerprints(observations)
    return [key for key, entry in recorded.entries.items() if found.get(key, ("", 0))[1] < entry.number]


def emptied(observations: pd.DataFrame, recorded: Recorded) -> dict[str, int]:
    """The proposals of which MAST lists nothing at all, though runs have seen observations, and how many.

    Nothing is requested for them: MAST's answer is more likely wrong.
    """
    seen: dict[str, int] = {}
    for key, entry in recorded.entries.items():
        seen[key[-5:]] = seen.get(key[-5:], 0) + entry.number
    listed = set(observations["cell"].str[-5:])
    return {proposal: number for proposal, number in seen.items() if number and proposal not in listed}


def _reason(fingerprint: str, number: int, entry: Entry | None, now: dt.datetime) -> str:
    if entry is None:
        return _new(number)
    if entry.release is not None and _is_released(entry, now):
        return f"released on {day_of_mjd(entry.release)}"
    if entry.observations != fingerprint:
        if not number:
            # MAST no longer has any, or not at the moment: there is nothing to fetch, and nothing is deleted.
            return ""
        if number < entry.number:
            # The run asks again before it accepts that.
            return f"only {number} of {entry.number} observations listed"
        return _new(number - entry.number) if number > entry.number else "observations changed"
    if entry.due:
        return entry.due
    if not entry.complete:
        if entry.open_lists:
            return "MAST's lists were incomplete"
        files = counted(entry.waiting, "public file")
        return f"{files} that MAST did not provide yet" if entry.waiting else "files missing"
    return ""


def _is_released(entry: Entry, now: dt.datetime) -> bool:
    # One day later, because MAST keeps to the time of a release only roughly.
    return entry.release is not None and entry.release + 1 <= mjd_of(now)


def _new(number: int) -> str:
    return counted(number, "new observation")
