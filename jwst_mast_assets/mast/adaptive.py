"""Long lists, requested in batches that adapt: halved if MAST fails; the process remembers which sizes work."""

import logging
import time
from collections.abc import Callable, Hashable, Sequence
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


class Size:
    """How many items per query work, for one kind of query."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._needed, self._streak = GROW_AFTER, 0

    def most(self, size: int) -> int:
        """The size to use, at most `size`."""
        return size if self.limit is None else max(1, min(size, self.limit))

    def failed(self, number: int) -> None:
        """Note that this many at once were too many, because their halves succeeded."""
        if self.limit is not None and number > self.limit:
            return
        if self.limit is not None:
            self._needed *= 2
        self.limit, self._streak = max(1, number // 2), 0

    def succeeded(self, number: int) -> None:
        """Note that this many at once worked."""
        if self.limit is None or number < self.limit:
            return
        self._streak += 1
        if self._streak >= self._needed:
            self.limit, self._streak = self.limit * 2, 0


SIZES: dict[str, Size] = {}
"""What works, by kind of query, for the lifetime of the process."""


class Answers(NamedTuple, Generic[Item, Reply]):
    """The answers, and what was not answered."""

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
    """Request many items, as many at once as MAST can answer.

    A batch that fails is split in half, down to one item; an item that fails alone does not affect the others.

    Parameters
    ----------
    kind : str
        What is requested, and from which server; the key under which working sizes are remembered.
    items : sequence
    ask : callable
        Requests some of them; raises ArchiveUnavailable if MAST cannot answer. Other errors stop everything.
    size : int
        The most to request at once.
    patience : float
        Seconds that failing queries may take altogether.

    Returns
    -------
    Answers

    Raises
    ------
    ArchiveUnavailable
        If nothing was answered at all.
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
    """One list in progress."""

    def __init__(self, kind: str, ask: Callable[[Sequence[Item]], Reply], size: int, patience: float) -> None:
        self.kind, self.ask, self.size, self.patience = kind, ask, size, patience
        self.learned = SIZES.setdefault(kind, Size())
        self.replies: list[Reply] = []
        self.answered: set[Item] = set()
        self.failed: dict[Item, ArchiveUnavailable] = {}
        self.spent = 0.0

    def answered_whole(self, part: Sequence[Item]) -> bool:
        """Request some items; returns whether all were answered. Raises if continuing makes no sense."""
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
            # Not an item was to blame, but the number of items.
            self.learned.failed(len(part))
        return whole

    def _in_turn(self, part: Sequence[Item]) -> bool:
        whole, start = True, 0
        while start < len(part):
            # What works may be discovered on the way.
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
