"""``dagster dev`` as a user starts it: the web server, the daemon and its sensor, one instance, real runs."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets_tests.browsing import HOSTILE, Watched, chromium
from jwst_mast_assets_tests.servers import quick_daemon

REPOSITORY = Path(__file__).parents[1]
SELECTOR = {"repositoryLocationName": "jwst_mast_assets", "repositoryName": "__repository__"}
AUDITS = {"sizes_and_checksums_agree", "contents_open"}
ASSETS = [
    {"path": [name]} for name in ("obs_table", "product_table", "downloaded_files", "summary_table", "index_html")
]


class Server:
    """A running ``dagster dev``."""

    def __init__(self, port: int, environment: dict[str, str], archive: EmbeddedArchive, data: Path) -> None:
        self.address = f"http://127.0.0.1:{port}/graphql"
        self.environment = environment
        self.archive = archive
        self.data = data

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of a GraphQL query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        assert not answer.get("errors"), answer
        return answer["data"]

    def command(self, *words: str) -> str:
        """Output of a command in the server's environment."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / words[0]), *words[1:]],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def launch(self, job: str, config: dict[str, Any] | None = None, **tags: str) -> str:
        """Launch a job as its launchpad in the page does; returns the id of its run."""
        query = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
            __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
        params = {
            "selector": {**SELECTOR, "pipelineName": job},
            "mode": "default",
            "runConfigData": config or {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        return self.ask(query, params=params)["launchPipelineExecution"]["run"]["runId"]

    def backfill(self, keys: list[str], title: str, **what: Any) -> str:
        """Launch a backfill as the page does; returns its id."""
        query = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
            __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
        answer = self.ask(query, params={"partitionNames": keys, "title": title, **what})
        return answer["launchPartitionBackfill"]["backfillId"]

    def runs(self) -> list[dict[str, Any]]:
        """Status and tags of all runs, newest first."""
        query = "{ runsOrError { ... on Runs { results { runId status jobName tags { key value } } } } }"
        runs = self.ask(query)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def evaluated(self, run_id: str) -> set[str]:
        """Names of the checks that a run evaluated."""
        query = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
            ... on AssetCheckEvaluationEvent { evaluation { checkName } } } } } }"""
        events = self.ask(query, id=run_id)["logsForRun"]["events"]
        return {event["evaluation"]["checkName"] for event in events if event}


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What a function gives once it gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds} s in vain")


def finished(server: Server, **tags: str) -> list[dict[str, Any]]:
    """Runs with these tags once all of them have ended."""

    def look() -> list[dict[str, Any]]:
        found = [run for run in server.runs() if tags.items() <= run["tags"].items()]
        return found if all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in found) else []

    return wait_for(look)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dagster_dev")
    home, data = folder / "home", folder / "data"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    (folder / "my.cfg").write_text(f"outrootdir: {data}\nsensor_interval: 30\nfiletypes: [_uncal.fits, _i2d.jpg]\n")
    with EmbeddedArchive() as archive:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "MAST_SERVER": archive.url,
            "JWST_QUERY_CFGFILE": str(folder / "my.cfg"),
            **quick_daemon(folder / "quick_daemon"),
        }
        program = str(Path(sys.executable).parent / "dagster")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(folder / "log.txt", "w") as log:
            process = subprocess.Popen(
                [program, "dev", "-w", "workspace.yaml", "-p", str(port)],
                env=environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            server = Server(port, environment, archive, data)
            try:
                wait_for(lambda: server.ask("{ version }"))
                yield server
            finally:
                process.terminate()
                process.wait(30)


ONE = ["2022-02-14|01410"]
RANGE = [f"2022-04-{day}|01138" for day in range(10, 15)]
GRID = [f"2022-04-{day}|{proposal}" for day in range(10, 14) for proposal in ("01138", "01410")]


@pytest.fixture(scope="module")
def backfills(server: Server) -> dict[str, str]:
    """Backfills that were launched together, as Dagster looks for new ones every half a minute: title and id."""
    server.command("jwst-mast", "proposals", "add", "1138", "1410")
    selector = {"partitionSetName": "jwst_download_partition_set", "repositorySelector": SELECTOR}
    return {
        "one": server.backfill(ONE, "one", assetSelection=ASSETS),
        "range": server.backfill(RANGE, "range", assetSelection=ASSETS),
        "from the job's page": server.backfill(GRID, "from the job's page", selector=selector),
    }


def test_a_partition_launched_from_the_command_line(server):
    server.command("jwst-mast", "proposals", "add", "1138", "1410")
    key = "2022-04-10|01138"
    tags = json.dumps({"dagster/partition": key})
    server.command("dagster", "job", "launch", "-w", "workspace.yaml", "-j", "jwst_download", "--tags", tags)
    runs = finished(server, **{"dagster/partition": key})
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert len(list((server.data / "01138").rglob("*_uncal.fits"))) >= 30


def test_the_web_page_explains_itself_and_runs_log_nothing_for_developers(server):
    query = """{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors { name description }
        schedules { name description } jobs { name description }
        assetNodes { assetKey { path } description groupName } } } } }"""
    (repository,) = server.ask(query)["repositoriesOrError"]["nodes"]
    described = repository["sensors"] + repository["schedules"] + repository["jobs"]
    assert [one["name"] for one in described if not one["description"] and one["name"] != "__ASSET_JOB"] == []
    # One group: the lineage page opens with the graph and not with collapsed boxes.
    assert {node["groupName"] for node in repository["assetNodes"]} == {"jwst"}

    query = """query($job: PipelineSelector!) { runConfigSchemaOrError(selector: $job) {
        ... on RunConfigSchema { rootDefaultYaml } } }"""
    launchpad = server.ask(query, job={**SELECTOR, "pipelineName": "jwst_download"})["runConfigSchemaOrError"]
    fields = {line.strip().partition(":")[0] for line in launchpad["rootDefaultYaml"].splitlines()}
    assert {"filetypes", "sca", "outrootdir"} <= fields
    assert not fields & {"propID", "date_select", "lookbacktime", "all_dates", "first_day", "token", "notify_urls"}

    server.command("jwst-mast", "proposals", "add", "1138")
    key = "2022-04-11|01138"
    server.launch("jwst_download", **{"dagster/partition": key})
    (run, *_) = finished(server, **{"dagster/partition": key})
    query = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
        __typename ... on LogMessageEvent { message level } } } } }"""
    events = server.ask(query, run=run["runId"])["logsForRun"]["events"]
    said = [(event["level"], event["message"]) for event in events if event["__typename"] == "LogMessageEvent"]
    assert ("INFO", "15 observations in MAST on 1 day, 15 match the configuration") in said
    assert {level for level, _ in said} == {"INFO"}
    home = Path(server.environment["DAGSTER_HOME"])
    console = "".join(path.read_text() for path in (home / "storage" / run["runId"]).rglob("*.err"))
    assert "15 observations in MAST" in console
    assert "DEBUG" not in console


