"""The archive's connections: HTTP/1.1 by the standard library's server.

It promises nothing about what is sent, which is what an archive that misbehaves needs: lengths that lie, and
connections that break in the middle of a file.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from jwst_mast_assets.embedded_archive.exchange import Endpoint, RecordedRequest, Request, Response

_POLL_INTERVAL = 0.02


class ArchiveServer(ThreadingHTTPServer):
    """A thread for each connection; it stops at once and cuts the connections that are open.

    Parameters
    ----------
    host : str
    port : int
        0 for any free one.
    application : callable
        Answers each `Request` with a `Response`.

    Raises
    ------
    OSError
        If the port is taken.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host: str, port: int, application: Endpoint) -> None:
        self.application = application
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        super().__init__((host, port), ArchiveHandler)

    def server_bind(self) -> None:
        """Bind, without looking the host's name up as `http.server.HTTPServer` does: that may take seconds."""
        TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection in a thread of its own."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has been served."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless it is only that the client has gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def run(self) -> None:
        """Serve until `stop` is called."""
        self.serve_forever(_POLL_INTERVAL)

    def stop(self) -> None:
        """Stop serving; called from another thread than `run`."""
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ArchiveHandler(BaseHTTPRequestHandler):
    """One connection: its requests one after another, until the client closes it or a response cuts it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ArchiveServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self) -> None:
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        response = self.server.application(request)
        entry = request.entry or RecordedRequest(time.time(), request.method, request.path, "")
        entry.status = response.status
        try:
            if isinstance(response.body, bytes):
                entry.busy_until = entry.finished = time.time()
                self._send_whole(response, response.body)
            else:
                self._send_parts(response, response.body, entry)
        finally:
            entry.finished = time.time()

    do_GET = do_HEAD = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: requests are in the log of the archive."""

    def _send_whole(self, response: Response, body: bytes) -> None:
        head = self._head(response, {"content-length": str(len(body)), **response.headers})
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _send_parts(self, response: Response, parts: Iterable[bytes], entry: RecordedRequest) -> None:
        chunked = "content-length" not in response.headers
        self.wfile.write(self._head(response, {"transfer-encoding": "chunked"} if chunked else {}))
        for part in parts:
            entry.busy_until = time.time()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked and not response.cut:
            self.wfile.write(b"0\r\n\r\n")

    def _head(self, response: Response, more: Mapping[str, str]) -> bytes:
        headers = {"date": self.date_time_string(), **response.headers, **more}
        if response.cut:
            self.close_connection = True
            headers["connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
