"""A download goes on where it stopped, but only if it is still the same file."""

import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jwst_mast_assets.downloads import Code, download, partial, plan_download
from jwst_mast_assets.downloads.partial import partial_path
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    JPG,
    assert_fetched,
    config_for,
    environment,
    fetch,
    leftovers,
    md5_of,
    products_for,
)


def downloads(embedded: EmbeddedArchive) -> list:
    return [request for request in embedded.requests if request.endpoint == "download"]


def left_partial(embedded: EmbeddedArchive, folder: Path, name: str, size: int = 60_000) -> Path:
    """What a run leaves whose connection broke after `size` bytes and that may not try again."""
    fault = embedded.faults.add(Fault("drop", after_bytes=size))
    config = config_for(folder, download_retries=0)
    row = fetch(embedded, config, name).iloc[0]
    embedded.faults.remove(fault.id)
    assert row["dl_code"] == Code.FAILED
    left = Path(partial_path(row["outfilename"]))
    assert left.stat().st_size == size
    embedded.clear_requests()
    return left


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drops=st.lists(st.integers(0, 220_000), min_size=1, max_size=4), checksums=st.booleans(), etag=st.booleans())
def test_connections_dropped_anywhere_end_with_the_right_bytes(
    drops: list[int], checksums: bool, etag: bool, embedded: EmbeddedArchive
) -> None:
    embedded.faults.clear()
    for number, after_bytes in enumerate(drops, start=1):
        embedded.faults.add(Fault("drop", after_bytes=after_bytes, nth=number))
    if not etag:
        embedded.faults.add(Fault("etag"))
    if not checksums:
        embedded.faults.add(Fault("status", endpoint="invoke", status=400))
    with tempfile.TemporaryDirectory() as folder:
        files = fetch(embedded, config_for(Path(folder)), CAL)
        assert_fetched(files, embedded)
        if etag or checksums:
            # Two resumptions in a row that bring nothing: the whole file is requested.
            twice = sum(drops) if (0, 0) in pairwise(drops[1:]) else 0
            assert files["bytes_fetched"].item() <= len(embedded.content(CAL)) + len(drops) + twice


