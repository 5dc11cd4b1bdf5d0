"""Mashup, the language of MAST's tables: whole answers from envelopes and pages, and errors as one sentence each."""

import functools
import json
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from jwst_mast_assets.mast.errors import ArchiveError, ArchiveUnavailable, ArchiveUnreachable
from jwst_mast_assets.mast.session import NoTimeLeft

log = logging.getLogger("jwst_mast_assets.mast")

PAGE_SIZE = 500_000
"""Rows of a page: as MAST's staff advise, because every further page runs the query again."""

PAUSES = (2.0, 10.0)
"""Seconds to wait before retrying an answer that is shorter than announced."""

REFUSED: dict[tuple[str, str], str] = {}
"""Services (of a server) that refused the requested columns, with their reason; ``*`` is requested from then on."""

Params = dict[str, Any]
Row = dict[str, Any]


class Portal(Protocol):
    """What is used of astroquery's ``PortalAPI``."""

    service_request_async: Any


class Refusal(ArchiveUnavailable):
    """An envelope with status ERROR. It may be temporary; asking for too much is one possible reason."""


class Reply(NamedTuple):
    """A whole answer."""

    rows: list[Row]
    fields: set[str]
    """Names of its columns."""
    announced: int = 0
    """The number of rows that MAST announced."""
    pages: int = 1


class Mashup:
    """The services of one server."""

    def __init__(self, portal: Portal, server: str) -> None:
        self._portal = portal
        self.server = server

    def ask(self, service: str, params: Params, what: str, identity: Sequence[str] = ()) -> Reply:
        """All rows of a service.

        If a service refuses the columns, all of them are requested; from then on, if it really lacks some of them.

        Parameters
        ----------
        service : str
        params : dict
            ``columns`` may be replaced by ``*``.
        what : str
            What is asked for, for messages.
        identity : sequence of str
            Columns that identify a row, if rows are unique.

        Raises
        ------
        ArchiveError
            If MAST does not answer, answers with an error, or sends fewer rows than it has.
        """
        # A count (*) names no column either.
        named = "*" not in (params.get("columns") or "*")
        if named and (self.server, service) in REFUSED:
            return self._whole(service, {**params, "columns": "*"}, what, identity)
        try:
            return self._whole(service, params, what, identity)
        except Refusal as refusal:
            if not named:
                raise
            try:
                reply = self._whole(service, {**params, "columns": "*"}, what, identity)
            except ArchiveUnavailable:
                raise refusal from None
            # An error of the moment looks the same.
            if absent := set(params["columns"].split(",")) - reply.fields if reply.fields else set():
                lost = ", ".join(sorted(absent))
                log.warning("%s; it has no %s; all columns are requested from now on", refusal, lost)
                REFUSED[self.server, service] = str(refusal)
            return reply

    def refusal(self, service: str) -> str | None:
        """What a service said when it refused the requested columns; None if it did not."""
        return REFUSED.get((self.server, service))

    def _whole(self, service: str, params: Params, what: str, identity: Sequence[str]) -> Reply:
        """An answer with as many rows as announced; retried if it is shorter."""
        reply, so_far = Reply([], set()), dict[Any, Row]()
        for pause in (*PAUSES, None):
            reply = self._once(service, params, what, identity)
            if len(reply.rows) >= reply.announced:
                return reply
            if identity:
                # Another query may return the rows that the pages of this one skipped.
                so_far |= {_identity(row, identity): row for row in reply.rows}
                if len(so_far) >= reply.announced:
                    return reply._replace(rows=list(so_far.values()))
            log.info("%d of %d %s arrived", len(reply.rows), reply.announced, what)
            if pause is not None:
                time.sleep(pause)
        number = max(len(reply.rows), len(so_far))
        raise ArchiveUnavailable(
            f"MAST sent only {number} of {reply.announced} {what}; try again, or lower Nobs_per_batch"
        )

    def _once(self, service: str, params: Params, what: str, identity: Sequence[str]) -> Reply:
        replies: list[requests.Response] = []
        try:
            replies = self._portal.service_request_async(service, params, pagesize=PAGE_SIZE)
            return joined([self._complete(response.json(), what) for response in replies], identity)
        except Exception as error:
            raise as_sentence(error, self.server) from None
        finally:
            for response in replies:
                # See read_once: a response with its text and rows refers to itself, and would stay in memory.
                vars(response).pop("json", None)

    def _complete(self, envelope: Any, what: str) -> dict[str, Any]:
        if envelope.get("status") == "ERROR":
            told = envelope.get("msg") or "no reason given"
            raise Refusal(f"MAST answered the query of {what} with an error: {told}")
        if envelope.get("status") != "COMPLETE":
            raise ArchiveUnavailable(not_mast(self.server))
        return envelope


