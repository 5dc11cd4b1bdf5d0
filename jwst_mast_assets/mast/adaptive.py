"""Long lists, requested in batches that adapt: halved if MAST fails; the process remembers which sizes work."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from jwst_mast_assets.mast.errors import ArchiveUnavailable, ArchiveUnreachable

log = logging.getLogger("jwst_mast_assets.mast")

Item = TypeVar("Item", bound=Hashable)
Reply = TypeVar("Reply")

PATIENCE = 3600.0
"""Seconds that failing queries of one list may take; after that the rest is not requested."""

ALONE = 4
"""If this many single items fail and nothing succeeds, MAST is down; the items are not to blame."""

GROW_AFTER = 16
"""Batches that must succeed before a larger one is tried again; doubled each time that one fails."""

FIRST_SIZE = 10
"""Items of the first batch where the size is left to this module."""

LARGEST_SIZE = 500
"""Items of a batch at most, then; as in astroquery."""

GROWTH = 8
"""How many times as large as the one before a batch may become."""

FEW_SECONDS = 3.0
"""Seconds that an answer may take; a batch grows only as far as it will probably be answered in this time."""


class Size:
    """How many items per query work, for one kind of query."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.grown = FIRST_SIZE
        self._needed, self._streak, self._worked = GROW_AFTER, 0, 0

    def most(self, size: int | None) -> int:
        """The size to use: at most `size`, or what the speed of the answers so far suggests."""
        size = self.grown if size is None else size
        return size if self.limit is None else max(1, min(size, self.limit))

    def failed(self, number: int) -> None:
        """Note that this many at once failed although their halves succeeded: they were too many.

        If as many have worked since the last time, it was chance: a process that lives for months would otherwise end
        up with single items.
        """
        chance, self._worked = number <= self._worked, 0
        if chance or (self.limit is not None and number > self.limit):
            return
        if self.limit is not None:
            self._needed *= 2
        self.limit, self._streak = max(1, number // 2), 0

    def succeeded(self, number: int, seconds: float) -> None:
        """Note that this many at once worked, and how long that took."""
        self._worked = max(self._worked, number)
        if number >= min(self.grown, LARGEST_SIZE):
            factor = min(GROWTH, FEW_SECONDS / max(seconds, 1e-3))
            self.grown = max(FIRST_SIZE, min(LARGEST_SIZE, int(number * factor)))
        if self.limit is None or number < self.limit:
            return
        self._streak += 1
        if self._streak >= self._needed:
            self.limit, self._streak = self.limit * 2, 0


SIZES: dict[str, Size] = {}
"""What works, by kind of query, for the lifetime of the process."""


@dataclass(frozen=True)
class Answers(Generic[Item, Reply]):
    """The answers, and what was not answered."""

    replies: list[Reply]
    """One per part."""
    failed: dict[Item, ArchiveUnavailable]
    """The items that were not answered, and why."""


def in_parts(
    kind: str,
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], Reply],
    size: int | None,
    patience: float = PATIENCE,
    at_a_time: int = 1,
) -> Answers[Item, Reply]:
    """Request many items, as many at once as MAST can answer.

    A batch that fails is split in half, down to one item; an item that fails alone does not affect the others.

    Parameters
    ----------
    kind : str
        What is requested, and from which server; the key under which working sizes are remembered.
    items : sequence
    ask : callable
        Requests some of them; raises ArchiveUnavailable if MAST cannot answer. Other errors stop everything. Called in
        threads if `at_a_time` allows more than one request.
    size : int, optional
        The most to request at once. None: about ten at first, then more while MAST answers within a few seconds.
    patience : float
        Seconds that failing queries may take altogether.
    at_a_time : int
        Requests that may be under way at the same time.

    Returns
    -------
    Answers
        The replies are in the order of the items, however long each took.

    Raises
    ------
    ArchiveUnavailable
        If nothing was answered at all.
    """
    parts = _Parts(kind, items, ask, size, patience, at_a_time)
    try:
        parts.run()
    except ArchiveUnavailable as error:
        left = dict.fromkeys(item for item in items if item not in parts.answered)
        parts.failed |= dict.fromkeys(left.keys() - parts.failed.keys(), error)
    if parts.failed and not parts.replies:
        raise next(iter(parts.failed.values()))
    return Answers([parts.replies[start] for start in sorted(parts.replies)], parts.failed)


class _Batch(NamedTuple):
    """Some neighbouring items of a list."""

    start: int
    stop: int
    halved: "_Halved | None" = None
    """What it is half of."""


