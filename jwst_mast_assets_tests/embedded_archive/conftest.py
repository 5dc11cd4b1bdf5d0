"""An archive for each test, and clients that speak to it over HTTP."""

import json

import pytest
import requests

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets_tests.embedded_archive.clients import NOW, portal_of


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
