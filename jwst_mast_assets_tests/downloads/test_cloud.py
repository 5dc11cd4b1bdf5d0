"""Files from the public copy in the cloud, here an S3 server of moto's on loopback."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jwst_mast_assets.downloads import Code, download
from jwst_mast_assets.downloads.sources import name_says_key, s3_keys
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.embedded_archive.cloud import cloud_key
from jwst_mast_assets.mast.archive import BUCKET, Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    OTHER,
    PRIVATE,
    assert_fetched,
    config_for,
    fetch,
    products_for,
)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(s3_server: str, monkeypatch: pytest.MonkeyPatch):
    """The bucket, empty, as a client with the right to write sees it."""
    boto3 = pytest.importorskip("boto3")
    credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3_server, **credentials)
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    yield client
    for listed in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=listed["Key"])
    client.delete_bucket(Bucket=BUCKET)


def put(cloud, embedded: EmbeddedArchive, *names: str) -> None:
    for name in names:
        cloud.put_object(Bucket=BUCKET, Key=s3_keys(name)[0], Body=embedded.content(name), ACL="public-read")


def asked_of_cloud(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Method and name of what the cloud was asked for, as its own log has it."""
    found = re.findall(r'"(?:\x1b\S*m)*(GET|HEAD) /stpubdata/\S*/(\S+) HTTP', caplog.text)
    return [f"{method} {name}" for method, name in found]


def from_mast(embedded: EmbeddedArchive) -> list[str]:
    return [request.uri.rpartition("/")[2] for request in embedded.requests if request.endpoint == "download"]


def test_keys_follow_the_bucket_s_layout() -> None:
    assert s3_keys("jw02282010001_02101_00001_nrca1_cal.fits") == [
        "jwst/public/jw02282/jw02282010001/jw02282010001_02101_00001_nrca1_cal.fits"
    ]
    assert s3_keys("jw02727-o002_t062_nircam_clear-f277w_i2d.fits")[0] == (
        "jwst/public/jw02727/L3/t/o002/jw02727-o002_t062_nircam_clear-f277w_i2d.fits"
    )
    assert s3_keys("jw05224-o001_s000001354_nirspec_f290lp-g395m_x1d.fits")[0].startswith(
        "jwst/public/jw05224/L3/s/o001/"
    )
    assert s3_keys("jw01138_20250101t000000_pool.csv") == []


