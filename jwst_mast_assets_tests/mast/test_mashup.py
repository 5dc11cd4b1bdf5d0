"""The requests of queries, compared with those of astroquery's own client."""

import requests
from astroquery.mast.discovery_portal import PortalAPI

from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.embedded_archive.exchange import RecordedRequest
from jwst_mast_assets.mast.mashup import PAGE_SIZE, Mashup

SERVICE = "Mast.Caom.Filtered"
PARAMS = {
    "columns": "obsid,obs_id,target_name",
    "filters": [
        {"paramName": "obs_collection", "values": ["JWST"]},
        {"paramName": "target_name", "values": ["é & +%"]},
    ],
}


def test_a_query_is_sent_as_astroquery_sends_it(embedded: EmbeddedArchive) -> None:
    portal = PortalAPI(session=requests.Session())
    portal.MAST_REQUEST_URL = f"{embedded.url}/api/v0/invoke"
    portal._column_configs = {SERVICE: {}}
    portal.service_request_async(SERVICE, PARAMS, pagesize=PAGE_SIZE)
    with requests.Session() as session:
        Mashup(session, embedded.url).ask(SERVICE, PARAMS, "observations")
    theirs, ours = map(as_sent, embedded.requests)
    assert ours == theirs


def as_sent(request: RecordedRequest) -> tuple[object, ...]:
    headers = {name: request.headers.get(name) for name in ("content-type", "accept")}
    return request.method, request.path, request.service, request.params, headers
