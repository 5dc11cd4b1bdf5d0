"""What a running archive consists of, shared by its endpoints."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.exchange import RecordedRequest, Request
from jwst_mast_assets.embedded_archive.faults import Fault, FaultBook
from jwst_mast_assets.embedded_archive.files import ProductFile

GOOD_TOKEN = "good-token"


class RequestLog:
    """The requests received so far, without those to the control endpoints."""

    def __init__(self) -> None:
        self._requests: list[RecordedRequest] = []
        self._lock = threading.Lock()

    def record(self, request: Request, endpoint: str, **details: Any) -> RecordedRequest:
        """Log a request; returns its `RecordedRequest`, which is also the request's ``entry``."""
        entry = RecordedRequest(time.time(), request.method, request.path, endpoint, headers=request.headers, **details)
        request.entry = entry
        with self._lock:
            self._requests.append(entry)
        return entry

    def all(self) -> list[RecordedRequest]:
        """The requests, oldest first."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._requests.clear()


class ArchiveState:
    """Catalogue, faults, tokens and the log of requests.

    Parameters
    ----------
    catalogue : Catalogue
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.faults = FaultBook()
        self.log = RequestLog()
        self.tokens = {GOOD_TOKEN}
        self.stopping = threading.Event()
        self._progress: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def token_of(self, request: Request) -> str:
        """The token of a request, from its cookie or its ``Authorization`` header; empty when there is none."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "token" else request.cookies.get("mast_token", "")

    def knows(self, request: Request) -> bool:
        """Whether a request carries a good token."""
        return self.token_of(request) in self.tokens

    def pause(self, seconds: float) -> None:
        """Wait; when the archive is stopped meanwhile, the connection ends.

        Raises
        ------
        ConnectionAbortedError
        """
        if self.stopping.wait(seconds):
            raise ConnectionAbortedError("the archive was stopped")

    def count_bytes(self, file: ProductFile, request: Request, faults: Mapping[str, Fault], number: int) -> None:
        """Note that bytes of a file are being sent, after which a fault may have it processed again."""
        if request.entry:
            request.entry.sent += number
        fault = faults.get("reprocess")
        if fault is None:
            return
        with self._lock:
            before = self._progress[fault.id, file.name]
            self._progress[fault.id, file.name] += number
        if before < max(fault.after_bytes, 1) <= before + number:
            self.catalogue.reprocess(file.name)