@pytest.mark.parametrize("source", ["s3", "s3-then-mast"])
def test_public_files_come_from_the_cloud(source: str, cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    level3 = next(name for name in embedded.catalogue.files if name.startswith("jw01138-o001") and "i2d.fits" in name)
    put(cloud, embedded, CAL, JPG, level3)
    files = fetch(embedded, config_for(tmp_path, source=source), CAL, JPG, level3)
    assert_fetched(files, embedded)
    assert from_mast(embedded) == []
    assert files["verified"].tolist() == ["checksum"] * 3


def test_what_the_cloud_does_not_have_comes_from_mast(cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    put(cloud, embedded, CAL)
    pool = next(name for name in embedded.catalogue.files if name.endswith("_pool.csv"))
    files = fetch(embedded, config_for(tmp_path, source="s3-then-mast"), CAL, OTHER, pool)
    assert_fetched(files, embedded)
    assert sorted(from_mast(embedded)) == sorted([OTHER, pool])


def test_a_cloud_that_lags_behind_gives_way_to_mast(cloud, own_archive: EmbeddedArchive, tmp_path: Path) -> None:
    put(cloud, own_archive, CAL)
    own_archive.reprocess(CAL)
    assert_fetched(fetch(own_archive, config_for(tmp_path, source="s3-then-mast"), CAL), own_archive)
    assert from_mast(own_archive) == [CAL]


def test_without_mast_what_the_cloud_does_not_have_is_named(cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path, source="s3"), OTHER)
    assert files["dl_code"].tolist() == [Code.NOT_FOUND]
    assert "the cloud" in files["dl_message"].item()
    assert from_mast(embedded) == []


def test_a_private_file_is_not_looked_for_in_the_cloud(cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path, source="s3-then-mast")
    files = fetch(embedded, config, PRIVATE, token="good-token")
    assert_fetched(files, embedded)
    files = fetch(embedded, config_for(tmp_path / "s3", source="s3"), PRIVATE, token="good-token")
    assert files["dl_str"].tolist() == ["exclusive"]


def test_a_partial_from_mast_is_resumed_from_mast_only(cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    put(cloud, embedded, CAL)
    fault = embedded.faults.add(Fault("drop", after_bytes=60_000))
    fetch(embedded, config_for(tmp_path, download_retries=0), CAL)
    embedded.faults.remove(fault.id)
    files = fetch(embedded, config_for(tmp_path, source="s3"), CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(CAL))


def test_a_cloud_without_the_file_leaves_the_partial_from_mast(
    cloud, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    fault = embedded.faults.add(Fault("drop", after_bytes=60_000))
    fetch(embedded, config_for(tmp_path, download_retries=0), CAL)
    embedded.faults.remove(fault.id)
    files = fetch(embedded, config_for(tmp_path, source="s3-then-mast"), CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(CAL)) - 60_000


def test_a_partial_from_the_cloud_is_resumed_there(cloud, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    put(cloud, embedded, CAL)
    config = config_for(tmp_path, source="s3")
    products = products_for(embedded, config, [CAL])
    assert_fetched(fetch(embedded, config, CAL), embedded)
    target = Path(products["outfilename"].item())
    content = target.read_bytes()
    etag = cloud.head_object(Bucket=BUCKET, Key=s3_keys(CAL)[0])["ETag"]
    leave_partial(target, content[:50_000], products, embedded, etag, len(content))
    files = download(products, config, Archive(embedded.url))
    assert files["bytes_fetched"].item() == len(content) - 50_000
    assert target.read_bytes() == content


def leave_partial(target: Path, content: bytes, products, embedded: EmbeddedArchive, etag: str, total: int) -> None:
    """The partial that an interrupted run from the cloud leaves."""
    target.unlink()
    partial = target.with_name(f".{target.name}.part")
    partial.write_bytes(content)
    origin = {"uri": products["dataURI"].item(), "source": "s3", "size": int(products["size"].item())}
    origin |= {"checksum": embedded.md5(target.name), "etag": etag, "modified": None, "total": total}
    Path(f"{partial}.json").write_text(json.dumps(origin))


def test_the_token_is_not_shown_to_the_cloud(embedded: EmbeddedArchive, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{embedded.url}/cloud")
    fetch(embedded, config_for(tmp_path, source="s3-then-mast"), CAL, token="good-token")
    cookies = {request.path.startswith("/cloud"): request.headers.get("cookie") for request in embedded.requests}
    assert cookies.get(False) == "mast_token=good-token"
    assert cookies.get(True) is None


def unusual(embedded: EmbeddedArchive) -> list[str]:
    """An association, a pool: their names do not say where they are in the cloud."""
    return [next(name for name in embedded.catalogue.files if name.endswith(end)) for end in ("_asn.json", "_pool.csv")]


@pytest.mark.parametrize("prefix", ["s3://stpubdata/", "/"])
def test_mast_is_asked_for_the_places_that_names_do_not_say(
    prefix: str, cloud, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    own_archive.catalogue.cloud_prefix = prefix
    names = unusual(own_archive)
    for name in (*names, CAL):
        cloud.put_object(Bucket=BUCKET, Key=cloud_key(name), Body=own_archive.content(name), ACL="public-read")
    files = fetch(own_archive, config_for(tmp_path, source="s3"), *names, CAL)
    assert_fetched(files, own_archive)
    (lookup,) = [request for request in own_archive.requests if request.endpoint == "path_lookup"]
    assert sorted(lookup.params["uri"]) == sorted(f"mast:JWST/product/{name}" for name in names)


def test_places_are_asked_for_in_groups_of_40(embedded: EmbeddedArchive) -> None:
    uris = [f"mast:JWST/product/jw01138-o001_b{number:09d}_nirspec_f290lp_x1d.fits" for number in range(90)]
    assert Archive(embedded.url).cloud_paths(uris) == {}
    asked = [request.params["uri"] for request in embedded.requests if request.endpoint == "path_lookup"]
    assert [len(group) for group in asked] == [40, 40, 10]


def test_sources_of_the_background_are_asked_for_and_exposures_are_not() -> None:
    assert not name_says_key("jw05224-o001_b000000021_nirspec_f290lp-g395m_x1d.fits")
    assert not name_says_key("jw05224-o001_v000000042_nirspec_f290lp-g395m_x1d.fits")
    assert not name_says_key("jw05224-o001_s000001354_nirspec_f290lp-g395m_x1d.fits")
    assert name_says_key(CAL)
    assert name_says_key("jw02727-o002_t062_nircam_clear-f277w_i2d.fits")


def test_where_mast_does_not_say_the_places_the_files_come_from_mast(
    cloud, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    embedded.faults.add(Fault("status", endpoint="path_lookup", status=404))
    names = unusual(embedded)
    assert_fetched(fetch(embedded, config_for(tmp_path, source="s3-then-mast"), *names), embedded)
    assert sorted(from_mast(embedded)) == sorted(names)


def test_an_object_with_another_md5_than_mast_s_is_not_fetched(
    cloud, own_archive: EmbeddedArchive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "werkzeug")
    put(cloud, own_archive, CAL)
    own_archive.reprocess(CAL)
    files = fetch(own_archive, config_for(tmp_path, source="s3-then-mast"), CAL)
    assert_fetched(files, own_archive)
    assert files["bytes_fetched"].item() == len(own_archive.content(CAL))
    assert asked_of_cloud(caplog) == [f"HEAD {CAL}"]


def test_the_cloud_s_etag_is_a_checksum_where_the_keyword_service_has_none(
    cloud, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    put(cloud, embedded, CAL, JPG)
    config = config_for(tmp_path, source="s3")
    files = fetch(embedded, config, CAL, JPG)
    for table in (files, fetch(embedded, config, CAL, JPG, known=files)):
        assert table["checksum"].to_dict() == {CAL: embedded.md5(CAL), JPG: embedded.md5(JPG)}
        assert table["checksum_source"].to_dict() == {CAL: "mast", JPG: "s3"}
        assert table["source"].tolist() == ["s3", "s3"]
    from_the_archive = fetch(embedded, config_for(tmp_path / "mast"), JPG)
    assert from_the_archive[["checksum", "checksum_source"]].isna().all(axis=None)
    assert from_the_archive["source"].tolist() == ["mast"]


def test_a_picture_that_is_not_what_the_cloud_s_etag_says_is_not_taken(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{BUCKET}/{s3_keys(JPG)[0]}"
    with object_server(name, embedded.content(JPG), etag='"0123456789abcdef0123456789abcdef"') as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        files = fetch(embedded, config_for(tmp_path, source="s3"), JPG)
        assert files["dl_str"].tolist() == ["ERRORverify"]
        files = fetch(embedded, config_for(tmp_path, source="s3-then-mast"), JPG)
    assert_fetched(files, embedded)
    assert from_mast(embedded) == [JPG]


def test_an_object_uploaded_in_parts_has_no_md5_and_is_still_fetched(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{BUCKET}/{s3_keys(CAL)[0]}"
    with object_server(name, embedded.content(CAL), etag='"0123456789abcdef0123456789abcdef-3"') as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert_fetched(fetch(embedded, config_for(tmp_path, source="s3"), CAL), embedded)


@contextmanager
def object_server(name: str, content: bytes, etag: str) -> Iterator[str]:
    """A server of one object, with an ETag that no S3 server would let us choose."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == f"/{name}"
            self.send_response(200 if found else 404)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.end_headers()
            if found and self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
