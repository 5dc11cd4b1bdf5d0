"""An archive for each test, and clients that speak to it over HTTP."""

import json

import pytest
import requests
from astroquery.mast.discovery_portal import PortalAPI

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive

NOW = 61000.25
UNCAL = "jw01138004001_02101_00001_nrca1_uncal.fits"


@pytest.fixture
def archive():
    with EmbeddedArchive(now=NOW) as running:
        yield running


@pytest.fixture
def catalogue():
    return Catalogue.default(NOW)


@pytest.fixture
def portal(archive):
    return portal_of(archive)


@pytest.fixture
def download(archive):
    """A function that downloads a file by name; keyword arguments are those of `requests.get`."""

    def get(filename, **arguments):
        arguments.setdefault("timeout", 10)
        uri = f"mast:JWST/product/{filename}"
        return requests.get(f"{archive.url}/api/v0.1/Download/file", params={"uri": uri}, **arguments)

    return get


@pytest.fixture
def invoke(archive):
    """A function that sends a Mashup request and gives the envelope."""

    def post(service, params, **properties):
        text = json.dumps({"service": service, "params": params, "format": "json", **properties})
        return requests.post(f"{archive.url}/api/v0/invoke", data={"request": text}, timeout=10).json()

    return post


def portal_of(archive):
    """astroquery's own client, pointed at an archive."""
    portal = PortalAPI(session=requests.Session())
    portal.MAST_REQUEST_URL = f"{archive.url}/api/v0/invoke"
    portal.COLUMNS_CONFIG_URL = f"{archive.url}/portal/Mashup/Mashup.asmx/columnsconfig"
    return portal


def observations_of(portal, **criteria):
    """What ``query_criteria`` does, with a given portal."""
    filters = portal.build_filter_set("Mast.Caom.Cone", "Mast.Caom.Filtered", **criteria)
    return portal.service_request("Mast.Caom.Filtered", {"columns": "*", "filters": filters})