def test_the_next_run_resumes_where_the_last_one_stopped(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    left = left_partial(embedded, tmp_path, CAL)
    assert sorted(leftovers(tmp_path)) == [left.name, left.name + ".json"]
    plan = plan_download(
        products_for(embedded, config_for(tmp_path), [CAL]), config_for(tmp_path), Archive(embedded.url)
    )
    assert plan.n_bytes == len(embedded.content(CAL)) - 60_000
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert [request.status for request in downloads(embedded)] == [206]
    assert files["bytes_fetched"].item() == len(embedded.content(CAL)) - 60_000


@pytest.mark.parametrize("checksums", [True, False])
def test_a_complete_partial_costs_one_byte(checksums: bool, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    if not checksums:
        embedded.faults.add(Fault("status", endpoint="invoke", status=400))
    size = len(embedded.content(CAL))
    left = left_partial(embedded, tmp_path, CAL)
    left.write_bytes(embedded.content(CAL))
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == 1
    assert size == files["bytes_on_disk"].item()


@contextmanager
def refusing_ranges(body: bytes, answer: bytes | None) -> Iterator[tuple[str, list[bool]]]:
    """A server that fails over any Range (None: by a reset); and of each request whether it had one."""
    asked: list[bool] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append("Range" in self.headers)
            if not asked[-1]:
                answer_now = b'200 OK\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n' % len(body) + body
            elif answer is None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            else:
                answer_now = answer
            self.wfile.write(b"HTTP/1.0 " + answer_now)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


NO_RANGE = {
    "500": (b"500 No\r\nContent-Length: 0\r\n\r\n", 3),
    "400": (b"400 No\r\nContent-Length: 0\r\n\r\n", 2),
    "reset": (None, 3),
    "a part of the compressed file": (
        b'206 Part\r\nETag: "a"\r\nContent-Encoding: gzip\r\nContent-Range: bytes 5000-9999/10000\r\n\r\nabc',
        2,
    ),
}


@pytest.mark.parametrize("retries", [4, 0])
@pytest.mark.parametrize(("answer", "requests"), NO_RANGE.values(), ids=NO_RANGE)
def test_a_partial_that_cannot_be_resumed_is_discarded(
    answer: bytes | None, requests: int, retries: int, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    """Be it in one run, or over several that may not try again."""
    left = left_partial(embedded, tmp_path, JPG, 5000)
    config = config_for(tmp_path, download_retries=retries)
    products = products_for(embedded, config, [JPG])
    with refusing_ranges(embedded.content(JPG), answer) as (url, asked):
        runs = [download(products, config, Archive(url, retries=0)) for _ in range(1 if retries else 3)]
    files = runs[-1]
    assert files["dl_str"].tolist() in (["downloaded"], ["exists"])
    assert md5_of(files["outfilename"].item()) == embedded.md5(JPG)
    assert asked == [True] * (requests - 1) + [False]
    assert not left.exists()


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_is_down_costs_no_partial(status: int, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    left = left_partial(embedded, tmp_path, CAL)
    embedded.faults.add(Fault("status", status=status))
    for _ in range(2):
        assert fetch(embedded, config_for(tmp_path), CAL)["dl_code"].tolist() == [Code.FAILED]
    assert left.stat().st_size == 60_000


def test_a_compressed_partial_is_not_resumed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    left = left_partial(embedded, tmp_path, CAL)
    sidecar = Path(f"{left}.json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "encoded": True}))
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)
    assert "range" not in downloads(embedded)[0].headers


FAULTS = {"ignores ranges": Fault("ignore-range"), "416": Fault("range-416"), "another ETag": Fault("etag", etag='"b"')}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_server_that_cannot_resume_sends_the_whole_file(
    fault: Fault, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    left_partial(embedded, tmp_path, CAL)
    embedded.faults.add(fault)
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(CAL))


@pytest.mark.parametrize("same_size", [True, False], ids=["same size", "another size"])
@pytest.mark.parametrize("name", [CAL, JPG])
def test_a_file_reprocessed_between_two_halves_is_restarted(
    name: str, same_size: bool, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    left_partial(own_archive, tmp_path, name, 5000)
    own_archive.reprocess(name, same_size=same_size)
    files = fetch(own_archive, config_for(tmp_path), name)
    assert_fetched(files, own_archive)


def test_a_file_reprocessed_during_its_download_is_fetched_again(own_archive: EmbeddedArchive, tmp_path: Path) -> None:
    """The tables still have the old checksum, so that this run says what it saw and the next one gets it."""
    own_archive.faults.add(Fault("reprocess", after_bytes=60_000, times=1), Fault("drop", after_bytes=60_000, times=1))
    files = fetch(own_archive, config_for(tmp_path), CAL)
    assert files["dl_code"].item() == Code.UNVERIFIED
    assert not Path(files["outfilename"].item()).exists()
    assert_fetched(fetch(own_archive, config_for(tmp_path), CAL), own_archive)


def test_a_partial_without_notes_is_restarted(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    for spoil in ("", "{", "[]", '{"uri": 3}', "gone"):
        left = left_partial(embedded, tmp_path, CAL)
        sidecar = Path(f"{left}.json")
        sidecar.write_text(spoil)
        if spoil == "gone":
            sidecar.unlink()
        files = fetch(embedded, config_for(tmp_path), CAL)
        assert_fetched(files, embedded)
        assert files["bytes_fetched"].item() == len(embedded.content(CAL))
        Path(files["outfilename"].item()).unlink()


@pytest.mark.parametrize("key", ["uri", "size", "checksum", "source"])
def test_a_partial_of_another_version_is_restarted(key: str, embedded: EmbeddedArchive, tmp_path: Path) -> None:
    left = left_partial(embedded, tmp_path, CAL)
    sidecar = Path(f"{left}.json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), key: "another"}))
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert "range" not in downloads(embedded)[0].headers


def test_a_corrupt_partial_is_restarted(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    left = left_partial(embedded, tmp_path, CAL)
    content = bytearray(left.read_bytes())
    content[30_000] ^= 1
    left.write_bytes(content)
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)
    assert [request.status for request in downloads(embedded)] == [206, 200]


RUN = """
import sys
from pathlib import Path
import pandas as pd
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.downloads import download
from jwst_mast_assets_tests.downloads.holdings import config_for
folder, url, table = sys.argv[1:4]
products = tables.conform(pd.read_pickle(table), tables.PRODUCT_TABLE)
files = download(products, config_for(Path(folder)), Archive(url))
print(files[["dl_str", "bytes_fetched"]].to_string(index=False, header=False))
"""


def run_elsewhere(embedded: EmbeddedArchive, folder: Path, table: Path, *names: str) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    products_for(embedded, config_for(folder), names).to_pickle(table)
    arguments = [sys.executable, "-c", RUN, str(folder), embedded.url, str(table)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment())


def test_a_killed_run_leaves_no_lock_and_is_resumed(
    embedded: EmbeddedArchive, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, watch
) -> None:
    slow = embedded.faults.add(Fault("slow", rate=60_000))
    table = tmp_path_factory.mktemp("tables") / "products.pickle"
    with watch(tmp_path, embedded):
        process = run_elsewhere(embedded, tmp_path, table, CAL)
        left = Path(partial_path(str(products_for(embedded, config_for(tmp_path), [CAL])["outfilename"].item())))
        deadline = time.monotonic() + 120
        while not (left.exists() and left.stat().st_size > 20_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kept = left.stat().st_size
        embedded.faults.remove(slow.id)
        files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(CAL)) - kept


def test_two_runs_at_once_fetch_each_file_once(
    embedded: EmbeddedArchive, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, watch
) -> None:
    embedded.faults.add(Fault("slow", rate=150_000, match="_cal.fits"))
    names = [name for name in embedded.catalogue.files if name.startswith("jw01138001001_02101")]
    tables = [tmp_path_factory.mktemp("tables") / "products.pickle" for _ in range(2)]
    with watch(tmp_path, embedded):
        runs = [run_elsewhere(embedded, tmp_path, table, *names) for table in tables]
        said = [run.communicate()[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    done = sorted(said[0][::2] + said[1][::2])
    assert done == ["downloaded"] * len(names) + ["exists"] * len(names)
    assert len(downloads(embedded)) == len(names)
    for name in names:
        assert md5_of(next(tmp_path.rglob(name))) == embedded.md5(name)


def test_a_partial_whose_checksum_was_unknown_is_resumed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    fault = embedded.faults.add(Fault("status", endpoint="invoke", status=400))
    left_partial(embedded, tmp_path, CAL)
    embedded.faults.remove(fault.id)
    files = fetch(embedded, config_for(tmp_path), CAL)
    assert_fetched(files, embedded)
    assert [request.status for request in downloads(embedded)] == [206]
    assert files["verified"].tolist() == ["checksum"]


def test_a_lock_that_is_never_released_is_named(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "LOCK_PATIENCE", 0.3)
    held = left_partial(embedded, tmp_path, CAL)
    with open(held, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        files = fetch(embedded, config_for(tmp_path), CAL, JPG)
    assert files["dl_code"].tolist() == [Code.FAILED, Code.DOWNLOADED]
    assert "another process has held it for" in files["dl_message"].iloc[0]
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)


def test_where_there_are_no_locks_nobody_shares_a_partial(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(partial.fcntl, "flock", no_locks)
    fault = embedded.faults.add(Fault("drop", after_bytes=60_000, match="nrca1_cal.fits"))
    files = fetch(embedded, config_for(tmp_path, download_retries=0), CAL, JPG)
    assert files["dl_code"].tolist() == [Code.FAILED, Code.DOWNLOADED]
    assert leftovers(tmp_path) == []
    embedded.faults.remove(fault.id)
    assert_fetched(fetch(embedded, config_for(tmp_path), CAL), embedded)


def test_two_partitions_that_share_files_fetch_them_once(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [CAL, JPG, CAL]).assign(cell=["a", "a", "b"])
    files = download(products, config, Archive(embedded.url))
    assert files["cell"].tolist() == ["a", "a", "b"]
    assert files["dl_str"].tolist() == ["downloaded"] * 3
    assert len(downloads(embedded)) == 2
