"""Replies that only a server with a script gives: wrong parts, wrong lengths, other content than the file."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.downloads import Code, download
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    config_for,
    md5_of,
    products_for,
)


@contextmanager
def scripted_server(*replies: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends given bytes, one reply per connection (the last repeatedly), and its requests."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for number in range(1000):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(replies[min(number, len(replies) - 1)])

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


def reply(body: bytes, status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def from_scripted(
    embedded: EmbeddedArchive, folder: Path, name: str, *replies: bytes, size: object = ..., **parameters: object
):
    """One file without checksum from a scripted server: its row, and the requests."""
    config = config_for(folder, **parameters)
    products = products_for(embedded, config, [name])
    if size is not ...:
        products["size"] = pd.Series([size], dtype="Int64", index=products.index)
    with scripted_server(*replies) as (url, asked):
        files = download(products, config, Archive(url, retries=0))
    return files.iloc[0], asked


def test_a_reply_of_no_length_that_ends_too_early_is_not_taken(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    body = embedded.content(JPG)
    row, _ = from_scripted(embedded, tmp_path, JPG, reply(body[:-900]), reply(body[:-901]), reply(body))
    assert row["dl_code"] == Code.DOWNLOADED
    assert md5_of(row["outfilename"]) == embedded.md5(JPG)


def test_without_etag_and_checksum_a_file_is_restarted(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    body = embedded.content(JPG)
    row, asked = from_scripted(
        embedded, tmp_path, JPG, reply(body[:5000], Content_Length=len(body)), reply(body, Content_Length=len(body))
    )
    assert row["dl_code"] == Code.DOWNLOADED
    assert not any(b"range:" in request.lower() for request in asked)


@pytest.mark.parametrize(
    ("content_range", "etag"),
    [
        ("bytes 4999-{last}/{size}", '"a"'),
        ("bytes 5000-{last}/99", '"a"'),
        ("nonsense", '"a"'),
        ("", '"a"'),
        ("bytes 5000-{last}/{size}", '"b"'),
    ],
)
def test_another_part_than_was_asked_for_and_one_of_another_version_are_not_joined(
    content_range: str, etag: str, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    body = embedded.content(JPG)
    told = content_range.format(last=len(body) - 1, size=len(body))
    row, asked = from_scripted(
        embedded,
        tmp_path,
        JPG,
        reply(body[:5000], Content_Length=len(body), ETag='"a"'),
        reply(body[5000:], "206 Partial Content", Content_Length=len(body) - 5000, Content_Range=told, ETag=etag),
        reply(body, Content_Length=len(body), ETag=etag),
    )
    assert row["dl_code"] == Code.DOWNLOADED
    assert [b"range: bytes" in request.lower() for request in asked] == [False, True, False]
    assert md5_of(row["outfilename"]) == embedded.md5(JPG)


def test_the_token_is_not_shown_to_whom_mast_redirects_to(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    body = embedded.content(JPG)
    config = config_for(tmp_path)
    products = products_for(embedded, config, [JPG])
    identity = reply(b'{"anon": false}', Content_Length=15)
    with scripted_server(reply(body, Content_Length=len(body))) as (there, asked_there):
        moved = reply(b"", "302 Found", Location=there.replace("127.0.0.1", "localhost"), Content_Length=0)
        with scripted_server(identity, moved) as (url, asked):
            files = download(products, config, Archive(url, "s3cr3t-token", retries=0))
    assert files["dl_code"].tolist() == [Code.DOWNLOADED]
    assert b"mast_token=s3cr3t-token" in asked[-1]
    assert b"s3cr3t" not in asked_there[0]


POOL, ASSOCIATION = "jw01138_20240507t000000_pool.csv", "jw01138-o001_20240507t000000_image3_00001_asn.json"

ROWS = b"filename|program\n" + b"".join(b"%d.fits|1138\n" % number for number in range(1000))


def one_without_checksum(folder: Path, name: str, body: bytes, size: int | None, **parameters: object) -> pd.Series:
    """What becomes of a file of which MAST knows no checksum, if this is what it sends."""
    config = config_for(folder, **parameters)
    path = str(folder / "01138" / name)
    known = {"dataURI": f"mast:JWST/product/{name}", "productFilename": name, "outfilename": path}
    products = tables.conform(pd.DataFrame([{**known, "size": size, "selected": True}]), tables.PRODUCT_TABLE)
    with scripted_server(reply(body, Content_Length=len(body), ETag='"a"')) as (url, _):
        row = download(products, config, Archive(url, retries=0)).iloc[0]
    assert Path(path).exists() == (row["dl_code"] == Code.DOWNLOADED)
    return row


@pytest.mark.parametrize("verify", ["size", "content", "checksum"])
@pytest.mark.parametrize("size", [None, len(ROWS) - 7, len(ROWS)], ids=["no size", "too small a size", "its size"])
def test_a_whole_file_without_checksum_is_taken(size: int | None, verify: str, tmp_path: Path) -> None:
    row = one_without_checksum(tmp_path, POOL, ROWS, size, verify=verify)
    assert row["dl_code"] == Code.DOWNLOADED
    assert row["verified"] == ("size" if verify == "size" and size == len(ROWS) else "content")
    assert pd.isna(row["dl_message"]) == (size in (None, len(ROWS)))


@pytest.mark.parametrize("verify", ["size", "content"])
def test_a_wrong_size_in_mast_is_no_matter_where_the_md5_is_right(
    verify: str, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, verify=verify)
    products = products_for(embedded, config, [CAL])
    products["size"] += 1234
    files = download(products, config, Archive(embedded.url))
    assert files[["dl_code", "verified"]].to_numpy().tolist() == [[Code.DOWNLOADED, "checksum"]]


def test_a_file_on_disk_that_is_shorter_than_in_mast_is_not_taken_for_whole(tmp_path: Path) -> None:
    """Not even if MAST's server would send as much: it may cut it each time."""
    path = tmp_path / "01138" / POOL
    path.parent.mkdir()
    path.write_bytes(ROWS)
    config = config_for(tmp_path)
    known = {"dataURI": f"mast:JWST/product/{POOL}", "productFilename": POOL, "outfilename": str(path)}
    products = pd.DataFrame([{**known, "size": len(ROWS) + 99, "selected": True}])
    with scripted_server(reply(ROWS, Content_Length=len(ROWS), ETag='"a"')) as (url, _):
        row = download(tables.conform(products, tables.PRODUCT_TABLE), config, Archive(url, retries=0)).iloc[0]
    assert row["dl_code"] == Code.UNVERIFIED
    assert "the older version is kept" in row["dl_message"]
    assert path.read_bytes() == ROWS


