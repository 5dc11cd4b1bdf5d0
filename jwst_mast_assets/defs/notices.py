"""Notices of new data, of failures, and of a token that is about to expire."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from jwst_mast_assets.defs.attempts import ATTEMPT, RELEASED
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.failures import verdict_of
from jwst_mast_assets.defs.jobs import jwst_download, jwst_query
from jwst_mast_assets.defs.list_checks import NO_SUDDEN_FALL
from jwst_mast_assets.defs.partitions import cells_of_run
from jwst_mast_assets.defs.reprocessing import jwst_reprocessing
from jwst_mast_assets.defs.resources import current_token
from jwst_mast_assets.defs.upkeep import jwst_upkeep
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.mast.products import NO_PRODUCTS
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records import notices
from jwst_mast_assets.records.outbox import News, Outbox
from jwst_mast_assets.records.store import TableStore

TOTALS = ("fetched", "bytes_fetched", "present", "selected", "changed", "restored")
OFF = "No notify_urls, no JWST_NOTIFY_URLS: notices are off."
ASKING_MAST = (jwst_query.name, jwst_download.name, "jwst_reprocessing")
DAILY = {"jwst_reprocessing": "the daily search for reprocessed files", "jwst_upkeep": "the daily look at the disk"}


# The sensors of runs return None whatever they did: a SkipReason after another run of the same tick was reported is an
# error in Dagster (dagster-io/dagster#17359), after which the same runs would be reported again and again. They keep
# news in the output folder; notices_to_send sends them.


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[jwst_download],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notes what a download brought, for the next notice, where notify_urls is set.",
)
def notice_of_new_data(context: dg.RunStatusSensorContext) -> None:
    """Notes what a download fetched, and what was reprocessed or restored; nothing if it fetched nothing."""
    proposals, _ = _cells(context)
    totals, page = _totals(context.instance, context.dagster_run)
    notice = notices.new_data(proposals, totals, page)
    with _logged(context):
        box = _outbox(context.instance)
        box.work_again(utc_now())
        if notice:
            _keep(box, context.dagster_run, proposals, _kind(context.dagster_run, totals), notice)
        if (short := _short_lists(context.instance, context.dagster_run)) and notices.notice_addresses().urls:
            box.note_short({proposals[0]: notices.short_list(proposals, short)}, utc_now())


@dg.run_failure_sensor(
    monitored_jobs=[jwst_download, jwst_reprocessing, jwst_upkeep],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notes when a download or a daily check fails for the first time, and why, for the next notice, where "
    "notify_urls is set.",
)
def notice_of_failure(context: dg.RunFailureSensorContext) -> None:
    """Notes that a run failed, and why; not again for its retries, nor for each run while nothing can succeed."""
    run = context.dagster_run
    # The mark is written when a step fails, after the run was read for this sensor.
    stored = context.instance.get_run_by_id(run.run_id) or run
    reasons = _reasons(context)
    # `or` and not a default: the tags are there, but empty, in some versions of Dagster.
    again = int(run.tags.get(ATTEMPT) or 1) > 1 or int(run.tags.get("dagster/retry_number") or 0) > 0
    with _logged(context):
        box, outage = _outbox(context.instance), verdict_of(stored.tags).outage
        if outage:
            box.fail(outage, reasons[0], run.run_id, utc_now())
        elif run.job_name in DAILY:
            why = "\n".join([*reasons, "It is tried again today.", f"Run {run.run_id}"])
            notice = notices.Notice(f"{DAILY[run.job_name]} failed", why, "failure")
            _keep(box, run, [""], "failed", notice)
        elif not again:
            proposals, days = _cells(context)
            _keep(box, run, proposals or [""], "failed", notices.failed(proposals, days, reasons, run.run_id))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what the other sensors have noted: at most one notice per proposal and hour. What cannot be "
    "sent is kept, and sent later.",
)
def notices_to_send(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Sends one notice per proposal and hour with all that is new of it."""
    try:
        addresses = notices.notice_addresses()
        if not addresses.urls:
            return dg.SkipReason(OFF)
        box = _outbox(context.instance)
        sent, left, problems = box.deliver(lambda notice: notices.send(notice, addresses), utc_now())
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    for problem in problems:
        context.log.warning(problem)
    told = [f"{counted(sent, 'notice')} sent", *([f"{left} kept for the next attempt"] if left else []), *problems]
    return dg.SkipReason("; ".join(told))


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message when the MAST token is about to expire: 10 days after its last use, or 60 days after "
    "it was first seen.",
)
def notice_of_token(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Sends a message when the MAST token is about to expire."""
    now = utc_now()
    try:
        if not (token := current_token()):
            return dg.SkipReason("No token is set.")
        root = daemon_config(context.instance).root
        if _outbox(context.instance).is_token_refused:
            return dg.SkipReason("MAST does not accept the token, which was reported.")
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


def _outbox(instance: dg.DagsterInstance) -> Outbox:
    return Outbox(TableStore.of(daemon_config(instance)))


@contextmanager
def _logged(context: dg.RunStatusSensorContext | dg.RunFailureSensorContext) -> Iterator[None]:
    """What cannot be noted is logged and has no other effect."""
    try:
        yield
    except JwstMastError as error:
        context.log.warning(f"Not noted: {error}")


def _keep(box: Outbox, run: dg.DagsterRun, proposals: Sequence[str], kind: str, notice: notices.Notice) -> None:
    """Have a notice sent, where notices are on."""
    if notices.notice_addresses().urls:
        news = [News(run.run_id, proposals[0], kind, notice.title, notice.body)]
        box.add(news, utc_now())


def _kind(run: dg.DagsterRun, totals: Mapping[str, Any]) -> str:
    """What a run's news are about."""
    if totals.get("restored"):
        return "healed"
    if totals.get("changed"):
        return "reprocessed"
    return "released" if RELEASED in run.tags else "new"


def _totals(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[dict[str, Any], str]:
    """What the run's downloads counted, and the address of its page."""
    totals: dict[str, Any] = {}
    page = ""
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = record.asset_materialization
        if event and event.asset_key.path[-1] == "downloaded_files" and "outcome" in event.metadata:
            # Of a run over several days, one partition has the totals.
            totals = {name: event.metadata[name].value for name in TOTALS if name in event.metadata}
        if event and event.asset_key.path[-1] == "index_html" and "page" in event.metadata:
            page = str(event.metadata["page"].value)
    return totals, page


def _short_lists(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """The lists of a run that were shorter than what is on record."""
    told = []
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = record.asset_check_evaluation
        if check and check.check_name == NO_SUDDEN_FALL and not check.passed:
            lists: Any = check.metadata["short"].value
            # An observation of which nothing was on record is not listed with less than before.
            told += [str(each) for each in lists if not str(each).endswith(NO_PRODUCTS)]
    return told


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


sensors = [notice_of_new_data, notice_of_failure, notices_to_send, notice_of_token]
