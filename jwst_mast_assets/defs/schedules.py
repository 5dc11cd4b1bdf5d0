"""Belongs here: the daily net under the sensor."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.defs.attempts import REASON
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import first_day, registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.discovery import cells_with_data, list_observations
from jwst_mast_assets.mast.errors import JwstMastError


@dg.schedule(
    job=jwst_download,
    cron_schedule="30 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each morning (UTC) the days of the last lookbacktime days that have data, of every registered "
    "proposal, whatever the sensor did.",
)
def daily_download(
    context: dg.ScheduleEvaluationContext, archive: ArchiveResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Each morning (UTC) the days of the last `lookbacktime` days that have data, for every registered proposal,
    whatever the sensor did."""
    watched = registered_proposals(context.instance)
    if not watched:
        return dg.SkipReason("No proposal is registered. Register some with: jwst-mast proposals add 1138")
    now = context.scheduled_execution_time.astimezone(dt.timezone.utc)
    try:
        config = daemon_config(context.instance)
        since = max(first_day(), day_of_mjd(mjd_of(now) - config.lookbacktime))
        observations = list_observations(archive.open_for_a_tick(), config, watched, since, now)
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    return [
        dg.RunRequest(
            run_key=f"daily|{now:%Y-%m-%d}|{cell.key}",
            partition_key=dg.MultiPartitionKey({"day": str(cell.day), "proposal": cell.proposal}),
            tags={REASON: f"daily, {now:%Y-%m-%d}"},
        )
        for cell in cells_with_data(observations[observations["wanted"].fillna(False).astype(bool)])
    ] or dg.SkipReason(f"No observations since {since}.")


schedules = [daily_download]