def test_a_partition_materialized_as_the_web_page_does_it(server, backfills):
    runs = finished(server, **{"dagster/backfill": backfills["one"]})
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert not AUDITS & server.evaluated(runs[0]["runId"])
    assert list((server.data / "01410").rglob("*_uncal.fits"))


@pytest.fixture
def opened(server: Server) -> Iterator[Page]:
    """Dagster's page in a browser; the test fails if it logs an error or requests anything of another machine."""
    host = server.address.removesuffix("/graphql")
    with chromium() as browser:
        watched = Watched(
            browser.new_page(base_url=host, viewport={"width": 1400, "height": 1000}),
            (f"{host}/", host.replace("http", "ws") + "/", "data:"),
        )
        watched.page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield watched.page
        watched.page.close()
        assert watched.problems == []


def test_the_page_of_a_partition_shows_outcome_pictures_files_and_folder_and_requests_no_other_machine(server, opened):
    for number in (1, 2):
        server.archive.add_observation(4242, number, 60000 + number / 10, target=HOSTILE, listed="level3")
    # As the page adds a key: the proposal is not watched, or the sensor might have fetched everything before this run.
    added = """mutation($repository: RepositorySelector!) { addDynamicPartition(repositorySelector: $repository,
        partitionsDefName: "proposal", partitionKey: "04242") { __typename } }"""
    answer = server.ask(added, repository=SELECTOR)["addDynamicPartition"]
    assert answer["__typename"] == "AddDynamicPartitionSuccess"
    key = "2023-02-25|04242"
    server.launch("jwst_download", **{"dagster/partition": key})
    assert {run["status"] for run in finished(server, **{"dagster/partition": key})} == {"SUCCESS"}
    names = {path.name for path in (server.data / "04242").glob("obsnum*/jw*") if ".TN." not in path.name}
    assert {name.rpartition("_")[2] for name in names} == {"uncal.fits", "i2d.jpg"}

    def row(label: str) -> Locator:
        return opened.locator(f"xpath=//tr[td[1][normalize-space()='{label}']]")

    def value(label: str) -> Locator:
        return row(label).locator("xpath=td[2]")

    opened.goto(f"/assets/downloaded_files?view=partitions&partition={key}")
    expect(value("outcome")).to_contain_text(f"{len(names)} of {len(names)} selected files are on disk")
    expect(value("present")).to_have_text(str(len(names)))
    expect(value("folder")).to_contain_text(str(server.data / "04242"))
    expect(value("files").locator("td:first-child")).to_have_text(sorted(names))
    labels = row("outcome").locator("xpath=../tr/td[1]").all_text_contents()
    assert labels[:4] == ["outcome", "images", "files", "folder"]

    value("images").get_by_text("Show Markdown").click()
    picture = opened.get_by_role("dialog").get_by_role("img", name=re.compile(r"\d+ images"))
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300
    opened.keyboard.press("Escape")

    opened.goto(f"/assets/obs_table?view=partitions&partition={key}")
    head = value("preview").locator("table")
    expect(head.locator("tbody tr")).to_have_count(2)
    expect(head.locator("td:nth-child(2)")).to_have_text([HOSTILE, HOSTILE])


