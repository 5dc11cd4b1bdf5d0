"""How often and how soon a partition is requested again, read from the runs themselves."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import dagster as dg

from jwst_mast_assets.defs.failures import Situation, Verdict, mended, verdict_of
from jwst_mast_assets.defs.partitions import RANGE_START, SINGLE_KEY, cells_of_run
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.attempts import AttemptLog
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.store import TableStore

CAUSE, REASON, ATTEMPT = "jwst/cause", "jwst/reason", "jwst/attempt"
"""Tags of a requested run: its cause (short), its reason as text, and the attempt number."""

BY, RANGE_OF, CAUSES = "jwst/by", "jwst/range_of", "jwst/causes"
"""Who requested it; of a run over several days the proposal, and the cause of each day, see :func:`causes_as_tag`."""

RELEASED = "jwst/released"
"""Tag of a run that is requested because files have become public."""

FIRST_WAIT = dt.timedelta(minutes=10)
LONGEST_WAIT = dt.timedelta(days=7)
MOST_ATTEMPTS = 12
"""After this many, over about seven weeks, the partition is tried again only if MAST changes or a person asks. After a
permanent failure there is no second attempt until what caused it has changed."""

CAUSES_PER_QUERY = 200
REMEMBERED = dt.timedelta(days=60)
"""Age of the oldest runs over several days that are read: by then every attempt has been made."""

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

    requested_by: Mapping[str, int]
    """How many runs each sensor or schedule has requested; runs that people launch count for none of them."""
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
    requested: Counter[str] = Counter()
    cells: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        if run.tags.get(RANGE_START) or run.tags.get(SINGLE_KEY):
            if run.tags.get(CAUSE):
                requested[run.tags.get(BY, "")] += 1
            # A run of partitions that mean nothing fails by itself, with a sentence.
            with suppress(JwstMastError):
                cells |= {cell.key for cell in cells_of_run(run.tags, instance)[0]}
    return UnderWay(requested, cells)


def tries_so_far(
    instance: dg.DagsterInstance, job: str, items: Collection[DueCell], store: TableStore | None = None
) -> dict[tuple[str, str], Tries]:
    """How often each cell was tried for each cause, by (partition key, cause); few queries.

    Parameters
    ----------
    instance : DagsterInstance
    job : str
    items : collection of DueCell
    store : TableStore, optional
        What is recorded there counts where the instance has no run: its home may have been deleted.
    """
    proposals = sorted({item.cell.proposal for item in items})
    found: dict[tuple[str, str], Tries] = {}
    for chunk in _chunks(sorted({item.cause for item in items})):
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, tags={CAUSE: chunk})):
            _add(found, record, {record.dagster_run.tags.get(SINGLE_KEY, ""): record.dagster_run.tags[CAUSE]})
    since = utc_now() - REMEMBERED
    for chunk in _chunks(proposals):
        of_ranges = dg.RunsFilter(job_name=job, tags={RANGE_OF: chunk}, created_after=since)
        for record in instance.get_run_records(of_ranges):
            _add(found, record, causes_of_run(record.dagster_run.tags))
    for key, started in AttemptLog(store).read(proposals).items() if store else ():
        found.setdefault(key, Tries(started.number, started.at.timestamp()))
    return found


def causes_as_tag(causes: Mapping[Cell, str]) -> str:
    """The causes of a range's cells as one short text: the days since the first, and the cause."""
    first = min(cell.day for cell in causes)
    return " ".join(f"{(cell.day - first).days}={cause}" for cell, cause in sorted(causes.items()))


def causes_of_run(tags: Mapping[str, str]) -> dict[str, str]:
    """The cause of each cell of a requested run, by partition key; empty if it was not requested."""
    if not tags.get(CAUSES):
        return {tags[SINGLE_KEY]: tags[CAUSE]} if tags.get(SINGLE_KEY) and tags.get(CAUSE) else {}
    try:
        first = Cell.from_key(tags[RANGE_START])
        pairs = [entry.partition("=") for entry in tags[CAUSES].split()]
        days = {first.day + dt.timedelta(days=int(days)): cause for days, _, cause in pairs}
    except (KeyError, ValueError, OverflowError):
        return {}
    return {Cell(day, first.proposal).key: cause for day, cause in days.items()}


def note_attempt(tags: Mapping[str, str], store: TableStore, now: dt.datetime) -> None:
    """Write down in the output folder that a requested run has started. Raises OutputError."""
    causes, attempt = causes_of_run(tags), tags.get(ATTEMPT, "")
    # A folder that is not there, as when its disk is not mounted, is left alone.
    if causes and attempt.isdecimal() and store.state.exists():
        AttemptLog(store).note(causes, int(attempt), now)


def _add(found: dict[tuple[str, str], Tries], record: dg.RunRecord, causes: Mapping[str, str]) -> None:
    ended = record.end_time or record.create_timestamp.timestamp()
    for key in causes.items():
        before = found.get(key, Tries(0, 0.0))
        verdict = verdict_of(record.dagster_run.tags) if ended >= before.last else before.verdict
        found[key] = Tries(before.number + 1, max(before.last, ended), verdict)


def _chunks(values: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), CAUSES_PER_QUERY):
        yield list(values[start : start + CAUSES_PER_QUERY])


def next_attempt(tries: Tries | None, now: dt.datetime, situation: Situation | None = None) -> int | None:
    """The number of the next attempt, or None if it must wait, was tried often enough, or failed permanently.

    The waits grow fourfold from ten minutes to a week. After a permanent failure there is no next attempt unless the
    situation shows that its cause has changed.
    """
    if tries is None:
        return 1
    when = time_of_next_attempt(tries, now, situation)
    return tries.number + 1 if when is not None and now >= when else None


def time_of_next_attempt(tries: Tries, now: dt.datetime, situation: Situation | None = None) -> dt.datetime | None:
    """When a cell that was tried may be tried again; None if it is not, as :func:`next_attempt` says."""
    if tries.number >= MOST_ATTEMPTS:
        return None
    if tries.verdict.permanent and not (situation and mended(tries.verdict, situation)):
        return None
    wait = min(FIRST_WAIT * 4 ** (tries.number - 1), LONGEST_WAIT)
    # A clock that was ahead when the last attempt ended must not make this one wait for it.
    ended = min(tries.last, now.timestamp())
    return dt.datetime.fromtimestamp(ended, dt.timezone.utc) + wait
