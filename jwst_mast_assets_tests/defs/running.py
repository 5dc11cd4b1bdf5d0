"""Ticks of the sensor, and runs in this process, as Dagster's daemon would start them."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts

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


def tick(instance: dg.DagsterInstance) -> Any:
    """One tick of the sensor: its requests, or the reason why there are none."""
    definitions = build_defs()
    (sensor,) = [sensor for sensor in definitions.sensors or [] if sensor.name == "new_observations"]
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources=dict(definitions.resources or {})
    ) as context:
        return sensor(context)


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
