"""Faults that are injected on purpose: their declarations, and which of them hit a request."""

import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from jwst_mast_assets.embedded_archive.exchange import RecordedRequest

ENDPOINTS = ("download", "invoke", "whoami", "columnsconfig", "path_lookup")
DOWNLOAD_KINDS = (
    "drop", "stall", "length", "chunked", "ignore-range", "etag", "range-416", "corrupt", "truncate", "reprocess",
    "no-date",
)  # fmt: skip
INVOKE_KINDS = (
    "busy", "error", "fewer-rows", "wrong-size", "drop-column", "rename-column", "hostile-names",
    "gone-column", "short-list", "pages",
)  # fmt: skip
ANY_KINDS = ("slow", "status", "html", "redirect")
FAULT_KINDS = (*ANY_KINDS, *DOWNLOAD_KINDS, *INVOKE_KINDS)
HOSTILE_NAMES = ("../../escaped.fits", "/tmp/absolute.fits", "nul\0inside.fits", "long" * 80 + ".fits")


@dataclass
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    kind : str
        ``slow``: wait `seconds`, and `seconds_per_row` for each row of a Mashup answer, before the first byte, then
        send at most `rate` bytes/s.
        ``status``: answer `status` with an HTML page, `retry_after` as ``Retry-After``.
        ``html``: an HTML page (`body`) with status 200. ``redirect``: answer 302 to the same path and query at the
        server `location` (``http://host:port``).

        Of downloads: ``drop`` closes the connection after `after_bytes`; ``stall`` sends nothing for `seconds`
        after them; ``length`` announces `delta` bytes more (or less) than are sent; ``chunked`` has no
        ``Content-Length``; ``ignore-range`` answers the whole file; ``no-date`` has no
        ``Last-Modified``; ``etag`` leaves the tag out, or sends
        `etag`, where ``weak`` and ``changing`` mean the obvious; ``range-416`` refuses any range; ``corrupt``
        flips the byte at `after_bytes`; ``truncate`` ends the file there, with a matching length;
        ``reprocess`` has the file ingested again once that many bytes of it have been sent.

        Of Mashup requests: ``busy`` answers ``EXECUTING`` `rounds` times before the answer; ``error`` answers
        ``ERROR`` with `message`; ``fewer-rows`` serves `rows` although ``rowsTotal`` says more;
        ``wrong-size`` adds `delta` to ``size``; ``drop-column`` and ``rename-column`` (to `new_name`) change
        `column`; ``hostile-names`` gives the first rows the ``productFilename``s in `names`, each with a
        ``dataURI`` that works, and adds to the last one a twin that differs in its capitals only;
        ``gone-column`` answers ``ERROR`` to whoever names `column`, and leaves it out of ``*``; ``short-list``
        has only the first `rows` rows and says that there are no more; ``pages`` makes pages of at most `rows`
        rows, whatever was asked for, and all but the first begin `overlap` rows too early, so that the last rows
        are on no page.
    endpoint : str, optional
        ``download``, ``invoke``, ``whoami``, ``columnsconfig`` or ``path_lookup``; by default what the kind is about.
    match : str, optional
        Regular expression, searched for in the ``dataURI`` or in the service's name.
    times : int, optional
        How many requests are hit at most.
    nth : int, optional
        Only the n-th request, counted from 1, for each ``dataURI`` or service.
    more_than : int, optional
        Only Mashup requests with a list (of obsids, of a filter's values) longer than this.
    among : tuple of str, optional
        Only Mashup requests whose list has one of these.
    header : str, optional
        Only requests of which this regular expression is found in a header, written ``name: value``.
    """

    kind: str
    endpoint: str | None = None
    match: str | None = None
    times: int | None = None
    nth: int | None = None
    more_than: int | None = None
    among: tuple[str, ...] | None = None
    header: str | None = None
    seconds: float = 0.0
    seconds_per_row: float = 0.0
    rate: float | None = None
    after_bytes: int = 0
    status: int = 503
    retry_after: str | None = None
    body: str = "<html><head><title>Error</title></head><body><h1>The service is not available</h1></body></html>"
    delta: int = 1000
    etag: str | None = None
    rounds: int = 1
    message: str = "Internal error in the service"
    rows: int = 0
    overlap: int = 0
    column: str = ""
    new_name: str = ""
    names: tuple[str, ...] = HOSTILE_NAMES
    location: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(FAULT_KINDS)}")
        if self.endpoint is None:
            self.endpoint = "invoke" if self.kind in INVOKE_KINDS else "download"
        if self.endpoint not in ENDPOINTS:
            raise ValueError(f"no endpoint is called {self.endpoint!r}; there are {', '.join(ENDPOINTS)}")
        self.names = tuple(self.names)
        self.among = None if self.among is None else tuple(str(value) for value in self.among)
        self.retry_after = None if self.retry_after is None else str(self.retry_after)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Fault":
        """A fault from its JSON form.

        Raises
        ------
        ValueError
            If the kind, the endpoint or a key is not known.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


class FaultBook:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._hits: Counter[str] = Counter()
        self._asked: Counter[tuple[str, str]] = Counter()
        self._rounds: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults))

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, *faults: Fault) -> Fault:
        """Add faults; returns the last one."""
        with self._lock:
            self._faults += faults
        return faults[-1]

    def remove(self, fault_id: str) -> None:
        """Remove the fault with this ``id``."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.id != fault_id]

    def clear(self) -> None:
        """Remove all faults, and restart the count of requests."""
        with self._lock:
            self._faults = []
            for counter in (self._hits, self._asked, self._rounds):
                counter.clear()

    def hits(self, fault: Fault) -> int:
        """How many requests a fault has hit."""
        return self._hits[fault.id]

    def select(self, endpoint: str, subject: str, entry: RecordedRequest | None = None) -> dict[str, Fault]:
        """Faults that hit this request, which is counted.

        Parameters
        ----------
        endpoint : str
        subject : str
            The ``dataURI`` or the service.
        entry : RecordedRequest, optional
            The request, for what it asks and its headers.

        Returns
        -------
        dict of str to Fault
            By kind.
        """
        with self._lock:
            chosen: dict[str, Fault] = {}
            for fault in self._faults:
                if fault.endpoint != endpoint or not re.search(fault.match or "", subject):
                    continue
                if entry is not None and not _meant(fault, entry):
                    continue
                self._asked[fault.id, subject] += 1
                if fault.nth is not None and self._asked[fault.id, subject] != fault.nth:
                    continue
                if fault.times is not None and self._hits[fault.id] >= fault.times:
                    continue
                self._hits[fault.id] += 1
                chosen.setdefault(fault.kind, fault)
            return chosen

    def still_busy(self, fault: Fault, request_text: str) -> bool:
        """Whether the same request has been told to ask again fewer than `rounds` times."""
        with self._lock:
            self._rounds[fault.id, request_text] += 1
            return self._rounds[fault.id, request_text] <= fault.rounds


def _meant(fault: Fault, entry: RecordedRequest) -> bool:
    """Whether a request fulfils a fault's conditions on its list and its headers."""
    asked = longest_list(entry.params)
    if fault.more_than is not None and len(asked) <= fault.more_than:
        return False
    if fault.among is not None and not set(fault.among) & set(asked):
        return False
    lines = [f"{name}: {value}" for name, value in entry.headers.items()]
    return fault.header is None or any(re.search(fault.header, line) for line in lines)


def longest_list(params: dict[str, Any]) -> list[str]:
    """The longest list in a Mashup request's parameters, as text: its obsids, or the values of a filter."""
    lists = [str(params["obsid"]).split(",") if params.get("obsid") else []]
    lists += [[str(value) for value in condition.get("values") or ()] for condition in params.get("filters") or ()]
    return max(lists, key=len)
