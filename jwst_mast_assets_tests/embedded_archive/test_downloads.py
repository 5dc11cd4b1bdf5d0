"""Downloads without faults: whole files, ranges, and files that need a token."""

import hashlib

import pytest
import requests

from jwst_mast_assets_tests.embedded_archive.clients import UNCAL


@pytest.fixture
def exclusive(archive):
    return next(name for name, file in archive.catalogue.files.items() if file.exclusive)


def test_a_whole_file(download, archive):
    reply = download(UNCAL)
    assert reply.status_code == 200
    assert reply.content == archive.content(UNCAL)
    assert hashlib.md5(reply.content).hexdigest() == archive.md5(UNCAL)
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["ETag"]
    assert reply.headers["Last-Modified"].endswith("GMT")


def test_head_has_the_headers_only(archive):
    uri = f"mast:JWST/product/{UNCAL}"
    reply = requests.head(f"{archive.url}/jwst/api/v0.1/download/file", params={"uri": uri}, timeout=10)
    assert reply.status_code == 200
    assert int(reply.headers["Content-Length"]) == len(archive.content(UNCAL))
    assert reply.content == b""


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=0-9", slice(0, 10)), ("bytes=1000-", slice(1000, None)), ("bytes=-7", slice(-7, None))],
)
def test_a_range(download, archive, asked, expected):
    reply = download(UNCAL, headers={"Range": asked})
    whole = archive.content(UNCAL)
    start, stop, _ = expected.indices(len(whole))
    assert reply.status_code == 206
    assert reply.content == whole[expected]
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


def test_a_range_beyond_the_end_is_refused(download, archive):
    size = len(archive.content(UNCAL))
    reply = download(UNCAL, headers={"Range": f"bytes={size}-"})
    assert reply.status_code == 416
    assert reply.headers["Content-Range"] == f"bytes */{size}"


def test_a_changed_file_comes_whole_when_the_range_was_of_the_old_one(download, archive):
    etag = download(UNCAL).headers["ETag"]
    headers = {"Range": "bytes=100-", "If-Range": etag}
    assert download(UNCAL, headers=headers).status_code == 206
    archive.reprocess(UNCAL)
    reply = download(UNCAL, headers=headers)
    assert reply.status_code == 200
    assert reply.content == archive.content(UNCAL)


def test_an_unknown_file_is_not_found(download):
    assert download("jw99999001001_02101_00001_nrca1_uncal.fits").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({}, 401),
        ({"headers": {"Authorization": "token bad"}}, 401),
        ({"headers": {"Authorization": "token good-token"}}, 200),
        ({"cookies": {"mast_token": "good-token"}}, 200),
    ],
    ids=["no token", "bad token", "header", "cookie"],
)
def test_exclusive_files_need_a_good_token(download, exclusive, arguments, status):
    assert download(exclusive, **arguments).status_code == status


def test_a_token_can_die_and_a_program_be_released(download, archive, exclusive):
    archive.tokens.clear()
    assert download(exclusive, cookies={"mast_token": "good-token"}).status_code == 401
    archive.release(9231)
    assert download(exclusive).status_code == 200


def test_a_big_file_is_streamed_from_any_position(download, archive):
    archive.add_observation(1138, 40, detectors=["a1"], sizes={"uncal.fits": 2_880 * 700_000})
    name = "jw01138040001_02101_00001_nrca1_uncal.fits"
    tail = download(name, headers={"Range": "bytes=2000000000-"})
    assert len(tail.content) == 2_880 * 700_000 - 2_000_000_000
    assert tail.content == archive.catalogue.files[name].read(2_000_000_000)
    with download(name, stream=True) as reply:
        assert next(reply.iter_content(80)).startswith(b"SIMPLE  =")


def test_downloads_are_recorded(download, archive):
    archive.clear_requests()
    download(UNCAL, headers={"Range": "bytes=0-99"})
    (entry,) = archive.requests
    assert entry.uri == f"mast:JWST/product/{UNCAL}"
    assert (entry.status, entry.sent, entry.headers["range"]) == (206, 100, "bytes=0-99")
