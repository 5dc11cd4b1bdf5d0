"""What keeps Dagster's own records from growing forever. Nothing about the files depends on what it removes."""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pydantic
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage

from jwst_mast_assets.mast.dates import utc_now

RUNS_AT_A_TIME = 500
"""Runs or records that are asked for at a time."""

DAYS = 180


class Pruned(NamedTuple):
    """What was removed."""

    runs: int
    """Runs of which nothing is left."""
    logs: int
    """Runs that are kept, without the output of their steps."""


class PruneConfig(dg.Config):
    """How old the runs are."""

    days: int = pydantic.Field(default=DAYS, ge=1, description="Age of the runs to remove, in days.")


def prune(instance: dg.DagsterInstance, before: dt.datetime) -> Pruned:
    """Remove the runs that were created before some time and have ended, with their events and logs.

    A run that was the last to bring a partition up to date is kept, as its events make the partition green in the page;
    only the output of its steps is removed.

    Parameters
    ----------
    instance : DagsterInstance
    before : datetime
        Aware.
    """
    needed = runs_that_show(instance)
    runs = logs = 0
    for run_id in list(_ended_before(instance, before)):
        if run_id in needed:
            instance.compute_log_manager.delete_logs(prefix=[run_id, "compute_logs"])
            logs += 1
        else:
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)
            _remove_database(instance, run_id)
            runs += 1
    return Pruned(runs, logs)


def runs_that_show(instance: dg.DagsterInstance) -> set[str]:
    """The runs that were the last to materialize an asset or one of its partitions."""
    found = set()
    for key in instance.all_asset_keys():
        latest = instance.get_latest_materialization_event(key)
        found |= {latest.run_id} if latest else set()
        ids = list(instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION).values())
        for start in range(0, len(ids), RUNS_AT_A_TIME):
            chunk = ids[start : start + RUNS_AT_A_TIME]
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, storage_ids=chunk), limit=len(chunk)
            ).records
            found |= {record.run_id for record in records}
    return found


def _ended_before(instance: dg.DagsterInstance, before: dt.datetime) -> Iterator[str]:
    wanted = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    cursor = None
    while ids := instance.get_run_ids(wanted, cursor=cursor, limit=RUNS_AT_A_TIME):
        yield from ids
        cursor = ids[-1]


def _remove_database(instance: dg.DagsterInstance, run_id: str) -> None:
    """SQLite has a file per run, which Dagster empties but leaves."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        with suppress(OSError):
            Path(storage.path_for_shard(run_id)).unlink()


@dg.op(out=dg.Out(dg.Nothing))
def remove_old_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
    """Removes Dagster's records of old runs. The files, their tables and history are not touched."""
    before = utc_now() - dt.timedelta(days=config.days)
    done = prune(context.instance, before)
    context.log.info(
        f"Removed {done.runs} runs of before {before:%Y-%m-%d} with their logs; kept {done.logs} that were the last of "
        "a partition, without their steps' output"
    )


@dg.job(
    name="prune",
    description="Removes Dagster's records of runs that ended long ago, except the last of each partition. The files, "
    "their tables and history are not touched.",
    executor_def=dg.in_process_executor,
)
def prune_job() -> None:
    """Removes Dagster's records of runs that ended long ago."""
    remove_old_runs()


jobs = [prune_job]

schedules = [
    dg.ScheduleDefinition(
        name="weekly_prune",
        job=prune_job,
        cron_schedule="15 4 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Each Sunday (UTC) Dagster's records of runs older than {DAYS} days are removed, except the last "
        "of each partition.",
    )
]
