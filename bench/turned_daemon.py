"""What Dagster's daemon does with our sensors and schedules, by a clock that is turned; runs are carried out here."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import dagster as dg
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._config.pythonic_config import resource
from dagster._core.definitions.schedule_definition import DecoratedScheduleFunction
from dagster._utils.schedules import schedule_execution_time_iterator
from turned_clock import TurnedClock

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import notices
from jwst_mast_assets.defs.resources import ArchiveResource

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ENDS = {
    dg.DagsterEventType.RUN_SUCCESS: notices.notice_of_new_data,
    dg.DagsterEventType.RUN_FAILURE: notices.notice_of_failure,
}


def read_once() -> None:
    """Have what Dagster reads anew for each run and tick read once: its migrations, and the fields of resources.

    A tenth to a third of a simulation's time, and of no interest in it.
    """

    def scripts_of(config: Config) -> Any:
        return str(config.get_alembic_option("script_location"))

    def fields_of(kind: type, *_: Any, fields_to_omit: Collection[str] = ()) -> Any:
        return kind, frozenset(fields_to_omit)

    ScriptDirectory.from_config = _kept(ScriptDirectory.from_config, scripts_of)  # pyright: ignore[reportAttributeAccessIssue]
    resource.infer_schema_from_config_class = _kept(resource.infer_schema_from_config_class, fields_of)


def _kept(make: Callable[..., Any], key_of: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[Any, Any] = {}

    def get(*arguments: Any, **options: Any) -> Any:
        key = key_of(*arguments, **options)
        if key not in made:
            made[key] = make(*arguments, **options)
        return made[key]

    return get


class TurnedDaemon:
    """Ticks of sensors and schedules, the runs that they request, and the sensors of runs.

    Parameters
    ----------
    instance : DagsterInstance
        The one in ``$DAGSTER_HOME``.
    clock : TurnedClock
    resource_overrides : mapping, optional
        As in ``build_defs``.
    """

    def __init__(
        self, instance: dg.DagsterInstance, clock: TurnedClock, resource_overrides: Mapping[str, Any] | None = None
    ) -> None:
        self.instance, self.clock = instance, clock
        definitions = build_defs(resource_overrides=resource_overrides)
        self.repository = definitions.get_repository_def()
        # What a tick asks for. Dagster makes everything it is given each time, which takes longer than most ticks.
        archive = ArchiveResource(server=os.environ["MAST_SERVER"])
        self.resources = {"archive": dg.ResourceDefinition.hardcoded_resource(archive)}
        self.sensors = {sensor.name: sensor for sensor in definitions.sensors or []}
        self.schedules = [item for item in definitions.schedules or [] if isinstance(item, dg.ScheduleDefinition)]
        self.jobs = {job.name: definitions.resolve_job_def(job.name) for job in self.repository.get_all_jobs()}
        self.cursors: dict[str, str | None] = {}
        self.seen = clock.now
        self.counts: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self._spare: subprocess.Popen[str] | None = None

    def tick(self, name: str) -> list[dg.RunRequest]:
        """A tick of a sensor; what it requests is registered, and returned."""
        begun = time.monotonic()
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self.repository,
            resources=self.resources,
            cursor=self.cursors.get(name),
        ) as context:
            result: Any = self.sensors[name](context)
            self.cursors[name] = context.cursor
        self.counts[f"ticks of {name}"] += 1
        self.seconds[f"ticks of {name}"] += time.monotonic() - begun
        if isinstance(result, dg.SkipReason) or result is None:
            return []
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return list(result.run_requests or [])

    def due_schedules(self) -> Iterator[tuple[str, dg.RunRequest]]:
        """What the schedules request whose time has come since the last call: job and request.

        Each is evaluated after what the one before it requests was carried out, as their hours are apart.
        """
        until, due = self.clock.now, []
        for schedule in self.schedules:
            moments = schedule_execution_time_iterator(self.seen.timestamp() + 1, schedule.cron_schedule, "UTC")
            for moment in moments:
                if moment > until:
                    break
                due.append((moment, schedule))
        self.seen = until
        for moment, schedule in sorted(due, key=lambda item: item[0]):
            with dg.build_schedule_context(
                instance=self.instance, scheduled_execution_time=moment, resources=self.resources
            ) as context:
                # One without a function of its own, as the weekly pruning, always requests its run.
                result: Any = schedule(context) if _has_function(schedule) else dg.RunRequest()
            self.counts[f"ticks of {schedule.name}"] += 1
            some = result if isinstance(result, list) else [result] if isinstance(result, dg.RunRequest) else []
            yield from ((schedule.job_name, request) for request in some)

    def carry_out(self, job: str, request: dg.RunRequest) -> None:
        """A run, in this process."""
        begun = time.monotonic()
        result = self.jobs[job].execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
            run_config={**QUIET, **(request.run_config or {})},
        )
        self.seconds[f"runs of {job}"] += time.monotonic() - begun
        self.after(result.run_id)

    def carry_out_and_kill(self, request: dg.RunRequest, has_begun: Callable[[], bool]) -> bool:
        """A run in a process of its own that is killed once something has begun; whether it was."""
        asked = {"at": self.clock.now.isoformat(), "key": str(request.partition_key or ""), "tags": dict(request.tags)}
        before = {run.run_id for run in self.instance.get_runs(limit=5)}
        # The process for the next one is started now, as importing takes longer than such a run.
        child, self._spare = self._spare or _process_for_a_run(), _process_for_a_run()
        assert child.stdin
        child.stdin.write(json.dumps(asked) + "\n")
        child.stdin.close()
        while child.poll() is None and not has_begun():
            time.sleep(0.02)
        killed = child.poll() is None
        if killed:
            child.send_signal(signal.SIGKILL)
        child.wait()
        new = [run.run_id for run in self.instance.get_runs(limit=5) if run.run_id not in before]
        # One looks for lost runs each minute; a run this young is left alone.
        self.clock.advance(dt.timedelta(minutes=2))
        self.tick("lost_runs")
        for run_id in new:
            self.after(run_id)
        self.counts["runs killed"] += killed
        return killed

    def after(self, run_id: str) -> None:
        """What follows the end of a run: its count, and the sensors of runs."""
        run = self.instance.get_run_by_id(run_id)
        if run is None:
            return
        self.counts[f"runs of {run.job_name}: {run.status.value}"] += 1
        for kind, sensor in ENDS.items():
            for entry in self.instance.all_logs(run_id, of_type=kind):
                context = dg.build_run_status_sensor_context(
                    sensor_name=sensor.name,
                    dagster_event=entry.get_dagster_event(),
                    dagster_instance=self.instance,
                    dagster_run=run,
                )
                failed = kind == dg.DagsterEventType.RUN_FAILURE
                sensor(context.for_run_failure() if failed else context)
                if failed:
                    self.why[_reason(self.instance, run_id)] += 1


def _process_for_a_run() -> "subprocess.Popen[str]":
    """A process that waits for what it is asked."""
    command = [sys.executable, __file__]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )


def _has_function(schedule: dg.ScheduleDefinition) -> bool:
    return isinstance(schedule._execution_fn, DecoratedScheduleFunction)


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """The sentence with which a run failed."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description[:150]
        return f"unexpected: {data.error}"[-600:] if data.error else "unexpected"
    return "the process was killed"


def _carry_out_here(asked: dict[str, Any]) -> None:
    """The run of :meth:`TurnedDaemon.carry_out_and_kill`."""
    with TurnedClock(dt.datetime.fromisoformat(asked["at"])), dg.DagsterInstance.get() as instance:
        job = build_defs().resolve_job_def("jwst_download")
        options = {"partition_key": asked["key"]} if asked["key"] else {}
        job.execute_in_process(instance=instance, tags=asked["tags"], raise_on_error=False, run_config=QUIET, **options)


if __name__ == "__main__":
    os.environ.setdefault("DAGSTER_HOME", "")
    if line := sys.stdin.readline():
        _carry_out_here(json.loads(line))
