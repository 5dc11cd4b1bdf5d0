"""What looks for missing and spoiled files every day; the sensor new_observations then requests their days."""

from typing import Any

import dagster as dg
import pydantic

from jwst_mast_assets.defs.attempts import under_way
from jwst_mast_assets.defs.daemon_config import check_folder_is_set, daemon_config
from jwst_mast_assets.defs.daily import daily_with_repeats, done_or_under_way
from jwst_mast_assets.defs.failures import plain_failures_of
from jwst_mast_assets.defs.metadata import preview
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records.upkeep import held_sentence, look_after, with_files

START_HOUR = 4
"""Of the day, UTC."""


class LookAtDisk(dg.Config):
    """How thoroughly to look."""

    accept_losses: bool = pydantic.Field(
        default=False, description="Restore files also where most of a proposal's are missing."
    )
    read_all: bool = pydantic.Field(default=False, description="Read every file, not only a share of them.")


@dg.op(out=dg.Out(dg.Nothing))
def look_at_disk(context: dg.OpExecutionContext, config: LookAtDisk, jwst_config: JwstConfig) -> None:
    """Looks for every recorded file of the watched proposals, and reads a share of them again."""
    with plain_failures_of(context.instance, context.run_id):
        settings, store = jwst_config.checked(), jwst_config.store()
        check_folder_is_set(settings)
        proposals = with_files(store, watched_proposals(context.instance, store, settings))
        now = utc_now()
        busy = under_way(context.instance).cells
        found = look_after(store, settings, proposals, now, config.accept_losses, config.read_all, busy)
    context.log.info(f"{found}")
    held = [
        held_sentence(proposal, counts, suggest(f"heal {proposal} --yes")) for proposal, counts in found.held.items()
    ]
    for sentence in [*held, *found.blocked[:25]]:
        context.log.warning(sentence)
    metadata: dict[str, Any] = {
        "found": f"{found}",
        "files": found.files,
        "size_read": human_bytes(found.bytes_read),
        "bad": len(found.bad),
        "what": preview(found.bad[["problem", "cell", "productFilename"]].head(25)),
        "held": held,
    }
    context.add_output_metadata(metadata)


@dg.job(
    description="Looks for every recorded file of the watched proposals on disk, and reads a share of them again "
    "(reread_days). What is missing or spoiled becomes due, and is restored by the next runs. Asks MAST nothing. In "
    "the launchpad: ops: look_at_disk: config: accept_losses: true restores files also where most are missing."
)
def jwst_upkeep() -> None:
    """Look at the disk."""
    look_at_disk()


@dg.schedule(
    name="daily_upkeep",
    job=jwst_upkeep,
    cron_schedule=daily_with_repeats(START_HOUR),
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each morning (UTC) missing and spoiled files are looked for; again the same day if that failed.",
)
def daily_upkeep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Requests a look at the disk."""
    try:
        daemon_config(context.instance)
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    if reason := done_or_under_way(context.instance, jwst_upkeep.name, START_HOUR, context.scheduled_execution_time):
        return dg.SkipReason(reason)
    return dg.RunRequest()


jobs = [jwst_upkeep]
schedules = [daily_upkeep]
