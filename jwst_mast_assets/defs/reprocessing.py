"""Belongs here: what looks for reprocessed files every day, and requests the downloads that replace them."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.defs.assets.reprocessed_files import reprocessed_files
from jwst_mast_assets.defs.attempts import (
    ATTEMPT,
    CAUSE,
    CAUSES_PER_QUERY,
    REASON,
    UnderWay,
    next_attempt,
    tries_so_far,
    under_way,
)
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.failures import situation
from jwst_mast_assets.defs.jobs import freshness, jwst_download
from jwst_mast_assets.defs.partitions import registered_proposals
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.reprocessing import changes_by_cell, describe_changes, fingerprint, read_changes
from jwst_mast_assets.records.store import TableStore

MOST_REQUESTS = 20
"""Runs that one tick requests; the rest follow as these end. MAST reprocesses everything at once."""

SETTLED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
"""Runs that are not asked for again: they are done, or a person stopped them."""

jwst_reprocessing = dg.define_asset_job(
    "jwst_reprocessing",
    selection=dg.AssetSelection.assets("reprocessed_files") | freshness,
    description="Compares all files on disk with MAST's checksums and versions, and says how each proposal stands; "
    "downloads nothing.",
)

daily_reprocessing = dg.ScheduleDefinition(
    name="daily_reprocessing",
    job=jwst_reprocessing,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each morning (UTC) all files on disk are compared with what MAST has now.",
)


@dg.sensor(
    job=jwst_download,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a download of each day that has reprocessed files, as reprocessed_files lists them.",
)
def reprocessing_sensor(
    context: dg.SensorEvaluationContext,
) -> dg.SensorResult | dg.SkipReason:
    """Requests a download of each proposal and day that has reprocessed files, as `reprocessed_files` lists them.

    It keeps no cursor: which changes have been fetched, are under way or failed stands in the runs themselves.
    """
    latest = context.instance.get_latest_materialization_event(dg.AssetKey("reprocessed_files"))
    if latest is None:
        return dg.SkipReason("reprocessed_files has not been made yet; the job jwst_reprocessing makes it.")
    try:
        requests, waiting = _requests(context.instance, daemon_config(context.instance), utc_now())
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    if not requests:
        return dg.SkipReason(
            f"{waiting} days with reprocessed files wait for runs."
            if waiting
            else "Every change that the configuration selects was fetched, or is no change any more."
        )
    return dg.SensorResult(run_requests=requests)


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def _requests(instance: dg.DagsterInstance, config: Config, now: dt.datetime) -> tuple[list[dg.RunRequest], int]:
    """The runs to request, and how many days with changes have to wait."""
    store, around = TableStore(config.root), situation(config)
    registered = set(registered_proposals(instance))
    wanted = {
        (Cell.from_key(key), fingerprint(changes)): describe_changes(changes)
        for key, changes in changes_by_cell(read_changes(store)).items()
        if Cell.from_key(key).proposal in registered
    }
    settled = _settled(instance, sorted({cause for _, cause in wanted}))
    busy = under_way(instance) if wanted else UnderWay(0, set())
    tries = tries_so_far(instance, jwst_download.name, sorted({cause for _, cause in wanted}))
    requests, waiting = [], 0
    for (cell, cause), sentence in wanted.items():
        if (cell.key, cause) in settled:
            continue
        attempt = None
        if cell.key not in busy.cells and len(requests) + busy.runs < MOST_REQUESTS:
            attempt = next_attempt(tries.get((cell.key, cause)), now, around)
        if attempt is None:
            waiting += 1
        else:
            requests.append(_request(cell, cause, sentence, attempt))
    return requests, waiting


def _settled(instance: dg.DagsterInstance, causes: list[str]) -> set[tuple[str, str]]:
    """Partition key and cause of the runs that need no successor."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(causes), CAUSES_PER_QUERY):
        chunk = causes[start : start + CAUSES_PER_QUERY]
        runs = instance.get_runs(dg.RunsFilter(job_name=jwst_download.name, statuses=SETTLED, tags={CAUSE: chunk}))
        found |= {(run.tags.get("dagster/partition", ""), run.tags[CAUSE]) for run in runs}
    return found


def _request(cell: Cell, cause: str, sentence: str, attempt: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"reprocessed|{cell.key}|{cause}|{attempt}",
        partition_key=dg.MultiPartitionKey({"day": str(cell.day), "proposal": cell.proposal}),
        tags={REASON: sentence[:200], CAUSE: cause, ATTEMPT: str(attempt)},
    )


assets = [reprocessed_files]
jobs = [jwst_reprocessing]
schedules = [daily_reprocessing]
sensors = [reprocessing_sensor]
