"""What a running archive consists of, shared by its endpoints."""

import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.faults import FaultBook

GOOD_TOKEN = "good-token"


@dataclass
class RecordedRequest:
    """A request that the archive has received.

    Parameters
    ----------
    time : float
        When it came, in seconds since 1970.
    method, path, endpoint : str
        The endpoint is ``invoke``, ``columnsconfig``, ``download`` or ``whoami``.
    service : str
        Of a Mashup request.
    params : dict
        Of a Mashup request, with ``page`` and ``pagesize``.
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
        When the answer was complete.
    """

    time: float
    method: str
    path: str
    endpoint: str
    service: str = ""
    params: dict = field(default_factory=dict)
    uri: str = ""
    headers: dict = field(default_factory=dict)
    status: int | None = None
    sent: int = 0
    faults: list[str] = field(default_factory=list)
    finished: float | None = None

    def to_dict(self):
        """Its JSON form."""
        return asdict(self)


class RequestLog:
    """The requests received so far, without those to the control endpoints."""

    def __init__(self):
        self._requests: list[RecordedRequest] = []
        self._lock = threading.Lock()

    def record(self, request, endpoint, **details):
        """Take down a starlette request; returns its `RecordedRequest`."""
        entry = RecordedRequest(
            time.time(), request.method, request.url.path, endpoint, headers=dict(request.headers), **details
        )
        with self._lock:
            self._requests.append(entry)
        return entry

    def all(self):
        """A list of the requests."""
        with self._lock:
            return list(self._requests)

    def clear(self):
        """Forget them."""
        with self._lock:
            self._requests.clear()


class ArchiveState:
    """Catalogue, faults, tokens and the log of requests.

    Parameters
    ----------
    catalogue : Catalogue
    """

    def __init__(self, catalogue: Catalogue):
        self.catalogue = catalogue
        self.faults = FaultBook()
        self.log = RequestLog()
        self.tokens = {GOOD_TOKEN}
        self._progress: Counter = Counter()

    def token_of(self, request):
        """The token of a request, from its cookie or its ``Authorization`` header; empty when there is none."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "token" else request.cookies.get("mast_token", "")

    def knows(self, request):
        """Whether a request carries a good token."""
        return self.token_of(request) in self.tokens

    def count_bytes(self, file, entry, faults, number):
        """Note that bytes of a file were sent, after which a fault may have it processed again."""
        entry.sent += number
        fault = faults.get("reprocess")
        if fault is None:
            return
        key = (fault.id, file.name)
        before = self._progress[key]
        self._progress[key] += number
        if before < max(fault.after_bytes, 1) <= self._progress[key]:
            self.catalogue.reprocess(file.name)
