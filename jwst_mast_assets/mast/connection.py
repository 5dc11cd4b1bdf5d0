"""The connection to MAST: its address, the token and what MAST makes of it, and the sessions.

The only module that imports astroquery. ``$MAST_SERVER`` changes the address of everything: invoke, download, whoami.
"""

import functools
import os
import time
from dataclasses import dataclass
from typing import Any

import requests

from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.mashup import Mashup, read_once
from jwst_mast_assets.mast.session import CONNECT_TIMEOUT, MastSession
from jwst_mast_assets.mast.shared_limits import SharedLimits

DEFAULT_SERVER = "https://mast.stsci.edu"
TOKEN_PAGE = "https://auth.mast.stsci.edu/token"

QUERY_TIMEOUT = 600.0
"""Seconds without a byte before a query is abandoned; as in astroquery."""

EXECUTING_LIMIT = 1800.0
"""Seconds that MAST may take for one query, including all its pages."""

WHOAMI_TIMEOUT = 10.0
"""Seconds to wait for ``whoami``, whose answer is optional."""


@functools.cache
def _portal_class() -> type[Any]:
    """Astroquery's portal without its extra request, before the first query, for how to display columns."""
    # The class behind astroquery.mast.Observations: the only one that accepts a custom session and addresses. Importing
    # it takes as long as a query, so it is imported only where MAST is asked.
    from astroquery.mast.discovery_portal import PortalAPI

    class Portal(PortalAPI):
        _column_configs: dict[str, Any] = {}
        TIMEOUT = EXECUTING_LIMIT

        def _get_col_config(self, service: str, fetch_name: str | None = None) -> None:
            self._column_configs[service] = {}

    return Portal


@dataclass(frozen=True)
class Identity:
    """The identity that MAST sees; ``anonymous`` is None if MAST does not say."""

    anonymous: bool | None
    name: str = ""


class MastConnection:
    """A server, a token, and the sessions that :class:`.Archive` asks through; its parameters are described there."""

    def __init__(
        self,
        server: str | None,
        token: str | None,
        read_timeout: float,
        retries: int,
        time_limit: float,
        limits: SharedLimits | None,
    ) -> None:
        self.server = (server or os.environ.get("MAST_SERVER") or DEFAULT_SERVER).rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            raise ConfigError(f"MAST_SERVER must begin with http:// or https://; it is {self.server!r}")
        self.token = token or os.environ.get("MAST_API_TOKEN") or None
        """The token that downloads send; None once MAST has refused it."""
        self.warnings: list[str] = []
        """What the user must know: one sentence each, without repetition."""
        self._unsaid: list[str] = []
        self._identity: Identity | None = None
        self._limits = limits
        # Lists are public: the token, which may have expired, is sent only to download files.
        self._session = MastSession(None, read_timeout, retries, self.server, limits=limits)
        self._session.end = time.monotonic() + time_limit
        self._session.hooks["response"].append(read_once)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.server!r})"

    @functools.cached_property
    def _mashup(self) -> Mashup:
        portal = _portal_class()(session=self._session)
        portal.MAST_REQUEST_URL = f"{self.server}/api/v0/invoke"
        return Mashup(portal, self.server)

    @property
    def download_url(self) -> str:
        """Where files come from; ``?uri=<dataURI>`` names one."""
        return f"{self.server}/api/v0.1/Download/file"

    def session(self, read_timeout: float) -> MastSession:
        """A separate session for one download thread; it does not retry by itself."""
        known = self._identity is not None and self._identity.anonymous is False
        refused = None if known else self._give_up_token
        return MastSession(self.token, read_timeout, 0, self.server, header=True, refused=refused, limits=self._limits)

    def whoami(self) -> Identity:
        """The identity that MAST sees with the present token; requested once.

        A token that MAST does not know is no longer used, and ``warnings`` says so: public data need none. If MAST
        does not answer, or not with JSON, that says nothing about the token.
        """
        if self._identity is None:
            self._identity = self._ask_whoami()
            if self.token and self._identity.anonymous:
                self._give_up_token()
        return self._identity

    def _ask_whoami(self) -> Identity:
        wait = min(WHOAMI_TIMEOUT, self._session.read_timeout)
        with MastSession(self.token, wait, 0, self.server, limits=self._limits) as session:
            session.end = self._session.end
            # As in astroquery; the answer without this header is unknown.
            headers = {"Accept": "application/json"}
            try:
                reply = session.get(f"{self.server}/whoami", headers=headers, timeout=(CONNECT_TIMEOUT, wait))
                reply.raise_for_status()
                info = reply.json()
                return Identity(bool(info["anon"]), str((info.get("attrib") or {}).get("display_name") or ""))
            except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
                return Identity(None)

    def _give_up_token(self) -> None:
        self.token = None
        self.warn(
            "MAST does not accept the token in MAST_API_TOKEN or the config file (one expires after 10 days without "
            "use, and after 60 days in any case): public data are fetched without it, exclusive files wait; get a new "
            f"token at {TOKEN_PAGE}"
        )

    def warn(self, sentence: str) -> None:
        """Add a warning for the user, unless it is already there."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            self._unsaid.append(sentence)

    def unsaid(self) -> list[str]:
        """The warnings since the last call."""
        news, self._unsaid = self._unsaid, []
        return news

    @property
    def received(self) -> int:
        """Bytes of the answers to queries so far, as they were sent."""
        return self._session.received