def test_a_backfill_of_a_range_of_days_is_one_run(server, backfills):
    (run,) = finished(server, **{"dagster/backfill": backfills["range"]})
    assert run["status"] == "SUCCESS"
    assert (server.data / "01138" / "obsnum09").is_dir()


def test_a_backfill_launched_from_the_jobs_page_does_every_day_of_every_proposal(server, backfills):
    runs = finished(server, **{"dagster/backfill": backfills["from the job's page"]})
    assert [run["status"] for run in runs] == ["SUCCESS", "SUCCESS"]
    tables = server.data / ".jwst_mast_assets" / "tables" / "downloaded_files"
    for day, proposal in (key.split("|") for key in GRID):
        assert (tables / proposal / f"{day}.parquet").exists()


def test_the_sensor_has_days_near_each_other_downloaded_in_one_run(server):
    server.command("jwst-mast", "proposals", "add", "2731", "1138", "1410", "9231")

    def of_several_days() -> list[dict[str, Any]]:
        asked = finished(server, **{"dagster/sensor_name": "new_observations", "jwst/by": ""})
        return [run for run in asked if run["tags"].get("jwst/causes", "").count("=") > 1]

    assert {run["status"] for run in wait_for(of_several_days)} == {"SUCCESS"}


def test_a_pool_limits_how_many_runs_talk_to_mast_at_once(server):
    server.archive.faults.add(Fault("slow", endpoint="download", seconds=1))
    keys = ["2022-04-11|01138", "2022-04-14|01138", "2022-02-13|01410", "2022-02-14|01410"]
    config = {"resources": {"jwst_config": {"config": {"clobber": True, "Nparallel": 2}}}}
    for key in keys:
        server.launch("jwst_download", config, **{"dagster/partition": key, "test": "pool"})
    most = 0

    def look() -> bool:
        nonlocal most
        states = [run["status"] for run in server.runs() if run["tags"].get("test") == "pool"]
        most = max(most, sum(state in ("STARTING", "STARTED") for state in states))
        return len(states) == len(keys) and set(states) == {"SUCCESS"}

    wait_for(look)
    server.archive.faults.clear()
    assert most == 2


