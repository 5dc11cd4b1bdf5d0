"""Backfills as the web page launches them: its GraphQL mutations, the daemon's work, real runs; every file is there."""

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import (
    InProcessTestWorkspaceLoadTarget,  # pyright: ignore[reportPrivateImportUsage]
    create_test_daemon_workspace_context,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.attempts import under_way
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.archives import NOW
from jwst_mast_assets_tests.defs.running import CHECKS_OF_A_DOWNLOAD, checks_evaluated

LOCATION = "jwst_mast_assets"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
ASSETS = ["obs_table", "product_table", "downloaded_files", "summary_table", "index_html"]
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
REEXECUTE = """mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
LAUNCH_JOB = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
GRAPH = "{ assetNodes { assetKey { path } isMaterializable isExecutable dependencyKeys { path } groupName } }"


@pytest.fixture(scope="module")
def filled_archive() -> Iterator[EmbeddedArchive]:
    """Two proposals with data on the same days, with gaps between."""
    with EmbeddedArchive(now=NOW) as archive:
        for day in (59679.3, 59680.7, 59683.2):
            archive.add_observation(1410, 40, t_min=day, detectors=("nrca1", "nrcb1"))
        yield archive


class Page:
    """What the web page and the daemon do, in this process."""

    def __init__(self, instance: dg.DagsterInstance, workspace: Any, root: Path) -> None:
        self.instance = instance
        self.workspace = workspace
        self.root = root
        self.store = TableStore(root)

    def ask(self, query: str, params: dict[str, Any]) -> dict[str, Any]:
        result = execute_dagster_graphql(self.workspace.create_request_context(), query, variables={"params": params})
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    def backfill(self, keys: list[str], job: str = "", assets: Sequence[str] = ()) -> list[dg.DagsterRun]:
        """Launch a backfill of a job or of assets, and let the daemon and the runs end it."""
        params: dict[str, Any] = {"partitionNames": keys}
        if job:
            params["selector"] = {"partitionSetName": f"{job}_partition_set", "repositorySelector": REPOSITORY}
        else:
            params["assetSelection"] = [{"path": [name]} for name in assets]
        answer = self.ask(LAUNCH, params)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        for _ in range(10):
            errors = [e for e in execute_backfill_iteration(self.workspace, logging.getLogger("daemon")) if e]
            assert not errors
            self._carry_out()
            backfill = self.instance.get_backfill(answer["backfillId"])
            if backfill and backfill.status != BulkActionStatus.REQUESTED:
                break
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": answer["backfillId"]})))

    def reexecute_from_failure(self, run: dg.DagsterRun) -> dg.DagsterRun:
        answer = self.ask(REEXECUTE, {"parentRunId": run.run_id, "strategy": "FROM_FAILURE"})
        assert answer["__typename"] == "LaunchRunSuccess", answer
        self._carry_out()
        again = self.instance.get_run_by_id(answer["run"]["runId"])
        assert again is not None
        return again

    def launch(self, job: str) -> dg.DagsterRun:
        """Launch a job without partitions, as its launchpad does, and let it run to its end."""
        params = {"selector": {**REPOSITORY, "pipelineName": job}, "mode": "default"}
        answer = self.ask(LAUNCH_JOB, params)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        self._carry_out()
        run = self.instance.get_run_by_id(answer["run"]["runId"])
        assert run is not None
        return run

    def graph(self) -> dict[str, Any]:
        """The assets as the lineage page gets them, by name."""
        nodes: Any = self.ask(GRAPH, {})
        return {node["assetKey"]["path"][0]: node for node in nodes}

    def _carry_out(self) -> None:
        """What the queue's daemon does: launch what is queued."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            self.instance.launch_run(run.run_id, self.workspace.create_request_context())

    def on_disk(self) -> set[str]:
        return {path.name for path in self.root.rglob("*_uncal.fits")}

    def materialized(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))

    def metadata(self, asset: str) -> dict[str, Any]:
        """What the latest materialization of each partition shows, by partition."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000, ascending=True).records
        made = [record.asset_materialization for record in records]
        return {str(one.partition): one.metadata for one in made if one}


@pytest.fixture
def page(filled_archive, tmp_path, monkeypatch) -> Iterator[Page]:
    filled_archive.faults.clear()
    filled_archive.clear_requests()
    monkeypatch.setenv("MAST_SERVER", filled_archive.url)
    # Runs in this process take their definitions from a cache, so only the environment may differ between tests.
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    # One detector of ten, for the sake of speed.
    (tmp_path / "my.cfg").write_text("sca: [a1]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="jwst_mast_assets.definitions")
    location = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(target, location_name=LOCATION))
    home = tmp_path / "instance"
    home.mkdir()
    launcher = {"module": "dagster._core.launcher.sync_in_memory_run_launcher", "class": "SyncInMemoryRunLauncher"}
    with (
        dg.instance_for_test(overrides={"run_launcher": launcher}, temp_dir=str(home)) as instance,
        create_test_daemon_workspace_context(location, instance) as workspace,
    ):
        # In this order, so that 2731 is between the two where ranges are concerned, and after them by number.
        instance.add_dynamic_partitions("proposal", ["01410", "02731", "01138"])
        yield Page(instance, workspace, tmp_path / "data")


# Dagster's own server and daemon, here in this process, use what Dagster has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DAYS = range(10, 15)
"""Of April 2022; the 12th and the 13th have no data."""


def keys(days, *proposals):
    return [f"2022-04-{day}|{proposal}" for day in days for proposal in proposals]


def uncal_files(archive, of: Sequence[str]) -> set[str]:
    """The selected files of some partitions, from the archive's own catalogue."""
    parents = [
        row["obsid"]
        for row in archive.catalogue.observations
        if row.get("t_min") and f"{day_of_mjd(row['t_min'])}|{int(row['proposal_id']):05d}" in of
    ]
    names = {product["productFilename"] for product in archive.catalogue.products_of(parents)}
    return {name for name in names if name.endswith("_nrca1_uncal.fits")}


