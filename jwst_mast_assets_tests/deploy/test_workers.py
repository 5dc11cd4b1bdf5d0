"""Several workers: a backfill through two Celery workers, of which one is killed, and a command at the same time."""

import json
import os
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg

from jwst_mast_assets.cli.dagster_process import WORKSPACE_OF_SERVER
from jwst_mast_assets.defs import lost_runs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets_tests.defs.running import watch_only
from jwst_mast_assets_tests.deploy.configurations import DEPLOY
from jwst_mast_assets_tests.deploy.installation import Installation, installation
from jwst_mast_assets_tests.deploy.sixty_partitions import (
    KEYS,
    PROPOSALS,
    assert_every_file_once,
    assert_few_at_once,
    command_meanwhile,
    is_complete,
    runs_of,
)
from jwst_mast_assets_tests.servers import redis, wait_until

WORKER = """
import sys
from jwst_mast_assets.defs import lost_runs
lost_runs.BEAT = 0.5
from celery.__main__ import main
sys.argv[0] = "celery"
main()
"""


def start_worker(installed: Installation, name: str) -> None:
    command = [sys.executable, "-c", WORKER, "-A", "jwst_mast_assets.defs.celery_app", "worker"]
    installed.start(name, [*command, "-c", "1", "-n", f"{name}@%h", "--loglevel", "INFO"])


def worker_of(installed: Installation, beat: str) -> str | None:
    """The worker whose process sent a heartbeat."""
    try:
        group = os.getpgid(json.loads(beat)["pid"])
    except ProcessLookupError:
        return None
    return next((name for name, process in installed.processes.items() if process.pid == group), None)


def test_a_backfill_through_two_workers_of_which_one_is_killed_gets_every_file_once(
    database, filled_archive, root, tmp_path, monkeypatch
):
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir()
    shutil.copy(DEPLOY / "workers" / "dagster.yaml", home)
    monkeypatch.setenv("JWST_POSTGRES_URL", database)
    with redis() as queue, installation(tmp_path / "processes") as installed:
        monkeypatch.setenv("JWST_CELERY_BROKER", queue)
        monkeypatch.setenv("JWST_CELERY_BACKEND", queue)
        with dg.DagsterInstance.get() as instance:
            register_proposals(instance, PROPOSALS)
            watch_only(root)  # nothing: all runs are the backfill's and the command's
            installed.start_units(WORKSPACE_OF_SERVER)
            for name in ("first", "second"):
                start_worker(installed, name)
            backfill_id = installed.backfill(KEYS)

            def busy() -> dict[str, str]:
                """The worker of each run that sends heartbeats."""
                started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
                beats = lost_runs.heartbeats(instance, [run.run_id for run in started])
                found = {run_id: worker_of(installed, beat) for run_id, beat in beats.items()}
                return {run_id: name for run_id, name in found.items() if name}

            def both_work() -> bool:
                names = set(busy().values())
                return len(names) == 2 and any(each.endpoint == "download" for each in filled_archive.requests)

            with command_meanwhile() as command:
                wait_until(both_work, "both workers carry out a run", 600)
                lost, victim = next(iter(busy().items()))
                moment = time.time()
                in_flight = {each.uri for each in filled_archive.requests if each.finished is None}
                installed.kill(victim)
                look_until_ended(instance, lost)
                output = command.communicate(timeout=600)[0]
            assert command.returncode == 0, output

            def retries() -> list[dg.DagsterRun]:
                return [run for run in runs_of(instance, backfill_id) if run.tags.get("dagster/parent_run_id") == lost]

            # All others may have ended before Dagster tries the lost one again.
            wait_until(lambda: retries() and is_complete(instance, backfill_id), "the backfill is complete", 900)
            runs, retried = runs_of(instance, backfill_id), retries()
            assert_one_at_a_time(instance, [run.run_id for run in runs])
            assert [run.status for run in retried] == [dg.DagsterRunStatus.SUCCESS]
            assert all(run.status == dg.DagsterRunStatus.SUCCESS for run in runs if run.run_id != lost)
    assert_every_file_once(filled_archive, root, in_flight)
    assert_few_at_once(filled_archive, moment)


def look_until_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """Evaluate the sensor a few times; between two looks each living run sends a heartbeat, or ends."""
    sensor: Any = lost_runs.lost_runs
    cursor = None
    for _ in range(lost_runs.SILENT_LOOKS + 2):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            said = sensor(context).skip_message
            cursor = context.cursor
        assert said in ("Every started run is alive.", f"Ended: {run_id}.")
        if run_id in said:
            return
        wait_for_heartbeats(instance, run_id)
    raise AssertionError("the lost run was not ended")


def wait_for_heartbeats(instance: dg.DagsterInstance, lost: str) -> None:
    """Until each started run but one has sent a new heartbeat or ended."""
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    before = lost_runs.heartbeats(instance, [run.run_id for run in started if run.run_id != lost])

    def all_new() -> bool:
        beats = lost_runs.heartbeats(instance, list(before))
        return all(beats.get(run_id) != beat for run_id, beat in before.items())

    wait_until(all_new, "each living run sends a heartbeat")


def assert_one_at_a_time(instance: dg.DagsterInstance, run_ids: list[str]) -> None:
    """No two runs of a proposal at the same time."""
    records = instance.get_run_records(dg.RunsFilter(run_ids=run_ids))
    for proposal in PROPOSALS:
        own = [record for record in records if record.dagster_run.tags["jwst/proposal"] == proposal]
        spans = sorted((record.start_time or 0, record.end_time or 0) for record in own)
        assert len(spans) > 1
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
