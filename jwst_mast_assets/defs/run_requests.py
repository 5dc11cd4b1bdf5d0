"""The one loop from partitions that want a run to the runs that are requested.

A run costs seconds and records whatever it does, so days of one proposal that are near each other share one, newest
first; the proposals take turns.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import dagster as dg

from jwst_mast_assets.defs.attempts import (
    ATTEMPT,
    BY,
    CAUSE,
    CAUSES,
    RANGE_OF,
    REASON,
    RELEASED,
    causes_as_tag,
    next_attempt,
    time_of_next_attempt,
    tries_so_far,
    under_way,
)
from jwst_mast_assets.defs.failures import LEAST_ROOM, Situation
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import RANGE_END, RANGE_START, on_the_grid
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.outbox import Outbox
from jwst_mast_assets.records.store import TableStore

LONGEST_REASON = 200
MOST_DAYS = 100
MOST_OBSERVATIONS = 1000
"""Days and observations of one run. A thousand observations are about 200 GB of ``_uncal`` files."""

LONGEST_GAP = 3
"""Days without data that a range may cross: the run compares them too, as MAST is asked about the whole range. Each
adds about 65 kB to Dagster's records, another run about 340 kB (``bench/ranges.py``)."""


class Requests(NamedTuple):
    """The runs to request, and what has to wait."""

    runs: list[dg.RunRequest]
    waiting: int
    """Partitions that wait for a run under way, their next attempt, room under the limit, or what failed to change."""
    skipped: list[str]
    """A sentence for each proposal with days outside the partitions."""
    next_attempt: dt.datetime | None = None
    """When the first of those that wait for their next attempt is tried again."""
    stuck: int = 0
    """Those of them that have no next attempt unless what failed changes."""
    held: Sequence[str] = ()
    """The proposals of which a run could start if `most` allowed it, in the order of these runs."""


class _Try(NamedTuple):
    item: DueCell
    attempt: int


def run_requests(
    instance: dg.DagsterInstance,
    wanted: Iterable[DueCell],
    registered: Collection[str],
    first_day: dt.date,
    now: dt.datetime,
    around: Situation | None = None,
    most: int | None = None,
    by: str = "",
    store: TableStore | None = None,
    with_data: Collection[str] = (),
) -> Requests:
    """Request a download of the partitions that want one and can have it now.

    Parameters
    ----------
    instance : DagsterInstance
    wanted : iterable of DueCell
    registered : collection of str
        The proposals that are partition keys.
    first_day : date
        Of the partitions.
    now : datetime
        Aware.
    around : Situation, optional
        What decides whether a permanent failure has been fixed.
    most : int, optional
        Runs of this requester that may be under way, those requested here included.
    by : str
        Who requests them; each sensor and schedule has its own name, and its own share of the runs.
    store : TableStore, optional
        Where attempts are recorded that the instance knows nothing of.
    with_data : collection of str
        Partition keys that have data. A range does not cross one that wants no run.
    """
    items = list(wanted)
    possible, skipped = on_the_grid((item.cell for item in items), registered, first_day, now)
    inside = set(possible)
    items = [item for item in items if item.cell in inside]
    if not items:
        return Requests([], 0, skipped)
    busy = under_way(instance)
    tries = tries_so_far(instance, jwst_download.name, items, store)
    ready, later, stuck = list[_Try](), list[dt.datetime](), 0
    for item in items:
        if item.cell.key in busy.cells:
            continue
        before = tries.get((item.cell.key, item.cause))
        attempt = next_attempt(before, now, around)
        if attempt is not None:
            ready.append(_Try(item, attempt))
        elif before and (when := time_of_next_attempt(before, now, around)):
            later.append(when)
        else:
            stuck += 1
    obstacles = {*with_data, *(item.cell.key for item in items)} - {each.item.cell.key for each in ready}
    chosen = in_turn(_ranges(ready, obstacles))
    if around and around.free < LEAST_ROOM:
        # Each run would fail by itself, and report it.
        skipped = [*skipped, f"nothing is requested while the disk is full ({human_bytes(around.free)} free)"]
        chosen = []
    held: list[list[_Try]] = []
    if most is not None:
        room = max(most - busy.requested_by.get(by, 0), 0)
        chosen, held = chosen[:room], chosen[room:]
    if store and "mast" in Outbox(store).outages(now):
        # One run shows whether MAST answers again; the others would only fail, too.
        chosen, held = chosen[: max(1 - busy.requested_by.get(by, 0), 0)], []
    return Requests(
        [_request(each, by) for each in chosen],
        len(items) - sum(map(len, chosen)),
        skipped,
        min(later, default=None),
        stuck,
        list(dict.fromkeys(members[0].item.cell.proposal for members in held)),
    )


