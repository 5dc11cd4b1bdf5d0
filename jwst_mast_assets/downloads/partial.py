"""A partial download: ``.<name>.part`` next to the final name, with notes in ``.<name>.part.json``.

A process that writes a partial holds its lock, which the system releases when the process ends. Only a
partial that was verified gets the final name, by one rename.
"""

import errno
import fcntl
import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from jwst_mast_assets.downloads import filesystem
from jwst_mast_assets.downloads.verify import blocks

LOCK_POLL = 0.1
"""Seconds between two attempts to lock a partial."""

LOCK_PATIENCE = 600.0
"""Seconds that another process may hold a partial without adding to it before this one gives up."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of file systems without locks."""


class Blocked(Exception):
    """Something that does not belong to the pipeline is in the way of a file."""


class Busy(Exception):
    """Another process has held the partial for too long."""


class Stopped(Exception):
    """The run was interrupted."""


@dataclass(frozen=True)
class Origin:
    """The file and version that a partial belongs to: what MAST's tables say, then what its server said."""

    uri: str
    source: str
    size: int | None = None
    checksum: str | None = None
    etag: str | None = None
    modified: str | None = None
    total: int | None = None
    encoded: bool = False
    """Whether it arrived compressed: then the server counts bytes differently."""
    fruitless: int = 0
    """Attempts in a row, in this run and earlier ones, to resume that received nothing."""

    def may_be(self, other: "Origin") -> bool:
        """Whether MAST's tables still say the same about the file."""
        known = self.checksum is not None and other.checksum is not None
        same = (self.uri, self.source, self.size) == (other.uri, other.source, other.size)
        return same and not (known and self.checksum != other.checksum)


class Partial:
    """An open, locked partial.

    Attributes
    ----------
    size : int
        Bytes that it has.
    origin : Origin or None
        Whose they are; None where that is not known.
    """

    def __init__(self, path: str, descriptor: int, resumable: bool = True, mode: int = 0o666) -> None:
        self.path = path
        self._mode = mode
        self.size = os.fstat(descriptor).st_size
        self.origin: Origin | None = None
        self._sidecar = path + ".json" if resumable else None
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._md5 = None
        if self.size and self._sidecar:
            self.origin = _read_origin(self._sidecar)

    @property
    def md5(self) -> str:
        """The md5 of the content; computed as the bytes arrive, and from the disk for those of an earlier process."""
        return self._digest().hexdigest()

    def restart(self, origin: Origin) -> None:
        """Discard the content; what follows belongs to `origin`."""
        self.truncate(0)
        self.origin = origin
        if self._sidecar:
            _write_origin(self._sidecar, origin, self._mode)

    def remove_content(self) -> None:
        """Discard the content, to restart."""
        self.truncate(0)
        self.origin = None
        self._forget_origin()

    def count_fruitless(self, number: int) -> None:
        """Record how often in a row it could not be resumed, also for later runs."""
        if self.origin and self.origin.fruitless != number:
            self.origin = replace(self.origin, fruitless=number)
            if self._sidecar:
                _write_origin(self._sidecar, self.origin, self._mode)

    def truncate(self, size: int) -> None:
        """Discard everything beyond `size`."""
        if size != self.size:
            self._file.truncate(size)
            self.size, self._md5 = size, None

    def append(self, block: bytes) -> None:
        """Add bytes.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        digest = self._digest()
        self._file.seek(self.size)
        rest = memoryview(block)
        while rest:
            written = self._file.write(rest) or 0
            digest.update(rest[:written])
            self.size += written
            rest = rest[written:]

    def become(self, target: str) -> None:
        """Take the final name, atomically; it survives a power cut once the folder is synchronized.

        Raises
        ------
        Blocked
            If something other than a regular file is there now.
        """
        os.fsync(self._file.fileno())
        if isinstance(found := filesystem.look(target), str):
            raise Blocked(found)
        os.replace(self.path, target)
        self._forget_origin()

    def remove(self) -> None:
        """Remove it, to restart another time."""
        with suppress(OSError):
            os.unlink(self.path)
        self._forget_origin()

    def close(self) -> None:
        """Release the lock; an empty partial is removed."""
        if self.size == 0 and _is_same(self.path, self._file.fileno()):
            self.remove()
        self._file.close()

    def _digest(self):
        if self._md5 is None:
            self._md5 = hashlib.md5(usedforsecurity=False)
            self._file.seek(0)
            for block in blocks(self._file, self.size):
                self._md5.update(block)
        return self._md5

    def _forget_origin(self) -> None:
        if self._sidecar:
            with suppress(OSError):
                os.unlink(self._sidecar)


def partial_path(target: str) -> str:
    """Where the partial of a file is."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.part")