@pytest.mark.parametrize("verify", ["size", "content", "checksum"])
def test_without_checksum_what_is_shorter_than_in_mast_is_not_taken(verify: str, tmp_path: Path) -> None:
    """A table that ends after a row opens as well as a whole one."""
    row = one_without_checksum(tmp_path, POOL, ROWS[: ROWS.index(b"500.fits")], len(ROWS), verify=verify)
    assert row["dl_code"] == Code.UNVERIFIED
    assert f"MAST's table says {len(ROWS)} bytes" in row["dl_message"]


FOREIGN = {
    "JSON of a gateway": (ASSOCIATION, b'{"error": "not found"}', "not an association"),
    "a list": (ASSOCIATION, b"[1, 2]", "not an association"),
    "a sentence": (POOL, b"Service Unavailable\n", "one column"),
    "HTML after a comment": (POOL, b"\n<!-- a, gateway -->\n<HTML><body>Sorry</body></HTML>", "HTML page"),
    "HTML as a text": ("jw01138_notes.txt", b"<!-- x -->\n<html>\n<p>Sorry", "HTML page"),
}


@pytest.mark.parametrize("size", [None, 10], ids=["no size", "too small a size"])
@pytest.mark.parametrize(("name", "body", "text"), FOREIGN.values(), ids=FOREIGN)
def test_an_error_in_place_of_a_file_is_not_taken(
    name: str, body: bytes, text: str, size: int | None, tmp_path: Path
) -> None:
    row = one_without_checksum(tmp_path, name, body, size, verify="size")
    assert (row["dl_code"], text in row["dl_message"]) == (Code.UNVERIFIED, True), row["dl_message"]


def test_redirects_without_end_are_not_followed_again(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    row, asked = from_scripted(
        embedded, tmp_path, JPG, reply(b"", "302 Found", Location="/again", Content_Length=0), download_retries=3
    )
    assert (row["dl_code"], row["dl_message"]) == (Code.FAILED, "MAST redirects endlessly")
    assert len([request for request in asked if b"uri=" in request.split(b"\r\n")[0]]) == 1
