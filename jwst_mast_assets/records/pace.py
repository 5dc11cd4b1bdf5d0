"""Which watched proposals a tick of the sensor compares with MAST, and how many in one query.

Dagster gives a tick 60 seconds; MAST may need minutes for the observations of a thousand proposals. So each tick asks
about those whose comparison is oldest, in groups whose size follows the time that earlier ones took. What is learned
is in ``<root>/.jwst_mast_assets/ledger/pace.json``.
"""

import datetime as dt
import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jwst_mast_assets.mast.dates import iso_second

TARGET_SECONDS = 8.0
"""How long MAST should need for a group."""

LEAST_ROWS, MOST_ROWS = 1000, 5000
"""Rows that a group is expected to have; fewer than the least only if MAST failed with them."""

FIRST_GROUP, MOST_PROPOSALS = 10, 500
"""Proposals of a group: as long as nothing is known of MAST's speed, and at most."""

USUAL_ROWS = 300
"""Observations of a proposal that was never listed."""

BYTES_PER_DAY = 0.9e9
"""What all comparisons together should take from the network; an hour between two of them takes precedence."""

LONGEST = 3600.0
"""Seconds between two comparisons of a proposal, at most."""

MARGIN = 45.0
"""Seconds of these that are kept in reserve for the ticks' own intervals."""

AT_ONCE = 4
"""Queries in flight."""

MEMORY = 0.7
"""Weight of what was known of MAST's speed before a group."""


class Trouble(NamedTuple):
    """A proposal for which MAST failed when it was asked about nothing else."""

    at: str
    """ISO, UTC."""
    why: str


@dataclass
class Pace:
    """What is known of MAST's speed, and of the proposals."""

    seconds: float = 0.0
    """Of the last groups, the older the less."""
    seconds_of_rows: float = 0.0
    """The rows that took them."""
    bytes_per_row: float = 0.0
    most_rows: int = MOST_ROWS
    """What MAST is expected to manage in one query."""
    rows: dict[str, int] = field(default_factory=dict)
    """Observations by proposal."""
    suspects: list[list[str]] = field(default_factory=list)
    """Groups to be asked first: the halves of groups that failed."""
    troubles: dict[str, Trouble] = field(default_factory=dict)
    """By proposal."""
    restless: list[str] = field(default_factory=list)
    """Proposals that had something due when they were compared."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Pace":
        """From what :meth:`to_json` gave; anything else is what nothing is known of."""
        try:
            pace = cls(**content)
            pace.troubles = {str(name): Trouble(*trouble) for name, trouble in pace.troubles.items()}
            pace.rows = {str(name): int(number) for name, number in pace.rows.items()}
            pace.suspects = [[str(name) for name in group] for group in pace.suspects if group]
            numbers = pace.seconds, pace.seconds_of_rows, pace.bytes_per_row
            pace.seconds, pace.seconds_of_rows, pace.bytes_per_row = map(float, numbers)
            pace.most_rows = int(pace.most_rows)
        except (TypeError, ValueError, AttributeError):
            return cls()
        return pace

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "restless": sorted(self.restless)}

    @property
    def is_known(self) -> bool:
        """Whether MAST's speed is."""
        return self.seconds_of_rows > 0

    @property
    def seconds_per_row(self) -> float:
        """0 if unknown."""
        return self.seconds / self.seconds_of_rows if self.is_known else 0.0

    @property
    def rows_at_once(self) -> int:
        """Rows that the next group should have."""
        fitting = TARGET_SECONDS / self.seconds_per_row if self.seconds_per_row else MOST_ROWS
        return int(min(MOST_ROWS, self.most_rows, max(LEAST_ROWS, fitting)))

    def rows_of(self, proposals: Iterable[str]) -> int:
        """Rows that some proposals are expected to have; each is at least one."""
        usual = sum(self.rows.values()) / len(self.rows) if self.rows else USUAL_ROWS
        return round(sum(max(1.0, self.rows.get(proposal, usual)) for proposal in proposals))

    def interval(self, watched: Collection[str], least: float) -> float:
        """Seconds between two comparisons of a proposal: `least`, or more if that would take too many bytes."""
        rows = self.rows_of(watched)
        whole_round = rows * self.seconds_per_row / AT_ONCE
        longest = max(LONGEST - MARGIN - whole_round / 8, LONGEST / 2)
        return max(least, min(rows * self.bytes_per_row * 86_400 / BYTES_PER_DAY, longest))

    def learn(self, rows: Mapping[str, int], seconds: float, received: int) -> None:
        """Note what a group took, and how many rows each of its proposals has."""
        number = max(1, sum(rows.values()))
        self.seconds = MEMORY * self.seconds + seconds
        self.seconds_of_rows = MEMORY * self.seconds_of_rows + number
        per_row = received / number
        self.bytes_per_row = (self.bytes_per_row + per_row) / 2 if self.bytes_per_row else per_row
        self.most_rows = min(MOST_ROWS, max(self.most_rows, 2 * number))
        self.rows |= rows
        for proposal in rows:
            self.troubles.pop(proposal, None)


