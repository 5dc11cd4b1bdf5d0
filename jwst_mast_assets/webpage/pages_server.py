"""Serves the pages, pictures and files of an output folder to this machine's browser, read-only.

The records (``.jwst_mast_assets``), other hidden names, and targets of symbolic links outside the folder are not
served. A folder without a page lists only its proposals' pages.
"""

import html
import http.server
import os
import re
import stat
import threading
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

LOOPBACK = "127.0.0.1"
RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
COPY = 1 << 20


class PagesServer:
    """The pages of one output folder, for the length of a ``with`` block.

    Parameters
    ----------
    root : Path
        The output folder; it may be created later.
    port : int
        0 for any free one.
    closed_too : bool
        Whether files are served that others on the machine may not read; where ``exclusive_file_mode`` is set, they
        must not be able to read them here either.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, root: Path, port: int = 0, closed_too: bool = True) -> None:
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, port), partial(Pages, root, closed_too))
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        """Where they answer, without a slash at the end."""

    def __enter__(self) -> "PagesServer":
        threading.Thread(target=self._server.serve_forever, name="pages", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Pages(http.server.SimpleHTTPRequestHandler):
    """One request: GET or HEAD of a file below the folder, or a part of it."""

    server_version, sys_version = "jwst_mast_assets", ""
    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        **dict.fromkeys((".ecsv", ".txt"), "text/plain; charset=utf-8"),
        ".fits": "application/fits",
    }

    def __init__(self, root: Path, closed_too: bool, *arguments: object) -> None:
        self.root, self.closed_too = root.resolve(), closed_too
        self._left: int | None = None
        super().__init__(*arguments, directory=str(self.root))  # pyright: ignore[reportArgumentType]

    def send_head(self) -> BinaryIO | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send the headers; returns the file, at the first byte that was asked for."""
        # Another open web page must not read the data through a host name that it points here (DNS rebinding).
        if (self.headers.get("Host") or "").partition(":")[0] not in (LOOPBACK, "localhost"):
            return self._refuse(HTTPStatus.FORBIDDEN)
        path = self._found()
        if path is not None and path.is_dir():
            if not urlsplit(self.path).path.endswith("/"):
                return self._redirect()
            page = path / "index.html"
            path = page if self._is_shown(page) and page.is_file() else None
            if path is None and self._found() == self.root:
                return self._list()
        if path is None or not path.is_file():
            return self._refuse(HTTPStatus.NOT_FOUND)
        try:
            return self._open(path)
        except OSError:
            return self._refuse(HTTPStatus.NOT_FOUND)

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Send what was requested; a browser that disconnects is not an error."""
        left = self._left if self._left is not None else os.fstat(source.fileno()).st_size
        try:
            while left > 0 and (block := source.read(min(COPY, left))):
                outputfile.write(block)
                left -= len(block)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _found(self) -> Path | None:
        """What the address names, if it may be seen."""
        parts = [part for part in unquote(urlsplit(self.path).path).split("/") if part]
        if any(part.startswith(".") or "\0" in part or os.sep in part for part in parts):
            return None
        path = self.root.joinpath(*parts)
        return path if self._is_shown(path) else None

    def _is_shown(self, path: Path) -> bool:
        try:
            below = path.resolve(strict=True).relative_to(self.root).parts
        except (OSError, ValueError, RuntimeError):
            return False
        return not any(part.startswith(".") for part in below)

    def _open(self, path: Path) -> BinaryIO | None:
        file = path.open("rb")
        found = os.fstat(file.fileno())
        if not self.closed_too and not found.st_mode & stat.S_IROTH:
            file.close()
            return self._refuse(HTTPStatus.FORBIDDEN)
        size = found.st_size
        first, last = self._asked(size)
        if first >= size > 0:
            file.close()
            return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        partly = (first, last) != (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partly else HTTPStatus.OK)
        if partly:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self._left = last - first + 1
        file.seek(first)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(self._left))
        self.send_header("Last-Modified", self.date_time_string(int(os.fstat(file.fileno()).st_mtime)))
        self._send_protection()
        self.end_headers()
        return file

    def _asked(self, size: int) -> tuple[int, int]:
        """First and last byte requested; an unknown form of range means the whole file."""
        match = RANGE.match(self.headers.get("Range") or "")
        if not match or size == 0:
            return 0, size - 1
        last = min(int(match[2]), size - 1) if match[2] else size - 1
        first = int(match[1])
        return (first, last) if first <= last or first >= size else (0, size - 1)

    def _list(self) -> None:
        pages = [page.parent.name for page in sorted(self.root.glob("*/index.html")) if self._is_shown(page)]
        items = "".join(f'<li><a href="{quote(name)}/">{html.escape(name)}</a></li>' for name in pages)
        body = f"<ul>{items}</ul>" if items else "<p>There are no pages yet: the job jwst_download makes them.</p>"
        page = f"<!doctype html><html lang=en><meta charset=utf-8><title>Pages</title><h1>Proposals</h1>{body}"
        self._send_html(HTTPStatus.OK, page)

    def _refuse(self, status: HTTPStatus) -> None:
        self._send_html(status, f"<!doctype html><title>{status.phrase}</title><p>{status.phrase}")

    def _redirect(self) -> None:
        path = urlsplit(self.path).path
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", f"/{path.strip('/')}/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_html(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self._send_protection()
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_protection(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
