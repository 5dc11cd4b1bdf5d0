"""``jwst-mast serve`` when one of its processes is killed, as by the system when memory runs out, or is told to end."""

import http.server
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jwst_mast_assets.cli import code_watch
from jwst_mast_assets.cli.code_watch import CodeWatch
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets_tests.cli.test_serve import PATIENCE, Served, environment_of

STOPPED_SOON = 40
"""Seconds; 5 on an idle machine, 62 where Dagster has to be killed."""


def process_of(served: Served, words: str) -> int:
    """The process that `served` started with some words in its command."""
    mark = f"DAGSTER_HOME={served.environment['DAGSTER_HOME']}\0".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes() and words in (path / "cmdline").read_text().replace("\0", " "):
                return int(path.name)
        except OSError:
            continue
    raise AssertionError(f"no process {words}: {served.processes()}")


@pytest.fixture(scope="module")
def archive() -> Iterator[EmbeddedArchive]:
    with EmbeddedArchive(now=60200.5) as archive:
        yield archive


@pytest.fixture(scope="module")
def served(archive: EmbeddedArchive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "my.cfg").write_text("sensor_interval: 30\n", encoding="utf-8")
    environment = environment_of(folder, MAST_SERVER=archive.url, JWST_QUERY_CFGFILE=str(folder / "my.cfg"))
    served = Served(folder, environment, "serve")
    try:
        assert served.page
        assert served.command("jwst-mast", "proposals", "add", "743").returncode == 0
        served.wait_for(r"00743 2021-08-03: done")
        yield served
    finally:
        served.process.kill()
        served.process.wait()


def test_a_killed_code_server_is_started_again_and_new_observations_are_fetched(served, archive):
    os.kill(process_of(served, "dagster api grpc"), signal.SIGKILL)
    archive.add_observation(743, 30, t_min=59440.2, detectors=("nrca1",))
    served.wait_for("Dagster's code server has ended; starting it again")
    served.wait_for("Dagster's code server is back")
    served.wait_for(r"00743 2021-08-14: done in \d+ s, 1 file fetched")


def test_a_run_whose_process_was_killed_is_reported_plainly_and_tried_again(served, archive):
    archive.faults.add(Fault("slow", endpoint="download", seconds=60))
    archive.add_observation(743, 31, t_min=59450.2, detectors=("nrca1",))
    served.wait_for(r"00743 2021-08-24: started")
    os.kill(process_of(served, "multiprocessing.spawn"), signal.SIGKILL)
    archive.faults.clear()
    # Dagster says that it tries again a moment after the failure, which may be too late for the line.
    sentence = r"its process ended \(killed, or the machine ran out of memory\)"
    served.wait_for(rf"00743 2021-08-24: FAILED in \d+ s: {sentence}")
    served.wait_for(r"00743 2021-08-24: done in \d+ s, 1 file fetched")


def test_with_its_daemon_killed_it_ends_and_names_it(served):
    before = len(served.said)
    os.kill(process_of(served, "dagster._daemon"), signal.SIGKILL)
    assert served.process.wait(PATIENCE) == 1
    log = Path(served.environment["DAGSTER_HOME"]) / "serve.log"
    sentence = f"Dagster stopped unexpectedly (its daemon ended, status -9); its output is in {log}"
    assert served.said[before:].splitlines()[-1] == sentence
    assert "unexpected exception" not in served.said
    assert "INFO" not in served.said
    # What Dagster's own log says is there, with its reason.
    assert "dagster-daemon process shut down unexpectedly with return code -9" in log.read_text()
    assert served.processes() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_it_as_ctrl_c_does_even_where_a_script_has_ctrl_c_ignored(tmp_path, number, status):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        served = Served(tmp_path, environment_of(tmp_path), "serve")
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert served.page
        start = time.monotonic()
        served.process.send_signal(number)
        assert served.process.wait(PATIENCE) == status
        assert time.monotonic() - start < STOPPED_SOON
        assert served.said.endswith("\nStopping Dagster ... (Ctrl-C again stops it at once)\nStopped.\n")
        assert served.processes() == []
    finally:
        served.process.kill()


def test_with_its_home_deleted_it_says_so_and_what_to_do(tmp_path):
    served = Served(tmp_path, environment_of(tmp_path), "serve")
    try:
        assert served.page
        # A process of Dagster may write there just then.
        while (tmp_path / "home").exists():
            shutil.rmtree(tmp_path / "home", ignore_errors=True)
        assert served.process.wait(PATIENCE) == 1
        assert f"The Dagster home {tmp_path / 'home'} is gone; start the command again" in served.said
    finally:
        served.process.kill()


class Page(http.server.ThreadingHTTPServer):
    """Answers as Dagster's web server does: a location with the error given, None for none, or what is not JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.error: dict[str, Any] | str | None = None
        self.reloads = 0
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    """One answer."""

    def do_POST(self) -> None:
        """Answer a query."""
        assert isinstance(self.server, Page)
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
        self.server.reloads += "reloadRepositoryLocation" in query
        error = self.server.error
        broken = isinstance(error, str)
        found = error or {"__typename": "RepositoryLocation"}
        entries = [{"name": "jwst_mast_assets", "locationOrLoadError": found}]
        answer = error if broken else json.dumps({"data": {"workspaceOrError": {"locationEntries": entries}}})
        self.send_response(500 if broken else 200)
        self.end_headers()
        self.wfile.write(str(answer).encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def error_of(kind: str, *messages: str) -> dict[str, Any]:
    chain = [{"error": {"message": message}} for message in messages]
    return {"__typename": "PythonError", "className": kind, "message": messages[0], "errorChain": chain}


UNREACHABLE = error_of("DagsterUserCodeUnreachableError", "Could not reach user code server.")
BROKEN = error_of("DagsterUserCodeLoadError", "Error occurred", "Traceback\nConfigError: unknown parameter 'x'\n")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page, behind a proxy of the environment that answers nothing; looks need not wait."""
    monkeypatch.setattr(code_watch, "LOOK", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Page() as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        yield page
        page.shutdown()


def test_the_code_server_is_not_touched_while_the_page_answers_badly_or_loses_it_for_a_moment(page, monkeypatch):
    monkeypatch.setattr(code_watch, "TIMEOUT", 0.5)
    watch = CodeWatch(page.address)
    for error in (None, "not JSON", UNREACHABLE, "not JSON", None, UNREACHABLE, None):
        page.error = error
        assert list(watch.lines()) == []
    page.shutdown()
    assert list(watch.lines()) == []
    assert page.reloads == 0


def test_code_that_cannot_be_loaded_is_tried_again_after_growing_waits_and_the_reason_is_told(page, monkeypatch):
    monkeypatch.setattr(code_watch, "WAITS", (0.2, 3600.0))
    watch = CodeWatch(page.address)
    page.error = UNREACHABLE
    said = [line for _ in range(3) for line in watch.lines()]
    assert said == ["Dagster's code server has ended; starting it again"]
    time.sleep(0.3)
    page.error = BROKEN
    said = [line for _ in range(5) for line in watch.lines()]
    assert said == ["Dagster's code server cannot load the code (unknown parameter 'x'); trying again"]
    assert page.reloads == 2
    page.error = None
    assert [line for _ in range(3) for line in watch.lines()] == ["Dagster's code server is back"]
