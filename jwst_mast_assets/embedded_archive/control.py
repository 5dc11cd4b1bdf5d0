"""Control of a running archive over HTTP, for other processes: JSON in and out, under ``/_archive/``.

===========================  ======  =====================================================================
path                         method  what
===========================  ======  =====================================================================
``/_archive/faults``         GET     the faults in force, each with its ``hits``
``/_archive/faults``         POST    add a fault: the fields of `faults.Fault`, at least ``kind``
``/_archive/faults``         DELETE  take back all, or the one named in ``?id=``
``/_archive/observations``   POST    add an observation: ``proposal``, ``obsnum``, and optionally ``t_min``,
                                     ``detectors`` and the fields of `programs.Observation`
``/_archive/reprocess``      POST    ``filenames`` (a list) or ``match`` (a regular expression), and
                                     optionally ``cal_ver``, ``crds_ctx``, ``same_size``
``/_archive/release``        POST    ``proposal``: its exclusive files become public; with ``migrated`` false
                                     they are still refused until ``/_archive/migrate``
``/_archive/migrate``        POST    ``proposal``: its released files can be downloaded
``/_archive/requests``       GET     the log of requests
``/_archive/requests``       DELETE  clear it
``/_archive/md5``            GET     the md5 and size of ``?filename=``
===========================  ======  =====================================================================

A request that cannot be fulfilled is answered with 400 and ``{"error": ...}``.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from jwst_mast_assets.embedded_archive.exchange import Endpoint, Request, Response, json_response
from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.state import ArchiveState

Body = dict[str, Any]
Action = Callable[[ArchiveState, Body], Any]


def control_routes(state: ArchiveState) -> dict[tuple[str, str], Endpoint]:
    """The control endpoints of an archive, by path and method.

    Parameters
    ----------
    state : ArchiveState

    Returns
    -------
    dict
    """
    actions: dict[tuple[str, str], Action] = {
        ("/_archive/faults", "GET"): _list_faults,
        ("/_archive/faults", "POST"): _add_fault,
        ("/_archive/faults", "DELETE"): _clear_faults,
        ("/_archive/observations", "POST"): _add_observation,
        ("/_archive/reprocess", "POST"): _reprocess,
        ("/_archive/release", "POST"): _release,
        ("/_archive/migrate", "POST"): _migrate,
        ("/_archive/requests", "GET"): _list_requests,
        ("/_archive/requests", "DELETE"): _clear_requests,
        ("/_archive/md5", "GET"): _checksum,
    }
    return {route: _endpoint(state, action) for route, action in actions.items()}


def _endpoint(state: ArchiveState, action: Action) -> Endpoint:
    def endpoint(request: Request) -> Response:
        try:
            query = {name: values[-1] for name, values in request.query_params.items()}
            body = json.loads(request.body) if request.method == "POST" else query
            return json_response(action(state, body))
        except (ValueError, TypeError, KeyError) as error:
            return json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


def _list_faults(state: ArchiveState, body: Body) -> list[Body]:
    return [{**fault.to_dict(), "hits": state.faults.hits(fault)} for fault in state.faults]


def _add_fault(state: ArchiveState, body: Body) -> Body:
    return state.faults.add(Fault.from_dict(body)).to_dict()


def _clear_faults(state: ArchiveState, body: Body) -> list[Body]:
    if "id" in body:
        state.faults.remove(body["id"])
    else:
        state.faults.clear()
    return _list_faults(state, {})


def _add_observation(state: ArchiveState, body: Body) -> Body:
    settings: Body = {name: tuple(value) if isinstance(value, list) else value for name, value in body.items()}
    return {"obsids": state.catalogue.add_observation(**settings)}


def _reprocess(state: ArchiveState, body: Body) -> Body:
    settings = dict(body)
    pattern = settings.pop("match", None)
    which = settings.pop("filenames", None)
    if pattern is not None:
        which = [name for name in state.catalogue.files if re.search(pattern, name)]
    if which is None:
        raise ValueError("say which files: filenames or match")
    return {"filenames": state.catalogue.reprocess(which, **settings)}


def _release(state: ArchiveState, body: Body) -> Body:
    return {"files": state.catalogue.release(body["proposal"], body.get("migrated", True))}


def _migrate(state: ArchiveState, body: Body) -> Body:
    state.catalogue.migrate(body["proposal"])
    return {}


def _list_requests(state: ArchiveState, body: Body) -> list[Body]:
    return [request.to_dict() for request in state.log.all()]


def _clear_requests(state: ArchiveState, body: Body) -> list[Body]:
    state.log.clear()
    return []


def _checksum(state: ArchiveState, body: Body) -> Body:
    file = state.catalogue.files[body["filename"]]
    return {"filename": file.name, "size": file.size, "md5": file.md5}