class Rotation:
    """The groups of one tick, oldest comparison first.

    Parameters
    ----------
    pace : Pace
        What is known; it learns.
    watched : collection of str
    checked : mapping
        When each proposal was last compared, ISO, UTC.
    now : datetime
        Aware.
    least : float
        Seconds between two comparisons of a proposal (``sensor_interval``).
    everything : bool
        Whether to ask about all of them, whenever they were compared last.
    first : sequence of str
        Proposals to ask about before all others, watched or not, whenever they were compared last.
    """

    def __init__(
        self,
        pace: Pace,
        watched: Collection[str],
        checked: Mapping[str, str],
        now: dt.datetime,
        least: float,
        everything: bool = False,
        first: Sequence[str] = (),
    ) -> None:
        self.pace, self._now = pace, now
        pace.rows = {proposal: rows for proposal, rows in pace.rows.items() if proposal in set(watched)}
        pace.troubles = {name: trouble for name, trouble in pace.troubles.items() if name in set(watched)}
        self._ages = {
            proposal: _age(max(checked.get(proposal, ""), trouble.at if trouble else ""), now)
            for proposal in sorted(watched)
            for trouble in [pace.troubles.get(proposal)]
        }
        self.interval = pace.interval(watched, least)
        self._least = least
        self._slack = min(30.0, least / 4)
        owed = [*first, *(proposal for proposal in self._owed(everything) if proposal not in set(first))]
        suspects = [[proposal for proposal in group if proposal in self._ages] for group in pace.suspects]
        self._suspects = deque(group for group in suspects if group)
        asked_first = {proposal for group in self._suspects for proposal in group}
        self._queue = deque(proposal for proposal in owed if proposal not in asked_first)
        self.asked: list[str] = []
        """Proposals that MAST has answered for, in this tick."""
        self.failed: dict[str, str] = {}
        """Proposals for which it failed, asked about alone, and why."""
        self._in_flight = self._failures = 0

    @property
    def left(self) -> int:
        """Proposals that remain for the next tick."""
        return len(self._queue) + sum(map(len, self._suspects))

    @property
    def is_vain(self) -> bool:
        """Whether so much has failed, and nothing succeeded, that MAST itself is down."""
        return not self.asked and len(self.failed) >= AT_ONCE

    def take(self, seconds_left: float) -> list[str]:
        """The next group; empty if there is none, no time for it, or the speed is to be learned from another first."""
        learning = not self.pace.is_known and self._in_flight > 0
        if learning or self.is_vain or not self.left:
            return []
        group = self._suspects[0] if self._suspects else self._from_queue()
        expected = self.pace.rows_of(group) * self.pace.seconds_per_row
        if (self.asked or self._failures or self._in_flight) and 1.5 * expected > seconds_left:
            return []
        if self._suspects:
            self._suspects.popleft()
        else:
            for _ in group:
                self._queue.popleft()
        self._in_flight += 1
        return group

    def succeeded(
        self, group: list[str], rows: Mapping[str, int], seconds: float, received: int, due: Collection[str]
    ) -> None:
        """Note an answer.

        Parameters
        ----------
        group : list of str
        rows : mapping
            Number of observations by proposal.
        seconds : float
        received : int
            Bytes.
        due : collection of str
            The proposals that have something due.
        """
        self._in_flight -= 1
        self.asked += group
        self.pace.learn({proposal: rows.get(proposal, 0) for proposal in group}, seconds, received)
        self.pace.restless = sorted({*self.pace.restless, *due} - (set(group) - set(due)))
        self.failed = {name: why for name, why in self.failed.items() if name not in set(group)}

    def failed_with(self, group: list[str], why: str, blame: bool = True) -> None:
        """Note a failure: the group is asked about again in halves; one that fails alone is named.

        Parameters
        ----------
        group : list of str
        why : str
        blame : bool
            Whether it had enough time: otherwise it is asked about again as it is.
        """
        self._in_flight -= 1
        self._failures += 1
        if not blame:
            self._suspects.append(group)
        elif len(group) == 1:
            self.failed[group[0]] = why
        else:
            self.pace.most_rows = max(1, min(self.pace.most_rows, self.pace.rows_of(group)) // 2)
            middle = len(group) // 2
            self._suspects.extendleft([group[middle:], group[:middle]])

    def finish(self) -> None:
        """Note in the pace what the next tick has to know."""
        self.pace.suspects = [list(group) for group in self._suspects]
        if self.asked:
            at = iso_second(self._now)
            self.pace.troubles |= {proposal: Trouble(at, why) for proposal, why in self.failed.items()}

    def _owed(self, everything: bool) -> list[str]:
        order = sorted(self._ages, key=lambda proposal: -self._ages[proposal])
        if everything:
            return order
        if self.interval <= self._least:
            # Few proposals, which one query can take together: so those asked about out of turn stay with the others.
            return [proposal for proposal in order if self._ages[proposal] >= self._least / 2]
        restless = set(self.pace.restless)
        owed = [
            proposal
            for proposal in order
            if self._ages[proposal] >= (self._least if proposal in restless else self.interval) - self._slack
        ]
        if order:
            # Many proposals: a share in each tick, so that they are spread evenly.
            share = self.pace.rows_of(order) * min(self._ages[order[-1]], LONGEST / 12) / self.interval
            chosen, rows = dict.fromkeys(owed), self.pace.rows_of(owed)
            for proposal in order:
                if rows + self.pace.rows_of([proposal]) / 2 > share or self._ages[proposal] < self._least - self._slack:
                    break
                if proposal not in chosen:
                    chosen[proposal] = None
                    rows += self.pace.rows_of([proposal])
            owed = [proposal for proposal in order if proposal in chosen]
        return owed

    def _from_queue(self) -> list[str]:
        most = MOST_PROPOSALS if self.pace.is_known else FIRST_GROUP
        group: list[str] = []
        rows = 0
        for proposal in self._queue:
            rows += self.pace.rows_of([proposal])
            if group and (rows > self.pace.rows_at_once or len(group) == most):
                break
            group.append(proposal)
        return group


def _age(at: str, now: dt.datetime) -> float:
    """Seconds since then; infinite for never, and for a time that a clock that was ahead has left in the future."""
    try:
        age = (now - dt.datetime.fromisoformat(at)).total_seconds()
    except ValueError:
        return math.inf
    return age if age > -60 else math.inf
