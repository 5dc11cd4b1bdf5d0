"""Runs whose process died silently, as after a power cut.

Dagster 1.13 leaves such a run "started" forever: its partition would not be retried, and it would keep a slot in the
queue. So each run shows that it is alive, and a sensor looks for runs that no longer do.

- On one machine, by a lock in the Dagster home that the system releases with the process.
- Between machines that share a database, also by a heartbeat there. The sensor compares what it reads with what it
  read before, so the clocks of the machines do not matter.
"""

import atexit
import datetime as dt
import json
import os
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import dagster as dg
import filelock
from dagster._core.storage.runs import SqliteRunStorage

from jwst_mast_assets.mast.dates import utc_now

FOLDER = "jwst_mast_assets_runs"
GRACE = dt.timedelta(minutes=1)
"""A run this young is left alone: it may be about to take its lock, or to report its end."""

BEAT = 20.0
"""Seconds between two heartbeats of a run."""

SILENT_LOOKS = 4
"""Looks of the sensor, a minute apart, in a row without a new heartbeat after which a run is lost."""

HOST = socket.gethostname()

_held: dict[str, filelock.BaseFileLock] = {}
"""The locks of this process's runs, held until it ends, when the system releases them anyway."""

_ended: set[str] = set()
"""Runs whose work in this process has ended. A process that goes on to another run releases their locks."""

_beating: dict[str, "_Heartbeat"] = {}
"""The heartbeats of this process's runs."""


def show_alive(instance: dg.DagsterInstance, run_id: str) -> None:
    """Hold a run's lock from now to the end of this process, and send heartbeats until :func:`show_idle`."""
    for ended in _ended & _held.keys():
        _release(ended)
    _ended.discard(run_id)
    path = lock_path(instance, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
        _held[run_id] = lock
    except filelock.Timeout:
        # With an executor of several processes the first step's process speaks for the run.
        pass
    if seen_by_other_machines(instance) and run_id not in _beating:
        _beating[run_id] = _Heartbeat(instance, run_id)


def show_idle(instance: dg.DagsterInstance, run_id: str) -> None:
    """End the heartbeats of a run, whose work in this process has ended."""
    _ended.add(run_id)
    if heartbeat := _beating.pop(run_id, None):
        heartbeat.end()


def seen_by_other_machines(instance: dg.DagsterInstance) -> bool:
    """Whether the instance's database serves several machines; SQLite's does not."""
    return instance.is_persistent and not isinstance(instance.run_storage, SqliteRunStorage)


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


def heartbeats(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> dict[str, str]:
    """The last heartbeats of those runs that send any: JSON with the host, the process and the time."""
    keys = {_key(run_id): run_id for run_id in run_ids}
    if not keys or not seen_by_other_machines(instance):
        return {}
    found = instance.daemon_cursor_storage.get_cursor_values(set(keys))
    return {keys[key]: beat for key, beat in found.items() if beat}


def count_looks(before: Mapping[str, tuple[str, int]], beats: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Each run's heartbeat, and in how many looks in a row it was the same."""
    return {
        run_id: (beat, before[run_id][1] + 1 if run_id in before and before[run_id][0] == beat else 1)
        for run_id, beat in beats.items()
    }


def end_lost_runs(
    instance: dg.DagsterInstance,
    reason: str,
    grace: dt.timedelta | None = None,
    looks: Mapping[str, tuple[str, int]] | None = None,
) -> list[str]:
    """Mark runs whose process is gone as failed, so that they are retried; returns their ids.

    One that was being canceled, as after Ctrl-C, is canceled.

    Parameters
    ----------
    instance : DagsterInstance
    reason : str
        A sentence for the run's log.
    grace : timedelta, optional
        Age up to which a run is left alone; default ``GRACE``.
    looks : mapping, optional
        From :func:`count_looks`; without it, only runs of this machine are ended.
    """
    now = utc_now()
    lost = []
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in instance.get_run_records(dg.RunsFilter(statuses=statuses)):
        run = record.dagster_run
        canceling = run.status == dg.DagsterRunStatus.CANCELING
        beat, times = (looks or {}).get(run.run_id, ("", 0))
        began = dt.datetime.fromtimestamp(record.start_time or now.timestamp(), dt.timezone.utc)
        old_enough = canceling or now - began > (GRACE if grace is None else grace)
        # A lock says it at once, but only on its own machine.
        here = not beat or _host(beat) == HOST
        if (old_enough and here and is_lost(instance, run.run_id)) or times >= SILENT_LOOKS:
            where = f" It ran on {_host(beat)}." if beat else ""
            (instance.report_run_canceled if canceling else instance.report_run_failed)(run, reason + where)
            lock_path(instance, run.run_id).unlink(missing_ok=True)
            if beat:
                instance.daemon_cursor_storage.set_cursor_values({_key(run.run_id): ""})
            lost.append(run.run_id)
    return lost


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, as after a power cut, so that they are retried.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Ends runs whose process is gone, as after a power cut, so that they are retried."""
    instance = context.instance
    started = [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))]
    looks = count_looks(_from_cursor(context.cursor), heartbeats(instance, started))
    lost = end_lost_runs(instance, "The process of this run is gone: killed, or the machine was off.", looks=looks)
    looks = {run_id: look for run_id, look in looks.items() if run_id not in lost}
    if looks or context.cursor:
        context.update_cursor(json.dumps(looks))
    return dg.SkipReason(f"Ended: {', '.join(lost)}." if lost else "Every started run is alive.")


def _key(run_id: str) -> str:
    return f"jwst/alive/{run_id}"


class _Heartbeat:
    """Shows in the database, until it is ended, that a run is alive."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._storage = instance.daemon_cursor_storage
        self._key = _key(run_id)
        self._stop = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Leave nothing that could be taken for a run that has fallen silent."""
        self._stop.set()
        self._thread.join()
        self._storage.set_cursor_values({self._key: ""})

    def _beat(self) -> None:
        now = utc_now().isoformat(timespec="milliseconds")
        self._storage.set_cursor_values({self._key: json.dumps({"host": HOST, "pid": os.getpid(), "at": now})})

    def _go_on(self) -> None:
        while not self._stop.wait(BEAT):
            # A database that is away for a while is no reason to stop: the next heartbeat may reach it.
            with suppress(Exception):
                self._beat()


def _release(run_id: str) -> None:
    lock = _held.pop(run_id)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


@atexit.register
def _release_all() -> None:
    for run_id in list(_held):
        _release(run_id)


def _host(beat: str) -> str:
    try:
        return str(json.loads(beat)["host"])
    except (ValueError, KeyError, TypeError):
        return "an unknown machine"


def _from_cursor(cursor: str | None) -> dict[str, tuple[str, int]]:
    try:
        return {run_id: (str(beat), int(times)) for run_id, (beat, times) in json.loads(cursor or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


sensors = [lost_runs]
