"""The HTTP session with MAST: time-outs, one client identity, patient retries, and who gets to see the token."""

import math
import re
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from jwst_mast_assets import __version__
from jwst_mast_assets.mast.shared_limits import GaveUp, SharedLimits

USER_AGENT = f"jwst_mast_assets/{__version__} (+https://github.com/jwst-mast-assets/jwst_mast_assets)"

CONNECT_TIMEOUT = 15.0
"""Seconds to wait for a connection."""

PAUSE_WHILE_EXECUTING = 0.5
"""Seconds between two checks whether a query is done; astroquery itself does not wait."""

BACKOFF = 0.5
"""Seconds before the first repetition of a request; twice as long before each further one, and a little at random."""

EXECUTING = re.compile(rb'"status"\s*:\s*"EXECUTING"')

TOKEN_COOKIE = "mast_token"


class NoTimeLeft(requests.Timeout):
    """The session's time limit has passed."""


class _Retry(Retry):
    """A request that timed out is not repeated in the same way."""

    def increment(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(error := kwargs.get("error"), ReadTimeoutError):
            raise error
        return super().increment(*args, **kwargs)


def _retry(number: int, *statuses: int) -> Retry:
    return _Retry(
        number,
        backoff_factor=BACKOFF,
        backoff_jitter=BACKOFF,
        status_forcelist=statuses,
        allowed_methods=None,
        raise_on_status=False,
    )


class MastSession(requests.Session):
    """A requests session for one server, and the only one that knows the token.

    The token goes to the server's own domain (:func:`token_domain`: all of ``stsci.edu`` for MAST) and to nobody else,
    even if the server redirects, and never over plain http if the server is asked over https.

    Parameters
    ----------
    token : str, optional
        MAST token.
    read_timeout : float
        Seconds without a byte before a request is abandoned.
    retries : int
        How often a request is repeated after a dropped connection, 429 or 5xx.
    server : str
        Address of the server, with its scheme.
    header : bool
        Also send the token as ``Authorization: token ...``. MAST's own download scripts do that; astroquery sends a
        cookie, with queries and downloads alike.
    refused : callable, optional
        Called when the server refuses a request because of the token: 401 with it, but not without it. The session
        goes on anonymously then. Without this a 401 is returned unchanged.
    limits : SharedLimits, optional
        What is shared with other processes. A streamed request is not counted here: its reader holds the connection
        longer, and counts it.
    """

    def __init__(
        self,
        token: str | None,
        read_timeout: float,
        retries: int,
        server: str = "",
        header: bool = False,
        refused: Callable[[], None] | None = None,
        limits: SharedLimits | None = None,
    ) -> None:
        super().__init__()
        self.end = math.inf
        """When, of ``time.monotonic``, no further request is made."""
        self.stop = threading.Event()
        """Set when nothing more is wanted, and no request needs to wait for a connection."""
        self.limits = limits
        self._of_thread = threading.local()
        self.received = 0
        """Bytes of the answers so far."""
        self.headers["User-Agent"] = USER_AGENT
        self.read_timeout = read_timeout
        self.server = server
        self._header_token = token if header else None
        self._refused = refused if token else None
        self._environment: dict[tuple[Any, ...], Any] = {}
        if token:
            secure = urlsplit(server).scheme == "https"
            self.cookies.set(TOKEN_COOKIE, token, domain=_cookie_domain(server), secure=secure)
        adapter = HTTPAdapter(max_retries=_retry(retries, 429, 500, 502, 503, 504), pool_maxsize=16)
        self._impatient = HTTPAdapter(max_retries=_retry(retries, 429), pool_maxsize=16)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As the base class does, with a time-out, and without a token that the server refuses."""
        if time.monotonic() > self.end:
            raise NoTimeLeft
        limits = None if kwargs.get("stream") else self.limits
        try:
            with limits.connection(self._given_up) if limits else nullcontext():
                left = max(self.end - time.monotonic(), 0.1)
                # astroquery passes timeout=None, which would wait forever.
                connect, read = kwargs.get("timeout") or (CONNECT_TIMEOUT, self.read_timeout)
                kwargs["timeout"] = (min(connect, left), min(read, left))
                response = super().request(*args, **kwargs)
                if response.status_code == 401 and self._refused:
                    response = self._anonymously(response, self._refused, *args, **kwargs)
        except GaveUp:
            raise NoTimeLeft from None
        if not kwargs.get("stream"):
            # As sent: compressed, if the server compresses.
            self.received += response.raw.tell()
        if not kwargs.get("stream") and len(response.content) < 10_000 and EXECUTING.search(response.content):
            time.sleep(PAUSE_WHILE_EXECUTING)
        return response

    @property
    def patient(self) -> bool:
        """Whether 5xx are retried in this thread; not if asking for less at once is better."""
        return getattr(self._of_thread, "patient", True)

    @patient.setter
    def patient(self, value: bool) -> None:
        self._of_thread.patient = value

    def _given_up(self) -> bool:
        return self.stop.is_set() or time.monotonic() > self.end

    def get_adapter(self, url: str) -> BaseAdapter:
        """The connections to use, with the present number of retries."""
        return super().get_adapter(url) if self.patient else self._impatient

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As the base class does, but once per server: it reads all of the environment, which takes a while."""
        if proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        key = (*urlsplit(url)[:2], stream, verify, cert)
        if key not in self._environment:
            self._environment[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return self._environment[key].copy()

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self._impatient.close()

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As the base class does, with the token where the address may see it."""
        prepared = super().prepare_request(request)
        self._show_token(prepared)
        return prepared

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called by requests for each redirect; the cookies of the jar it has chosen by their domain."""
        prepared_request.headers.pop("Authorization", None)
        self._show_token(prepared_request)

    def forget_token(self) -> None:
        """Go on anonymously."""
        self._header_token = None
        for cookie in [cookie for cookie in self.cookies if cookie.name == TOKEN_COOKIE]:
            self.cookies.clear(cookie.domain, cookie.path, cookie.name)

    def _anonymously(
        self, refusal: requests.Response, refused: Callable[[], None], *args: Any, **kwargs: Any
    ) -> requests.Response:
        """The same request without the token; if that is refused too, the token is not to blame."""
        header, cookies = self._header_token, self.cookies.copy()
        self.forget_token()
        response = super().request(*args, **kwargs)
        if response.status_code < 400:
            refusal.close()
            self._refused = None
            refused()
            return response
        response.close()
        self._header_token = header
        self.cookies = cookies
        return refusal

    def _show_token(self, prepared: requests.PreparedRequest) -> None:
        if self._header_token and may_see_token(self.server, prepared.url or ""):
            prepared.headers["Authorization"] = f"token {self._header_token}"


def may_see_token(server: str, url: str) -> bool:
    """Whether an address may see the token that is for a server: the same domain, and no step down from https."""
    asked, home = urlsplit(url), urlsplit(server)
    host, domain = (asked.hostname or "").lower(), token_domain(server)
    inside = host == domain or ("." in domain and host.endswith(f".{domain}"))
    return inside and asked.scheme in ("https", home.scheme)


def token_domain(server: str) -> str:
    """The domain that a server belongs to: the last two parts of its name, three below a country.

    ``stsci.edu`` for ``https://mast.stsci.edu``. Of an archive under another name: ``example.org`` for
    ``mast.example.org``, ``example.ac.uk`` for ``mast.example.ac.uk``. A name with fewer parts, and an address in
    numbers, stand for themselves only: nobody can tell who else is there.
    """
    host = (urlsplit(server).hostname or "").lower()
    parts = host.split(".")
    if parts[-1].isdigit() or ":" in host:
        return host
    return ".".join(parts[-3 if len(parts[-1]) == 2 else -2 :])


def _cookie_domain(server: str) -> str:
    """The domain as a cookie's; one without a point is known to cookie jars as ``.local``."""
    domain = token_domain(server)
    if "." not in domain:
        return f"{domain}.local"
    return domain if domain[-1].isdigit() else f".{domain}"
