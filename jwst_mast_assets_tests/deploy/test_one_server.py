"""One server: PostgreSQL, and the commands of the systemd units as processes."""

import datetime as dt
import json
import os
import signal
import subprocess

import dagster as dg
import sqlalchemy

from jwst_mast_assets.cli.dagster_process import WORKSPACE_OF_SERVER
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.defs.pruning import prune
from jwst_mast_assets_tests.defs.running import DAY, Runner, watch_only
from jwst_mast_assets_tests.deploy.installation import CODE, LOCATION, installation
from jwst_mast_assets_tests.servers import wait_until


def test_the_units_carry_out_a_backfill_with_the_executor_that_the_environment_names(
    home, archive, tmp_path, monkeypatch
):
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    monkeypatch.setenv("JWST_EXECUTOR", "multiprocess")
    with installation(tmp_path / "processes") as installed, dg.DagsterInstance.get() as instance:
        register_proposals(instance, ["01138"])
        watch_only(root)
        installed.start_units(WORKSPACE_OF_SERVER)
        backfill = installed.backfill([DAY])

        def runs():
            return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill})))

        wait_until(lambda: runs() and all(run.is_finished for run in runs()), "the run ends", 600)
        (run,) = runs()
        events = [entry.dagster_event.event_type for entry in instance.all_logs(run.run_id) if entry.dagster_event]
        assert run.status == dg.DagsterRunStatus.SUCCESS, installed.log("jwst-mast-code.service")
        assert events.count(dg.DagsterEventType.STEP_WORKER_STARTED) >= 5
        for name in ("jwst-mast-code.service", "jwst-mast-daemon.service"):
            lines = [json.loads(line) for line in installed.log(name).splitlines() if line.startswith("{")]
            assert "info" in {line["level"] for line in lines}, installed.log(name)
    files = sorted(root.glob("01138/**/*.fits"))
    assert len(files) == 30
    assert all(path.read_bytes() == archive.content(path.name) for path in files)


def test_code_that_is_killed_ends_its_service_and_is_used_again_once_that_is_started_again(
    home, archive, tmp_path, monkeypatch
):
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    with installation(tmp_path / "processes") as installed, dg.DagsterInstance.get() as instance:
        register_proposals(instance, ["01138"])
        watch_only(root)
        installed.start_units(WORKSPACE_OF_SERVER)

        def state() -> str:
            entries = installed.ask(LOCATION)["locationEntries"]
            return entries[0]["locationOrLoadError"]["__typename"]

        wait_until(lambda: state() == "RepositoryLocation", "the code is loaded")
        service = installed.processes[CODE]
        # As the system does when memory runs out, to the process that needs most.
        os.kill(largest_of(service.pid), signal.SIGKILL)
        assert service.wait(60) == -signal.SIGKILL
        wait_until(lambda: state() == "PythonError", "the page has lost the code")
        assert isinstance(service.args, list)
        installed.start(CODE, [str(word) for word in service.args])
        wait_until(lambda: state() == "RepositoryLocation", "the code is loaded again")
        backfill = installed.backfill([DAY])
        runs = dg.RunsFilter(tags={"dagster/backfill": backfill})
        wait_until(lambda: any(run.is_finished for run in instance.get_runs(runs)), "the run ends", 600)
        assert [run.status for run in instance.get_runs(runs)] == [dg.DagsterRunStatus.SUCCESS]


def largest_of(session: int) -> int:
    """The process of a session that has most memory."""
    listed = subprocess.run(["ps", "-o", "rss=,pid=", "-g", str(session)], capture_output=True, text=True, check=True)
    return max(tuple(map(int, line.split())) for line in listed.stdout.splitlines())[1]


def test_old_runs_are_removed_from_the_database_except_the_last_of_each_partition(home, archive, tmp_path):
    with dg.DagsterInstance.get() as instance:
        instance.wipe()  # the database has the runs of other tests
        register_proposals(instance, ["01138"])
        runner = Runner(instance, tmp_path / "data")
        first, last = runner.run(sca=["a1"]), runner.run(sca=["a1"])
        assert first.success
        assert last.success
        now = dt.datetime.now(dt.timezone.utc)
        assert prune(instance, now - dt.timedelta(days=1)) == (0, 0)
        before = rows()
        assert min(before.values()) > 0
        assert prune(instance, now) == (1, 1)
        assert {run.run_id for run in instance.get_runs()} == {last.run_id}
        assert instance.all_logs(first.run_id) == []
        after = rows()
        assert all(after[name] < before[name] for name in before), (before, after)
        assert instance.get_materialized_partitions(dg.AssetKey("downloaded_files")) == {DAY}
        archive.clear_requests()
        assert runner.run(sca=["a1"]).success
        assert not [request for request in archive.requests if request.endpoint == "download"]


def rows() -> dict[str, int]:
    """Rows of the tables that grow with runs."""
    engine = sqlalchemy.create_engine(os.environ["JWST_POSTGRES_URL"])
    with engine.connect() as connection:
        found = {
            name: connection.execute(sqlalchemy.text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in ("runs", "run_tags", "event_logs")
        }
    engine.dispose()
    return found
