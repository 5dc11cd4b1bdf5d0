"""Requests and replies, independent of the connection that carries them."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from http.cookies import SimpleCookie
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qs


@dataclass
class RecordedRequest:
    """A request that the archive has received.

    Parameters
    ----------
    time : float
        When it came, in seconds since 1970.
    method, path, endpoint : str
        The endpoint is ``invoke``, ``columnsconfig``, ``download``, ``path_lookup`` or ``whoami``.
    service : str
        Of a Mashup request.
    params : dict
        Of a Mashup request, with ``page`` and ``pagesize``; of a ``path_lookup`` its ``uri``.
    uri : str
        Of a download.
    headers : dict
        Names in lower case.
    status : int, optional
        None until the answer begins.
    sent : int
        Bytes of the file that were sent, for a download.
    faults : list of str
        Kinds of the faults that hit it.
    finished : float, optional
        When the answer was complete or the connection ended.
    busy_until : float, optional
        When the last part of the answer was about to be sent: before that the client cannot have had all of it.
    """

    time: float
    method: str
    path: str
    endpoint: str
    service: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    sent: int = 0
    faults: list[str] = field(default_factory=list)
    finished: float | None = None
    busy_until: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


def most_at_once(requests: Iterable[RecordedRequest]) -> int:
    """The largest number of requests that were under way at the same time."""
    changes = []
    for request in requests:
        until = request.busy_until or request.finished or math.inf
        changes += [(request.time, 1), (max(until, request.time), -1)]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


@dataclass
class Request:
    """A request as it was received.

    Parameters
    ----------
    method : str
    target : str
        Path and query as they were sent.
    headers : dict
        Names in lower case.
    body : bytes
    entry : RecordedRequest, optional
        Its line in the log, which is completed when it is answered.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    entry: RecordedRequest | None = None

    @property
    def path(self) -> str:
        """The part before the question mark."""
        return self.target.partition("?")[0]

    @cached_property
    def query_params(self) -> dict[str, list[str]]:
        """The parameters after the question mark."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    @cached_property
    def form(self) -> dict[str, list[str]]:
        """The fields of the form in the body, whatever the ``Content-Type`` says, as in the real service."""
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies, by name."""
        return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}

    def values(self, name: str) -> list[str]:
        """All values of a parameter, from the query or else from the form."""
        return self.query_params.get(name) or self.form.get(name) or []

    def value(self, name: str) -> str:
        """The value of a parameter; empty when there is none."""
        return next(iter(self.values(name)), "")


@dataclass(frozen=True)
class Response:
    """A reply.

    Parameters
    ----------
    body : bytes or iterable of bytes
        An iterable is sent part by part, chunked where `headers` has no ``content-length``.
    status : int
    headers : mapping
        Names in lower case.
    cut : bool
        The connection is closed after the body, whatever was announced.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Endpoint = Callable[[Request], Response]


def html_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An HTML page."""
    return Response(text.encode(), status, {"content-type": "text/html; charset=utf-8", **(headers or {})})


def json_response(content: Any, status: int = 200) -> Response:
    """Strict JSON, without NaN."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, {"content-type": "application/json"})
