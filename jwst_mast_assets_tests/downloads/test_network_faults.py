"""What a server or a network can do wrong to one file, over real connections."""

import email.utils
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.downloads import Code, backoff, download, summary
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    EXPOSURE,
    JPG,
    OTHER,
    PRIVATE,
    UNCAL,
    assert_fetched,
    cell,
    config_for,
    fetch,
    leftovers,
    md5_of,
    products_for,
)

PASSING = {
    "dropped before the first byte": Fault("drop", after_bytes=0, times=2),
    "dropped in the middle": Fault("drop", after_bytes=70_000, times=2),
    "500 three times": Fault("status", status=500, times=3),
    "502": Fault("status", status=502, times=1),
    "503 without a word when": Fault("status", status=503, times=2),
    "429": Fault("status", status=429, times=2),
    "408": Fault("status", status=408, times=1),
    "504 with a page of HTML": Fault("status", status=504, times=2),
    "HTML with status 200": Fault("html", times=1),
    "longer than it says": Fault("length", delta=-20_000, times=1),
    "shorter than it says": Fault("length", delta=20_000, times=1),
    "cut, with a length that agrees": Fault("truncate", after_bytes=57_600, times=1),
    "a byte wrong": Fault("corrupt", after_bytes=60_000, times=1),
    "no Content-Length": Fault("chunked"),
    "no ETag": Fault("etag"),
    "weak ETag": Fault("etag", etag="weak"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_ends_with_the_right_bytes(
    fault: Fault, embedded: EmbeddedArchive, tmp_path: Path, watch
) -> None:
    embedded.faults.add(fault)
    with watch(tmp_path, embedded):
        files = fetch(embedded, config_for(tmp_path), CAL, OTHER)
    assert_fetched(files, embedded)
    assert (files["verified"] == "checksum").all()


@pytest.mark.parametrize("kind", ["drop", "length", "truncate", "html"])
@pytest.mark.parametrize("name", [JPG, CAL])
def test_without_checksums_only_content_that_opens_is_taken(
    name: str, kind: str, embedded: EmbeddedArchive, tmp_path: Path, watch
) -> None:
    embedded.faults.add(Fault("status", endpoint="invoke", status=400))
    embedded.faults.add(Fault(kind, after_bytes=5000, delta=-3000, times=1))
    with watch(tmp_path, embedded):
        files = fetch(embedded, config_for(tmp_path), name)
    assert_fetched(files, embedded)
    assert files["verified"].tolist() == ["content"]


NAMED = {
    "404": (Fault("status", status=404), Code.NOT_FOUND, "404"),
    "410": (Fault("status", status=410), Code.NOT_FOUND, "410"),
    "400": (Fault("status", status=400), Code.FAILED, "400"),
    "403 of a public file": (Fault("status", status=403), Code.FAILED, "403"),
    "500 forever": (Fault("status", status=500), Code.FAILED, "tried 5 times"),
    "dropped forever": (Fault("drop", after_bytes=0), Code.FAILED, "tried 5 times"),
    "HTML forever": (Fault("html"), Code.UNVERIFIED, "HTML page"),
    "cut forever": (Fault("truncate", after_bytes=57_600), Code.UNVERIFIED, "57600"),
    "a byte wrong forever": (Fault("corrupt", after_bytes=60_000), Code.UNVERIFIED, "md5"),
}


@pytest.mark.parametrize(("fault", "code", "text"), NAMED.values(), ids=NAMED)
def test_a_fault_that_stays_is_named_and_stops_no_other_file(
    fault: Fault, code: Code, text: str, embedded: EmbeddedArchive, tmp_path: Path, watch
) -> None:
    fault.match = "nrca2"
    embedded.faults.add(fault)
    with watch(tmp_path, embedded):
        files = fetch(embedded, config_for(tmp_path), CAL, OTHER, JPG)
    assert (cell(files, OTHER, "dl_code"), text in cell(files, OTHER, "dl_message")) == (code, True), files.loc[OTHER]
    assert not Path(str(cell(files, OTHER, "outfilename"))).exists()
    assert leftovers(tmp_path) == []
    assert_fetched(files.drop(OTHER), embedded)


def test_refusals_are_not_repeated(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    for status in (400, 403, 404):
        embedded.faults.clear()
        embedded.clear_requests()
        embedded.faults.add(Fault("status", status=status))
        fetch(embedded, config_for(tmp_path), CAL)
        assert len([request for request in embedded.requests if request.endpoint == "download"]) == 1


@pytest.mark.parametrize("dated", [False, True], ids=["seconds", "date"])
def test_retry_after_is_obeyed(dated: bool, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    moment = int(time.time()) + 3
    when = email.utils.formatdate(moment, usegmt=True) if dated else "1"
    embedded.faults.add(Fault("status", status=503, retry_after=when, times=1))
    files = fetch(embedded, config_for(tmp_path, Nparallel=1), CAL, OTHER)
    assert_fetched(files, embedded)
    first, *later = [request.time for request in embedded.requests if request.endpoint == "download"]
    assert min(later) >= (moment if dated else first + 0.9)


@pytest.mark.parametrize("when", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_never_shortens_the_wait(
    when: str, embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "WAITS", backoff.Waits(first=0.4, longest=0.4))
    embedded.faults.add(Fault("status", status=503, retry_after=when, times=1))
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)
    first, second = [request.time for request in embedded.requests if request.endpoint == "download"]
    assert second - first > 0.19


def test_redirects_without_end_are_not_followed_again(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    row, asked = from_scripted(
        embedded, tmp_path, JPG, reply(b"", "302 Found", Location="/again", Content_Length=0), download_retries=3
    )
    assert (row["dl_code"], row["dl_message"]) == (Code.FAILED, "MAST redirects endlessly")
    assert len([request for request in asked if b"uri=" in request.split(b"\r\n")[0]]) == 1


def test_retry_after_is_read_as_number_or_date_and_capped() -> None:
    known = backoff.Waits(longest_asked=300)
    assert backoff.seconds_asked("7", known) == 7
    assert backoff.seconds_asked("86400", known) == 300
    assert backoff.seconds_asked("Thu, 01 Jan 1970 00:00:00 GMT", known) == 0
    assert 100 < (backoff.seconds_asked(email.utils.formatdate(time.time() + 120), known) or 0) <= 120
    for nonsense in (None, "", "soon", "-3", "nan", "Thu, 99 Foo 1970"):
        assert backoff.seconds_asked(nonsense, known) is None


def test_waits_grow_and_vary() -> None:
    known = backoff.Waits(first=1, longest=60)
    drawn = [[known.before(repetition) for _ in range(50)] for repetition in (1, 2, 3, 20)]
    assert [max(times) for times in drawn] == sorted(max(times) for times in drawn)
    assert all(len(set(times)) > 1 for times in drawn)
    assert max(drawn[-1]) <= 60


def test_a_stalled_connection_is_given_up_and_resumed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("stall", after_bytes=60_000, seconds=4, times=1))
    begun = time.monotonic()
    files = fetch(embedded, config_for(tmp_path, download_timeout=0.4), CAL)
    assert time.monotonic() - begun < 3
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(CAL))


def test_a_stall_that_stays_is_named(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("stall", after_bytes=0, seconds=3))
    files = fetch(embedded, config_for(tmp_path, download_timeout=0.2, download_retries=1), CAL)
    assert files["dl_code"].item() == Code.FAILED
    assert "no data arrived" in files["dl_message"].item()


@pytest.mark.parametrize("wrong", [1234, -1234])
def test_a_wrong_size_in_mast_is_reported_and_fetched_once(
    wrong: int, embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [CAL, JPG])
    products["size"] += wrong
    archive = Archive(embedded.url)
    first = download(products, config, archive)
    assert first["dl_code"].tolist() == [1, 1]
    assert first["dl_message"].str.contains("MAST's table says").all()
    for known in (first, None):
        embedded.clear_requests()
        again = download(products, config, archive, known)
        assert again["dl_code"].tolist() == [2, 2]
        assert again["bytes_fetched"].sum() < 300_000 // 4
        asked = [request for request in embedded.requests if request.endpoint == "download"]
        assert len(asked) == (0 if known is not None else 1)


def test_a_private_file_without_a_token_is_no_error(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL)
    assert [cell(files, PRIVATE, "dl_code"), cell(files, PRIVATE, "dl_str")] == [Code.EXCLUSIVE, "exclusive"]
    assert "until 2129-12-0" in cell(files, PRIVATE, "dl_message")
    assert cell(files, CAL, "dl_code") == Code.DOWNLOADED
    assert not [request for request in embedded.requests if PRIVATE in request.uri]


@pytest.mark.parametrize("release", [None, 59_000.0], ids=["unknown", "passed"])
def test_a_private_file_is_tried_where_its_release_is_unknown_or_passed(
    release: float | None, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [PRIVATE]).assign(t_obs_release=release)
    products["t_obs_release"] = products["t_obs_release"].astype("Float64")
    files = download(products, config, Archive(embedded.url))
    assert files["dl_code"].tolist() == [Code.EXCLUSIVE]
    assert [request.status for request in embedded.requests if request.endpoint == "download"] == [401]


@pytest.mark.parametrize("token", [None, "good-token"])
def test_a_public_file_that_mast_does_not_give_out_yet_is_waited_for(
    token: str | None, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    own_archive.release(1345, migrated=False)
    config = config_for(tmp_path)
    files = fetch(own_archive, config, PRIVATE, CAL, token=token)
    assert files["dl_str"].to_dict() == {PRIVATE: "waiting", CAL: "downloaded"}
    assert "does not provide it yet (HTTP status 401)" in cell(files, PRIVATE, "dl_message")
    assert [request.status for request in own_archive.requests if PRIVATE in request.uri] == [401]
    assert (summary(files)["waiting"], summary(files)["failed"]) == (1, 0)
    own_archive.catalogue.migrate(1345)
    assert_fetched(fetch(own_archive, config, PRIVATE), own_archive)


def test_a_restricted_file_is_waited_for_and_the_older_one_kept(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    fetch(embedded, config, CAL)
    embedded.faults.add(Fault("status", status=403, match="nrca1_cal.fits"))
    files = fetch(embedded, config.model_copy(update={"clobber": True}), CAL, token="good-token")
    assert files["dl_str"].tolist() == ["waiting"]
    message = files["dl_message"].item()
    assert "MAST restricts access to it (HTTP status 403), and your token does not grant it" in message
    assert message.endswith("the older version is kept")
    assert md5_of(files["outfilename"].item()) == embedded.md5(CAL)


def test_a_token_gives_private_files_and_is_asked_about_once(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL, token="good-token")
    assert_fetched(files, embedded)
    assert [request.endpoint for request in embedded.requests].count("whoami") == 1


def test_a_dead_token_stops_no_public_file_and_exclusive_ones_wait(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL, token="stale-token")
    assert_fetched(files.loc[[CAL]], embedded)
    assert cell(files, PRIVATE, "dl_str") == "exclusive"
    assert "waiting for a token" in cell(files, PRIVATE, "dl_message")
    downloads = [request for request in embedded.requests if request.endpoint == "download"]
    assert "stale-token" not in str([request.headers for request in downloads])


def test_a_token_without_access_is_reported(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("status", status=403, match="mirimage"))
    files = fetch(embedded, config_for(tmp_path), PRIVATE, token="good-token")
    assert files["dl_str"].tolist() == ["exclusive"]
    assert "your token does not grant access" in files["dl_message"].item()


def test_the_token_is_in_no_message_or_log(
    embedded: EmbeddedArchive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    embedded.tokens.add("s3cr3t-token")
    embedded.faults.add(Fault("drop", match="nrca1", after_bytes=10), Fault("status", match="nrca2", status=500))
    files = fetch(embedded, config_for(tmp_path, download_retries=1), CAL, OTHER, token="s3cr3t-token")
    assert files["dl_code"].tolist() == [Code.FAILED, Code.FAILED]
    assert "s3cr3t" not in files.to_string() + caplog.text + repr(Archive(embedded.url, "s3cr3t-token"))


def test_a_server_that_is_gone_is_named(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path, download_retries=1)
    products = products_for(embedded, config, [JPG])
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        files = download(products, config, Archive(f"http://127.0.0.1:{unused.getsockname()[1]}", retries=0))
    assert files["dl_message"].tolist() == ["the connection was refused after 0 bytes (tried 2 times)"]


def test_files_come_several_at_a_time_and_not_more(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("slow", seconds=0.2))
    names = [name for name in embedded.catalogue.files if name.startswith(EXPOSURE)]
    files = fetch(embedded, config_for(tmp_path, Nparallel=3), *names)
    assert_fetched(files, embedded)
    done = [request for request in embedded.requests if request.endpoint == "download"]
    at_once = [sum(one.time <= other.time < (one.finished or 0) for one in done) for other in done]
    assert max(at_once) == 3
    assert {request.headers["user-agent"] for request in done} == {embedded.requests[0].headers["user-agent"]}


def test_progress_ends_with_all_files_and_bytes(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    events = []
    products = products_for(embedded, config, [CAL, OTHER, UNCAL])
    download(products, config, Archive(embedded.url), progress=events.append)
    last = events[-1]
    assert (last.files_done, last.files_total, last.failed) == (3, 3, 0)
    assert last.bytes_fetched == last.bytes_total == products["size"].sum()


def test_an_interrupted_run_keeps_its_partials(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    class Interrupt(Exception):
        pass

    def interrupt(event) -> None:
        if event.bytes_fetched > 20_000:
            raise Interrupt

    embedded.faults.add(Fault("slow", rate=100_000, times=1))
    config = config_for(tmp_path)
    products = products_for(embedded, config, [CAL])
    with pytest.raises(Interrupt):
        download(products, config, Archive(embedded.url), progress=interrupt)
    assert not list(tmp_path.rglob("*.fits"))
    files = fetch(embedded, config, CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() < len(embedded.content(CAL))


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


@pytest.mark.parametrize("content_range", ["bytes 4999-{last}/{size}", "bytes 5000-{last}/99", "nonsense", ""])
def test_a_part_that_was_not_asked_for_is_not_joined(
    content_range: str, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    body = embedded.content(JPG)
    told = content_range.format(last=len(body) - 1, size=len(body))
    row, asked = from_scripted(
        embedded,
        tmp_path,
        JPG,
        reply(body[:5000], Content_Length=len(body), ETag='"a"'),
        reply(body[5000:], "206 Partial Content", Content_Length=len(body) - 5000, Content_Range=told, ETag='"a"'),
        reply(body, Content_Length=len(body), ETag='"a"'),
    )
    assert row["dl_code"] == Code.DOWNLOADED
    assert [b"range: bytes" in request.lower() for request in asked] == [False, True, False]
    assert md5_of(row["outfilename"]) == embedded.md5(JPG)


def test_a_part_with_another_etag_is_not_joined(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    body = embedded.content(JPG)
    told = f"bytes 5000-{len(body) - 1}/{len(body)}"
    row, asked = from_scripted(
        embedded,
        tmp_path,
        JPG,
        reply(body[:5000], Content_Length=len(body), ETag='"a"'),
        reply(body[5000:], "206 Partial Content", Content_Length=len(body) - 5000, Content_Range=told, ETag='"b"'),
        reply(body, Content_Length=len(body), ETag='"b"'),
    )
    assert row["dl_code"] == Code.DOWNLOADED
    assert len(asked) == 3


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


def test_a_line_that_always_drops_at_the_same_place_ends(own_archive: EmbeddedArchive, tmp_path: Path) -> None:
    """Without ETag and checksum each attempt restarts, and the same 2 MB again are not progress."""
    (obsid,) = own_archive.add_observation(
        1138, 9, suffixes=("cal.jpg",), sizes={"cal.jpg": 4_000_000}, guide_stars=False, detectors=("b1",)
    )
    name = next(row["productFilename"] for row in own_archive.catalogue.products if row["parent_obsid"] == obsid)
    own_archive.faults.add(Fault("drop", after_bytes=2_000_000), Fault("etag"))
    files = fetch(own_archive, config_for(tmp_path), name)
    assert files["dl_code"].tolist() == [Code.FAILED]
    assert len([request for request in own_archive.requests if request.endpoint == "download"]) <= 7


def test_a_line_that_drops_often_but_further_on_each_time_gets_there(
    own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    (obsid,) = own_archive.add_observation(
        1138, 9, suffixes=("cal.fits",), sizes={"cal.fits": 2880 * 4000}, guide_stars=False, detectors=("b1",)
    )
    name = next(row["productFilename"] for row in own_archive.catalogue.products if row["parent_obsid"] == obsid)
    own_archive.faults.add(Fault("drop", after_bytes=1_500_000))
    files = fetch(own_archive, config_for(tmp_path, download_retries=1), name)
    assert_fetched(files, own_archive)
    assert len([request for request in own_archive.requests if request.endpoint == "download"]) == 8


@pytest.mark.parametrize("verify", ["none", "size"])
def test_less_verification_is_recorded_as_such(verify: str, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path, verify=verify), CAL, JPG)
    assert_fetched(files, embedded)
    assert files["verified"].tolist() == [verify, verify]


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
