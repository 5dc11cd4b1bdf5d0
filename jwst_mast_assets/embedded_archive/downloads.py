"""The download endpoint: whole files and byte ranges, streamed, with what the faults make of them."""

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate

from jwst_mast_assets.embedded_archive.exchange import Request, Response
from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.files import ProductFile
from jwst_mast_assets.embedded_archive.state import ArchiveState

CHUNK = 1 << 18
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
_CONTENT_TYPES = {
    "fits": "application/fits",
    "jpg": "image/jpeg",
    "png": "image/png",
    "json": "application/json",
    "csv": "text/csv",
    "ecsv": "text/plain",
}


class Download:
    """The answer to one download request.

    Parameters
    ----------
    file : ProductFile
    faults : mapping of str to Fault
        Those that hit this request, by kind.
    state : ArchiveState
        Counts the bytes of the file that are sent.
    request : Request
    """

    def __init__(self, file: ProductFile, faults: Mapping[str, Fault], state: ArchiveState, request: Request) -> None:
        self.file = file
        self.faults = faults
        self.state = state
        self.request = request
        # the file is served as it was when the request came, whatever happens to it meanwhile
        with file.lock:
            self.read = file.snapshot()
            self.size = file.size
            self.etag = self._etag()
            self.last_modified = formatdate(file.ingested, usegmt=True)
        if "truncate" in faults:
            self.size = min(self.size, faults["truncate"].after_bytes)

    def response(self) -> Response:
        """The file, the range of it that is asked for, or a refusal."""
        status, start, stop = self._extent()
        headers = self._headers(status, start, stop)
        if self.request.method == "HEAD" or status == 416:
            return Response(b"", status, headers)
        if "drop" in self.faults:
            stop = min(stop, start + self.faults["drop"].after_bytes)
        return Response(self._parts(start, stop), status, headers, cut=bool({"drop", "length"} & set(self.faults)))

    def _etag(self) -> str | None:
        fault = self.faults.get("etag")
        if fault is None:
            return self.file.etag
        if fault.etag == "weak":
            return f"W/{self.file.etag}"
        if fault.etag == "changing":
            return f'"{secrets.token_hex(8)}"'
        return fault.etag

    def _extent(self) -> tuple[int, int, int]:
        """Status, first byte and the byte after the last one."""
        headers, size = self.request.headers, self.size
        asked = _RANGE.match(headers.get("range", ""))
        if asked is None or "ignore-range" in self.faults or asked[0] == "bytes=-":
            return 200, 0, size
        if "range-416" in self.faults:
            return 416, 0, 0
        condition = headers.get("if-range")
        if condition is not None and condition not in (self.etag, self.last_modified):
            return 200, 0, size
        if asked[1] == "":
            start, stop = max(0, size - int(asked[2])), size
        else:
            start, stop = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
        return (206, start, stop) if start < stop else (416, 0, 0)

    def _headers(self, status: int, start: int, stop: int) -> dict[str, str]:
        headers = {
            "content-type": _CONTENT_TYPES.get(self.file.extension, "application/octet-stream"),
            "accept-ranges": "bytes",
            "content-disposition": f'attachment; filename="{self.file.name}"',
        }
        if self.etag:
            headers["etag"] = self.etag
        if "no-date" not in self.faults:
            headers["last-modified"] = self.last_modified
        if status == 206:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{self.size}"
        if status == 416:
            headers["content-range"] = f"bytes */{self.size}"
        if "chunked" not in self.faults:
            wrong = self.faults["length"].delta if "length" in self.faults else 0
            headers["content-length"] = str(max(0, stop - start + wrong))
        return headers

    def _parts(self, start: int, stop: int) -> Iterator[bytes]:
        """Parts of the file between two positions, at the pace that the faults allow."""
        rate = self.faults["slow"].rate if "slow" in self.faults else None
        chunk = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 20)))
        stall = self.faults.get("stall")
        pause = start + stall.after_bytes if stall else None
        position, begun = start, time.monotonic()
        while position < stop or position == pause:
            if stall and position == pause:
                self.state.pause(stall.seconds)
                pause = None
                continue
            end = min(stop, position + chunk, pause if pause is not None and pause > position else stop)
            # counted before the client has them, so that whoever has read all of them finds them counted
            self.state.count_bytes(self.file, self.request, self.faults, end - position)
            yield self._damaged(self.read(position, end), position)
            if rate is not None:
                # Sending takes time, too.
                self.state.pause(max(0.0, begun + (end - start) / rate - time.monotonic()))
            position = end

    def _damaged(self, data: bytes, position: int) -> bytes:
        fault = self.faults.get("corrupt")
        if fault is None or not position <= fault.after_bytes < position + len(data):
            return data
        where = fault.after_bytes - position
        return data[:where] + bytes([data[where] ^ 0xFF]) + data[where + 1 :]
