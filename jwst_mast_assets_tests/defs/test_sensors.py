"""The sensor and the schedule, ticked against a real instance, a real archive, and real runs."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.records.store import STATE_FOLDER
from jwst_mast_assets_tests.defs.running import (
    CHECKS_OF_A_DOWNLOAD,
    DAY,
    carry_out,
    checks_evaluated,
    days_of,
    execute,
    messages,
    reasons,
    tick,
    watch_only,
)


@pytest.fixture
def instance(instance):
    """Only 1138 is registered: four days of data."""
    instance.delete_dynamic_partition("proposal", "01410")
    return instance


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The output folder, as the environment names it; 1138 is watched there."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "01138")
    return tmp_path / "data"


def test_days_with_data_are_requested_with_the_reason_and_then_nothing(archive, instance, root):
    result = tick(instance)
    assert "30 new observations" in reasons(result)[DAY]
    days = {key.split("|")[0] for key in reasons(result)}
    assert {"2022-04-10", "2022-04-11", "2022-04-14"} <= days
    assert "2022-04-12" not in days
    runs = carry_out(instance, result)
    assert all(run.success for run in runs)
    assert all(checks_evaluated(instance, run.run_id) == CHECKS_OF_A_DOWNLOAD for run in runs)
    assert (root / "01138" / "index.html").exists()
    archive.clear_requests()
    for _ in range(10):
        skipped = tick(instance)
        assert isinstance(skipped, dg.SkipReason)
        assert "Nothing new" in (skipped.skip_message or "")
    assert len(archive.requests) <= 11


def test_without_proposals_it_says_what_to_do(archive, instance, root):
    watch_only(root)
    assert "jwst-mast proposals add" in (tick(instance).skip_message or "")
    assert archive.requests == []


def test_proposals_of_the_config_file_are_registered(archive, instance, root, monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("propID: [743]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    result = tick(instance)
    assert [request.partition_keys for request in result.dynamic_partitions_requests] == [["00743"]]
    assert any(key.endswith("|00743") for key in reasons(result))


def test_a_late_observation_of_a_day_already_done_is_caught(own_archive, instance, root):
    carry_out(instance, tick(instance))
    own_archive.add_observation(1138, 20, t_min=59679.9)
    assert reasons(tick(instance)) == {DAY: "1 new observation"}


def test_a_planned_observation_is_no_data(archive, instance, root):
    watch_only(root, "01138", "02221")
    assert not any(key.endswith("02221") for key in reasons(tick(instance)))


def test_a_partition_under_way_is_not_requested_again(archive, instance, root):
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags={"dagster/partition": DAY},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert DAY not in reasons(tick(instance))


def test_runs_started_by_hand_leave_the_sensor_its_share(archive, instance, root, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 2)
    job = build_defs().resolve_job_def("jwst_download")
    for day in range(1, 6):
        tags = {"dagster/partition": f"2023-01-0{day}|01138"}
        instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    result = tick(instance)
    assert len(result.run_requests) == 2
    for request in result.run_requests:
        single = {"dagster/partition": request.partition_key} if request.partition_key else {}
        tags = {**request.tags, **single, "dagster/sensor_name": "new_observations"}
        instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_configuration_that_excludes_all_of_a_proposal_is_named_with_what_there_is(
    archive, instance, tmp_path, monkeypatch
):
    (tmp_path / "my.cfg").write_text("instrument: miri\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    skipped = tick(instance)
    assert isinstance(skipped, dg.SkipReason)
    sentence = r"proposal 01138 has \d+ NIRCAM observations; instrument: miri excludes them\."
    assert re.search(sentence, skipped.skip_message or "")


def test_mast_failing_means_a_skip_with_the_reason(archive, instance, root):
    archive.faults.add(Fault("status", endpoint="invoke", status=500))
    skipped = tick(instance)
    assert isinstance(skipped, dg.SkipReason)
    assert "HTTP status 500" in (skipped.skip_message or "")


def test_a_tick_that_was_killed_before_its_runs_started_loses_nothing(archive, instance, root):
    lost = reasons(tick(instance))
    assert reasons(tick(instance)) == lost


def test_after_an_hour_without_mast_everything_is_caught_up_and_nothing_fetched_twice(archive, instance, root):
    carry_out(instance, tick(instance))
    fetched = [request.uri for request in archive.requests if request.endpoint == "download"]
    archive.faults.add(Fault("status", endpoint="invoke", status=503))
    assert isinstance(tick(instance), dg.SkipReason)
    archive.faults.clear()
    assert isinstance(tick(instance), dg.SkipReason)
    assert len(fetched) == len(set(fetched))


def test_a_cancelled_run_is_requested_again(archive, instance, root, monkeypatch):
    monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
    request = next(request for request in tick(instance).run_requests if DAY in days_of(request))
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.CANCELED,
    )
    assert DAY in reasons(tick(instance))


def test_a_failed_partition_is_retried_after_growing_waits_but_not_forever(archive, instance, root, monkeypatch):
    archive.faults.add(Fault("status", endpoint="download", match="jw01138004001_02101_00001_nrca1_uncal", status=404))
    assert [run.success for run in carry_out(instance, tick(instance))].count(False) == 1
    assert isinstance(tick(instance), dg.SkipReason)
    monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
    for attempt in range(2, attempts.MOST_ATTEMPTS + 1):
        result = tick(instance)
        assert reasons(result) == {DAY: "files missing"}
        assert result.run_requests[0].tags[attempts.ATTEMPT] == str(attempt)
        fail_quickly(instance, result.run_requests[0])
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_day_with_files_that_mast_does_not_give_out_yet_is_green_and_tried_again_after_growing_waits(
    archive, instance, root, monkeypatch
):
    withheld = archive.catalogue.files["jw01138004001_02101_00001_nrca1_uncal.fits"]
    monkeypatch.setattr(withheld, "migrated", False)
    assert all(run.success for run in carry_out(instance, tick(instance)))
    assert isinstance(tick(instance), dg.SkipReason)
    monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
    result = tick(instance)
    assert reasons(result) == {DAY: "1 public file that MAST did not provide yet"}
    assert result.run_requests[0].tags[attempts.ATTEMPT] == "2"
    monkeypatch.setattr(withheld, "migrated", True)
    carry_out(instance, result)
    assert (root / "01138" / "obsnum04" / withheld.name).exists()
    assert isinstance(tick(instance), dg.SkipReason)


def fail_quickly(instance, request):
    """A run of the request that failed."""
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags={**request.tags, "dagster/partition": request.partition_key},
        status=dg.DagsterRunStatus.FAILURE,
    )


def test_waits_grow_from_minutes_to_a_week_and_end():
    ended = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    waits = []
    for number in range(1, attempts.MOST_ATTEMPTS):
        tries = attempts.Tries(number, ended.timestamp())
        hours = range(24 * 8)
        waits.append(next(h for h in hours if attempts.next_attempt(tries, ended + dt.timedelta(hours=h, minutes=11))))
    assert waits == sorted(waits)
    assert (waits[0], waits[2], waits[-1]) == (0, 3, 168)
    tries = attempts.Tries(attempts.MOST_ATTEMPTS, ended.timestamp())
    assert attempts.next_attempt(tries, ended + dt.timedelta(days=3650)) is None


def test_a_clock_that_was_ahead_holds_nothing_up():
    now = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    ahead = attempts.Tries(1, (now + dt.timedelta(days=400)).timestamp())
    assert attempts.next_attempt(ahead, now) is None
    assert attempts.next_attempt(attempts.Tries(1, (now - dt.timedelta(minutes=11)).timestamp()), now) == 2


def test_an_output_folder_whose_disk_is_gone_is_not_refilled(archive, instance, root):
    carry_out(instance, tick(instance))
    root.rename(root.with_name("unmounted"))
    assert "is its disk mounted?" in tick(instance).skip_message
    root.mkdir()
    assert "is its disk mounted?" in tick(instance).skip_message
    assert not list(root.iterdir())


def test_a_run_that_was_queued_before_the_disk_went_fetches_nothing(archive, instance, root):
    carry_out(instance, tick(instance))
    root.rename(root.with_name("unmounted"))
    root.mkdir()
    queued = execute(instance, partition_key=DAY)
    assert not queued.success
    assert any("is its disk mounted?" in message for message in messages(queued))
    assert not list(root.iterdir())


def test_files_whose_records_are_gone_are_taken_over_not_fetched_again(archive, instance, root):
    carry_out(instance, tick(instance))
    (root / STATE_FOLDER).rename(root.with_name("records"))
    before = {path: path.stat().st_ino for path in root.rglob("*.*")}
    said = tick(instance).skip_message
    assert f"{root} has files, but their records" in said
    assert f"adopt {root}" in said
    assert not execute(instance, partition_key=DAY).success
    assert {path: path.stat().st_ino for path in root.rglob("*.*")} == before


def test_without_an_output_folder_nothing_is_requested(archive, instance, monkeypatch):
    monkeypatch.delenv("JWSTDOWNLOAD_OUTDIR")
    assert "No output folder is set" in tick(instance).skip_message


def test_an_early_release_is_noticed(own_archive, instance, root, monkeypatch):
    monkeypatch.setattr(
        "jwst_mast_assets.defs.sensors.utc_now", lambda: dt.datetime(2023, 9, 13, tzinfo=dt.timezone.utc)
    )
    watch_only(root, "09231")
    carry_out(instance, tick(instance))
    for row in own_archive.catalogue.observations:
        if row["proposal_id"] == "9231":
            row["dataRights"] = "PUBLIC"
    assert "observations changed" in reasons(tick(instance)).values()


def test_the_token_of_the_config_file_is_shown_to_mast(archive, instance, monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("token: wrong-token\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    assert "30 new observations" in reasons(tick(instance))[DAY]
    carry_out(instance, tick(instance))
    message = tick(instance).skip_message
    assert "Nothing new" in message
    assert "MAST does not accept the token" in message
    assert "https://auth.mast.stsci.edu/token" in message
    assert "wrong-token" not in message


def test_files_are_fetched_on_the_day_after_their_release_without_asking_before(
    own_archive, instance, root, monkeypatch
):
    watch_only(root, "09231")
    monkeypatch.setattr(
        "jwst_mast_assets.defs.sensors.utc_now", lambda: dt.datetime(2023, 9, 13, tzinfo=dt.timezone.utc)
    )
    assert all(run.success for run in carry_out(instance, tick(instance)))
    assert isinstance(tick(instance), dg.SkipReason)
    own_archive.clear_requests()
    own_archive.release(9231)
    later = dt.datetime(2023, 9, 13, tzinfo=dt.timezone.utc) + dt.timedelta(days=366)
    monkeypatch.setattr("jwst_mast_assets.defs.sensors.utc_now", lambda: later)
    result = tick(instance)
    assert all(reason.startswith("released on 2024-09-") for reason in reasons(result).values())
    assert all(attempts.RELEASED in request.tags for request in result.run_requests)
    assert not [request for request in own_archive.requests if request.endpoint == "download"]
    assert all(run.success for run in carry_out(instance, result))
    assert [request for request in own_archive.requests if request.endpoint == "download"]


def test_another_selection_in_the_config_file_is_caught_up(archive, instance, root, monkeypatch, tmp_path):
    carry_out(instance, tick(instance))
    assert isinstance(tick(instance), dg.SkipReason)
    path = tmp_path / "my.cfg"
    path.write_text("filetypes: [uncal, rate]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    assert reasons(tick(instance))[DAY] == "3 days: selection changed"


@pytest.fixture
def all_of_nircam(archive, instance, root, monkeypatch, tmp_path) -> Callable[..., Any]:
    """Makes a tick at a time that watches everything from NIRCam, and no proposal in particular."""
    path = tmp_path / "my.cfg"
    path.write_text("watch: all\ninstrument: nircam\nlookbacktime: 2\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    watch_only(root)
    cursors: list[str | None] = []

    def tick_at(now: dt.datetime, of_a_new_home: bool = False) -> Any:
        monkeypatch.setattr("jwst_mast_assets.defs.sensors.utc_now", lambda: now)
        return tick(instance, None if of_a_new_home else cursors)

    return tick_at


NOON = dt.datetime(2023, 9, 13, 12, tzinfo=dt.timezone.utc)
SINCE_THE_11TH = {"2023-09-13|01138", "2023-09-12|01409", "2023-09-12|09231", "2023-09-11|01410"}
"""What NIRCam has taken in the last two days, and earlier on the first of them."""


def test_watching_all_takes_what_an_instrument_has_taken_lately_and_nothing_older(all_of_nircam, instance, root):
    result = all_of_nircam(NOON)
    assert set(reasons(result)) == SINCE_THE_11TH
    (added,) = result.dynamic_partitions_requests
    assert {"01409", "01410", "09231"} == {*added.partition_keys}
    assert all(run.success for run in carry_out(instance, result))
    # Its proposals have older observations, which nobody asked for.
    assert isinstance(all_of_nircam(NOON + dt.timedelta(hours=1)), dg.SkipReason)
    watch_only(root, "1409")
    assert "2022-04-22|01409" in reasons(all_of_nircam(NOON + dt.timedelta(hours=2)))


def test_watching_all_does_not_go_on_with_the_older_days_of_a_proposal_that_is_no_longer_chosen(all_of_nircam, root):
    watch_only(root, "1409")
    assert "2022-04-22|01409" in reasons(all_of_nircam(NOON))
    watch_only(root)
    assert set(reasons(all_of_nircam(NOON + dt.timedelta(hours=1)))) == SINCE_THE_11TH


def test_watching_all_counts_what_it_found_as_watched(all_of_nircam, instance, root, capsys):
    assert main(["proposals", "list"]) == 0
    everything = "everything from nircam in the last 2 days (watch: all)"
    assert capsys.readouterr().out.startswith(f"{everything}\n")
    carry_out(instance, all_of_nircam(NOON))
    capsys.readouterr()
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert all(proposal in shown for proposal in ("01138", "01409", "01410", "09231"))
    assert "not watched" not in shown
    assert main(["proposals", "list"]) == 0
    assert capsys.readouterr().out == f"{everything}; found so far: 01138 01409 01410 09231\n"
    watch_only(root, "1409")
    capsys.readouterr()
    assert main(["proposals", "list"]) == 0
    assert capsys.readouterr().out == f"01409\nand {everything}; found so far: 01138 01410 09231\n"
    assert main(["proposals", "remove", "1409"]) == 0
    kept = "01409: what was downloaded is kept current, because the config file has watch: all"
    assert kept in capsys.readouterr().out.splitlines()


def test_watching_all_leaves_no_gap_after_a_pause_an_outage_and_with_a_new_home(all_of_nircam, archive, instance):
    assert isinstance(all_of_nircam(dt.datetime(2023, 9, 8, 12, tzinfo=dt.timezone.utc)), dg.SkipReason)
    archive.faults.add(Fault("status", endpoint="invoke", status=503))
    assert "HTTP status 503" in all_of_nircam(NOON + dt.timedelta(days=5)).skip_message
    archive.faults.clear()
    result = all_of_nircam(NOON + dt.timedelta(days=6), of_a_new_home=True)
    assert set(reasons(result)) == SINCE_THE_11TH


def test_watching_all_requests_what_was_not_downloaded_within_the_lookback_again(all_of_nircam):
    assert set(reasons(all_of_nircam(NOON))) == SINCE_THE_11TH
    for days in (5, 10):
        assert set(reasons(all_of_nircam(NOON + dt.timedelta(days=days)))) == SINCE_THE_11TH


def test_watching_all_requests_what_there_was_no_room_for_as_runs_end(all_of_nircam, instance, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 1)
    requested: list[str] = []
    for minutes in range(4):
        result = all_of_nircam(NOON + dt.timedelta(minutes=minutes))
        requested += reasons(result)
        assert all(run.success for run in carry_out(instance, result))
    assert sorted(requested) == sorted(SINCE_THE_11TH)
    assert isinstance(all_of_nircam(NOON + dt.timedelta(minutes=4)), dg.SkipReason)


def test_the_schedule_asks_for_the_days_of_the_lookback_that_have_data(archive, instance, root):
    definitions = build_defs()
    (schedule,) = [schedule for schedule in definitions.schedules or [] if schedule.name == "daily_download"]
    tick_of: Any = schedule
    # A context that is never left puts its instance in force again when it is collected, in the middle of another test.
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=dt.datetime(2023, 9, 13, 6, 30, tzinfo=dt.timezone.utc),
        repository_def=definitions.get_repository_def(),
        resources=dict(definitions.resources or {}),
    ) as context:
        requests = tick_of(context)
    assert {request.partition_key for request in requests} == {"2023-09-13|01138"}


def test_a_mode_that_mast_does_not_have_is_named_in_the_skip_and_a_new_one_is_looked_for(
    unusual_archive, instance, root, monkeypatch, tmp_path
):
    path = tmp_path / "my.cfg"
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    path.write_text("instrument: nircam\nobsmode: [imgae]\n")
    skipped = tick(instance)
    assert isinstance(skipped, dg.SkipReason)
    assert "obsmode: MAST has no mode 'imgae' of nircam; did you mean 'image'?" in (skipped.skip_message or "")
    instance.add_dynamic_partitions("proposal", ["80001"])
    watch_only(root, "80001")
    path.write_text("instrument: nircam\nobsmode: [lores]\n")
    assert {key for key in reasons(tick(instance)) if key.endswith("80001")} == {"2022-05-21|80001"}
