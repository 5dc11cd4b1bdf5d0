"""The checks of the day: once, again if they failed, and by the day on which they started."""

import datetime as dt

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import daily

FAILURE, SUCCESS, STARTED = (dg.DagsterRunStatus[name] for name in ("FAILURE", "SUCCESS", "STARTED"))


def test_it_is_repeated_before_midnight_only():
    assert daily.daily_with_repeats(5) == ["0 5 * * *", "0 8,11,14,17,20 * * *"]
    assert daily.daily_with_repeats(20) == ["0 20 * * *", "0 23 * * *"]


@pytest.mark.parametrize("name", ["jwst_reprocessing", "jwst_upkeep"])
def test_a_check_that_failed_is_repeated_the_same_day_and_one_that_succeeded_is_not(tmp_path, name):
    now = dt.datetime.now(dt.timezone.utc)
    # As if the check's time had been an hour ago.
    due = now - dt.timedelta(hours=1)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:

        def reason(at: dt.datetime) -> str | None:
            return daily.done_or_under_way(instance, name, due.hour, at)

        def ended(status: dg.DagsterRunStatus) -> None:
            instance.create_run_for_job(build_defs().resolve_job_def(name), status=status)

        ended(FAILURE)
        assert reason(due.replace(minute=59)) is None
        ended(SUCCESS)
        assert reason(due.replace(minute=59)) == "It has succeeded today."
        tomorrow = due + dt.timedelta(days=1)
        assert reason(tomorrow.replace(minute=59)) is None, "a run belongs to the day on which it started"
        ended(STARTED)
        assert reason(tomorrow) == "It is under way."
