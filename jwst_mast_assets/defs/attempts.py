"""Belongs here: how often and how soon a partition is requested again, read from the runs themselves."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.mast.cells import Cell

CAUSE, REASON, ATTEMPT = "jwst/cause", "jwst/reason", "jwst/attempt"
"""Tags of a requested run: what it is for (short), in words, and the how-manieth try."""

FIRST_WAIT = dt.timedelta(minutes=10)
LONGEST_WAIT = dt.timedelta(days=1)
MOST_ATTEMPTS = 10
"""After as many failures, over about four days, only a change in MAST or a person has the partition tried again."""

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def cells_under_way(instance: dg.DagsterInstance, job: str) -> set[str]:
    """Partition keys that a run of the job, queued or running, will bring up to date."""
    keys: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY)):
        start, end = (run.tags.get(f"dagster/asset_partition_range_{side}") for side in ("start", "end"))
        if start and end:
            first, last = Cell.from_key(start), Cell.from_key(end)
            days = range((last.day - first.day).days + 1)
            keys |= {Cell(first.day + dt.timedelta(days=n), first.proposal).key for n in days}
        elif key := run.tags.get("dagster/partition"):
            keys.add(key)
    return keys


def next_attempt(instance: dg.DagsterInstance, job: str, cell: Cell, cause: str, now: dt.datetime) -> int | None:
    """The number of the next try of a cell for a cause, or None if it must wait or was tried often enough.

    The waits grow fourfold from ten minutes to a day.
    """
    tags = {"dagster/partition": cell.key, CAUSE: cause}
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags), limit=MOST_ATTEMPTS)
    if not records:
        return 1
    if len(records) >= MOST_ATTEMPTS:
        return None
    last = max(record.end_time or record.create_timestamp.timestamp() for record in records)
    wait = min(FIRST_WAIT * 4 ** (len(records) - 1), LONGEST_WAIT)
    return len(records) + 1 if now.timestamp() >= last + wait.total_seconds() else None
