"""A run on another machine: a process with another host name and a Dagster home of its own, and the same database."""

import os
import shutil
import signal
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.defs import lost_runs
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets_tests.servers import wait_until

DOWNLOAD = """
import sys
from jwst_mast_assets.defs import lost_runs
lost_runs.BEAT = 0.2
from jwst_mast_assets.cli.original import download_main
sys.exit(download_main(sys.argv[1:]))
"""


@pytest.fixture
def other_machine(home, tmp_path, monkeypatch):
    """What starts a command there."""
    probe = subprocess.run(["unshare", "--uts", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("this machine does not let tests have another host name (unshare --uts)")
    there = tmp_path / "home_of_the_other_machine"
    there.mkdir()
    shutil.copy(home / "dagster.yaml", there)

    def start(*arguments):
        return subprocess.Popen(
            ["unshare", "--uts", "sh", "-c", 'hostname other && exec "$@"', "sh", sys.executable, "-c", DOWNLOAD]
            + [*arguments, "--yes"],
            env={**os.environ, "DAGSTER_HOME": str(there), "JWSTDOWNLOAD_OUTDIR": str(tmp_path / "data")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


class Sensor:
    """The sensor as the daemon evaluates it, with its cursor."""

    def __init__(self, instance):
        self.instance = instance
        self.cursor = None

    def look(self):
        sensor: Any = lost_runs.lost_runs
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            said = sensor(context).skip_message
            self.cursor = context.cursor
        return said


def heartbeats(instance):
    return lost_runs.heartbeats(instance, [run.run_id for run in instance.get_runs()])


def statuses(instance):
    return [run.status for run in instance.get_runs(dg.RunsFilter(job_name="jwst_download"))]


def test_a_run_that_was_killed_on_another_machine_is_ended_and_a_living_one_is_not(archive, other_machine):
    archive.faults.add(Fault("slow", endpoint="download", seconds=60))
    process = other_machine("--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T23:59:59")
    try:
        wait_until(
            lambda: process.poll() is not None or any(each.endpoint == "download" for each in archive.requests),
            "a file is requested",
        )
        assert process.poll() is None, process.communicate()[0]
        with dg.DagsterInstance.get() as instance:
            sensor = Sensor(instance)
            for _ in range(lost_runs.SILENT_LOOKS + 2):
                assert sensor.look() == "Every started run is alive."
                before = heartbeats(instance)
                assert before
                wait_until(lambda before=before: heartbeats(instance) != before, "a heartbeat is sent")
            assert statuses(instance) == [dg.DagsterRunStatus.STARTED]
            process.send_signal(signal.SIGKILL)
            process.wait()
            said = [sensor.look() for _ in range(lost_runs.SILENT_LOOKS + 1)]
            assert "Ended: " not in "".join(said[: lost_runs.SILENT_LOOKS - 2])
            assert "Ended: " in "".join(said)
            assert statuses(instance) == [dg.DagsterRunStatus.FAILURE]
            run = instance.get_runs(limit=1)[0]
            events = [entry.message for entry in instance.all_logs(run.run_id)]
            assert any("It ran on other." in text for text in events)
            assert sensor.look() == "Every started run is alive."
    finally:
        process.kill()
        process.communicate()


def test_a_run_that_ended_sends_no_more_heartbeats(archive, other_machine):
    options = ["--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T12:00:00", "--sca", "a1"]
    process = other_machine(*options)
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    with dg.DagsterInstance.get() as instance:
        ids = [run.run_id for run in instance.get_runs()]
        assert ids
        assert lost_runs.heartbeats(instance, ids) == {}
        assert dg.DagsterRunStatus.SUCCESS in statuses(instance)


def test_one_machine_with_its_own_database_sends_no_heartbeats(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        assert not lost_runs.seen_by_other_machines(instance)


def test_a_run_is_silent_only_if_nothing_new_came_for_several_looks():
    looks = {}
    for beat, times in (("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)):
        looks = lost_runs.count_looks(looks, {"run": beat})
        assert looks == {"run": (beat, times)}
    assert lost_runs.count_looks(looks, {}) == {}
