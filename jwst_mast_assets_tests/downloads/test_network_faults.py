"""What a server or a network can do wrong to one file, over real connections."""

import email.utils
import socket
import time
from pathlib import Path

import pytest

from jwst_mast_assets.downloads import Code, backoff, download
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    EXPOSURE,
    JPG,
    OTHER,
    UNCAL,
    assert_fetched,
    cell,
    config_for,
    fetch,
    leftovers,
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
