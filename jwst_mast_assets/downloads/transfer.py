"""One request for one file: from its first byte, or from where a partial ends."""

import re
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import requests
from urllib3.exceptions import HTTPError

from jwst_mast_assets.downloads.backoff import SharedPause, Waits, seconds_asked
from jwst_mast_assets.downloads.codes import Code
from jwst_mast_assets.downloads.partial import Origin, Partial, Stopped
from jwst_mast_assets.mast.shared_limits import GaveUp, SharedLimits

NETWORK_BLOCK = 1 << 18
"""Bytes taken from the network at a time."""

PASSING = (408, 425, 429)
"""HTTP statuses, apart from 5xx, that may be temporary."""

NOT_THE_RANGE = (401, 403, 404, 410, *PASSING)
"""HTTP statuses 4xx that a request for the whole file would also get."""

FRUITLESS = 2
"""After this many attempts in a row to resume without receiving a byte, the whole file is requested."""

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class TransferError(Exception):
    """A request that failed.

    Parameters
    ----------
    message : str
        What went wrong.
    code : Code
        The file's state if the fault persists.
    passing : bool
        Whether a retry may succeed.
    status : int, optional
        The HTTP status.
    asked : float, optional
        Seconds that the server wants us to wait.
    restart : bool
        Whether the partial cannot be resumed.
    reached : bool
        Whether the server has seen the request.
    """

    def __init__(
        self,
        message: str,
        code: Code = Code.FAILED,
        passing: bool = False,
        status: int | None = None,
        asked: float | None = None,
        restart: bool = False,
        reached: bool = True,
    ) -> None:
        super().__init__(message)
        self.code, self.passing, self.status = code, passing, status
        self.asked, self.restart, self.reached = asked, restart, reached


class SameSize(Exception):
    """The server's file has the same length as the one on disk, which is readable: no need to fetch it."""


@dataclass
class Connection:
    """What all downloads of one thread share."""

    server: str
    """The name of the other end in messages."""
    session: requests.Session
    pace: SharedPause
    waits: Waits
    stop: threading.Event
    limits: SharedLimits
    """What all processes of the output folder share."""
    counted: bool = True
    """Whether the other end is MAST, where connections are limited."""
    fetched: int = 0
    """Bytes received for the current file."""
    fetched_in_all: int = 0
    """Bytes received for all files."""

    def place(self) -> AbstractContextManager[None]:
        """One of the connections that are allowed; waits for it."""
        if not self.counted:
            return nullcontext()
        return self.limits.connection(self.stop.is_set, self.session.close)


def transfer(connection: Connection, url: str, partial: Partial, origin: Origin, same_size: int | None = None) -> bool:
    """Fetch a file, or the rest of it, into a partial.

    Parameters
    ----------
    connection : Connection
        The session and its pace.
    url : str
        Where it is.
    partial : Partial
        Receives the bytes; keeps them if this fails.
    origin : Origin
        What MAST's tables say about the file.
    same_size : int, optional
        Length of a good file on disk; if the server's has the same length, it is not fetched again.

    Returns
    -------
    bool
        Whether the response announced its length and has that length.

    Raises
    ------
    TransferError
        If the file did not arrive, or not completely.
    SameSize
        If the server's file has the length `same_size`.
    Stopped
        If the run was interrupted.
    """
    offset = _offset(partial, origin)
    if not offset:
        return _request(connection, url, partial, origin, 0, same_size)
    tried = partial.origin.fruitless if partial.origin else 0
    if tried >= FRUITLESS:
        # Some servers fail on any Range. The partial is kept until the whole file starts to arrive: if the server is
        # merely down, the next attempt resumes.
        partial.count_fruitless(0)
        return _request(connection, url, partial, origin, 0, same_size)
    try:
        return _request(connection, url, partial, origin, offset, same_size)
    except TransferError as fault:
        if partial.size != offset:
            partial.count_fruitless(0)
        elif fault.status not in (*PASSING, 503) and fault.reached:
            partial.count_fruitless(tried + 1)
        raise


def _request(
    connection: Connection, url: str, partial: Partial, origin: Origin, offset: int, same_size: int | None
) -> bool:
    headers = {"Accept-Encoding": "identity"}
    if offset and partial.origin:
        headers["Range"] = f"bytes={offset}-"
        if validator := partial.origin.etag or partial.origin.modified:
            headers["If-Range"] = validator
    connection.pace.wait()
    if connection.stop.is_set():
        raise Stopped
    try:
        with connection.place(), connection.session.get(url, headers=headers, stream=True) as response:
            _check_status(response, connection, offset)
            total = _begin(response, partial, origin, offset)
            if same_size is not None and total == same_size:
                raise SameSize
            _take(response, partial, connection)
    except GaveUp:
        raise Stopped from None
    except (requests.RequestException, HTTPError, OSError) as error:
        network = isinstance(error, requests.RequestException | HTTPError | TimeoutError | ConnectionError)
        if not network and error.errno is not None:
            raise  # the disk's
        if isinstance(error, requests.TooManyRedirects):
            raise TransferError(f"{connection.server} redirects endlessly") from None
        reason = _reason(error)
        raise TransferError(f"{reason.text} after {partial.size} bytes", passing=True, reached=reason.reached) from None
    if total is not None and partial.size != total:
        raise TransferError(f"the connection ended after {partial.size} of {total} bytes", passing=True)
    return total is not None