def size_of_partial(target: str) -> int:
    """Bytes that an earlier run left of a file."""
    try:
        return os.lstat(partial_path(target)).st_size
    except (OSError, ValueError):
        return 0


@contextmanager
def open_partial(target: str, stop: threading.Event, closed: int | None = None) -> Iterator[Partial]:
    """The partial of a file, created if necessary; waits while another process has it.

    Parameters
    ----------
    target : str
        The file's final name.
    stop : Event
        Set where the run was interrupted.
    closed : int, optional
        The mode of a file that not all may read; it has it from its creation.

    Raises
    ------
    Blocked
        If something other than a regular file has its name.
    Busy
        If another process holds it for long without adding to it.
    Stopped
        If `stop` was set meanwhile.
    """
    path = partial_path(target)
    mode = 0o666 if closed is None else closed
    descriptor = _locked(path, stop, mode)
    if descriptor is None:  # No locks here: use a private partial, which nobody can damage and nobody can resume.
        path = f"{path}.{uuid4().hex}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        partial = Partial(path, descriptor, resumable=False, mode=mode)
    else:
        partial = Partial(path, descriptor, mode=mode)
    _have_mode(descriptor, closed)
    try:
        yield partial
    finally:
        if descriptor is not None and partial._sidecar is None and _is_same(path, partial._file.fileno()):
            partial.remove()
        partial.close()


def _have_mode(descriptor: int, closed: int | None) -> None:
    """Have a partial the mode of its file, also one that was begun when the file had another.

    The mask may have taken more from a closed one than was asked. A released one is opened to what the mask leaves.
    """
    found = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if closed is not None and found != closed:
        os.fchmod(descriptor, closed)


def _locked(path: str, stop: threading.Event, mode: int) -> int | None:
    """A descriptor of the locked partial; None if the system has no locks."""
    seen, since = -1, time.monotonic()
    while not stop.is_set():
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EMLINK):
                raise Blocked(f"something other than a file has the name of its partial, {path}") from None
            raise
        keep = False
        status = os.fstat(descriptor)
        try:
            if not stat.S_ISREG(status.st_mode):
                raise Blocked(f"something other than a file has the name of its partial, {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous owner may have renamed or removed it since it was opened.
            keep = _is_same(path, descriptor)
            if keep:
                return descriptor
        except OSError as error:
            if error.errno in NO_LOCKS:
                if status.st_size == 0:
                    os.unlink(path)
                return None
            if not isinstance(error, BlockingIOError):
                raise
            if status.st_size != seen:
                seen, since = status.st_size, time.monotonic()
            if time.monotonic() - since > LOCK_PATIENCE:
                raise Busy(f"another process has held it for {LOCK_PATIENCE:.0f} s without adding to it") from None
        finally:
            if not keep:
                os.close(descriptor)
        stop.wait(LOCK_POLL)
    raise Stopped


def _is_same(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except OSError:
        return False


def _read_origin(path: str) -> Origin | None:
    try:
        with open(path, encoding="utf-8", opener=_without_following) as file:
            return Origin(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def _write_origin(path: str, origin: Origin, mode: int) -> None:
    with suppress(OSError):
        os.unlink(path)
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        json.dump(asdict(origin), file)


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)
