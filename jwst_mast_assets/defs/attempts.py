"""How often and how soon a partition is requested again, read from the runs themselves."""

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import dagster as dg

from jwst_mast_assets.defs.failures import Situation, Verdict, mended, verdict_of
from jwst_mast_assets.defs.partitions import RANGE_START, SINGLE_KEY, cells_of_run
from jwst_mast_assets.mast.errors import JwstMastError

CAUSE, REASON, ATTEMPT = "jwst/cause", "jwst/reason", "jwst/attempt"
"""Tags of a requested run: its cause (short), its reason as text, and the attempt number."""

FIRST_WAIT = dt.timedelta(minutes=10)
LONGEST_WAIT = dt.timedelta(days=7)
MOST_ATTEMPTS = 12
"""After as many, over about seven weeks, only a change in MAST or a person has the partition tried again. After a
permanent failure there is no second attempt until what caused it has changed."""

CAUSES_PER_QUERY = 200

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


TRANSIENT_FAILURE = Verdict(permanent=False)


class UnderWay(NamedTuple):
    """Runs that are queued or running."""

    runs: int
    cells: set[str]
    """Partition keys that they will bring up to date."""


class Tries(NamedTuple):
    """The runs so far of a cell for a cause."""

    number: int
    last: float
    """When the last one ended, seconds since 1970."""
    verdict: Verdict = TRANSIENT_FAILURE
    """The classification of its failure."""


def under_way(instance: dg.DagsterInstance) -> UnderWay:
    """The partitioned runs, of whatever job, that are queued or running."""
    runs, cells = 0, set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        if run.tags.get(RANGE_START) or run.tags.get(SINGLE_KEY):
            runs += 1
            # A run of partitions that mean nothing fails by itself, with a sentence.
            with suppress(JwstMastError):
                cells |= {cell.key for cell in cells_of_run(run.tags, instance)[0]}
    return UnderWay(runs, cells)


def tries_so_far(instance: dg.DagsterInstance, job: str, causes: Sequence[str]) -> dict[tuple[str, str], Tries]:
    """How often each cell was tried for each cause, by (partition key, cause); few queries."""
    found: dict[tuple[str, str], Tries] = {}
    for start in range(0, len(causes), CAUSES_PER_QUERY):
        chunk = list(causes[start : start + CAUSES_PER_QUERY])
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, tags={CAUSE: chunk})):
            tags = record.dagster_run.tags
            key = tags.get(SINGLE_KEY, ""), tags[CAUSE]
            ended = record.end_time or record.create_timestamp.timestamp()
            before = found.get(key, Tries(0, 0.0))
            verdict = verdict_of(tags) if ended >= before.last else before.verdict
            found[key] = Tries(before.number + 1, max(before.last, ended), verdict)
    return found


def next_attempt(tries: Tries | None, now: dt.datetime, situation: Situation | None = None) -> int | None:
    """The number of the next attempt, or None if it must wait, was tried often enough, or failed permanently.

    The waits grow fourfold from ten minutes to a week. After a permanent failure there is no next attempt unless the
    situation shows that its cause has changed.
    """
    if tries is None:
        return 1
    if tries.number >= MOST_ATTEMPTS:
        return None
    if tries.verdict.permanent and not (situation and mended(tries.verdict, situation)):
        return None
    wait = min(FIRST_WAIT * 4 ** (tries.number - 1), LONGEST_WAIT)
    # A clock that was ahead when the last attempt ended must not make this one wait for it.
    ended = min(tries.last, now.timestamp())
    return tries.number + 1 if now.timestamp() >= ended + wait.total_seconds() else None