def _offset(partial: Partial, origin: Origin) -> int:
    """The byte from which a partial can be resumed; 0 to restart."""
    had = partial.origin
    if not partial.size or had is None:
        return 0
    if had.encoded or not had.may_be(origin):
        return 0
    # Without a strong validator the server cannot confirm that the rest belongs to the same file; a checksum can.
    if not had.etag and not origin.checksum:
        return 0
    if had.total is not None and partial.size >= had.total:
        # Everything is there: request one byte, so that the server confirms that the file is still the same.
        partial.truncate(had.total - 1)
    return partial.size


def _check_status(response: requests.Response, connection: Connection, offset: int) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    text = f"{connection.server} answered with HTTP status {status}"
    if status == 416 or (offset and 400 <= status < 500 and status not in NOT_THE_RANGE):
        raise TransferError(text, passing=True, status=status, restart=True)
    passing = status in PASSING or status >= 500
    code = Code.NOT_FOUND if status in (404, 410) else Code.FAILED
    raise TransferError(
        text, code, passing, status, seconds_asked(response.headers.get("Retry-After"), connection.waits)
    )


def _begin(response: requests.Response, partial: Partial, origin: Origin, offset: int) -> int | None:
    """Prepare the partial, and return the length of the whole file if the response gives it."""
    headers = response.headers
    etag = headers.get("ETag")
    etag = etag if etag and not etag.startswith("W/") else None
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    if response.status_code == 206:
        if encoded:
            raise TransferError("the part arrived compressed", passing=True, restart=True)
        match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        had = partial.origin
        if not (match and had and offset and int(match[1]) == offset):
            raise TransferError("the server sent a different part than requested", passing=True, restart=True)
        total = None if match[3] == "*" else int(match[3])
        # Only a checksum makes it safe to resume with a part whose version is not stated.
        same = had.etag == etag or (etag is None and origin.checksum is not None) or had.etag is None
        changed = not same or (had.total and total and had.total != total)
        if changed or (total and int(match[2]) != total - 1):
            raise TransferError("the file changed during the download", passing=True, restart=True)
        return total or had.total
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and not encoded and "Transfer-Encoding" not in headers else None
    modified = headers.get("Last-Modified")
    partial.restart(replace(origin, etag=etag, modified=modified, total=total, encoded=encoded))
    return total


def _take(response: requests.Response, partial: Partial, connection: Connection) -> None:
    # read1 returns what has arrived; read would lose up to a block when the connection drops.
    read = getattr(response.raw, "read1", response.raw.read)
    while block := read(NETWORK_BLOCK, decode_content=True):
        connection.fetched += len(block)
        connection.fetched_in_all += len(block)
        partial.append(block)
        connection.limits.spend(len(block), connection.stop.is_set)
        if connection.stop.is_set():
            raise Stopped


class Reason(NamedTuple):
    """What broke a connection."""

    text: str
    reached: bool = True
    """Whether the server may have seen the request."""


def _reason(error: BaseException) -> Reason:
    """What broke a connection, in a few words: the texts of exceptions contain addresses and object names."""
    seen: BaseException | None = error
    chain = []
    while seen is not None and len(chain) < 10:
        chain.append(seen)
        inner = getattr(seen, "reason", None)
        seen = inner if isinstance(inner, BaseException) else (seen.__cause__ or seen.__context__)
    names = " ".join(type(one).__name__ for one in chain)
    for part, reason in REASONS.items():
        if part in names:
            return reason
    return Reason("the connection broke")


REASONS = {
    "ReadTimeout": Reason("no data arrived within download_timeout"),
    "ConnectTimeout": Reason("connecting took too long", reached=False),
    "TimeoutError": Reason("no data arrived within download_timeout"),
    "NameResolution": Reason("the server's name cannot be resolved", reached=False),
    "gaierror": Reason("the server's name cannot be resolved", reached=False),
    "SSL": Reason("the server's certificate was not accepted"),
    "ConnectionRefused": Reason("the connection was refused", reached=False),
    "ConnectionReset": Reason("the connection was reset"),
    "IncompleteRead": Reason("the connection ended"),
    "RemoteDisconnected": Reason("the connection ended"),
}
"""By the name of an exception, or part of it."""
