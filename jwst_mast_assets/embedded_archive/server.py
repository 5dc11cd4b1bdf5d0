"""Running the embedded archive: in a thread for tests and notebooks, or in the foreground."""

import ipaddress
import threading
from contextlib import suppress

from jwst_mast_assets.embedded_archive.application import create_application
from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.exchange import RecordedRequest, most_at_once
from jwst_mast_assets.embedded_archive.protocol import ArchiveServer
from jwst_mast_assets.embedded_archive.state import ArchiveState


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
        Add a `Fault` to make something go wrong.
    tokens : set of str
        Tokens that give access to exclusive files.

    Examples
    --------
    >>> from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
    >>> with EmbeddedArchive() as archive:
    ...     fault = archive.faults.add(Fault("drop", match="_uncal.fits", after_bytes=1000, times=1))
    ...     archive.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        now: float | None = None,
        port: int = 0,
        proposal_ids: str = "mixed",
    ) -> None:
        self._state = ArchiveState(catalogue or Catalogue.default(now, proposal_ids))
        self._port = port
        self._server: ArchiveServer | None = None
        self._thread: threading.Thread | None = None
        self.catalogue = self._state.catalogue
        self.faults = self._state.faults
        self.tokens = self._state.tokens
        # the catalogue's own documentation applies
        self.add_observation = self.catalogue.add_observation
        self.reprocess = self.catalogue.reprocess
        self.release = self.catalogue.release

    def __enter__(self) -> "EmbeddedArchive":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        if self._server is None:
            raise RuntimeError("the archive has not been started")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests received so far."""
        return self._state.log.all()

    @property
    def most_at_once(self) -> int:
        """The largest number of requests that were under way at the same time so far."""
        return most_at_once(self.requests)

    def clear_requests(self) -> None:
        """Forget the requests received so far."""
        self._state.log.clear()

    def content(self, filename: str) -> bytes:
        """The bytes of a file."""
        return self.catalogue.files[filename].read()

    def md5(self, filename: str) -> str:
        """The checksum of a file."""
        return self.catalogue.files[filename].md5

    def start(self) -> "EmbeddedArchive":
        """Start serving; returns the archive itself.

        Raises
        ------
        OSError
            If the port is taken.
        """
        self._state.stopping.clear()
        self._server = ArchiveServer("127.0.0.1", self._port, create_application(self._state))
        self._thread = threading.Thread(target=self._server.run, name="embedded-archive", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving; connections that are still busy are cut."""
        if self._server is None or self._thread is None:
            return
        self._state.stopping.set()
        self._server.stop()
        self._thread.join()
        self._server = self._thread = None


def serve(
    host: str = "127.0.0.1",
    port: int = 8765,
    catalogue: Catalogue | None = None,
    now: float | None = None,
    proposal_ids: str = "mixed",
) -> None:
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
    OSError
        If the port is taken.
    """
    if not _is_loopback(host):
        raise ValueError(f"the embedded archive serves this machine only: {host!r} is not a loopback address")
    state = ArchiveState(catalogue or Catalogue.default(now, proposal_ids))
    with ArchiveServer(host, port, create_application(state)) as server, suppress(KeyboardInterrupt):
        server.run()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
