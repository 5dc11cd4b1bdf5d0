"""Ticks of the sensor, and runs in this process, as Dagster's daemon would start them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

DAY = "2022-04-10|01138"
"""30 exposures of NIRCam, 30 selected files."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

CHECKS_OF_A_QUERY = {
    *(
        (asset, check)
        for asset in ("obs_table", "product_table")
        for check in ("columns_as_expected", "no_sudden_fall")
    ),
    ("product_table", "every_list_answered"),
}
CHECKS_OF_A_DOWNLOAD = {*CHECKS_OF_A_QUERY, ("downloaded_files", "all_selected_files_present")}
"""The asset and the name of each check that such a run evaluates, however it was started: none that reads files."""


def execute(instance: dg.DagsterInstance, job: str = "jwst_download", **options: Any) -> dg.ExecuteInProcessResult:
    """Run a job; a failure of the run is in the result."""
    run_config = {**QUIET, **options.pop("run_config", {})}
    definition = build_defs().resolve_job_def(job)
    return definition.execute_in_process(instance=instance, run_config=run_config, raise_on_error=False, **options)


def tick(instance: dg.DagsterInstance, cursors: list[str | None] | None = None) -> Any:
    """One tick of the sensor: its requests, or the reason why there are none.

    The cursors, if given, are those of the ticks before, and get this one's; without, each tick is the first.
    """
    definitions = build_defs()
    (sensor,) = [sensor for sensor in definitions.sensors or [] if sensor.name == "new_observations"]
    with dg.build_sensor_context(
        instance=instance,
        repository_def=definitions.get_repository_def(),
        resources=dict(definitions.resources or {}),
        cursor=cursors[-1] if cursors else None,
    ) as context:
        result = sensor(context)
        if cursors is not None:
            cursors.append(context.cursor)
        return result


def carry_out(instance: dg.DagsterInstance, result: Any) -> list[dg.ExecuteInProcessResult]:
    """Do what Dagster's daemon does with a tick's result: register, launch, run."""
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return run_requested(instance, result.run_requests or [])


def run_requested(instance: dg.DagsterInstance, requests: Sequence[dg.RunRequest]) -> list[dg.ExecuteInProcessResult]:
    """Run what was requested of the job of downloads."""
    return [execute(instance, partition_key=each.partition_key, tags=dict(each.tags)) for each in requests]


def days_of(request: dg.RunRequest) -> list[str]:
    """The partition keys that a request names: one, or those of a range that want a run."""
    return [str(request.partition_key)] if request.partition_key else list(attempts.causes_of_run(request.tags))


def reasons(result: Any) -> dict[str, str]:
    """Why each partition is requested; days that share a run share its reasons."""
    return {key: request.tags[attempts.REASON] for request in result.run_requests for key in days_of(request)}


def checks_evaluated(instance: dg.DagsterInstance, run_id: str) -> set[tuple[str, str]]:
    """The asset and the name of each check that a run evaluated."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    return {(one.asset_key.path[-1], one.check_name) for one in found}


def watch_only(root: Path, *proposals: str) -> None:
    """Have just these proposals watched in an output folder."""
    watched = WatchList(TableStore(root))
    watched.start()
    watched.remove(watched.read())
    watched.add(proposals)


class Runner:
    """Runs jobs with an output folder of the test's own."""

    def __init__(self, instance: dg.DagsterInstance, root: Path) -> None:
        self.instance = instance
        self.root = root
        self.store = TableStore(root)

    def run(self, job: str = "jwst_download", keys: str | tuple[str, str] = DAY, **parameters: Any) -> Any:
        """Run a job over one key or a range of two; parameters go into the run config."""
        tags = (
            {"dagster/partition": keys}
            if isinstance(keys, str)
            else {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]}
        )
        config = {"outrootdir": str(self.root), **parameters}
        run_config = {"resources": {"jwst_config": {"config": config}}}
        return execute(self.instance, job, tags=tags, run_config=run_config)

    def table(self, asset: str, key: str = DAY) -> pd.DataFrame:
        """A table as it stands on disk."""
        return self.store.read(asset, [Cell.from_key(key)])

    def files(self) -> set[str]:
        """Names of all files below the output folder but tables and pages."""
        return {path.name for path in self.root.rglob("*.fits")} | {path.name for path in self.root.rglob("*.jpg")}


def messages(result: Any) -> list[str]:
    """The sentences with which a run failed."""
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    return [failure.description if failure else "an unexpected error" for failure in failures]
