"""What a server says about a file without sending it (HEAD)."""

import threading
from collections.abc import Iterable
from typing import NamedTuple

import requests

from jwst_mast_assets.downloads.pools import threads
from jwst_mast_assets.downloads.transfer import Connection
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.keywords import valid_checksum

IN_FLIGHT = 4
"""Requests at a time; tools that MAST has not complained about use three to five."""

HEAD_TIMEOUT = 60.0
"""Seconds without an answer before a request is abandoned."""

GIVEN_UP_AFTER = 10
"""After this many requests in a row without an answer, no more are sent."""

IDENTITY = {"Accept-Encoding": "identity"}
"""Otherwise the length could be that of a compressed response."""


class CloudObject(NamedTuple):
    """What the cloud says about an object."""

    md5: str | None = None
    """None if its ETag is not an md5, as for an object that was uploaded in parts (it has a hyphen)."""
    problem: str | None = None
    """Why there is nothing to fetch."""


def object_in_the_cloud(connection: Connection, url: str) -> CloudObject:
    """What the cloud says about an object; empty if it does not answer, which the download then finds out."""
    connection.pace.wait()
    try:
        response = connection.session.head(url, headers=IDENTITY, allow_redirects=True)
    except requests.RequestException:
        return CloudObject()
    if response.status_code in (401, 403, 404, 410):
        return CloudObject(problem=f"{connection.server} answered with HTTP status {response.status_code}")
    etag = response.headers.get("ETag", "") if response.status_code == 200 else ""
    return CloudObject(valid_checksum(etag.strip('"')))


class Version(NamedTuple):
    """What MAST's server says about its present file; None if unknown."""

    etag: str | None = None
    last_modified: str | None = None
    size: int | None = None


def versions_at_mast(archive: Archive, uris: Iterable[str]) -> dict[str, Version]:
    """Ask MAST's server about files by ``dataURI``, a few at a time; files without an answer are left out.

    After ten requests in a row without an answer, no more are sent.
    """
    local = threading.local()
    sessions: list[requests.Session] = []
    silent = 0

    def ask(uri: str) -> Version | None:
        nonlocal silent
        if silent >= GIVEN_UP_AFTER:
            return None
        if not hasattr(local, "session"):
            local.session = archive.session(HEAD_TIMEOUT)
            sessions.append(local.session)
        try:
            response = local.session.head(
                archive.download_url, params={"uri": uri}, headers=IDENTITY, allow_redirects=True
            )
        except requests.RequestException:
            silent += 1
            return None
        silent = silent + 1 if response.status_code == 429 or response.status_code >= 500 else 0
        return _version(response) if response.status_code == 200 else None

    asked = list(dict.fromkeys(uris))
    try:
        with threads(IN_FLIGHT, "head") as pool:
            return {uri: told for uri, told in zip(asked, pool.map(ask, asked), strict=True) if told}
    finally:
        for session in sessions:
            session.close()


def _version(response: requests.Response) -> Version:
    etag, length = response.headers.get("ETag"), response.headers.get("Content-Length", "")
    strong = etag if etag and not etag.startswith("W/") else None
    return Version(strong, response.headers.get("Last-Modified"), int(length) if length.isdecimal() else None)
