"""The download endpoint: whole files and byte ranges, streamed, with what the faults make of them."""

import asyncio
import re
from email.utils import formatdate

from starlette.concurrency import run_in_threadpool

from jwst_mast_assets.embedded_archive.protocol import RawResponse

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
    """The answer to one download request, an ASGI application.

    Parameters
    ----------
    file : ProductFile
    faults : dict of str to Fault
        Those that hit this request, by kind.
    on_bytes : callable
        Told how many bytes of the file have been sent, after each part.
    """

    def __init__(self, file, faults, on_bytes):
        self.file = file
        self.faults = faults
        self.on_bytes = on_bytes
        self.status = 200

    async def __call__(self, scope, receive, send):
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        etag = self._etag()
        size = self.file.size
        if "truncate" in self.faults:
            size = min(size, self.faults["truncate"].after_bytes)
        self.status, start, stop = self._extent(headers, etag, size)
        answer = self._headers(etag, size, start, stop)
        if scope["method"] == "HEAD" or self.status == 416:
            await _respond(send, self.status, answer, b"")
        elif {"drop", "stall", "length"} & set(self.faults):
            await self._stream_raw(RawResponse(scope, receive), answer, start, stop)
        else:
            await self._stream(send, answer, start, stop)

    def _etag(self):
        fault = self.faults.get("etag")
        if fault is None:
            return self.file.etag
        if fault.etag == "weak":
            return f"W/{self.file.etag}"
        if fault.etag == "changing":
            return f'"{id(self):x}"'
        return fault.etag

    def _extent(self, headers, etag, size):
        """Status, first byte and the byte after the last one."""
        asked = _RANGE.match(headers.get("range", ""))
        if asked is None or "ignore-range" in self.faults or asked[0] == "bytes=-":
            return 200, 0, size
        if "range-416" in self.faults:
            return 416, 0, 0
        condition = headers.get("if-range")
        if condition is not None and condition not in (etag, self._last_modified()):
            return 200, 0, size
        if asked[1] == "":
            start, stop = max(0, size - int(asked[2])), size
        else:
            start, stop = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
        return (206, start, stop) if start < stop else (416, 0, 0)

    def _last_modified(self):
        return formatdate(self.file.ingested, usegmt=True)

    def _headers(self, etag, size, start, stop):
        headers = {
            "content-type": _CONTENT_TYPES.get(self.file.extension, "application/octet-stream"),
            "accept-ranges": "bytes",
            "last-modified": self._last_modified(),
            "content-disposition": f'attachment; filename="{self.file.name}"',
        }
        if etag:
            headers["etag"] = etag
        if self.status == 206:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        if self.status == 416:
            headers["content-range"] = f"bytes */{size}"
        if "chunked" not in self.faults:
            wrong = self.faults["length"].delta if "length" in self.faults else 0
            headers["content-length"] = str(max(0, stop - start + wrong))
        return headers

    async def _stream(self, send, headers, start, stop):
        await send({"type": "http.response.start", "status": self.status, "headers": _encoded(headers)})
        async for data in self._parts(start, stop):
            await send({"type": "http.response.body", "body": data, "more_body": True})
            self.on_bytes(len(data))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream_raw(self, response, headers, start, stop):
        await response.start(self.status, headers)
        drop, stall = self.faults.get("drop"), self.faults.get("stall")
        if drop:
            stop = min(stop, start + drop.after_bytes)
        pause = start + stall.after_bytes if stall else None
        async for data in self._parts(start, stop, pause):
            if not await response.send(data):
                break
            self.on_bytes(len(data))
        await response.finish()

    async def _parts(self, start, stop, pause=None):
        """Parts of the file between two positions, at the pace that the faults allow."""
        rate = self.faults["slow"].rate if "slow" in self.faults else None
        chunk = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 20)))
        # the file is read as it was when the request came, whatever happens to it meanwhile
        read = await run_in_threadpool(self._reader, start, stop)
        position = start
        while position < stop or position == pause:
            if position == pause:
                await asyncio.sleep(self.faults["stall"].seconds)
                pause = None
                continue
            end = min(stop, position + chunk, pause if pause is not None and pause > position else stop)
            yield self._damaged(await read(position, end), position)
            if rate is not None:
                await asyncio.sleep((end - position) / rate)
            position = end

    def _reader(self, start, stop):
        if stop - start <= CHUNK * 32:
            content = self.file.read(start, stop)

            async def read(position, end):
                return content[position - start : end - start]

            return read
        source = self.file.snapshot()

        async def read_source(position, end):
            return await run_in_threadpool(source, position, end)

        return read_source

    def _damaged(self, data, position):
        fault = self.faults.get("corrupt")
        if fault is None or not position <= fault.after_bytes < position + len(data):
            return data
        where = fault.after_bytes - position
        return data[:where] + bytes([data[where] ^ 0xFF]) + data[where + 1 :]


async def _respond(send, status, headers, body):
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _encoded(headers):
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
