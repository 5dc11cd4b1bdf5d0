"""Runs whose process died silently, as after a power cut.

If runs are plain processes on one machine, Dagster 1.13 leaves such a run "started" forever: its partition would
not be retried, and it would keep a slot in the queue. So each run holds a lock that the system releases with the
process, and a sensor looks for runs whose lock is free.
"""

import atexit
import datetime as dt
from pathlib import Path

import dagster as dg
import filelock

FOLDER = "jwst_mast_assets_runs"
GRACE = dt.timedelta(minutes=1)
"""A run this young is left alone: it may be about to take its lock, or to report its end."""


_held: list[filelock.BaseFileLock] = []
"""The locks of this process's runs, held until it ends, when the system releases them anyway."""


def show_alive(instance: dg.DagsterInstance, run_id: str) -> None:
    """Hold a run's lock from now to the end of this process."""
    path = lock_path(instance, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        # With an executor of several processes the first step's process speaks for the run.
        return
    _held.append(lock)
    atexit.register(path.unlink, missing_ok=True)


def lock_path(instance: dg.DagsterInstance, run_id: str) -> Path:
    """Where a run's lock is."""
    return Path(instance.root_directory) / FOLDER / f"{run_id}.lock"


def is_lost(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run had its lock on this machine and no longer holds it."""
    path = lock_path(instance, run_id)
    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return path.exists()
    except filelock.Timeout:
        return False


def end_lost_runs(instance: dg.DagsterInstance, reason: str, grace: dt.timedelta | None = None) -> list[str]:
    """Mark runs whose process is gone as failed, so that they are retried; returns their ids."""
    now = dt.datetime.now(dt.timezone.utc)
    lost = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        run = record.dagster_run
        began = dt.datetime.fromtimestamp(record.start_time or now.timestamp(), dt.timezone.utc)
        if now - began > (GRACE if grace is None else grace) and is_lost(instance, run.run_id):
            instance.report_run_failed(run, reason)
            lock_path(instance, run.run_id).unlink(missing_ok=True)
            lost.append(run.run_id)
    return lost


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, as after a power cut, so that they are retried.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Ends runs whose process is gone, as after a power cut, so that they are retried."""
    lost = end_lost_runs(context.instance, "The process of this run is gone: killed, or the machine was off.")
    return dg.SkipReason(f"Ended: {', '.join(lost)}." if lost else "Every started run is alive.")


sensors = [lost_runs]
