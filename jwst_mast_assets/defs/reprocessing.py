"""What looks for reprocessed files every day, and requests the downloads that replace them."""

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
from jwst_mast_assets.defs.partitions import SINGLE_KEY, on_the_grid, registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.reprocessing import changes_by_cell, describe_changes, fingerprint, read_changes
from jwst_mast_assets.records.store import TableStore

MOST_REQUESTS = 20
"""Runs that one tick requests; the rest follow as these end. MAST reprocesses everything at once."""

SETTLED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
"""Runs that are not requested again: they are done, or a person stopped them."""

jwst_reprocessing = dg.define_asset_job(
    "jwst_reprocessing",
    selection=dg.AssetSelection.assets("reprocessed_files") | freshness,
    description="Compares all files on disk with MAST's checksums and versions, and says how each proposal stands; "
    "downloads nothing.",
)


@dg.schedule(
    name="daily_reprocessing",
    job=jwst_reprocessing,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each morning (UTC) all files on disk are compared with what MAST has now.",
)
def daily_reprocessing(
    context: dg.ScheduleEvaluationContext, archive: ArchiveResource
) -> dg.RunRequest | dg.SkipReason:
    """Requests the comparison of all files on disk with MAST."""
    try:
        archive.check(daemon_config(context.instance).root)
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    return dg.RunRequest()


def build_sensors(first_day: dt.date) -> list[dg.SensorDefinition]:
    """The sensors, for partitions from a first day on."""

    @dg.sensor(
        job=jwst_download,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a download of each day that has reprocessed files, as reprocessed_files lists them.",
    )
    def reprocessing_sensor(
        context: dg.SensorEvaluationContext, archive: ArchiveResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Requests a download of each proposal and day that has reprocessed files, as `reprocessed_files` lists them.

        It keeps no cursor: which changes have been fetched, are under way or failed is recorded in the runs themselves.
        """
        latest = context.instance.get_latest_materialization_event(dg.AssetKey("reprocessed_files"))
        if latest is None:
            return dg.SkipReason("reprocessed_files has not been made yet; the job jwst_reprocessing makes it.")
        try:
            config = daemon_config(context.instance)
            archive.check(config.root)
            requests, waiting, skipped = _requests(context.instance, config, first_day, utc_now())
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")
        for sentence in skipped:
            context.log.warning(sentence)
        if not requests:
            reason = (
                f"{waiting} days with reprocessed files wait for runs."
                if waiting
                else "Every change that the configuration selects was fetched, or is no longer a change."
            )
            return dg.SkipReason(" ".join([reason, *(f"Note: {sentence}." for sentence in skipped)]))
        return dg.SensorResult(run_requests=requests)

    return [reprocessing_sensor]


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def _requests(
    instance: dg.DagsterInstance, config: Config, first_day: dt.date, now: dt.datetime
) -> tuple[list[dg.RunRequest], int, list[str]]:
    """The runs to request, how many days with changes have to wait, and one sentence for each thing skipped."""
    store, around = TableStore(config.root), situation(config)
    watched = set(watched_proposals(instance, store, config))
    changed = {Cell.from_key(key): changes for key, changes in changes_by_cell(read_changes(store)).items()}
    cells, skipped = on_the_grid(
        (cell for cell in changed if cell.proposal in watched), registered_proposals(instance), first_day, now
    )
    wanted = {(cell, fingerprint(changed[cell])): describe_changes(changed[cell]) for cell in cells}
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
    return requests, waiting, skipped


def _settled(instance: dg.DagsterInstance, causes: list[str]) -> set[tuple[str, str]]:
    """Partition key and cause of the runs that need no successor."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(causes), CAUSES_PER_QUERY):
        chunk = causes[start : start + CAUSES_PER_QUERY]
        runs = instance.get_runs(dg.RunsFilter(job_name=jwst_download.name, statuses=SETTLED, tags={CAUSE: chunk}))
        found |= {(run.tags.get(SINGLE_KEY, ""), run.tags[CAUSE]) for run in runs}
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
