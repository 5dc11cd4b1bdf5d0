"""Each fault, as a client meets it."""

import time

import pytest
import requests
from astroquery.exceptions import RemoteServiceError

from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets_tests.embedded_archive.clients import UNCAL, observations_of

BROKEN = requests.exceptions.ChunkedEncodingError


def received(download, **arguments):
    """The bytes that arrive before the connection breaks or stays silent."""
    content = b""
    try:
        with download(UNCAL, stream=True, **arguments) as reply:
            for data in reply.iter_content(400):
                content += data
    except requests.exceptions.RequestException:
        pass
    return content


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=500-"}], ids=["whole", "range"])
def test_drop(download, archive, headers):
    archive.faults.add(Fault("drop", after_bytes=20_000))
    with pytest.raises(BROKEN):
        download(UNCAL, headers=headers)
    start = 500 if headers else 0
    assert received(download, headers=headers) == archive.content(UNCAL)[start : start + 20_000]
    first, *_ = archive.requests
    assert first.status == (206 if headers else 200)


def test_drop_only_as_often_as_said(download, archive):
    fault = archive.faults.add(Fault("drop", match="nrca1_uncal", after_bytes=400, times=1))
    assert len(received(download)) == 400
    assert download(UNCAL).content == archive.content(UNCAL)
    assert archive.faults.hits(fault) == 1


def test_only_the_nth_request_of_each_file(download, archive):
    archive.faults.add(Fault("status", nth=2))
    other = UNCAL.replace("nrca1", "nrca2")
    assert [download(name).status_code for name in (UNCAL, other, UNCAL, other, UNCAL)] == [200, 200, 503, 503, 200]


def test_stall(download, archive):
    archive.faults.add(Fault("stall", after_bytes=5_000, seconds=30))
    started = time.monotonic()
    assert len(received(download, timeout=0.3)) <= 5_000
    assert 0.2 < time.monotonic() - started < 5


def test_stall_that_ends(download, archive):
    archive.faults.add(Fault("stall", after_bytes=5_000, seconds=0.2))
    assert download(UNCAL).content == archive.content(UNCAL)


def test_slow(download, archive):
    size = len(archive.content(UNCAL))
    archive.faults.add(Fault("slow", seconds=0.2, rate=size / 0.3))
    started = time.monotonic()
    assert download(UNCAL).content == archive.content(UNCAL)
    assert time.monotonic() - started > 0.4


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 504])
def test_status(download, archive, status):
    archive.faults.add(Fault("status", status=status, retry_after="7"))
    reply = download(UNCAL)
    assert (reply.status_code, reply.headers["Retry-After"]) == (status, "7")
    assert "<html>" in reply.text


def test_html_page_with_status_200(download, archive):
    archive.faults.add(Fault("html"))
    reply = download(UNCAL)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_length_announces_more(download, archive):
    archive.faults.add(Fault("length", delta=100))
    with pytest.raises(BROKEN):
        download(UNCAL)
    assert received(download) == archive.content(UNCAL)


def test_length_announces_less(download, archive):
    archive.faults.add(Fault("length", delta=-100))
    assert download(UNCAL).content == archive.content(UNCAL)[:-100]


def test_chunked(download, archive):
    archive.faults.add(Fault("chunked"))
    reply = download(UNCAL)
    assert "Content-Length" not in reply.headers
    assert reply.content == archive.content(UNCAL)


def test_ignore_range(download, archive):
    archive.faults.add(Fault("ignore-range"))
    reply = download(UNCAL, headers={"Range": "bytes=100-"})
    assert (reply.status_code, reply.content) == (200, archive.content(UNCAL))


@pytest.mark.parametrize(("etag", "expected"), [(None, None), ("weak", 'W/"'), ('"other"', '"other"')])
def test_etag(download, archive, etag, expected):
    archive.faults.add(Fault("etag", etag=etag))
    found = download(UNCAL).headers.get("ETag")
    assert found is None if expected is None else found.startswith(expected)


def test_etag_that_changes(download, archive):
    archive.faults.add(Fault("etag", etag="changing"))
    first = download(UNCAL).headers["ETag"]
    assert download(UNCAL, headers={"Range": "bytes=5-", "If-Range": first}).status_code == 200


