"""One machine: the backfill of the several workers on SQLite, with run processes of their own, of which one is killed.

Dagster's daemon takes half a minute between two looks at a backfill; here its parts look in turn, without pauses.
"""

import datetime as dt
import logging
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql

from jwst_mast_assets.defs.lost_runs import end_lost_runs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets_tests.deploy.configurations import DEPLOY
from jwst_mast_assets_tests.deploy.installation import LAUNCH_BACKFILL, REPOSITORY
from jwst_mast_assets_tests.deploy.sixty_partitions import (
    KEYS,
    PROPOSALS,
    assert_every_file_once,
    assert_few_at_once,
    command_meanwhile,
    is_complete,
    runs_of,
)

# Dagster's own server and daemon, here in this process, use what Dagster has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Daemon:
    """The parts of Dagster's daemon that carry out a backfill.

    Parameters
    ----------
    workspace : WorkspaceProcessContext
    backfill_id : str
        Looked at while none of its runs is under way: that costs more than all else.
    """

    def __init__(self, workspace: Any, backfill_id: str) -> None:
        self.workspace, self.backfill_id = workspace, backfill_id
        self.queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self.retries = EventLogConsumerDaemon()

    def look_until(self, condition: Callable[[], Any], seconds: float = 300) -> Any:
        """Look again and again; returns what is true at last."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end
            for part in self.parts():
                assert [error for error in part if error] == []
            time.sleep(0.5)
        return found

    def parts(self) -> Iterator[Iterable[Any]]:
        """What looks in turn."""
        if all(run.is_finished for run in runs_of(self.workspace.instance, self.backfill_id)):
            yield execute_backfill_iteration(self.workspace, logging.getLogger("daemon"))
        yield self.queue.run_iteration(self.workspace, dt.datetime.now().timestamp())
        yield self.retries.run_iteration(self.workspace)


def process_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """The process that the launcher started for a run."""
    said = " ".join(entry.message for entry in instance.all_logs(run_id))
    found = re.search(r"\(pid: (\d+)\)", said)
    assert found, said
    return int(found[1])


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    """A run's status as it is now."""
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_the_same_backfill_on_sqlite_and_one_machine_of_which_a_run_is_killed_gets_every_file_once(
    filled_archive, root
):
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir()
    shutil.copy(DEPLOY.parent / "dagster.yaml", home)
    with (
        dg.DagsterInstance.get() as instance,
        create_test_daemon_workspace_context(
            ModuleTarget("jwst_mast_assets.definitions", None, None, "jwst_mast_assets"), instance
        ) as workspace,
    ):
        register_proposals(instance, PROPOSALS)
        params = {
            "partitionNames": KEYS,
            "selector": {"partitionSetName": "jwst_download_partition_set", "repositorySelector": REPOSITORY},
        }
        request = workspace.create_request_context()
        answer = execute_dagster_graphql(request, LAUNCH_BACKFILL, variables={"params": params}).data
        backfill_id = answer["launchPartitionBackfill"]["backfillId"]
        daemon = Daemon(workspace, backfill_id)

        def stopped() -> tuple[str, int] | None:
            """A run of the backfill, stopped while files arrive, and its process."""
            if not any(each.endpoint == "download" for each in filled_archive.requests):
                return None
            for run in runs_of(instance, backfill_id):
                if run.status == dg.DagsterRunStatus.STARTED:
                    process = process_of(instance, run.run_id)
                    os.kill(process, signal.SIGSTOP)
                    if status_of(instance, run.run_id) == dg.DagsterRunStatus.STARTED:
                        return run.run_id, process
                    os.kill(process, signal.SIGCONT)
            return None

        def has_failed() -> bool:
            """By this look, or because the server that started its process has seen the end of it first."""
            end_lost_runs(instance, "Its process is gone.", dt.timedelta())
            return status_of(instance, lost) == dg.DagsterRunStatus.FAILURE

        with command_meanwhile() as command:
            lost, process = daemon.look_until(stopped)
            in_flight = {each.uri for each in filled_archive.requests if each.finished is None}
            moment = time.time()
            os.kill(process, signal.SIGKILL)
            daemon.look_until(has_failed)
            daemon.look_until(lambda: is_complete(instance, backfill_id))
            output = command.communicate(timeout=300)[0]
        assert command.returncode == 0, output
        runs = runs_of(instance, backfill_id)
        retried = [run for run in runs if run.tags.get("dagster/parent_run_id") == lost]
        assert [run.status for run in retried] == [dg.DagsterRunStatus.SUCCESS]
        assert all(run.status == dg.DagsterRunStatus.SUCCESS for run in runs if run.run_id != lost)
    assert_every_file_once(filled_archive, root, in_flight)
    assert_few_at_once(filled_archive, moment)
