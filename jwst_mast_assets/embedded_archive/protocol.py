"""HTTP underneath uvicorn's guarantees: lengths that lie and connections that break."""

import asyncio
import http

from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "jwst_mast_assets.transport"
_UNSENT_LIMIT = 1 << 20


class ArchiveProtocol(H11Protocol):
    """uvicorn's protocol, with the connection's transport put into ``scope["extensions"]``.

    uvicorn sees to it that what an application sends agrees with its ``Content-Length``.  An application that
    is to break this writes to the transport itself, through `RawResponse`.
    """

    def connection_made(self, transport):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make the transport known to the application."""
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(application, transport):
    async def with_transport(scope, receive, send):
        scope["extensions"] = {_TRANSPORT: transport}
        try:
            await application(scope, receive, send)
        except asyncio.CancelledError:
            # the archive is being stopped; with the connection gone there is nothing to report
            if not transport.is_closing():
                raise

    return with_transport


class RawResponse:
    """A response written straight to the connection, which is closed after it.

    Parameters
    ----------
    scope : dict
        ASGI scope of the request.
    receive : callable
        ASGI receive of the request.
    """

    def __init__(self, scope, receive):
        self._transport = scope["extensions"][_TRANSPORT]
        self._receive = receive

    async def start(self, status, headers):
        """Send the status line and the headers."""
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1"))

    async def send(self, data):
        """Send a part of the body; returns False when the client is gone."""
        while self._transport.get_write_buffer_size() > _UNSENT_LIMIT and not self._transport.is_closing():
            await asyncio.sleep(0.002)
        if self._transport.is_closing():
            return False
        self._transport.write(data)
        return True

    async def finish(self):
        """Close the connection when everything is sent.

        uvicorn has to hear of it before the application returns, or it would add an error page.
        """
        self._transport.close()
        while (await self._receive())["type"] != "http.disconnect":
            pass