def test_range_416(download, archive):
    archive.faults.add(Fault("range-416"))
    assert download(UNCAL, headers={"Range": "bytes=5-"}).status_code == 416
    assert download(UNCAL).status_code == 200


def test_corrupt(download, archive):
    archive.faults.add(Fault("corrupt", after_bytes=70_000))
    served, right = download(UNCAL).content, archive.content(UNCAL)
    assert [i for i, (a, b) in enumerate(zip(served, right, strict=True)) if a != b] == [70_000]


def test_truncate(download, archive):
    archive.faults.add(Fault("truncate", after_bytes=999))
    reply = download(UNCAL)
    assert reply.content == archive.content(UNCAL)[:999]
    assert reply.headers["Content-Length"] == "999"


def test_reprocess_between_two_requests(download, archive):
    old = archive.content(UNCAL)
    archive.faults.add(Fault("reprocess", after_bytes=1_000), Fault("drop", after_bytes=2_000, times=1))
    assert received(download) == old[:2_000]
    assert download(UNCAL).content == archive.content(UNCAL) != old


def test_busy(portal, archive):
    archive.faults.add(Fault("busy", match="Filtered", rounds=3))
    archive.clear_requests()
    assert len(observations_of(portal, proposal_id="743")) == 12
    assert len([entry for entry in archive.requests if entry.endpoint == "invoke"]) == 4


def test_error(portal, archive):
    archive.faults.add(Fault("error", message="the database is asleep", times=1))
    with pytest.raises(RemoteServiceError, match="asleep"):
        observations_of(portal, proposal_id="743")
    assert len(observations_of(portal, proposal_id="743")) == 12


def test_gateway_timeout_of_a_service(portal, archive):
    archive.faults.add(Fault("status", endpoint="invoke", match="Caom", status=504))
    with pytest.raises(requests.HTTPError, match="504"):
        observations_of(portal, proposal_id="743")


def test_fewer_rows(invoke, archive):
    archive.faults.add(Fault("fewer-rows", rows=5))
    reply = invoke("Mast.Caom.Filtered", {"columns": "*", "filters": []})
    assert (len(reply["data"]), reply["paging"]["rowsTotal"]) == (5, 120)


def test_wrong_size(invoke, archive):
    archive.faults.add(Fault("wrong-size", delta=1))
    reply = invoke("Mast.Caom.Products", {"obsid": "71672220"})
    assert all(row["size"] == archive.catalogue.files[row["productFilename"]].size + 1 for row in reply["data"])


def test_drop_and_rename_column(invoke, archive):
    archive.faults.add(Fault("drop-column", column="t_min"), Fault("rename-column", column="obsid", new_name="OBSID"))
    reply = invoke("Mast.Caom.Filtered", {"columns": "obsid,t_min,obs_id", "filters": []})
    assert [field["name"] for field in reply["fields"]] == ["OBSID", "obs_id"]
    assert set(reply["data"][0]) == {"OBSID", "obs_id"}


def test_hostile_names_come_with_uris_that_work(invoke, archive):
    archive.faults.add(Fault("hostile-names"))
    obsid = next(row["obsid"] for row in archive.catalogue.observations if row["proposal_id"] == "1138")
    rows = invoke("Mast.Caom.Products", {"obsid": str(obsid)})["data"]
    names = [row["productFilename"] for row in rows]
    assert "../../escaped.fits" in names
    assert "nul\0inside.fits" in names
    assert len({name.lower() for name in names}) < len(set(names))
    assert all(archive.catalogue.file_of(row["dataURI"]) for row in rows)


def test_faults_of_the_other_endpoints(archive):
    archive.faults.add(Fault("status", endpoint="whoami"), Fault("html", endpoint="columnsconfig"))
    assert requests.get(f"{archive.url}/whoami", timeout=10).status_code == 503
    url = f"{archive.url}/portal/Mashup/Mashup.asmx/columnsconfig"
    assert requests.post(url, data={"colConfigId": "Mast.Caom.Cone"}, timeout=10).text.startswith("<html>")


@pytest.mark.parametrize("arguments", [{"kind": "nothing"}, {"kind": "slow", "endpoint": "nowhere"}])
def test_a_misspelt_fault_is_refused(arguments):
    with pytest.raises(ValueError, match="there are"):
        Fault(**arguments)
