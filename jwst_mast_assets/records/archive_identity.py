"""Which archive an output folder was filled from, so that another one never replaces its files.

``<root>/.jwst_mast_assets/archive.json``, written before anything is recorded and before the first file is fetched::

    {"server": "https://mast.stsci.edu", "since": "2026-03-01T06:00:03+00:00"}

The embedded archive of ``jwst-mast demo`` and ``jwst-mast dev`` has another port each time; in their folders
``"embedded": true`` is recorded with the server, and only these two commands may record the new one.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.connection import DEFAULT_SERVER
from jwst_mast_assets.mast.dates import iso_second, utc_now
from jwst_mast_assets.mast.errors import ConfigError, OutputError, WrongArchive
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.store import STATE_FOLDER, TableStore

DEFAULT_PORTS = {"http": 80, "https": 443}


def open_archive(root: Path, server: str | None = None, **options: Any) -> Archive:
    """The archive, to be used for one output folder: every way to MAST leads through here.

    Parameters
    ----------
    root : Path
        ``<outrootdir>/<outsubdir>``.
    server, **options
        As for :class:`~jwst_mast_assets.mast.archive.Archive`.

    Raises
    ------
    WrongArchive
        If the folder was filled from another archive. Nothing has been sent to the server then.
    """
    archive = Archive(server, **options)
    check(root, archive.server)
    return archive


def check(root: Path, server: str) -> None:
    """Check that an output folder was filled from this server, or from none yet.

    Raises
    ------
    WrongArchive
        If it was filled from another one.
    OutputError
        If the note of the server cannot be read.
    """
    known = _read(root)
    address = normalized(server)
    if known and normalized(known["server"]) != address:
        raise WrongArchive(_sentence(root, known, address))


def claim(root: Path, server: str) -> None:
    """Record that an output folder is filled from this server, if that is not recorded yet.

    Raises
    ------
    WrongArchive
        If it is filled from another one.
    OutputError
        If the note cannot be read or written.
    """
    check(root, server)
    if _read(root) is None:
        with TableStore(root).locked("archive"):
            if _read(root) is None:
                _write(root, server)
    check(root, server)


def claim_for_embedded(root: Path, server: str) -> None:
    """Record that an output folder belongs to the embedded archive, which is now at this address.

    The caller has checked that a folder without a note holds no other archive's files.

    Raises
    ------
    WrongArchive
        If it is filled from another archive.
    OutputError
        If the note cannot be read or written.
    """
    with TableStore(root).locked("archive"):
        known = _read(root)
        if known and not known.get("embedded"):
            raise WrongArchive(_sentence(root, known, "the embedded archive"))
        _write(root, server, embedded=True)


def is_claimed(root: Path) -> bool:
    """Whether it is recorded which archive an output folder is filled from."""
    return _read(root) is not None


def normalized(server: str) -> str:
    """An address in one spelling: lower case, no default port, no slash at its end, no user name.

    Raises
    ------
    ConfigError
        If it is not an address.
    """
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"MAST_SERVER is not an address: {server!r} ({error})") from None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    shown = f":{port}" if port is not None and port != DEFAULT_PORTS.get(parts.scheme) else ""
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"


def _path(root: Path) -> Path:
    return root / STATE_FOLDER / "archive.json"


def _read(root: Path) -> dict[str, Any] | None:
    path = _path(root)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        normalized(known["server"])
        return known
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError, ConfigError):
        raise OutputError(
            f"{path} is damaged: it must say which archive the folder was filled from, "
            f'as {{"server": "{DEFAULT_SERVER}"}}'
        ) from None


def _write(root: Path, server: str, **more: bool) -> None:
    now = iso_second(utc_now())
    write_text(_path(root), json.dumps({"server": normalized(server), **more, "since": now}) + "\n")


def _sentence(root: Path, known: dict[str, Any], wanted: str) -> str:
    filled = known["server"]
    elsewhere = "choose another output folder with outrootdir or $JWSTDOWNLOAD_OUTDIR"
    if known.get("embedded"):
        return (
            f"The output folder {root} holds invented files of the embedded archive ({filled}), not of {wanted}; "
            + (elsewhere)
        )
    if wanted.startswith("the embedded"):
        return f"The output folder {root} holds files of {filled}, not of {wanted}; choose another with --folder"
    back = "unset MAST_SERVER" if filled == DEFAULT_SERVER else f"set MAST_SERVER={filled}"
    return f"The output folder {root} holds files of {filled}, but the archive is now {wanted}; {back}, or {elsewhere}"
