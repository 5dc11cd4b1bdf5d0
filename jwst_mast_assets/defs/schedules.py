"""The daily download, in case the sensor missed something."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.defs.run_requests import run_requests
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.discovery import cells_with_data, list_observations
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.store import TableStore


def build_schedules(first_day: dt.date) -> list[dg.ScheduleDefinition]:
    """The schedules, for partitions that start on a given day."""

    @dg.schedule(
        job=jwst_download,
        cron_schedule="30 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Each morning (UTC), downloads the last lookbacktime days that have data for every watched "
        "proposal, whatever the sensor has done.",
    )
    def daily_download(
        context: dg.ScheduleEvaluationContext, archive: ArchiveResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """Request the last `lookbacktime` days that have data, for every watched proposal."""
        now = context.scheduled_execution_time.astimezone(dt.timezone.utc)
        try:
            config = daemon_config(context.instance)
            watched = watched_proposals(context.instance, TableStore.of(config), config)
            if not watched:
                return dg.SkipReason(f"No proposal is watched. Watch some with: {suggest('proposals add 1138')}")
            since = max(first_day, day_of_mjd(mjd_of(now) - config.lookbacktime))
            observations = list_observations(archive.open_for_a_tick(config), config, watched, since, now)
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")
        day = f"{now:%Y-%m-%d}"
        cells = cells_with_data(observations[tables.is_true(observations["wanted"])])
        numbers = observations["cell"].value_counts()
        asked = run_requests(
            context.instance,
            [DueCell(cell, f"daily, {day}", day, int(numbers[cell.key])) for cell in cells],
            registered_proposals(context.instance),
            first_day,
            now,
            by="daily",
            with_data=set(observations["cell"]),
        )
        for sentence in asked.skipped:
            context.log.warning(sentence)
        if asked.runs:
            return asked.runs
        nothing = "All of them are already queued or running" if asked.waiting else f"No observations since {since}"
        return dg.SkipReason("; ".join([nothing, *asked.skipped]))

    return [daily_download]
