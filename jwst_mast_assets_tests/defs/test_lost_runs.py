"""A run that was killed without a word, in a process of its own."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import filelock

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import lost_runs
from jwst_mast_assets.embedded_archive import Fault

PROGRAM = str(Path(sys.executable).parent / "jwst_download.py")


def look(instance):
    """One tick of the sensor; its words."""
    sensor: Any = lost_runs.lost_runs
    with dg.build_sensor_context(instance=instance) as context:
        return sensor(context).skip_message


def runs(instance):
    return {run.status for run in instance.get_runs(dg.RunsFilter(job_name="jwst_download"))}


def test_a_killed_run_is_ended_and_a_living_one_is_not(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(lost_runs, "GRACE", dt.timedelta(0))
    archive.faults.add(Fault("slow", endpoint="download", seconds=20))
    process = subprocess.Popen(
        [PROGRAM, "--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T23:59:59", "--yes"],
        env={**os.environ, "JWSTDOWNLOAD_OUTDIR": str(tmp_path / "data")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 300
        while not any(request.endpoint == "download" for request in archive.requests):
            assert time.monotonic() < end
            time.sleep(0.1)
        with dg.DagsterInstance.get() as instance:
            assert look(instance) == "Every started run is alive."
            assert runs(instance) == {dg.DagsterRunStatus.STARTED}
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert "Ended: " in look(instance)
            assert runs(instance) == {dg.DagsterRunStatus.FAILURE}
            assert look(instance) == "Every started run is alive."
    finally:
        process.kill()


def test_a_run_whose_command_was_ended_while_it_was_being_canceled_is_canceled_at_once(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        job = build_defs().resolve_job_def("jwst_download")
        left, alive = (instance.create_run_for_job(job, status=dg.DagsterRunStatus.CANCELING).run_id for _ in range(2))
        path = lost_runs.lock_path(instance, left)
        path.parent.mkdir()
        path.touch()
        with filelock.FileLock(lost_runs.lock_path(instance, alive)):
            assert lost_runs.end_lost_runs(instance, "Its process is gone.") == [left]
        status = {run.run_id: run.status.value for run in instance.get_runs()}
        assert status == {left: "CANCELED", alive: "CANCELING"}


def test_a_run_that_ended_leaves_no_lock(archive, tmp_path):
    environment = {**os.environ, "JWSTDOWNLOAD_OUTDIR": str(tmp_path / "data")}
    command = [
        PROGRAM,
        "--propID",
        "1138",
        "--date_select",
        "2022-04-10",
        "2022-04-10T12:00:00",
        "--sca",
        "a1",
        "--yes",
    ]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    folder = Path(os.environ["DAGSTER_HOME"]) / lost_runs.FOLDER
    assert folder.is_dir()
    assert not list(folder.iterdir())
