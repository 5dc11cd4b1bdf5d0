"""What we assume of MAST, asked of MAST itself: ``pytest -m remote_data -s`` on a machine with internet access.

It asks for two days of one public proposal, fetches three small files, and prints what it found. Please send us that
table. The same questions are asked of the embedded archive in every run of the tests, so that they are known to work.
``docs/mast.md`` says what we assume and why.
"""

import functools
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from tabulate import tabulate

from jwst_mast_assets import __version__
from jwst_mast_assets.downloads import Code, download
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast import layout, products, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.connection import DEFAULT_SERVER
from jwst_mast_assets.mast.keywords import instrument_of
from jwst_mast_assets.mast.observations import describe_observations
from jwst_mast_assets_tests.archives import NOW

PROPOSAL = 1410
DAYS = (59623.0, 59625.0)
"""MJD: 2022-02-13 and the day after, when guider 1 took three public exposures."""
LARGEST = 200_000_000
"""Bytes that are fetched at most of one file."""


class Finding(NamedTuple):
    """One line of the table."""

    assumption: str
    found: str
    holds: bool | None
    """None where we assume nothing and only want to know."""
    needed: bool = False
    """Without it the pipeline cannot do its work."""


class Mast:
    """Raw requests, so that nothing of ours comes between MAST and the table."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["User-Agent"] = f"jwst_mast_assets/{__version__} (test of assumptions)"
        self.get = functools.partial(self.session.get, timeout=120)

    def invoke(self, service: str, **params: Any) -> dict[str, Any]:
        """A Mashup reply once it is no longer being worked on."""
        while True:
            request = json.dumps({"service": service, "params": params, "format": "json", "pagesize": 50_000})
            reply = self.session.post(f"{self.server}/api/v0/invoke", data={"request": request}, timeout=300)
            try:
                envelope = reply.json()
            except requests.JSONDecodeError:
                return {"status": f"HTTP {reply.status_code}, {reply.headers.get('Content-Type')}", "data": []}
            if envelope["status"] != "EXECUTING":
                return {"data": [], "fields": [], **envelope}
            time.sleep(1)

    def file(self, uri: str, method: str = "GET", **headers: str) -> requests.Response:
        """The answer of the download service for a file."""
        url = f"{self.server}/api/v0.1/Download/file"
        return self.session.request(method, url, params={"uri": uri}, headers=headers, timeout=300)


def filters(**values: Any) -> list[dict[str, Any]]:
    """Mashup filters: a column and its values, or its range."""
    return [{"paramName": name, "values": value} for name, value in values.items()]


def columns_of(what: str, envelope: dict[str, Any], schema: tables.Schema) -> Iterator[Finding]:
    """Whether a reply is complete and has the columns that we read."""
    names = {field["name"] for field in envelope.get("fields", [])}
    required = {name for name, column in schema.items() if column.required}
    yield Finding(f"{what} are answered", f"{envelope['status']}, {len(envelope['data'])} rows", bool(names), True)
    lacking = sorted(required - names)
    yield Finding(f"{what} have the required columns", ", ".join(lacking) or "all there", not lacking, True)
    lacking = sorted(set(schema) - required - names)
    yield Finding(f"{what} have the optional columns", ", ".join(lacking) or "all there", not lacking)


def about_tables(mast: Mast) -> Iterator[Finding]:
    """Observations, products and the ways to ask for them."""
    spellings = filters(proposal_id=[str(PROPOSAL), f"{PROPOSAL:05d}"], t_min=[{"min": DAYS[0], "max": DAYS[1]}])
    reply = mast.invoke("Mast.Caom.Filtered", columns="*", filters=spellings)
    yield from columns_of("Observations", reply, tables.OBS_FROM_MAST)
    yield Finding("proposal_id is not padded", str({row["proposal_id"] for row in reply["data"]}), None)
    yield Finding("Modes follow the instrument", str({row["instrument_name"] for row in reply["data"]}), None)
    paging = {key: reply.get("paging", {}).get(key) for key in ("rows", "rowsFiltered", "rowsTotal")}
    yield Finding("As many rows come as are announced", str(paging), len(reply["data"]) == paging["rowsTotal"])
    wrong = mast.invoke("Mast.Caom.Filtered", columns="obsid,no_such_column", filters=spellings)
    yield Finding("A column too many is an ERROR", f"{wrong['status']}: {str(wrong.get('msg'))[:60]}", None)
    obsids = ",".join(str(row["obsid"]) for row in reply["data"])
    reply = mast.invoke("Mast.Caom.Products", obsid=obsids)
    yield from columns_of("Products", reply, tables.PRODUCTS_FROM_MAST)
    parents = {str(row["parent_obsid"]) for row in reply["data"]}
    yield Finding("parent_obsid is what was asked for", ", ".join(sorted(parents)), parents <= set(obsids.split(",")))
    files = {row["dataURI"] for row in reply["data"]}
    yield Finding("Files are listed repeatedly", f"{len(reply['data'])} rows, {len(files)} files", None)


def about_keywords(mast: Mast, service: str, column: str, name: str) -> Iterator[Finding]:
    """Whether a keyword service knows a file, with its checksum."""
    reply = mast.invoke(f"Mast.Jwst.Filtered.{service}", columns="*", filters=filters(**{column: [name]}))
    row = next(iter(reply["data"]), {})
    needed = service != "GuideStar"
    yield Finding(f"{service} knows {name}", f"{reply['status']}, {len(reply['data'])} rows", bool(row), needed)
    checksum = str(row.get("checksum"))
    yield Finding(f"{service} has its md5", checksum, len(checksum) == 32, needed)
    there = {field["name"].lower() for field in reply["fields"]}
    lacking = [one for one in (*tables.KEYWORDS_FROM_MAST, "isStale") if one.lower() not in there]
    yield Finding(f"{service} has the columns that we read", ", ".join(lacking) or "all there", None)


def about_file(mast: Mast, uri: str, size: int) -> Iterator[Finding]:
    """How a file is served."""
    name = uri.rpartition("/")[2]
    whole = mast.file(uri)
    md5 = hashlib.md5(whole.content, usedforsecurity=False).hexdigest()
    found = f"HTTP {whole.status_code}, {len(whole.content)} of {size} bytes"
    yield Finding(f"{name} has the listed size", found, len(whole.content) == size, True)
    yield Finding("  its Content-Length", str(whole.headers.get("Content-Length")), None)
    etag = whole.headers.get("ETag", "none")
    yield Finding("  its ETag", f"{etag}{' (the md5)' if md5 in etag else ''}", None)
    yield Finding("  its Last-Modified", whole.headers.get("Last-Modified", "none"), None)
    head = mast.file(uri, "HEAD")
    yield Finding("  HEAD", f"HTTP {head.status_code}, ETag {head.headers.get('ETag', 'none')}", head.ok)
    part = mast.file(uri, Range="bytes=100-199")
    found = f"HTTP {part.status_code}, {part.headers.get('Content-Range')}"
    yield Finding("  a Range", found, part.status_code == 206 and part.content == whole.content[100:200])
    part = mast.file(uri, **{"Range": "bytes=100-199", "If-Range": '"something else"'})
    yield Finding("  a Range if another version is there", f"HTTP {part.status_code}", None)


def about_services(mast: Mast, uris: list[str]) -> Iterator[Finding]:
    """Who am I, and where the files are in the cloud."""
    identity = mast.get(f"{mast.server}/whoami", headers={"Accept": "application/json"})
    found = f"HTTP {identity.status_code}, {identity.headers.get('Content-Type')}"
    is_json = "json" in identity.headers.get("Content-Type", "")
    yield Finding("whoami is JSON when JSON is asked for", found, is_json and identity.json()["anon"], True)
    identity = mast.get(f"{mast.server}/whoami", headers={"Accept": "*/*"})
    yield Finding("whoami otherwise", f"HTTP {identity.status_code}, {identity.headers.get('Content-Type')}", None)
    lookup = [("uri", uri) for uri in uris] + [("use_cloud_path", "true")]
    reply = mast.get(f"{mast.server}/api/v0.1/path_lookup/", params=lookup)
    yield Finding("path_lookup knows several files", f"HTTP {reply.status_code}: {reply.text[:150]}", None)


@pytest.fixture(params=["embedded", pytest.param(DEFAULT_SERVER, marks=pytest.mark.remote_data)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param != "embedded":
        yield request.param
        return
    with EmbeddedArchive(now=NOW) as archive:
        yield archive.url


def test_mast_is_as_we_assume(server: str, tmp_path: Path) -> None:
    config = Config.from_mapping({"outrootdir": str(tmp_path), "propID": str(PROPOSAL), "filetypes": ["fits", "jpg"]})
    archive = Archive(server)
    observations = describe_observations(archive.observations([PROPOSAL], DAYS), config)
    listed = products.describe_products(archive.products(observations["obsid"].tolist(), 5), observations, config)
    public = listed[listed["size"].between(1, LARGEST)].drop_duplicates("dataURI").sort_values("size")
    guide_star = public["productFilename"].str.contains("_gs-")
    fits = public["productFilename"].str.endswith(".fits")
    kinds = (fits & ~guide_star, fits & guide_star, public["productFilename"].str.endswith(".jpg"))
    assert all(kind.any() for kind in kinds), "the proposal has none of the files that the questions are about"
    chosen = public.loc[[public.index[kind][0] for kind in kinds]]
    science, guide, _ = chosen["productFilename"]

    mast = Mast(server)
    found = [*about_tables(mast), *about_keywords(mast, str(instrument_of(science)).capitalize(), "filename", science)]
    found += about_keywords(mast, "GuideStar", "fileName", guide)
    for uri, size in zip(chosen["dataURI"], chosen["size"], strict=True):
        found += about_file(mast, uri, size)
    found += about_services(mast, public.loc[~fits, "dataURI"].head(5).tolist())

    wanted = chosen.assign(selected=True)
    wanted["outfilename"] = layout.outfilenames(wanted, config)
    fetched = download(wanted, config, archive)
    for row in fetched.itertuples():
        done = f"{row.dl_str}, verified by {row.verified}"
        found.append(
            Finding(f"The pipeline fetches {row.productFilename}", done, bool(row.dl_code == Code.DOWNLOADED), True)
        )

    words = {True: "yes", False: "NO", None: ""}
    lines = [(finding.assumption, words[finding.holds], finding.found) for finding in found]
    print(f"\n{server}, jwst_mast_assets {__version__}\n")
    print(tabulate(lines, headers=("we assume", "holds", "found"), tablefmt="github", disable_numparse=True))
    assert [finding for finding in found if finding.needed and not finding.holds] == []
