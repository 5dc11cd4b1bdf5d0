"""Running the embedded archive: in a thread for tests and notebooks, or in the foreground."""

import asyncio
import ipaddress
import socket
import threading
import time

import uvicorn

from jwst_mast_assets.embedded_archive.application import create_application
from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.protocol import ArchiveProtocol
from jwst_mast_assets.embedded_archive.state import ArchiveState

_START_TIMEOUT = 20
_TICK = 0.02


class _PromptServer(uvicorn.Server):
    """uvicorn's server without its pauses: it stops at once and cuts the connections that are open."""

    async def main_loop(self):
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % 864_000
            await asyncio.sleep(_TICK)

    async def shutdown(self, sockets=None):
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        # the connections hear of their end before what serves them is cancelled
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EmbeddedArchive:
    """A MAST on loopback, for the length of a ``with`` block.

    Parameters
    ----------
    catalogue : Catalogue, optional
        Its holdings; `Catalogue.default` by default.
    now : float, optional
        MJD that the default catalogue's recent observations are placed before; the present time by default.
    port : int
        0 for any free one.
    proposal_ids : {"mixed", "plain", "padded"}
        How the default catalogue records ``proposal_id``.

    Attributes
    ----------
    catalogue : Catalogue
    faults : FaultBook
        Add a `Fault` to have something go wrong.
    tokens : set of str
        Tokens that give access to exclusive files.

    Examples
    --------
    >>> with EmbeddedArchive() as archive:
    ...     archive.faults.add(Fault("drop", match="_uncal.fits", after_bytes=1000, times=1))
    ...     print(archive.url)
    """

    def __init__(self, catalogue=None, now=None, port=0, proposal_ids="mixed"):
        self._state = ArchiveState(catalogue or Catalogue.default(now, proposal_ids))
        self._port = port
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.catalogue = self._state.catalogue
        self.faults = self._state.faults
        self.tokens = self._state.tokens
        # the catalogue's own documentation applies
        self.add_observation = self.catalogue.add_observation
        self.reprocess = self.catalogue.reprocess
        self.release = self.catalogue.release

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    @property
    def url(self):
        """Where it answers, without a slash at the end."""
        if self._socket is None:
            raise RuntimeError("the archive has not been started")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def requests(self):
        """The requests received so far, a list of `RecordedRequest`."""
        return self._state.log.all()

    def clear_requests(self):
        """Forget the requests received so far."""
        self._state.log.clear()

    def content(self, filename):
        """The bytes of a file."""
        return self.catalogue.files[filename].read()

    def md5(self, filename):
        """The checksum of a file."""
        return self.catalogue.files[filename].md5

    def start(self):
        """Start serving; returns the archive itself.

        Raises
        ------
        OSError
            If the port is taken.
        RuntimeError
            If it does not answer within 20 seconds.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self._server = server = _PromptServer(_configuration(self._state))
        self._thread = thread = threading.Thread(
            target=server.run, kwargs={"sockets": [self._socket]}, name="embedded-archive", daemon=True
        )
        thread.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise RuntimeError("the embedded archive does not start")
            time.sleep(0.005)
        return self

    def stop(self):
        """Stop serving; connections that are still busy are cut."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        self._socket = self._server = self._thread = None


def serve(host="127.0.0.1", port=8765, catalogue=None, now=None, proposal_ids="mixed"):
    """Serve an archive in the foreground until interrupted.

    Parameters
    ----------
    host : str
        A loopback address, or ``localhost``.
    port : int
    catalogue : Catalogue, optional
    now : float, optional
        MJD; see `EmbeddedArchive`.
    proposal_ids : {"mixed", "plain", "padded"}

    Raises
    ------
    ValueError
        If the host is not a loopback address: the archive is for this machine only.
    """
    if not _is_loopback(host):
        raise ValueError(f"the embedded archive serves this machine only: {host!r} is not a loopback address")
    state = ArchiveState(catalogue or Catalogue.default(now, proposal_ids))
    uvicorn.Server(_configuration(state, host=host, port=port)).run()


def _configuration(state, **settings):
    return uvicorn.Config(
        create_application(state),
        http=ArchiveProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        **settings,
    )


def _is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
