"""The questions of one tick: a few in flight, each in its own thread, all given up when the tick's time is over."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple, TypeVar

import pandas as pd

from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.discovery import list_at_once
from jwst_mast_assets.mast.errors import ArchiveError, ArchiveUnavailable, JwstMastError
from jwst_mast_assets.records.pace import AT_ONCE, Rotation

FAIR_SHARE = 0.6
"""A group that had less of the tick than this when the time was over is not to blame."""

Value = TypeVar("Value")

Handle = Callable[[list[str], pd.DataFrame], Collection[str]]
"""Takes a group and its observations; returns the proposals that have something due."""


class _Answer(NamedTuple):
    group: list[str]
    result: pd.DataFrame | Exception
    seconds: float
    received: int
    archive: Archive


def look(archive: Archive, config: Config, rotation: Rotation, seconds: float, handle: Handle) -> int:
    """Ask MAST about the groups of a rotation, for as long as there is time.

    Parameters
    ----------
    archive : Archive
        Gets the warnings.
    config : Config
    rotation : Rotation
    seconds : float
        After which nothing more is asked, and what has not been answered is given up.
    handle : callable
        Called in this thread with each answer, which is not kept.

    Returns
    -------
    int
        The number of observations.

    Raises
    ------
    ArchiveError
        If MAST does not answer at all.
    ConfigError
        If MAST has no such ``obsmode``.
    """
    begun = time.monotonic()
    end = begun + seconds
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    idle: list[Archive] = []
    busy: dict[int, tuple[list[str], float]] = {}
    number, last_error = 0, None
    while True:
        while len(busy) < AT_ONCE and (group := rotation.take(end - time.monotonic())):
            connection = idle.pop() if idle else archive.another(end - time.monotonic())
            busy[id(group)] = group, time.monotonic()
            # Not a pool's thread, which the process would wait for at its end.
            threading.Thread(target=_ask, args=(connection, config, group, answers), daemon=True).start()
        if not busy:
            break
        try:
            answer = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            for group, since in busy.values():
                had = time.monotonic() - since
                rotation.failed_with(group, f"no answer in {had:.0f} s", had >= FAIR_SHARE * seconds)
            break
        _, since = busy.pop(id(answer.group))
        if isinstance(answer.result, ArchiveUnavailable):
            last_error = answer.result
            over = time.monotonic() >= end - 0.5
            blame = not over or time.monotonic() - since >= FAIR_SHARE * seconds
            rotation.failed_with(answer.group, str(answer.result), blame)
        elif isinstance(answer.result, Exception):
            raise answer.result
        else:
            idle.append(answer.archive)
            _merge(archive, answer.archive)
            number += len(answer.result)
            rows = Counter(answer.result["cell"].str[-5:])
            due = handle(answer.group, answer.result)
            rotation.succeeded(answer.group, rows, answer.seconds, answer.received, due)
    if not rotation.asked and (rotation.failed or rotation.left):
        raise last_error or ArchiveUnavailable(f"MAST at {archive.server} did not answer in {seconds:.0f} s")
    return number


def within(seconds: float, work: Callable[[], Value]) -> Value:
    """The result of some work, done in a thread that is given up after a while.

    Raises
    ------
    ArchiveUnavailable
        If there is none by then.
    Exception
        As the work does.
    """
    done: queue.SimpleQueue[tuple[Value | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except Exception as error:
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise ArchiveUnavailable(f"no answer in {seconds:.0f} s") from None
    if error:
        raise error
    return result  # pyright: ignore[reportReturnType]


def _ask(archive: Archive, config: Config, group: list[str], answers: "queue.SimpleQueue[_Answer]") -> None:
    begun, before = time.monotonic(), archive.received
    try:
        result: pd.DataFrame | Exception = list_at_once(archive, config, group)
    except JwstMastError as error:
        result = error
    except Exception as error:
        result = ArchiveError(f"MAST's answer cannot be used ({type(error).__name__}: {error})")
    answers.put(_Answer(group, result, time.monotonic() - begun, archive.received - before, archive))


def _merge(archive: Archive, other: Archive) -> None:
    """What one connection has to say becomes what the tick's own one says."""
    for sentence in other.unsaid():
        archive.warn(sentence)
    archive.unusable_rows += other.unusable_rows
    other.unusable_rows = 0
