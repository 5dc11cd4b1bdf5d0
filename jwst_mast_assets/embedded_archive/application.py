"""The archive's HTTP interface: the endpoints that astroquery's MAST module uses."""

import json
import time
from collections.abc import Mapping
from typing import Any

from jwst_mast_assets.embedded_archive import mashup
from jwst_mast_assets.embedded_archive.cloud import looked_up
from jwst_mast_assets.embedded_archive.columns import columns_configuration
from jwst_mast_assets.embedded_archive.control import control_routes
from jwst_mast_assets.embedded_archive.downloads import Download
from jwst_mast_assets.embedded_archive.exchange import Endpoint, Request, Response, html_response, json_response
from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.state import ArchiveState
from jwst_mast_assets.embedded_archive.tampering import tampered

INVOKE_PATHS = ("/api/v0/invoke", "/portal_jwst/Mashup/Mashup.asmx/invoke", "/portal/Mashup/Mashup.asmx/invoke")
CONFIG_PATHS = ("/portal/Mashup/Mashup.asmx/columnsconfig", "/portal_jwst/Mashup/Mashup.asmx/columnsconfig")
DOWNLOAD_PATHS = ("/api/v0.1/Download/file", "/api/v0.1/download/file", "/jwst/api/v0.1/download/file")
LOOKUP_PATH = "/api/v0.1/path_lookup/"
_REFUSED = html_response("<html><body><h1>401 Unauthorized</h1></body></html>", 401)
_UNKNOWN = html_response("<html><body><h1>404 Not Found</h1></body></html>", 404)


def create_application(state: ArchiveState) -> Endpoint:
    """What answers each request to an archive.

    Parameters
    ----------
    state : ArchiveState

    Returns
    -------
    callable
    """
    endpoints = Endpoints(state)
    routes: dict[tuple[str, str], Endpoint] = {
        **{(path, method): endpoints.invoke for path in INVOKE_PATHS for method in ("GET", "POST")},
        **{(path, method): endpoints.columnsconfig for path in CONFIG_PATHS for method in ("GET", "POST")},
        **{(path, "GET"): endpoints.download for path in DOWNLOAD_PATHS},
        ("/whoami", "GET"): endpoints.whoami,
        (LOOKUP_PATH, "GET"): endpoints.path_lookup,
        **control_routes(state),
    }

    def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = routes.get((request.path, method))
        return endpoint(request) if endpoint else _UNKNOWN

    return answer


class Endpoints:
    """The endpoints of one archive.

    Parameters
    ----------
    state : ArchiveState
    """

    def __init__(self, state: ArchiveState) -> None:
        self.state = state

    def invoke(self, request: Request) -> Response:
        """A Mashup request, URL-encoded JSON under ``request`` in the form or in the query."""
        text = request.value("request")
        try:
            asked = json.loads(text)
        except ValueError:
            asked = {}
        params = {**(asked.get("params") or {}), "page": asked.get("page"), "pagesize": asked.get("pagesize")}
        service = asked.get("service") or ""
        faults = self._received(request, "invoke", service, service=service, params=params)
        broken = self._broken(faults, request)
        if broken is not None:
            return broken
        if "error" in faults:
            return json_response(mashup.refusal(faults["error"].message))
        if "busy" in faults and self.state.faults.still_busy(faults["busy"], text):
            return json_response(mashup.busy())
        return json_response(self._answer(asked, faults))

    def columnsconfig(self, request: Request) -> Response:
        """The columns of the service named by ``colConfigId``."""
        config_id = request.value("colConfigId")
        faults = self._received(request, "columnsconfig", config_id, service=config_id)
        return self._broken(faults, request) or json_response(columns_configuration(config_id))

    def download(self, request: Request) -> Response:
        """A file, or a range of it, by the ``dataURI`` under ``uri``."""
        uri = request.value("uri")
        faults = self._received(request, "download", uri, uri=uri)
        broken = self._broken(faults, request)
        if broken is not None:
            return broken
        file = self.state.catalogue.file_of(uri)
        if file is None:
            return _UNKNOWN
        if not file.migrated or (file.exclusive and not self.state.knows(request)):
            return _REFUSED
        return Download(file, faults, self.state, request).response()

    def path_lookup(self, request: Request) -> Response:
        """Where the files whose ``dataURI`` are the values of ``uri`` are in the cloud."""
        uris = request.values("uri")
        faults = self._received(request, "path_lookup", ",".join(uris), params={"uri": uris})
        return self._broken(faults, request) or json_response(looked_up(uris, self.state.catalogue))

    def whoami(self, request: Request) -> Response:
        """Who the token belongs to; ``anon`` is true without a valid one."""
        faults = self._received(request, "whoami", "")
        return self._broken(faults, request) or json_response(_identity(self.state.knows(request)))

    def _received(self, request: Request, endpoint: str, subject: str, **details: Any) -> dict[str, Fault]:
        """Log a request; returns the faults that hit it, by kind."""
        entry = self.state.log.record(request, endpoint, **details)
        faults = self.state.faults.select(endpoint, subject, entry)
        entry.faults = list(faults)
        return faults

    def _answer(self, asked: Mapping[str, Any], faults: Mapping[str, Fault]) -> dict[str, Any]:
        with self.state.catalogue.lock:
            content = mashup.answer(asked, self.state.catalogue, faults)
        if "slow" in faults and faults["slow"].seconds_per_row:
            self.state.pause(faults["slow"].seconds_per_row * len(content.get("data") or ()))
        return tampered(content, faults) if content["status"] == "COMPLETE" else content

    def _broken(self, faults: Mapping[str, Fault], request: Request) -> Response | None:
        """The wrong answer that a fault asks for, if any, after the wait that a fault asks for."""
        if "slow" in faults:
            self.state.pause(faults["slow"].seconds)
        if "status" in faults:
            fault = faults["status"]
            headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else None
            return html_response(fault.body, fault.status, headers)
        if "redirect" in faults:
            return html_response("", 302, {"location": faults["redirect"].location + request.target})
        return html_response(faults["html"].body) if "html" in faults else None


def _identity(known: bool) -> dict[str, Any]:
    if not known:
        return {"anon": True, "eppn": None, "ezid": "anonymous", "scopes": [], "session": None, "attrib": {}}
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 10 * 86400))
    return {
        "anon": False,
        "eppn": "astronomer@example.org",
        "ezid": "astronomer",
        "scopes": ["mast:exclusive_access"],
        "session": {"expires": expires},
        "attrib": {"display_name": "Ada Astronomer", "email": "astronomer@example.org", "uuid": "0" * 32},
    }
