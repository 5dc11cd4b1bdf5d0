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
                                     they are refused all the same until ``/_archive/migrate``
``/_archive/migrate``        POST    ``proposal``: its released files can be downloaded
``/_archive/requests``       GET     the log of requests
``/_archive/requests``       DELETE  clear it
``/_archive/md5``            GET     the md5 and size of ``?filename=``
===========================  ======  =====================================================================

A request that cannot be fulfilled is answered with 400 and ``{"error": ...}``.
"""

import re

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from jwst_mast_assets.embedded_archive.faults import Fault


def control_routes(state):
    """Routes of the control endpoints of an archive.

    Parameters
    ----------
    state : ArchiveState

    Returns
    -------
    list of starlette.routing.Route
    """
    actions = {
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
    return [Route(path, _endpoint(state, action), methods=[method]) for (path, method), action in actions.items()]


def _endpoint(state, action):
    async def endpoint(request):
        try:
            body = await request.json() if request.method == "POST" else dict(request.query_params)
            return JSONResponse(await run_in_threadpool(action, state, body))
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


def _list_faults(state, body):
    return [{**fault.to_dict(), "hits": state.faults.hits(fault)} for fault in state.faults]


def _add_fault(state, body):
    return state.faults.add(Fault.from_dict(body)).to_dict()


def _clear_faults(state, body):
    if "id" in body:
        state.faults.remove(body["id"])
    else:
        state.faults.clear()
    return _list_faults(state, {})


def _add_observation(state, body):
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in body.items()}
    return {"obsids": state.catalogue.add_observation(**settings)}


def _reprocess(state, body):
    settings = dict(body)
    pattern = settings.pop("match", None)
    which = settings.pop("filenames", None)
    if pattern is not None:
        which = re.compile(pattern).search
    if which is None:
        raise ValueError("say which files: filenames or match")
    return {"filenames": state.catalogue.reprocess(which, **settings)}


def _release(state, body):
    return {"files": state.catalogue.release(body["proposal"], body.get("migrated", True))}


def _migrate(state, body):
    state.catalogue.migrate(body["proposal"])
    return {}


def _list_requests(state, body):
    return [request.to_dict() for request in state.log.all()]


def _clear_requests(state, body):
    state.log.clear()
    return []


def _checksum(state, body):
    file = state.catalogue.files[body["filename"]]
    return {"filename": file.name, "size": file.size, "md5": file.md5}