class _Halved:
    """A batch that failed and whose halves are requested instead."""

    def __init__(self, number: int, above: "_Halved | None") -> None:
        self.number, self.above, self.missing = number, above, number


class _Parts(Generic[Item, Reply]):
    """One list in progress. Only `ask` runs in other threads."""

    def __init__(
        self,
        kind: str,
        items: Sequence[Item],
        ask: Callable[[Sequence[Item]], Reply],
        size: int | None,
        patience: float,
        at_a_time: int,
    ) -> None:
        self.kind, self.items, self.ask, self.size, self.patience = kind, items, ask, size, patience
        self.at_a_time = at_a_time
        self.learned = SIZES.setdefault(kind, Size())
        self.replies: dict[int, Reply] = {}
        self.answered: set[Item] = set()
        self.failed: dict[Item, ArchiveUnavailable] = {}
        self.spent = 0.0
        self._next = self._share = 0
        self._halves: deque[_Batch] = deque()

    def run(self) -> None:
        """Request everything. Raises if continuing makes no sense."""
        answers: queue.SimpleQueue[tuple[_Batch, Reply | BaseException, float]] = queue.SimpleQueue()
        under_way = 0
        while True:
            # When MAST has trouble, halves are requested one after the other.
            while under_way < (1 if self._halves else self.at_a_time) and (batch := self._batch()):
                if self.at_a_time > 1:
                    # A daemon, so that an interrupted command does not wait for MAST's answer.
                    threading.Thread(target=self._request, args=(batch, answers), daemon=True).start()
                else:
                    self._request(batch, answers)
                under_way += 1
            if not under_way:
                return
            batch, reply, seconds = answers.get()
            under_way -= 1
            if isinstance(reply, ArchiveUnavailable):
                self._refused(batch, reply, seconds)
            elif isinstance(reply, BaseException):
                raise reply
            else:
                self._answered(batch, reply, seconds)

    def _batch(self) -> _Batch | None:
        """What to request next; what works may be discovered on the way."""
        if self._halves:
            batch = self._halves.popleft()
            number = min(batch.stop - batch.start, self.learned.limit or LARGEST_SIZE)
            if number < batch.stop - batch.start:
                self._halves.appendleft(batch._replace(start=batch.start + number))
            return batch._replace(stop=batch.start + number)
        rest = len(self.items) - self._next
        if not rest:
            return None
        number = self.learned.most(self.size)
        if self.size is None and rest <= number * self.at_a_time:
            # The rest is shared, so that no answer is much later than the others.
            self._share = self._share or max(FIRST_SIZE, -(-rest // self.at_a_time))
            number = min(number, self._share)
        number = min(rest, number)
        self._next += number
        return _Batch(self._next - number, self._next)

    def _request(
        self, batch: _Batch, answers: "queue.SimpleQueue[tuple[_Batch, Reply | BaseException, float]]"
    ) -> None:
        begun = time.monotonic()
        try:
            reply = self.ask(self.items[batch.start : batch.stop])
        except BaseException as error:  # raised again in the thread that waits for the answer
            reply = error
        answers.put((batch, reply, time.monotonic() - begun))

    def _answered(self, batch: _Batch, reply: Reply, seconds: float) -> None:
        number = batch.stop - batch.start
        self.replies[batch.start] = reply
        self.answered.update(self.items[batch.start : batch.stop])
        self.learned.succeeded(number, seconds)
        above = batch.halved
        while above:
            above.missing -= number
            if not above.missing:
                # Not an item was to blame, but the number of items.
                self.learned.failed(above.number)
            above = above.above

    def _refused(self, batch: _Batch, error: ArchiveUnavailable, seconds: float) -> None:
        number = batch.stop - batch.start
        self.spent += seconds
        alone = len(self.failed) + (number == 1)
        if isinstance(error, ArchiveUnreachable) or self.spent > self.patience:
            raise error
        if not self.replies and alone >= ALONE:
            raise error
        if number <= 1:
            self.failed |= dict.fromkeys(self.items[batch.start : batch.stop], error)
            return
        log.info("%s: a batch of %d failed (%s); splitting it in half", self.kind, number, error)
        halved, middle = _Halved(number, batch.halved), batch.start + number // 2
        self.learned.grown = min(self.learned.grown, max(1, number // 2))
        self._halves.extendleft((_Batch(middle, batch.stop, halved), _Batch(batch.start, middle, halved)))