def queries(archive) -> Counter[str]:
    """What MAST was asked, downloads apart."""
    return Counter(request.service for request in archive.requests if request.service)


def succeeded(runs, number):
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * number


def test_materialize_all_on_the_lineage_page_leaves_reprocessed_files_to_its_job(page, filled_archive):
    graph = page.graph()
    looked_at = graph["reprocessed_files"]
    assert looked_at["dependencyKeys"] == [{"path": ["downloaded_files"]}]
    assert {node["groupName"] for node in graph.values()} == {"jwst"}
    assert not looked_at["isMaterializable"]
    assert not looked_at["isExecutable"]
    everything = [name for name, node in graph.items() if node["isMaterializable"]]
    assert sorted(everything) == sorted(ASSETS)

    runs = page.backfill(keys([10], "01138"), assets=everything)
    succeeded(runs, 1)
    made = dg.AssetKey("reprocessed_files")
    assert page.instance.get_latest_materialization_event(made) is None

    page.launch("jwst_reprocessing")
    event = page.instance.get_latest_materialization_event(made)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["changes"].value == "nothing reprocessed"


def assert_only_the_last_shows_previews(page: Page, wanted: Sequence[str]) -> None:
    """Of the partitions of a range only the last has the previews; the others name it."""
    for asset, big in (("obs_table", "preview"), ("downloaded_files", "files"), ("index_html", "page")):
        shown = {key: metadata for key, metadata in page.metadata(asset).items() if key in wanted}
        assert set(shown) == set(wanted)
        assert [key for key, metadata in shown.items() if big in metadata] == [wanted[-1]]
        assert {metadata["details_at"].value for metadata in shown.values()} == {wanted[-1]}
    table = page.store.read_proposal("obs_table", wanted[0][-5:])
    rows = {key: page.metadata("obs_table")[key]["dagster/row_count"].value for key in wanted}
    assert rows == {key: int((table["cell"] == key).sum()) for key in wanted}
    assert sum(rows.values()) == len(table) > max(rows.values()) > 0