def test_a_new_observation_is_on_disk_within_two_ticks_with_nobody_touching_anything(server):
    wait_for(lambda: all(run["status"] == "SUCCESS" for run in server.runs()))
    server.archive.add_observation(1138, 77, detectors=("nrca1",))
    added = time.time()
    wait_for(lambda: list((server.data / "01138" / "obsnum77").glob("*_uncal.fits")))
    wait_for(lambda: "jw01138077" in (server.data / "01138" / "index.html").read_text())
    query = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { ... on Sensor {
        sensorState { ticks(limit: 50) { timestamp runIds } } } } }"""
    answer = server.ask(query, sensor={**SELECTOR, "sensorName": "new_observations"})["sensorOrError"]
    ticks = sorted(answer["sensorState"]["ticks"], key=lambda tick: tick["timestamp"])
    before = sum(tick["timestamp"] < added for tick in ticks)
    # The last tick before may have been asking just then.
    assert any(tick["runIds"] for tick in ticks[before - 1 : before + 2])
    (run,) = [run for run in server.runs() if run["tags"].get("jwst/reason", "").endswith("1 new observation")][:1]
    assert run["jobName"] == "jwst_download"


def test_reprocessed_and_released_files_are_fetched(server):
    day = "jw01138004001_02101_00001_nrca1_uncal.fits"
    path = server.data / "01138" / "obsnum04" / day
    exclusive = server.data / "09231" / "obsnum01"
    wait_for(lambda: (server.data / "09231" / "index.html").exists() and not running(server))
    assert not list(exclusive.glob("*_uncal.fits"))
    before = path.read_bytes()
    server.archive.reprocess([day])
    server.archive.release(9231)
    server.launch("jwst_reprocessing")
    wait_for(lambda: path.read_bytes() == server.archive.content(day))
    assert len(path.read_bytes()) == len(before)
    wait_for(lambda: list(exclusive.glob("*_uncal.fits")))
    reasons = {run["tags"].get("jwst/reason", "") for run in server.runs()}
    assert any("1 file reprocessed" in reason for reason in reasons)


def test_materialize_in_the_page_does_not_audit_what_the_run_has_just_verified(server):
    audits = [{"assetKey": {"path": ["downloaded_files"]}, "name": name} for name in sorted(AUDITS)]
    # What the page sends for an asset and a partition: the asset with all of its checks, those of audits too.
    launch = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
    key = {"dagster/partition": "2022-02-14|01410", "dagster/partition/day": "2022-02-14"}
    tags = [{"key": k, "value": v} for k, v in {**key, "dagster/partition/proposal": "01410"}.items()]
    present = {"assetKey": {"path": ["downloaded_files"]}, "name": "all_selected_files_present"}

    def run(assets: list[dict[str, Any]], checks: list[dict[str, Any]]) -> set[str]:
        selector = {**SELECTOR, "pipelineName": "__ASSET_JOB", "assetSelection": assets, "assetCheckSelection": checks}
        params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        answer = server.ask(launch, params=params)["launchPipelineExecution"]
        run_id = answer["run"]["runId"]
        status = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        wait_for(lambda: server.ask(status, id=run_id)["runOrError"]["status"] == "SUCCESS")
        return server.evaluated(run_id)

    assert run([{"path": ["downloaded_files"]}], [*audits, present]) == {"all_selected_files_present"}
    # A person who asks for an audit gets it.
    assert run([], audits) == AUDITS


def running(server: Server) -> bool:
    """Whether a run is queued or running."""
    return any(run["status"] not in ("SUCCESS", "FAILURE", "CANCELED") for run in server.runs())
