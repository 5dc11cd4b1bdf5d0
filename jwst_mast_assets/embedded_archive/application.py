"""The archive's HTTP interface: the endpoints that astroquery's MAST module uses."""

import asyncio
import json
import time
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from jwst_mast_assets.embedded_archive import mashup
from jwst_mast_assets.embedded_archive.columns import columns_configuration
from jwst_mast_assets.embedded_archive.control import control_routes
from jwst_mast_assets.embedded_archive.downloads import Download
from jwst_mast_assets.embedded_archive.tampering import tampered

INVOKE_PATHS = ("/api/v0/invoke", "/portal_jwst/Mashup/Mashup.asmx/invoke", "/portal/Mashup/Mashup.asmx/invoke")
CONFIG_PATHS = ("/portal/Mashup/Mashup.asmx/columnsconfig", "/portal_jwst/Mashup/Mashup.asmx/columnsconfig")
DOWNLOAD_PATHS = ("/api/v0.1/Download/file", "/api/v0.1/download/file", "/jwst/api/v0.1/download/file")
_REFUSED = HTMLResponse("<html><body><h1>401 Unauthorized</h1></body></html>", 401)
_UNKNOWN = HTMLResponse("<html><body><h1>404 Not Found</h1></body></html>", 404)


def create_application(state):
    """The ASGI application of an archive.

    Parameters
    ----------
    state : ArchiveState

    Returns
    -------
    starlette.applications.Starlette
    """
    endpoints = Endpoints(state)
    return Starlette(
        routes=[
            *(Route(path, endpoints.invoke, methods=["GET", "POST"]) for path in INVOKE_PATHS),
            *(Route(path, endpoints.columnsconfig, methods=["GET", "POST"]) for path in CONFIG_PATHS),
            *(Route(path, endpoints.download, methods=["GET", "HEAD"]) for path in DOWNLOAD_PATHS),
            Route("/whoami", endpoints.whoami),
            *control_routes(state),
        ]
    )


class Endpoints:
    """The endpoints of one archive.

    Parameters
    ----------
    state : ArchiveState
    """

    def __init__(self, state):
        self.state = state

    async def invoke(self, request):
        """A Mashup request, URL-encoded JSON under ``request`` in the form or in the query."""
        text = await _parameter(request, "request")
        try:
            asked = json.loads(text)
        except ValueError:
            asked = {}
        params = {**(asked.get("params") or {}), "page": asked.get("page"), "pagesize": asked.get("pagesize")}
        service = asked.get("service") or ""
        entry = self.state.log.record(request, "invoke", service=service, params=params)
        faults = self._select(entry, service)
        broken = await self._broken(faults, request)
        if broken is not None:
            return _finished(entry, broken)
        if "error" in faults:
            return _finished(entry, JSONResponse(mashup.refusal(faults["error"].message)))
        if "busy" in faults and self.state.faults.still_busy(faults["busy"], text):
            return _finished(entry, JSONResponse(mashup.busy()))
        content = await run_in_threadpool(self._answer, asked, faults)
        return _finished(entry, JSONResponse(content))

    async def columnsconfig(self, request):
        """The columns of the service named by ``colConfigId``."""
        config_id = await _parameter(request, "colConfigId")
        entry = self.state.log.record(request, "columnsconfig", service=config_id)
        broken = await self._broken(self._select(entry, config_id), request)
        return _finished(entry, broken or JSONResponse(columns_configuration(config_id)))

    async def download(self, request):
        """A file, or a range of it, by the ``dataURI`` under ``uri``."""
        uri = request.query_params.get("uri", "")
        entry = self.state.log.record(request, "download", uri=uri)
        faults = self._select(entry, uri)
        broken = await self._broken(faults, request)
        if broken is not None:
            return _finished(entry, broken)
        file = self.state.catalogue.file_of(uri)
        if file is None:
            return _finished(entry, _UNKNOWN)
        if not file.migrated or (file.exclusive and not self.state.knows(request)):
            return _finished(entry, _REFUSED)
        download = Download(file, faults, lambda number: self.state.count_bytes(file, entry, faults, number))
        return _Logged(download, entry)

    async def whoami(self, request):
        """Who the token belongs to; ``anon`` is true without a good one."""
        entry = self.state.log.record(request, "whoami")
        broken = await self._broken(self._select(entry, ""), request)
        return _finished(entry, broken or JSONResponse(_identity(self.state.knows(request))))

    def _select(self, entry, subject):
        faults = self.state.faults.select(entry.endpoint, subject)
        entry.faults = list(faults)
        return faults

    def _answer(self, asked, faults):
        with self.state.catalogue.lock:
            content = mashup.answer(asked, self.state.catalogue)
        return tampered(content, faults) if content["status"] == "COMPLETE" else content

    async def _broken(self, faults, request):
        """The answer in place of the right one, when a fault asks for one; after the wait that a fault asks for."""
        if "slow" in faults:
            await asyncio.sleep(faults["slow"].seconds)
        if "status" in faults:
            fault = faults["status"]
            headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
            return HTMLResponse(fault.body, fault.status, headers)
        if "redirect" in faults:
            address = f"{faults['redirect'].location}{request.url.path}?{request.url.query}"
            return HTMLResponse("", 302, {"Location": address})
        return HTMLResponse(faults["html"].body) if "html" in faults else None


class _Logged:
    """A download whose status and end are put into the log."""

    def __init__(self, download, entry):
        self.download = download
        self.entry = entry

    async def __call__(self, scope, receive, send):
        try:
            await self.download(scope, receive, send)
        finally:
            self.entry.status = self.download.status
            self.entry.finished = time.time()


def _finished(entry, response):
    entry.status = response.status_code
    entry.finished = time.time()
    return response


def _identity(known):
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


async def _parameter(request, name):
    if name in request.query_params:
        return request.query_params[name]
    body = (await request.body()).decode()
    # the real service takes the form's text whatever its Content-type says
    return dict(parse_qsl(body, keep_blank_values=True)).get(name, "")
