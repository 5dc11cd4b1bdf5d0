"""Brings back the code server of ``dagster dev`` when it has ended, which Dagster 1.13 does not do by itself.

``dagster dev`` starts a proxy, and starts it again; the proxy starts the process that holds the code, once. If that is
killed, as by the system when memory runs out, no sensor ticks until the code is reloaded.
"""

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from jwst_mast_assets.cli.runs import LOCATION

LOOK = 10.0
"""Seconds between two looks."""

LOOKS = 2
"""Looks in a row that must find the code gone: on a busy machine Dagster may lose it for a moment."""

WAITS = (15.0, 60.0, 300.0)
"""Seconds after each attempt; the last is repeated. The code may be unable to load until the user changes something."""

TIMEOUT = 10.0
"""Seconds for Dagster's web server to answer."""

STATE = """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename
    ... on PythonError { className message errorChain { error { message } } } } } } } }"""

RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "%s") { __typename } }"""

UNREACHABLE = "DagsterUserCodeUnreachableError"
"""Dagster's error if no process holds the code; any other is one of loading it."""

ENDED = "Dagster's code server has ended; starting it again"
STILL_AWAY = "Dagster's code server is still away; starting it again"


class CodeWatch:
    """Asks Dagster's web server now and then whether the code is loaded, and has it loaded again if it is not.

    Parameters
    ----------
    address : str
        Of Dagster's page.
    """

    def __init__(self, address: str) -> None:
        self._url = f"{address}/graphql"
        self._next_look = time.monotonic() + LOOK
        self._next_attempt = 0.0
        self._looks = 0
        self._attempts = 0

    def lines(self) -> Iterator[str]:
        """A line when the code is found gone, at each attempt to bring it back, and when it is back."""
        if time.monotonic() < self._next_look:
            return
        trouble = self._trouble()
        self._next_look = time.monotonic() + LOOK
        # A page that does not answer says nothing about the code.
        if trouble is None:
            return
        if not trouble:
            if self._attempts:
                yield "Dagster's code server is back"
            self._looks = self._attempts = 0
            return
        self._looks += 1
        if self._looks >= LOOKS and time.monotonic() >= self._next_attempt:
            yield trouble
            self._ask(RELOAD % LOCATION)
            self._next_attempt = time.monotonic() + WAITS[min(self._attempts, len(WAITS) - 1)]
            self._attempts += 1

    def _trouble(self) -> str | None:
        """What is wrong with the code location: "" for nothing, None if that is not known."""
        try:
            entries = self._ask(STATE)["data"]["workspaceOrError"]["locationEntries"]
            found = {entry["name"]: entry["locationOrLoadError"] for entry in entries}[LOCATION]
            if found["__typename"] == "RepositoryLocation":
                return ""
            if found["className"] == UNREACHABLE:
                return STILL_AWAY if self._attempts else ENDED
            causes = [each["error"]["message"] for each in found["errorChain"]]
            reason = _last_line((causes or [found["message"]])[-1])
            return f"Dagster's code server cannot load the code ({reason}); trying again"
        except (KeyError, TypeError, ValueError):
            return None

    def _ask(self, query: str) -> Any:
        """The answer to a query; None if there is none."""
        request = urllib.request.Request(
            self._url, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        try:
            with local_opener().open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException, ValueError):
            return None


def local_opener() -> urllib.request.OpenerDirector:
    """Opens addresses of this machine: never through the proxy that the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _last_line(message: str) -> str:
    return re.sub(r"^[\w.]+(Error|Exception): ", "", message.strip().rpartition("\n")[2])