@pytest.mark.parametrize("launch", [{"job": "jwst_download"}, {"assets": ASSETS}], ids=["job", "assets"])
def test_a_backfill_of_two_proposals_brings_every_file_and_turns_every_partition_green(page, filled_archive, launch):
    wanted = keys(DAYS, "01138", "01410")
    runs = page.backfill(wanted, **launch)
    succeeded(runs, 2)
    # The page materializes an asset with all of its checks; those that read files skip themselves.
    checks = CHECKS_OF_A_DOWNLOAD if "job" in launch else {*CHECKS_OF_A_DOWNLOAD, ("obs_table", "fresh")}
    assert [checks_evaluated(page.instance, run.run_id) for run in runs] == [checks, checks]
    assert page.on_disk() == uncal_files(filled_archive, wanted)
    assert len(page.on_disk()) == 10
    for asset in ASSETS:
        assert page.materialized(asset) == set(wanted)
    assert {cell.key for cell in page.store.cells("downloaded_files")} == set(wanted)
    for proposal in ("01138", "01410"):
        assert (page.root / proposal / "index.html").exists()
        assert_only_the_last_shows_previews(page, keys(DAYS, proposal))


@pytest.mark.parametrize("launch", [{"job": "jwst_download"}, {"assets": ASSETS}], ids=["job", "assets"])
def test_a_backfill_of_weeks_of_a_proposal_is_one_run_with_as_few_queries_as_one_of_a_day(page, filled_archive, launch):
    succeeded(page.backfill(keys([10], "01138"), **launch), 1)
    of_a_day = queries(filled_archive)
    filled_archive.clear_requests()
    wanted = keys(range(10, 31), "01138")
    succeeded(page.backfill(wanted, **launch), 1)
    asked = queries(filled_archive)
    # Three of these days have data.
    assert asked.pop("Mast.Caom.Products") < 3 * of_a_day.pop("Mast.Caom.Products")
    assert asked == of_a_day
    assert page.materialized("index_html") == set(wanted)
    assert page.on_disk() == uncal_files(filled_archive, wanted)


@pytest.mark.parametrize(
    "launch", [{"job": "jwst_query"}, {"assets": ["obs_table", "product_table"]}], ids=["job", "assets"]
)
def test_a_backfill_of_the_query_lists_every_partition_and_downloads_nothing(page, filled_archive, launch):
    wanted = keys(DAYS, "01138", "01410")
    succeeded(page.backfill(wanted, **launch), 2)
    for asset in ("obs_table", "product_table"):
        assert page.materialized(asset) == {cell.key for cell in page.store.cells(asset)} == set(wanted)
    assert page.on_disk() == set()
    products = [page.store.read_proposal("product_table", proposal) for proposal in ("01138", "01410")]
    selected = {name for table in products for name in table.loc[table["selected"], "productFilename"]}
    assert selected == uncal_files(filled_archive, wanted)


def test_a_backfill_of_one_proposal_with_days_left_out_does_just_those_that_were_chosen(page, filled_archive):
    wanted = keys((10, 11, 14), "01138")
    succeeded(page.backfill(wanted, job="jwst_download"), 2)
    assert page.on_disk() == uncal_files(filled_archive, wanted)
    assert page.materialized("downloaded_files") == {cell.key for cell in page.store.cells("downloaded_files")}
    assert page.materialized("downloaded_files") == set(wanted)


@pytest.mark.parametrize("launch", [{"job": "jwst_download"}, {"assets": ASSETS}], ids=["job", "assets"])
def test_one_day_of_several_proposals_is_a_range_across_proposals(page, filled_archive, launch):
    wanted = keys([10], "01138", "01410", "02731")
    succeeded(page.backfill(wanted, **launch), 1)
    assert page.on_disk() == uncal_files(filled_archive, wanted)
    assert page.materialized("downloaded_files") == set(wanted)


def test_a_proposal_registered_between_two_others_is_left_out_if_it_was_not_chosen(page, filled_archive):
    wanted = keys([10], "01138", "01410")
    succeeded(page.backfill(wanted, job="jwst_download"), 2)
    assert page.on_disk() == uncal_files(filled_archive, wanted)
    assert {cell.key for cell in page.store.cells("downloaded_files")} == set(wanted)


