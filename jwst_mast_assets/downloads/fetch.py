"""One file, from its plan to its final name: retried, verified, put in place. Failures are returned, not raised."""

import errno
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jwst_mast_assets.downloads import filesystem, superseded
from jwst_mast_assets.downloads.codes import Code
from jwst_mast_assets.downloads.heads import object_in_the_cloud
from jwst_mast_assets.downloads.partial import Blocked, Busy, Origin, Partial, Stopped, open_partial
from jwst_mast_assets.downloads.plan import Item, exclusive_message
from jwst_mast_assets.downloads.sources import Source
from jwst_mast_assets.downloads.transfer import Connection, SameSize, TransferError, transfer
from jwst_mast_assets.downloads.verify import Expected, Verification, content_problem, file_md5, too_short, verify
from jwst_mast_assets.mast.config import Config

log = logging.getLogger("jwst_mast_assets.downloads")

PROGRESS_THAT_COUNTS = 1 << 20
"""An attempt that adds this many bytes, and a tenth of the file, does not count towards download_retries."""

FROM_SCRATCH = 2
"""How often a file that fails verification is fetched again."""

NOT_MIGRATED = "MAST lists it as public but does not provide it yet (HTTP status 401)"
"""A newly public file gives this answer until MAST has moved it."""

RESTRICTED = "MAST restricts access to it (HTTP status 403), and your token does not grant it"
ASKED_AGAIN = "it will be requested again later"
FETCHED_BY_ANOTHER = "another run fetched it"


@dataclass(frozen=True)
class Outcome:
    """The result for one file."""

    code: Code
    message: str | None = None
    fetched: int = 0
    md5: str | None = None
    verified: str | None = None
    origin: Mapping[str, str | None] | None = None
    """For a fetched file: its source and what the source said about it, see ``tables.ORIGIN_COLUMNS``."""
    full: bool = False
    """Whether the disk has no space for other files either."""


def fetch(item: Item, config: Config, connections: list[tuple[Source, Connection]]) -> Outcome:
    """Download one file of the plan.

    Parameters
    ----------
    item : Item
        The file.
    config : Config
        ``verify``, ``download_retries``.
    connections : list of (Source, Connection)
        Where to ask, in order.

    Returns
    -------
    Outcome
        Includes anything that went wrong with the file.

    Raises
    ------
    Stopped
        If the run was interrupted.
    """
    for _, connection in connections:
        connection.fetched = 0
    try:
        closed = config.exclusive_mode if item.closed else None
        os.makedirs(os.path.dirname(item.path), exist_ok=True)
        with open_partial(item.path, connections[0][1].stop, closed) as partial:
            try:
                outcome = _beaten(item) or _from_sources(item, config, connections, partial)
            except OSError as error:
                if error.errno in filesystem.DISK_FULL_ERRORS:
                    # A full disk affects more than this run: free the space again.
                    partial.remove()
                raise
    except (Blocked, Busy) as error:
        outcome = Outcome(Code.BLOCKED if isinstance(error, Blocked) else Code.FAILED, str(error))
    except OSError as error:
        outcome = _disk_fault(error)
    if item.found and outcome.code not in (Code.DOWNLOADED, Code.REPLACED, Code.EXISTS):
        outcome = replace(outcome, message=f"{outcome.message}; the older version is kept")
    return replace(outcome, fetched=sum(connection.fetched for _, connection in connections))


def _beaten(item: Item) -> Outcome | None:
    """What another run did with the file while this one waited for its lock."""
    found = filesystem.look(item.path)
    if isinstance(found, str):
        raise Blocked(found)
    if found is None or found == item.found:
        return None
    md5, checksum = file_md5(item.path), item.keywords.checksum
    if md5 == checksum if checksum else item.size in (None, found.size):
        return Outcome(Code.EXISTS, FETCHED_BY_ANOTHER, md5=md5, verified="checksum" if checksum else "size")
    return None


def _from_sources(
    item: Item, config: Config, connections: list[tuple[Source, Connection]], partial: Partial
) -> Outcome:
    outcome = Outcome(Code.NOT_FOUND, "the cloud has no path for files with this name")
    if item.exclusive:
        connections = [(source, connection) for source, connection in connections if source.name == "mast"]
        outcome = Outcome(Code.EXCLUSIVE, "exclusive access; the cloud has only public files")
    for number, (source, connection) in enumerate(connections, start=1):
        retries = config.download_retries if number == len(connections) else min(1, config.download_retries)
        for url in source.urls(item.uri, item.name):
            expected = item
            if source.name == "s3":
                told = object_in_the_cloud(connection, url)
                if told.problem or (item.keywords.checksum and told.md5 not in (None, item.keywords.checksum)):
                    outcome = Outcome(Code.NOT_FOUND, told.problem or "the cloud has a different version of it")
                    continue
                if not item.keywords.checksum:
                    expected = replace(item, keywords=item.keywords._replace(checksum=told.md5))
            outcome = _Attempts(expected, config, source, connection, partial, retries).run(url)
            if outcome.code in (Code.DOWNLOADED, Code.REPLACED, Code.EXISTS):
                return outcome
            if outcome.code != Code.NOT_FOUND:
                break
        if number < len(connections):
            log.info("%s: not available from %s (%s); asking MAST", item.name, source.name, outcome.message)
    return outcome