def joined(envelopes: Sequence[dict[str, Any]], identity: Sequence[str] = ()) -> Reply:
    """The pages of an answer as one, without rows that an earlier page already has.

    Each page runs the query again, and no order is guaranteed, so pages may overlap. Repeated rows
    within a page are MAST's own.
    """
    rows: list[Row] = []
    fields: set[str] = set()
    seen: set[Any] = set()
    announced = 0
    for envelope in envelopes:
        page = envelope.get("data") or []
        rows += [row for row in page if _identity(row, identity) not in seen] if seen else page
        if len(envelopes) > 1:
            seen.update(_identity(row, identity) for row in page)
        fields |= {field["name"] for field in envelope.get("fields") or []} | set(page[0] if page else ())
        paging = envelope.get("paging") or {}
        # A server has been seen to cut at 50,000 rows and count only those as filtered.
        announced = max(announced, paging.get("rowsFiltered") or 0, paging.get("rowsTotal") or 0)
    return Reply(rows, fields, announced, len(envelopes))


def _identity(row: Row, identity: Iterable[str]) -> Any:
    values = tuple(row.get(name) for name in identity)
    return json.dumps(row, sort_keys=True) if None in values or not values else values


def read_once(response: requests.Response, *_arguments: Any, **_options: Any) -> None:
    """A hook of the session: astroquery and :class:`Mashup` would each read the JSON of an answer."""
    response.json = functools.cache(response.json)


def not_mast(server: str) -> str:
    """The message for an answer that no service of MAST gives."""
    return f"{server} sent something that is not MAST's JSON: it may be down for maintenance, or MAST_SERVER is wrong"


def as_sentence(error: Exception, server: str) -> Exception:
    """A request's failure as one sentence; unexpected errors are returned unchanged."""
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        kind = ArchiveUnavailable if status == 429 or status >= 500 else ArchiveError
        address = error.response.url.partition("?")[0]
        return kind(f"MAST answered with HTTP status {status} ({error.response.reason}) at {address}")
    if isinstance(error, json.JSONDecodeError):
        return ArchiveUnavailable(not_mast(server))
    if isinstance(error, requests.RequestException | TimeoutError):
        kind = ArchiveUnreachable if _no_connection(error) else ArchiveUnavailable
        return kind(f"MAST at {server} cannot be reached ({_reason(error)}); check MAST_SERVER and the network")
    if isinstance(error, AttributeError | KeyError | TypeError):
        # Raised by astroquery if a reply does not have what every reply of MAST has.
        return ArchiveUnavailable(not_mast(server))
    return error


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what caused it, outermost first."""
    chain, seen = [], error
    while isinstance(seen, BaseException) and len(chain) < 10:
        chain.append(seen)
        inner = getattr(seen, "reason", None)
        seen = inner if isinstance(inner, BaseException) else seen.__context__ or seen.__cause__
    return chain


def _no_connection(error: Exception) -> bool:
    """Whether not even a connection was made, or no time is left to make one."""
    without = (requests.ConnectTimeout, ConnectTimeoutError, NewConnectionError, NoTimeLeft)
    return any(isinstance(cause, without) for cause in _causes(error))


def _reason(error: Exception) -> str:
    """The root cause of a connection error, in a few words and without an object's address."""
    if isinstance(error, NoTimeLeft):
        return "no time left"
    if isinstance(error, requests.Timeout | TimeoutError):
        return "time-out"
    cause = _causes(error)[-1]
    return getattr(cause, "strerror", None) or type(cause).__name__
