"""Limits towards MAST that all processes of an output folder share: connections at a time, and bytes per second.

A connection is a slot: one of ``max_connections`` files in ``<root>/.jwst_mast_assets/limits``, locked while a request
is under way. The system releases a lock with its process, so a killed process keeps no slot. Between machines that
share the folder the locks hold where its file system passes them on, as NFS does unless it is mounted with
``nolock`` or ``local_lock``. For those mounts the holder's name and a heartbeat stand in the file, too: a slot that
another machine has shown to hold within the last minute is not taken.
"""

import fcntl
import json
import math
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from jwst_mast_assets.mast.config import Config

FOLDER = Path(".jwst_mast_assets", "limits")

BEAT = 10.0
"""Seconds between two heartbeats of the slots that a process holds."""

STALE = 60.0
"""Seconds without a heartbeat after which a slot that another machine held is free."""

POLL = 0.1
"""Seconds between two attempts to get a slot, on average."""

CROWDED = 1.0
"""Seconds after an attempt in vain in which others give way."""

LONGEST_DEBT = 300.0
"""Seconds that a byte may have to wait at most; more means that a clock was changed."""

HOST = socket.gethostname()


class GaveUp(Exception):
    """The caller no longer wants the connection that it was waiting for."""


class SharedLimits:
    """The limits of one output folder. As long as the folder cannot hold them, they are those of this process.

    Parameters
    ----------
    root : Path
        The output folder.
    max_connections : int
        Requests to MAST that may be under way, of all processes together.
    max_bandwidth : float, optional
        MB (10^6 bytes) per second for the downloads of all processes together.
    """

    def __init__(self, root: Path, max_connections: int, max_bandwidth: float | None = None) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.max_connections = max_connections
        self.rate = max_bandwidth * 1e6 if max_bandwidth else None
        self._own = threading.BoundedSemaphore(max_connections)
        self._turn = threading.Lock()

    @contextmanager
    def connection(self, given_up: Callable[[], bool], idle: Callable[[], None] = lambda: None) -> Iterator[None]:
        """One of the connections, for as long as the block lasts; waits for it.

        Parameters
        ----------
        given_up : callable
            Whether to stop waiting.
        idle : callable
            Closes what the caller keeps open between requests; called where others need the room.

        Raises
        ------
        GaveUp
            If `given_up` says so.
        """
        while not self._own.acquire(timeout=POLL):
            idle()
            if given_up():
                raise GaveUp
        slot = None
        try:
            slot = self._slot(given_up, idle)
            yield
        finally:
            if slot is not None:
                _release(slot)
            self._own.release()
        if slot is not None and self._crowded():
            idle()

    def spend(self, number: int, given_up: Callable[[], bool]) -> None:
        """Account for bytes that have arrived, and wait until the next ones may be taken from the network."""
        if self.rate is None:
            return
        wait = self._reserve(number / self.rate)
        end = time.monotonic() + wait
        while (rest := end - time.monotonic()) > 0 and not given_up():
            time.sleep(min(rest, POLL))

    def _slot(self, given_up: Callable[[], bool], idle: Callable[[], None]) -> int | None:
        """A locked descriptor; None where the folder is not there yet, cannot be written, or has no locks."""
        if not self._usable():
            return None
        # Whoever waits elsewhere gets a chance against a process that has just finished a request.
        with suppress(OSError):
            if not self._crowded() and (slot := self._take()) is not None:
                return slot
            idle()
            while not given_up():
                # One thread of a process at a time looks, so that many waiting ones do not keep the disk busy.
                if self._turn.acquire(timeout=POLL):
                    try:
                        time.sleep(POLL * random.uniform(0.5, 1.5))
                        if (slot := self._take()) is not None:
                            return slot
                        (self.folder / "waiting").touch()
                    finally:
                        self._turn.release()
            raise GaveUp
        return None

    def _usable(self) -> bool:
        try:
            # Not where nothing was recorded yet: it may be the mount point of a disk that is not there.
            if self.folder.parent.is_dir():
                self.folder.mkdir(exist_ok=True)
                return True
        except OSError:
            pass
        return False

    def _crowded(self) -> bool:
        try:
            return abs(time.time() - (self.folder / "waiting").stat().st_mtime) < CROWDED
        except OSError:
            return False

    def _take(self) -> int | None:
        """A slot that is free, locked. The last ones first: whoever is allowed fewer competes for the first ones."""
        for number in reversed(range(self.max_connections)):
            descriptor = os.open(self.folder / f"connection{number:02d}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            keep = False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                keep = not self._held_elsewhere(descriptor)
                if keep:
                    _sign(descriptor)
                    BEATS.add(descriptor)
                    return descriptor
            except BlockingIOError:
                pass
            finally:
                if not keep:
                    os.close(descriptor)
        return None

    def _held_elsewhere(self, descriptor: int) -> bool:
        """Whether another machine has signed a slot and shown lately that it is alive: its lock does not reach us."""
        try:
            host = json.loads(os.pread(descriptor, 1000, 0) or b"{}").get("host", HOST)
        except (ValueError, AttributeError):
            return False
        if host == HOST:
            return False
        # Both times are the file server's, whatever the clocks of the machines say.
        clock = self.folder / "clock"
        clock.touch()
        return clock.stat().st_mtime - os.fstat(descriptor).st_mtime < STALE

    def _reserve(self, seconds: float) -> float:
        """Seconds to wait after taking the line for some seconds more."""
        with suppress(OSError):
            if self._usable():
                descriptor = os.open(self.folder / "bandwidth", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    now = time.time()
                    free = _as_time(os.pread(descriptor, 100, 0))
                    free = max(now, free if free - now < LONGEST_DEBT else now) + seconds
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, repr(free).encode(), 0)
                    return free - now
                finally:
                    os.close(descriptor)
        return seconds


@lru_cache
def _limits(root: Path, max_connections: int, max_bandwidth: float | None) -> SharedLimits:
    return SharedLimits(root, max_connections, max_bandwidth)


def shared_limits(config: Config) -> SharedLimits:
    """The limits of a configuration's output folder; the same object for all threads of the process."""
    return _limits(config.root, config.max_connections, config.max_bandwidth)


class _Beats:
    """Shows every few seconds that this process is alive, in the slots that it holds."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, descriptor: int) -> None:
        with self._lock:
            if self._pid != os.getpid():  # a forked process has no thread, and no right to its parent's slots
                self._held, self._thread, self._pid = set(), None, os.getpid()
            self._held.add(descriptor)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="limits", daemon=True)
                self._thread.start()

    def remove(self, descriptor: int) -> None:
        with self._lock:
            self._held.discard(descriptor)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            with self._lock:
                for descriptor in self._held:
                    with suppress(OSError):
                        os.utime(descriptor)


BEATS = _Beats()


def _sign(descriptor: int) -> None:
    text = json.dumps({"host": HOST, "pid": os.getpid(), "since": round(time.time(), 3)})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _release(descriptor: int) -> None:
    BEATS.remove(descriptor)
    try:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _as_time(text: bytes) -> float:
    try:
        value = float(text or b"0")
        return value if math.isfinite(value) else 0.0
    except ValueError:
        return 0.0
