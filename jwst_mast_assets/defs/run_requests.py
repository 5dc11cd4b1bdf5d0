"""The one loop from partitions that want a run to the runs that are requested."""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import NamedTuple

import dagster as dg

from jwst_mast_assets.defs.attempts import (
    ATTEMPT,
    CAUSE,
    REASON,
    next_attempt,
    time_of_next_attempt,
    tries_so_far,
    under_way,
)
from jwst_mast_assets.defs.failures import Situation
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import on_the_grid
from jwst_mast_assets.records.due_cells import DueCell

LONGEST_REASON = 200


class Requests(NamedTuple):
    """The runs to request, and what has to wait."""

    runs: list[dg.RunRequest]
    waiting: int
    """Partitions that wait for a run under way, for their next attempt, or for room under the limit."""
    skipped: list[str]
    """A sentence for each proposal with days outside the partitions."""
    next_attempt: dt.datetime | None = None
    """When the first of those that wait for their next attempt is tried again."""


def run_requests(
    instance: dg.DagsterInstance,
    wanted: Iterable[DueCell],
    registered: Collection[str],
    first_day: dt.date,
    now: dt.datetime,
    around: Situation | None = None,
    most: int | None = None,
    prefix: str = "",
) -> Requests:
    """Request a download of each partition that wants one and can have it now.

    Parameters
    ----------
    instance : DagsterInstance
    wanted : iterable of DueCell
        In the order in which they are to be requested.
    registered : collection of str
        The proposals that are partition keys.
    first_day : date
        Of the partitions.
    now : datetime
        Aware.
    around : Situation, optional
        What decides whether a permanent failure has been fixed.
    most : int, optional
        Runs of sensors that may be under way, those requested here included.
    prefix : str
        Of the run keys; each sensor and schedule has its own.
    """
    items = list(wanted)
    possible, skipped = on_the_grid((item.cell for item in items), registered, first_day, now)
    inside = set(possible)
    items = [item for item in items if item.cell in inside]
    if not items:
        return Requests([], 0, skipped)
    busy = under_way(instance)
    tries = tries_so_far(instance, jwst_download.name, sorted({item.cause for item in items}))
    runs, later = [], []
    for item in items:
        if item.cell.key in busy.cells or (most is not None and busy.runs + len(runs) >= most):
            continue
        before = tries.get((item.cell.key, item.cause))
        attempt = next_attempt(before, now, around)
        if attempt is not None:
            runs.append(_request(item, attempt, prefix))
        elif before and (when := time_of_next_attempt(before, now, around)):
            later.append(when)
    return Requests(runs, len(items) - len(runs), skipped, min(later, default=None))


def _request(item: DueCell, attempt: int, prefix: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{prefix}{item.cell.key}|{item.cause}|{attempt}",
        partition_key=dg.MultiPartitionKey({"day": str(item.cell.day), "proposal": item.cell.proposal}),
        tags={REASON: item.reason[:LONGEST_REASON], CAUSE: item.cause, ATTEMPT: str(attempt)},
    )