class _Attempts:
    """The attempts to get one file from one source."""

    def __init__(
        self, item: Item, config: Config, source: Source, connection: Connection, partial: Partial, retries: int
    ) -> None:
        self.item, self.config, self.source, self.connection, self.partial = item, config, source, connection, partial
        self.retries = retries
        self.origin = Origin(item.uri, source.name, item.size, item.keywords.checksum)

    def run(self, url: str) -> Outcome:
        failed, repetition, restarts, furthest = 0, 0, 0, self.partial.size
        refused: list[str] = []
        while True:
            try:
                outcome, problem = self._once(url)
                if outcome:
                    return outcome
                # The same bytes twice are what MAST has; a third request would return them again.
                refused.append(self.partial.md5)
                self.partial.remove_content()
                scratch = min(FROM_SCRATCH, self.retries)
                if len(refused) > scratch or len(set(refused)) < len(refused):
                    return Outcome(Code.UNVERIFIED, problem)
                wait, repetition = None, repetition + 1
            except TransferError as fault:
                problem = str(fault)
                if fault.restart:
                    self.partial.remove_content()
                    restarts += 1
                    if restarts == 1:
                        continue
                if not fault.passing:
                    had = self.partial.origin
                    if fault.code == Code.NOT_FOUND and had and had.source == self.source.name:
                        self.partial.remove_content()
                    return self._refusal(fault)
                if self._progress(furthest):
                    failed = repetition = 0
                furthest = max(furthest, self.partial.size)
                failed, repetition, wait = failed + 1, repetition + 1, fault.asked
                if failed > self.retries:
                    return Outcome(Code.FAILED, f"{problem} (tried {failed} times)")
            self._wait(wait, repetition, problem)

    def _once(self, url: str) -> tuple[Outcome | None, str]:
        """One request: its outcome, or why the download is not the file."""
        partial, item = self.partial, self.item
        try:
            told = transfer(self.connection, url, partial, self.origin, self._same_size())
        except SameSize:
            note = f"MAST's table says {item.size} bytes, but MAST's file has {item.found.size if item.found else 0}"
            return Outcome(Code.EXISTS, note, verified="content"), ""
        except TransferError:
            # The response gave a wrong length; the checksum is more reliable.
            if not partial.size or partial.md5 != item.keywords.checksum:
                raise
            told = False
        expected = Expected(item.name, item.size, item.keywords.checksum)
        verdict = verify(partial.path, expected, partial.md5, self.config.verify, told)
        if verdict.problem:
            return None, verdict.problem
        return self._placed(verdict), ""

    def _placed(self, verdict: Verification) -> Outcome:
        md5, told = self.partial.md5, self.partial.origin or self.origin
        checksum = self.item.keywords.checksum if self.source.name == "s3" else None
        origin = {
            "checksum": checksum,
            "checksum_source": "s3" if checksum else None,
            "source": self.source.name,
            "etag": told.etag,
            "last_modified": told.modified,
        }
        if self.config.keep_superseded and self.item.found:
            superseded.keep(self.item.path)
        self.partial.become(self.item.path)
        code = Code.REPLACED if self.item.found else Code.DOWNLOADED
        return Outcome(code, verdict.note, md5=md5, verified=verdict.verified, origin=origin)

    def _progress(self, furthest: int) -> bool:
        """Whether the partial grew enough that only the connection is to blame."""
        total = self.partial.origin.total if self.partial.origin else None
        return self.partial.size - furthest >= max(PROGRESS_THAT_COUNTS, (total or 0) // 10)

    def _same_size(self) -> int | None:
        """Length of the file on disk, if only MAST's table contradicts it."""
        item = self.item
        if item.reason != "size" or not item.found or self.source.name != "mast" or self.config.verify == "none":
            return None
        if too_short(item.name, item.found.size, item.size):
            return None
        return None if content_problem(item.path, item.name) else item.found.size

    def _refusal(self, fault: TransferError) -> Outcome:
        item, status = self.item, fault.status
        token = bool(self.source.archive.token)
        if self.source.name != "mast" and status in (401, 403):
            return Outcome(Code.NOT_FOUND, str(fault))
        if (status in (401, 403, 404) and item.exclusive) or (status == 401 and not token and not item.public):
            return Outcome(Code.EXCLUSIVE, exclusive_message(item, token))
        if status == 401:
            return Outcome(Code.WAITING, f"{NOT_MIGRATED}; {ASKED_AGAIN}")
        if status == 403 and token:
            return Outcome(Code.WAITING, f"{RESTRICTED}; {ASKED_AGAIN}")
        return Outcome(fault.code, str(fault))

    def _wait(self, asked: float | None, repetition: int, problem: str) -> None:
        connection = self.connection
        if asked is not None:
            connection.pace.hold(asked)
        log.info("%s: %s; retrying", self.item.name, problem)
        # A server may ask for no wait at all, or for one that ends in the past.
        if connection.stop.wait(max(asked or 0.0, connection.waits.before(repetition))):
            raise Stopped


def _disk_fault(error: OSError) -> Outcome:
    text = error.strerror or type(error).__name__
    if error.errno in filesystem.DISK_FULL_ERRORS:
        return Outcome(Code.DISK_FULL, f"it cannot be written ({text})", full=error.errno != errno.EFBIG)
    blocked = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS)
    return Outcome(Code.BLOCKED if error.errno in blocked else Code.FAILED, f"it cannot be written ({text})")
