"""Long lists, asked for in parts that adapt: halved where MAST fails, with what works remembered by the process."""

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from jwst_mast_assets.mast.errors import ArchiveUnavailable, ArchiveUnreachable

log = logging.getLogger("jwst_mast_assets.mast")

Item = TypeVar("Item", bound=Hashable)
Reply = TypeVar("Reply")

PATIENCE = 3600.0
"""Seconds that failing queries of one list may take; what is left after that is not asked for."""

ALONE = 4
"""As many items that fail by themselves while nothing at all succeeds mean that MAST is down, not that they are bad."""

GROW_AFTER = 16
"""Parts that must succeed before a larger one is tried again; twice as many after each time that it failed."""


class Size:
    """How many items at once work, for one kind of query."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._needed, self._streak = GROW_AFTER, 0

    def most(self, size: int) -> int:
        """The size to use where `size` is the most that is wanted."""
        return size if self.limit is None else max(1, min(size, self.limit))

    def failed(self, number: int) -> None:
        """As many at once were too many, as their halves succeeded."""
        if self.limit is not None and number > self.limit:
            return
        if self.limit is not None:
            self._needed *= 2
        self.limit, self._streak = max(1, number // 2), 0

    def succeeded(self, number: int) -> None:
        """So many at once worked."""
        if self.limit is None or number < self.limit:
            return
        self._streak += 1
        if self._streak >= self._needed:
            self.limit, self._streak = self.limit * 2, 0


SIZES: dict[str, Size] = {}
"""What works, by kind of query; for as long as the process lives."""


class Answers(NamedTuple, Generic[Item, Reply]):
    """What came, and what did not."""

    replies: list[Reply]
    """One per part."""
    failed: dict[Item, ArchiveUnavailable]
    """The items that were not answered, and why."""


def in_parts(
    kind: str,
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], Reply],
    size: int,
    patience: float = PATIENCE,
) -> Answers[Item, Reply]:
    """Ask for many items, as many at once as MAST can answer.

    A part that fails is asked for in halves, down to one item; an item that fails alone costs only itself.

    Parameters
    ----------
    kind : str
        What is asked for, and of whom; the sizes that work are remembered under it.
    items : sequence
    ask : callable
        Asks for some of them; raises ArchiveUnavailable where MAST cannot answer. Other errors end it all.
    size : int
        The most to ask for at once.
    patience : float
        Seconds that failing queries may take altogether.

    Returns
    -------
    Answers

    Raises
    ------
    ArchiveUnavailable
        If nothing came at all.
    """
    parts = _Parts(kind, ask, size, patience)
    try:
        if items:
            parts.answered_whole(items)
    except ArchiveUnavailable as error:
        left = dict.fromkeys(item for item in items if item not in parts.answered)
        parts.failed |= dict.fromkeys(left.keys() - parts.failed.keys(), error)
    if parts.failed and not parts.replies:
        raise next(iter(parts.failed.values()))
    return Answers(parts.replies, parts.failed)


class _Parts(Generic[Item, Reply]):
    """One list on its way."""

    def __init__(self, kind: str, ask: Callable[[Sequence[Item]], Reply], size: int, patience: float) -> None:
        self.kind, self.ask, self.size, self.patience = kind, ask, size, patience
        self.learned = SIZES.setdefault(kind, Size())
        self.replies: list[Reply] = []
        self.answered: set[Item] = set()
        self.failed: dict[Item, ArchiveUnavailable] = {}
        self.spent = 0.0

    def answered_whole(self, part: Sequence[Item]) -> bool:
        """Ask for some items; whether all were answered. Raises where going on has no sense."""
        if len(part) > self.learned.most(self.size):
            return self._in_turn(part)
        begun = time.monotonic()
        try:
            self.replies.append(self.ask(part))
        except ArchiveUnavailable as error:
            self.spent += time.monotonic() - begun
            self._stop_if_vain(part, error)
            if len(part) <= 1:
                self.failed |= dict.fromkeys(part, error)
                return False
            log.info("%s: a batch of %d failed (%s); splitting it in half", self.kind, len(part), error)
        else:
            self.answered.update(part)
            self.learned.succeeded(len(part))
            return True
        middle = len(part) // 2
        first = self.answered_whole(part[:middle])
        whole = self.answered_whole(part[middle:]) and first
        if whole:
            # Not an item was to blame but their number.
            self.learned.failed(len(part))
        return whole

    def _in_turn(self, part: Sequence[Item]) -> bool:
        whole, start = True, 0
        while start < len(part):
            # What works may be found out on the way.
            most = self.learned.most(self.size)
            whole = self.answered_whole(part[start : start + most]) and whole
            start += most
        return whole

    def _stop_if_vain(self, part: Sequence[Item], error: ArchiveUnavailable) -> None:
        alone = len(self.failed) + (len(part) == 1)
        if isinstance(error, ArchiveUnreachable) or self.spent > self.patience:
            raise error
        if not self.replies and alone >= ALONE:
            raise error
