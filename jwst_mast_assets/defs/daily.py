"""Checks that run once a day, and are repeated the same day if they failed."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.defs.attempts import UNDER_WAY

REPEATS = range(3, 18, 3)
"""Hours after its time at which a check that has not succeeded is repeated."""

DONE = "It has succeeded today."


def daily_with_repeats(hour: int) -> list[str]:
    """Cron schedules (UTC) of a check at an hour of the day, and of its repetitions before midnight."""
    later = ",".join(str(hour + wait) for wait in REPEATS if hour + wait < 24)
    return [f"0 {hour} * * *", f"0 {later} * * *"]


def done_or_under_way(instance: dg.DagsterInstance, job: str, hour: int, scheduled: dt.datetime) -> str | None:
    """Why a check need not run now: it is under way, or has succeeded since its hour of the day; None if it must.

    A run that started before midnight belongs to the day before, whenever it ends.
    """
    scheduled = scheduled.astimezone(dt.timezone.utc)
    running = dg.RunsFilter(job_name=job, statuses=UNDER_WAY)
    if instance.get_runs(running, limit=1):
        return "It is under way."
    since = scheduled.replace(hour=hour, minute=0, second=0, microsecond=0)
    if scheduled == since:
        return None
    succeeded = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], created_after=since)
    return DONE if instance.get_runs(succeeded, limit=1) else None