def test_a_run_of_a_range_executed_again_from_its_failure_brings_the_whole_range(page, filled_archive):
    filled_archive.faults.add(Fault("status", endpoint="invoke", match="Caom.Products", status=404))
    wanted = keys(DAYS, "01138", "01410")
    runs = page.backfill(wanted, job="jwst_download")
    assert {run.status for run in runs} == {dg.DagsterRunStatus.FAILURE}
    assert page.on_disk() == set()
    filled_archive.faults.clear()
    succeeded([page.reexecute_from_failure(run) for run in runs], 2)
    assert page.on_disk() == uncal_files(filled_archive, wanted)
    assert page.materialized("downloaded_files") == set(wanted)


def test_a_run_of_a_range_is_under_way_for_each_of_its_cells_and_no_other(page):
    tags = {
        "dagster/asset_partition_range_start": "2022-04-10|01138",
        "dagster/asset_partition_range_end": "2022-04-12|01138",
        "dagster/partition/day": "2022-04-01",
        "dagster/partition/proposal": "01410",
    }
    job = build_defs().resolve_job_def("jwst_download")
    page.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert under_way(page.instance) == ({}, set(keys((10, 11, 12), "01138")))


def test_a_key_that_is_no_proposal_does_not_stop_the_others_of_its_range(page, filled_archive):
    page.instance.add_dynamic_partitions("proposal", ["abc", "1138"])
    wanted = keys([10], "01138", "abc", "1138")
    (run,) = page.backfill(wanted, job="jwst_download")
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert page.on_disk() == uncal_files(filled_archive, keys([10], "01138"))
    (warning,) = [
        event.user_message for event in page.instance.all_logs(run.run_id) if "Skipped: " in event.user_message
    ][:1]
    assert "'2022-04-10|abc' is not a partition ('abc' is not a proposal number" in warning
    assert "jwst-mast proposals remove" in warning


def test_a_key_without_its_zeros_means_the_proposal(page, filled_archive):
    page.instance.add_dynamic_partitions("proposal", ["1138"])
    succeeded(page.backfill(keys([10], "1138"), assets=ASSETS), 1)
    assert page.on_disk() == uncal_files(filled_archive, keys([10], "01138"))
    assert {cell.key for cell in page.store.cells("downloaded_files")} == set(keys([10], "01138"))


@pytest.mark.parametrize("launch", [{"job": "jwst_query"}, {"assets": ASSETS}], ids=["job", "assets"])
def test_a_backfill_of_a_program_that_mast_does_not_know_fails_and_says_so(page, launch):
    page.instance.add_dynamic_partitions("proposal", ["99998"])
    (run,) = page.backfill(keys(DAYS, "99998"), **launch)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert "MAST has no program 99998, not even a planned one" in failure_of(page, run)
    assert page.materialized("obs_table") == set()
    assert not page.root.exists()


def test_a_program_that_mast_does_not_know_does_not_stop_the_others_but_the_run_is_not_green(page, filled_archive):
    page.instance.add_dynamic_partitions("proposal", ["99998"])
    (run,) = page.backfill(keys([10], "01138", "99998"), job="jwst_download")
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert failure_of(page, run) == "proposal 99998: MAST has no such program"
    assert page.on_disk() == uncal_files(filled_archive, keys([10], "01138"))


def test_a_day_without_data_of_a_program_that_mast_knows_is_green(page):
    page.instance.add_dynamic_partitions("proposal", ["02221"])
    # 1138 has data on other days; of 2221 all is only planned.
    succeeded(page.backfill(keys([12], "01138"), assets=ASSETS), 1)
    succeeded(page.backfill(keys([12], "02221"), assets=ASSETS), 1)


def failure_of(page, run) -> str:
    (failure,) = [
        entry.dagster_event.step_failure_data.user_failure_data
        for entry in page.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    ]
    return failure.description
