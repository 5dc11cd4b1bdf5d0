"""Notices of new data, of failures, and of a token that is about to expire."""

import datetime as dt
from typing import Any

import dagster as dg

from jwst_mast_assets.defs.attempts import ATTEMPT
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.jobs import jwst_download, jwst_query
from jwst_mast_assets.defs.partitions import cells_of_run
from jwst_mast_assets.defs.resources import current_token
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.records import notices

TOTALS = ("fetched", "bytes_fetched", "present", "selected", "changed")
OFF = "No notify_urls, no JWST_NOTIFY_URLS: notices are off."
ASKING_MAST = (jwst_query.name, jwst_download.name, "jwst_reprocessing")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[jwst_download],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message about what a download brought, where notify_urls is set.",
)
def notice_of_new_data(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
    """Reports what a download fetched, and what was reprocessed; nothing if it fetched nothing."""
    proposals, _ = _cells(context)
    return _tell(context, notices.new_data(proposals, *_totals(context.instance, context.dagster_run)))


@dg.run_failure_sensor(
    monitored_jobs=[jwst_download],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message when a download fails for the first time, and why, where notify_urls is set.",
)
def notice_of_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Reports that a download failed, and why; not again for its retries."""
    run = context.dagster_run
    # `or` and not a default: the tags are there, but empty, in some versions of Dagster.
    again = int(run.tags.get(ATTEMPT) or 1) > 1 or int(run.tags.get("dagster/retry_number") or 0) > 0
    if again:
        return dg.SkipReason("The first failure was reported.")
    proposals, days = _cells(context)
    return _tell(context, notices.failed(proposals, days, _reasons(context), run.run_id))


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message when the MAST token is about to expire: 10 days after its last use, or 60 days after "
    "it was first seen.",
)
def notice_of_token(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Sends a message when the MAST token is about to expire."""
    now = dt.datetime.now(dt.timezone.utc)
    try:
        if not (token := current_token()):
            return dg.SkipReason("No token is set.")
        root = daemon_config(context.instance).root
        state = notices.note_token(root, token, now, _last_use(context.instance))
        notice = notices.token_ends(state, now)
        if notice is None:
            return dg.SkipReason("The token is in use and young.")
        if not (addresses := notices.notice_addresses()).urls:
            return dg.SkipReason(f"{notice.title}. {OFF}")
        problems = notices.send(notice, addresses)
        if not problems:
            notices.mark_told(root, token, state, now)
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    return dg.SkipReason("; ".join(problems) or notice.title)


def _tell(
    context: dg.RunStatusSensorContext | dg.RunFailureSensorContext, notice: notices.Notice | None
) -> dg.SkipReason | None:
    """Send a notice; a failure to send it is logged and has no other effect."""
    if notice is None:
        return dg.SkipReason("Nothing was fetched.")
    try:
        addresses = notices.notice_addresses()
    except JwstMastError as error:
        return dg.SkipReason(f"Not sent: {error}")
    if not addresses.urls:
        return dg.SkipReason(OFF)
    problems = notices.send(notice, addresses)
    for problem in problems:
        context.log.warning(problem)
    return dg.SkipReason("; ".join(problems)) if problems else None


def _totals(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[dict[str, Any], str]:
    """What the run's downloads counted, and the address of its page."""
    totals: dict[str, Any] = {}
    page = ""
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = record.asset_materialization
        if event and event.asset_key.path[-1] == "downloaded_files":
            # A run over several days repeats its totals for each of them.
            totals = {name: event.metadata[name].value for name in TOTALS if name in event.metadata}
        if event and event.asset_key.path[-1] == "index_html" and "page" in event.metadata:
            page = str(event.metadata["page"].value)
    return totals, page


def _cells(context: dg.RunStatusSensorContext | dg.RunFailureSensorContext) -> tuple[list[str], str]:
    """The proposals of a run, and its days as text."""
    try:
        cells, _ = cells_of_run(context.dagster_run.tags, context.instance)
    except JwstMastError:
        return [], "no day"
    days = [cell.day for cell in cells]
    return proposals_of(cells), " to ".join(dict.fromkeys((f"{min(days)}", f"{max(days)}")))


def _reasons(context: dg.RunFailureSensorContext) -> list[str]:
    """The sentences with which the steps of a run failed."""
    told = []
    for event in context.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            told.append(failure.user_failure_data.description)
        elif failure.error:
            told.append(f"{event.step_key}: {failure.error.message.strip()}")
    return told or [context.failure_event.message or ""]


def _last_use(instance: dg.DagsterInstance) -> dt.datetime | None:
    """When a run last showed the token to MAST."""
    starts = [
        record.start_time
        for job in ASKING_MAST
        for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
        if record.start_time
    ]
    return dt.datetime.fromtimestamp(max(starts), dt.timezone.utc) if starts else None


sensors = [notice_of_new_data, notice_of_failure, notice_of_token]
