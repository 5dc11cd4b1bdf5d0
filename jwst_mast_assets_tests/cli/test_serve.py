"""``jwst-mast serve`` and ``dev`` as a user starts them: real processes, real pages, real runs."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.run_lines import RunWatch, cells_in_words
from jwst_mast_assets.cli.runs import prepare_home, records_in_use
from jwst_mast_assets.defs.home import home_warning
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

BIN = Path(sys.executable).parent
PATIENCE = 180


class Served:
    """A ``jwst-mast serve`` or ``dev`` that is running."""

    def __init__(self, folder: Path, environment: dict[str, str], *argv: str) -> None:
        self.folder = folder
        self.environment = environment
        self.output = folder / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [BIN / "jwst-mast", *argv, "--port", "0"], env=environment, cwd=folder, stdout=output, stderr=output
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, what: str | Callable[[], Any]) -> Any:
        """What matches in the output, or what a function gives, once it is there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := re.search(what, self.said) if isinstance(what, str) else what():
                return found
            assert self.process.poll() is None, self.said
            time.sleep(0.3)
        raise AssertionError(f"waited {PATIENCE} s for {what}:\n{self.said}")

    @property
    def page(self) -> str:
        return self.wait_for(r"Dagster's page: (\S+)")[1]

    @property
    def pages(self) -> str:
        return self.wait_for(r"Your pages: +(\S+)")[1]

    def ask(self, query: str) -> dict[str, Any]:
        answer = requests.post(f"{self.page}/graphql", json={"query": query}, timeout=60).json()
        assert not answer.get("errors"), answer
        return answer["data"]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        words = (str(BIN / words[0]), *words[1:])
        return subprocess.run(
            words, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE
        )

    def processes(self) -> list[str]:
        """Processes of Dagster that it started: those whose environment has its home."""
        mark = f"DAGSTER_HOME={self.environment['DAGSTER_HOME']}\0".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes() and int(path.name) != self.process.pid:
                    found.append((path / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


def environment_of(folder: Path, **values: str) -> dict[str, str]:
    return {**os.environ, "DAGSTER_HOME": str(folder / "home"), "JWSTDOWNLOAD_OUTDIR": str(folder / "data"), **values}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "my.cfg").write_text("sensor_interval: 86400\n", encoding="utf-8")
    with EmbeddedArchive(now=60200.5) as archive:
        environment = environment_of(folder, MAST_SERVER=archive.url, JWST_QUERY_CFGFILE=str(folder / "my.cfg"))
        served = Served(folder, environment, "serve")
        try:
            assert served.page
            yield served
        finally:
            served.process.kill()
            served.process.wait()


def test_it_prints_addresses_that_answer_and_what_to_do_next(served):
    assert requests.get(served.page, timeout=60).status_code == 200
    # The output folder is made by the first run.
    assert requests.get(served.pages, timeout=10).status_code == 404
    assert f"none yet; add one with: {suggest('proposals add 1138')}" in served.said
    assert "Ctrl-C stops it." in served.said


def test_it_has_limits_and_no_telemetry_and_the_code_location_has_its_name_of_everywhere(served):
    answer = served.ask("{ instance { info } workspaceOrError { ... on Workspace { locationEntries { name } } } }")
    assert answer["workspaceOrError"]["locationEntries"] == [{"name": "jwst_mast_assets"}]
    assert "max_concurrent_runs: 4" in answer["instance"]["info"]
    assert "enabled: false" in answer["instance"]["info"].partition("telemetry:")[2][:40]


def test_a_run_launched_in_the_terminal_is_a_line_and_its_page_is_linked(served):
    assert served.command("jwst-mast", "proposals", "add", "743").returncode == 0
    key = "2021-08-12|00743"
    command = ("dagster", "job", "launch", "-m", "jwst_mast_assets", "-j", "jwst_download")
    done = served.command(*command, "--tags", json.dumps({"dagster/partition": key}))
    assert done.returncode == 0, done.stderr
    served.wait_for(r"jwst_download 00743 2021-08-12: started")
    served.wait_for(r"jwst_download 00743 2021-08-12: done in \d+ s, [1-9]\d* files fetched \(")
    query = """{ assetNodeOrError(assetKey: {path: ["index_html"]}) { ... on AssetNode {
        assetMaterializations(limit: 1) {
        metadataEntries { label __typename ... on UrlMetadataEntry { url } } } } } }"""
    (event,) = served.ask(query)["assetNodeOrError"]["assetMaterializations"]
    (entry,) = [entry for entry in event["metadataEntries"] if entry["label"] == "page"]
    assert entry["url"] == f"{served.pages}/00743/index.html"
    assert "00743" in requests.get(entry["url"], timeout=10).text


def test_a_command_s_run_is_listed_with_its_job_in_the_web_page_and_links_to_no_file(served):
    argv = ("--propID", "743", "--date_select", "2021-08-11T00:00:00", "2021-08-11T23:59:59", "--makewebpages")
    done = served.command("jwst_download.py", *argv)
    assert done.returncode == 0, done.stderr
    query = """{ pipelineRunsOrError(filter: {pipelineName: "jwst_download", tags: [
        {key: ".dagster/repository", value: "__repository__@jwst_mast_assets"}]}) {
        ... on Runs { results { tags { key value } } } } }"""
    runs = served.ask(query)["pipelineRunsOrError"]["results"]
    assert any("2021-08-11" in tag["value"] for run in runs for tag in run["tags"])
    query = """{ assetNodeOrError(assetKey: {path: ["index_html"]}) { ... on AssetNode {
        assetMaterializations(limit: 1) {
        metadataEntries { label ... on PathMetadataEntry { path } } } } } }"""
    (event,) = served.ask(query)["assetNodeOrError"]["assetMaterializations"]
    path = served.folder / "data" / "00743" / "index.html"
    assert {"label": "page", "path": str(path)} in event["metadataEntries"]


def test_a_second_one_on_the_same_home_is_refused(served):
    done = served.command("jwst-mast", "serve", "--port", "0")
    assert done.returncode == 2
    assert f"already running with the Dagster home {served.environment['DAGSTER_HOME']}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_one_on_the_same_output_folder_is_refused_whatever_its_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    WatchList(TableStore(tmp_path / "data")).add(["01138"])
    with records_in_use(TableStore(tmp_path / "data").state):
        assert main(["serve", "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"already running for the output folder {tmp_path / 'data'}, with another Dagster home" in line


@pytest.mark.parametrize("option", ["--port", "--pages-port"])
def test_a_port_that_is_taken_or_does_not_exist_is_refused_and_not_replaced(tmp_path, monkeypatch, capsys, option):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    rest = () if option == "--port" else ("--port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", *rest, option, port]) == 2
    assert f"{option}: port {port} is in use by another program; choose another" in capsys.readouterr().err
    assert main(["serve", *rest, option, "99999"]) == 2
    assert f"{option}: 99999 is not a valid port" in capsys.readouterr().err


def test_what_stops_it_before_it_starts_is_logged_as_json_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    assert main(["serve", "--port", "99999", "--log-format", "json"]) == 2
    output, errors = capsys.readouterr()
    (entry,) = map(json.loads, output.splitlines())
    assert (entry["level"], errors) == ("error", "")
    assert entry["message"].startswith("--port: 99999 is not a valid port")


def test_a_host_that_is_not_of_this_machine_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    for host in ("192.0.2.1", "no such host"):
        assert main(["serve", "--port", "0", "--host", host]) == 2
        assert f"--host: {host!r} is not an address of this computer" in capsys.readouterr().err


def test_without_an_output_folder_nothing_is_started(capsys):
    assert main(["serve", "--port", "0"]) == 2
    assert "No output folder is set: give outrootdir in the config file" in capsys.readouterr().err


def test_a_home_that_cannot_be_made_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file"))
    assert main(["serve", "--port", "0"]) == 2
    assert f"The Dagster home {tmp_path / 'file'} cannot be used" in capsys.readouterr().err


def test_ctrl_c_ends_everything_without_a_traceback(served):
    assert served.processes()
    assert served.interrupt() == 0
    assert served.processes() == []
    assert served.said.endswith("Stopped.\n")
    assert "Traceback" not in served.said
    assert "DEBUG" not in served.said


def test_with_its_home_deleted_it_comes_back_with_what_was_watched_and_done(served):
    done = {path.stem for path in (served.folder / "data" / ".jwst_mast_assets" / "ledger").glob("0*.json")}
    assert done == {"00743"}
    shutil.rmtree(served.folder / "home")
    again = Served(served.folder, served.environment, "serve")
    try:
        assert again.page
        assert "The Dagster home is new" in again.said
        assert re.search(r"rebuilt from the output folder; watched: 00743", again.said)
        assert re.search(r"Proposals: +00743", again.said)
        query = """{ partitionedAsset: assetNodeOrError(assetKey: {path: ["downloaded_files"]}) { ... on AssetNode {
            partitionStats { numMaterialized }
            assetMaterializations(limit: 100) { partition } } } }"""
        asset = again.ask(query)["partitionedAsset"]
        materialized = {event["partition"] for event in asset["assetMaterializations"]}
        assert {"2021-08-11|00743", "2021-08-12|00743"} <= materialized
        assert asset["partitionStats"]["numMaterialized"] == len(materialized)
        # Nothing is fetched again.
        assert "fetched" not in again.said
    finally:
        again.interrupt()


def test_dev_shows_a_watched_proposal_and_its_first_run_whatever_is_exported(tmp_path):
    real = tmp_path / "real"
    (real / "home").mkdir(parents=True)
    (real / "data").mkdir()
    environment = environment_of(real, MAST_API_TOKEN="secret", MAST_SERVER="https://mast.stsci.edu")
    dev = Served(tmp_path, environment, "dev", "--folder", "x")
    try:
        assert dev.page
        assert "Proposals:      01138" in dev.said
        dev.wait_for(r"jwst_download 01138 2022-04-10 to 2022-04-14: started \(3 days: ")
        # Nobody ends it in order: all that it started ends all the same.
        dev.environment = {"DAGSTER_HOME": str(tmp_path / "x" / "dagster")}
        assert dev.processes()
        dev.process.kill()
        dev.process.wait()
        end = time.monotonic() + PATIENCE
        while dev.processes() and time.monotonic() < end:
            time.sleep(0.5)
        assert dev.processes() == []
    finally:
        dev.process.kill()
    assert list((real / "data").iterdir()) == list((real / "home").iterdir()) == []


def test_a_dagster_of_ones_own_without_a_home_says_what_is_missing(tmp_path):
    command = [BIN / "dagster", "job", "list", "-m", "jwst_mast_assets"]
    environment = {**os.environ, "DAGSTER_HOME": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert "DAGSTER_HOME is not set: Dagster will forget all runs" in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(f"start it with: {suggest('serve')}") == 1
    assert f"DAGSTER_HOME {tmp_path} has no dagster.yaml" in (home_warning(str(tmp_path)) or "")
    prepare_home(tmp_path)
    assert home_warning(str(tmp_path)) is None


def test_a_suggested_command_has_its_path_where_it_is_not_on_the_path(monkeypatch):
    monkeypatch.setenv("PATH", str(BIN))
    assert suggest("proposals add 1138") == "jwst-mast proposals add 1138"
    monkeypatch.setenv("PATH", "/nowhere")
    assert suggest("proposals add 1138") == f"{BIN / 'jwst-mast'} proposals add 1138"
    command = suggest("proposals --help")
    assert subprocess.run(command, shell=True, capture_output=True, timeout=60).returncode == 0


def test_a_range_of_days_is_spelled_out():
    sides = {
        "dagster/asset_partition_range_start": "2022-04-10|01138",
        "dagster/asset_partition_range_end": "2022-04-14|01138",
    }
    # As a backfill from a job's page tags its runs.
    assert cells_in_words({**sides, "dagster/partition": "2022-04-10|01138"}) == "01138 2022-04-10 to 2022-04-14"
    assert cells_in_words({}) == ""


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"fetched": 0}, "nothing fetched"),
        ({"fetched": 0, "present": 3}, "nothing to fetch"),
        ({"fetched": 0, "not_public": 2}, "nothing fetched; 2 files exclusive"),
        ({"fetched": 1, "waiting": 1}, "1 file fetched (5 B); 1 file not provided by MAST yet"),
        ({"fetched": 2}, "2 files fetched (10 B)"),
    ],
)
def test_a_line_of_a_run_counts_files_and_names_the_assets_that_were_chosen_without_a_job(counts, said):
    @dg.asset
    def downloaded_files() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={**counts, "bytes_fetched": 5 * counts["fetched"]})

    with dg.instance_for_test() as instance:
        watch = RunWatch(instance)
        job = dg.Definitions(assets=[downloaded_files]).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("downloaded_files")])
        (line,) = watch.lines()
    assert line.startswith("downloaded_files: done in ")
    assert line.endswith(f" s, {said}")