def _ranges(ready: Iterable[_Try], obstacles: Collection[str]) -> list[list[_Try]]:
    """The cells of each run, by proposal, newest first."""
    ranges: list[list[_Try]] = []
    for each in sorted(ready, key=lambda each: (each.item.cell.proposal, each.item.cell.day), reverse=True):
        if ranges and _fits(ranges[-1], each, obstacles):
            ranges[-1].append(each)
        else:
            ranges.append([each])
    return ranges


def _fits(members: Sequence[_Try], each: _Try, obstacles: Collection[str]) -> bool:
    """Whether an older cell can share a run with others."""
    last, cell = members[-1].item.cell, each.item.cell
    gap = (last.day - cell.day).days - 1
    if last.proposal != cell.proposal or members[-1].attempt != each.attempt or gap > LONGEST_GAP:
        return False
    observations = sum(member.item.observations for member in [*members, each])
    if len(members) >= MOST_DAYS or observations > MOST_OBSERVATIONS:
        return False
    between = (Cell(cell.day + dt.timedelta(days=n), cell.proposal) for n in range(1, gap + 1))
    return not any(other.key in obstacles for other in between)


def in_turn(ranges: Iterable[list[_Try]]) -> list[list[_Try]]:
    """First the newest range of each proposal, then the next one of each, so that none waits for all of another."""
    turns: dict[str, int] = {}
    placed = []
    for members in ranges:
        newest = members[0].item.cell
        turn = turns[newest.proposal] = turns.get(newest.proposal, -1) + 1
        placed.append((turn, -newest.day.toordinal(), newest.proposal, members))
    return [members for *_, members in sorted(placed, key=lambda place: place[:3])]


def _request(members: Sequence[_Try], by: str) -> dg.RunRequest:
    prefix, tags = f"{by}|" if by else "", {BY: by, ATTEMPT: str(members[0].attempt)}
    if any(item.released for item, _ in members):
        tags[RELEASED] = "true"
    if len(members) == 1:
        item, attempt = members[0]
        return dg.RunRequest(
            run_key=f"{prefix}{item.cell.key}|{item.cause}|{attempt}",
            partition_key=dg.MultiPartitionKey({"day": str(item.cell.day), "proposal": item.cell.proposal}),
            tags={**tags, REASON: item.reason[:LONGEST_REASON], CAUSE: item.cause},
        )
    items = sorted((member.item for member in members), key=lambda item: item.cell.day)
    first, last = items[0].cell, items[-1].cell
    causes = causes_as_tag({item.cell: item.cause for item in items})
    digest = hashlib.sha256(causes.encode()).hexdigest()[:12]
    return dg.RunRequest(
        run_key=f"{prefix}{first.key}..{last.day}|{digest}|{members[0].attempt}",
        tags={
            **tags,
            RANGE_START: first.key,
            RANGE_END: last.key,
            REASON: _reason_of_range(item.reason for item in reversed(items))[:LONGEST_REASON],
            CAUSE: digest,
            CAUSES: causes,
            RANGE_OF: first.proposal,
        },
    )


def _reason_of_range(reasons: Iterable[str]) -> str:
    """``3 days: 4 new observations on each``: a number that several days share must not look like their sum."""
    counts = Counter(reasons)
    told = []
    for reason, number in counts.items():
        shared = number > 1 and reason[:1].isdigit()
        told.append(f"{reason} on each{f' of {number}' if len(counts) > 1 else ''}" if shared else reason)
    return f"{counts.total()} days: {'; '.join(told)}"
