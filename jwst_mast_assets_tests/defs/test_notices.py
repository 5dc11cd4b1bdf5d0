"""Notices of real runs, received over HTTP."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts, notices
from jwst_mast_assets.defs.failures import Situation
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD, build_resources
from jwst_mast_assets.defs.run_requests import run_requests
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import DAY, carry_out, execute
from jwst_mast_assets_tests.defs.running import tick as look
from jwst_mast_assets_tests.receiver import SECRET, Receiver

pytest.importorskip("apprise", reason="the extra notify is not installed")

NAME = "jw01138004001_02101_00001_nrca1_uncal.fits"


@pytest.fixture(autouse=True)
def two_detectors(monkeypatch, tmp_path):
    """Six files instead of thirty."""
    (tmp_path / "two.cfg").write_text("sca: [a1, a3]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "two.cfg"))


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as receiver:
        monkeypatch.setenv("JWST_NOTIFY_URLS", receiver.url)
        yield receiver


@pytest.fixture(autouse=True)
def root(runner, monkeypatch):
    """Where the sensors find the output folder."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(runner.root))
    return runner.root


def told(result, instance) -> Any:
    """What the sensors do about a run that has ended, as the daemon has them do it; what was sent then."""
    noted(result, instance)
    return send(instance)


def noted(result, instance) -> None:
    run = instance.get_run_by_id(result.run_id)
    kind = "RUN_SUCCESS" if result.success else "RUN_FAILURE"
    (event,) = [event for event in result.all_events if event.event_type_value == f"PIPELINE_{kind[4:]}"]
    sensor = notices.notice_of_new_data if result.success else notices.notice_of_failure
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=run
    )
    assert sensor(context if result.success else context.for_run_failure()) is None


def send(instance) -> Any:
    with dg.build_sensor_context(instance=instance) as context:
        return notices.notices_to_send(context)


def later(monkeypatch, runner, hours: float) -> None:
    """Make everything in the outbox older."""
    path = runner.root / ".jwst_mast_assets" / "outbox.json"
    box = json.loads(path.read_text())
    back = dt.timedelta(hours=hours)
    older = lambda at: at and (dt.datetime.fromisoformat(at) - back).isoformat()  # noqa: E731
    box |= {"sent": {key: older(at) for key, at in box["sent"].items()}, "tried": older(box["tried"])}
    path.write_text(json.dumps(box))


def test_new_data_are_reported_once(archive, runner, receiver, instance):
    told(runner.run(), instance)
    (message,) = receiver.received
    assert message["title"].startswith("new data for 1138: 6 files, ")
    assert "6 of 6 selected files" in message["message"]
    assert "index.html" in message["message"]
    told(runner.run(), instance)
    assert len(receiver.received) == 1


def test_a_range_is_reported_once(archive, runner, receiver, instance):
    told(runner.run(keys=(DAY, "2022-04-11|01138")), instance)
    (message,) = receiver.received
    assert message["title"].startswith(f"new data for 1138: {len(runner.files())} files, ")


def test_reprocessed_files_are_reported(own_archive, runner, receiver, instance, monkeypatch):
    noted(runner.run(), instance)
    send(instance)
    later(monkeypatch, runner, 1.1)
    receiver.received.clear()
    own_archive.reprocess(NAME)
    told(runner.run(), instance)
    (message,) = receiver.received
    assert message["title"].startswith("new data for 1138: 1 file, ")
    assert "1 file reprocessed: cal_ver 1.18.0 -> 1.19.2" in message["message"]


def test_lists_that_are_suddenly_short_are_reported_once_a_day(archive, runner, receiver, instance, monkeypatch):
    noted(runner.run(), instance)
    send(instance)
    later(monkeypatch, runner, 1.1)
    receiver.received.clear()
    archive.faults.add(Fault("short-list", match="Products", rows=1))
    for _ in range(2):
        told(runner.run(), instance)
        later(monkeypatch, runner, 1.1)
    (message,) = receiver.received
    assert (message["title"], message["type"]) == ("MAST lists less of 1138 than before", "warning")
    assert "What is on record is kept" in message["message"]


def test_observations_without_products_so_far_are_a_failed_check_and_not_less_than_before(
    archive, runner, receiver, instance
):
    archive.faults.add(Fault("short-list", match="Products", rows=0))
    result = runner.run()
    (check,) = [
        each
        for each in result.get_asset_check_evaluations()
        if (each.asset_key.path[-1], each.check_name) == ("product_table", "no_sudden_fall")
    ]
    assert not check.passed
    assert "MAST lists no products of it yet" in str(check.metadata["short"].value)
    told(result, instance)
    assert [message for message in receiver.received if "less" in message["title"]] == []


def test_no_row_at_all_of_proposals_with_data_is_reported_and_believed_by_nothing(
    archive, runner, receiver, instance, monkeypatch
):
    from jwst_mast_assets_tests.defs.test_sensors import tick as look

    instance.delete_dynamic_partition("proposal", "01410")
    WatchList(runner.store).add(["01138"])
    noted(runner.run(), instance)
    send(instance)
    later(monkeypatch, runner, 1.1)
    receiver.received.clear()
    archive.faults.add(Fault("short-list", match="Filtered", rows=0))
    for _ in range(2):
        skipped = look(instance)
        assert "MAST lists fewer observations than before on 1 day(s)" in skipped.skip_message
        send(instance)
        later(monkeypatch, runner, 1.1)
    (message,) = receiver.received
    assert message["title"] == "MAST lists less of 1138 than before"
    assert "0 of 30 observations of 01138 listed" in message["message"]
    assert len(runner.table("obs_table")) == 30


def test_a_failure_is_reported_with_its_reason_but_not_each_attempt(archive, runner, receiver, instance):
    archive.faults.add(Fault("status", endpoint="download", match=NAME, status=404))
    result = runner.run()
    told(result, instance)
    (message,) = receiver.received
    assert message["title"] == "download of 1138 failed (2022-04-10)"
    assert NAME in message["message"]
    assert message["type"] == "failure"
    instance.add_run_tags(result.run_id, {attempts.ATTEMPT: "2"})
    told(result, instance)
    assert len(receiver.received) == 1


def test_without_addresses_nothing_is_sent(archive, runner, instance):
    assert "notices are off" in (told(runner.run(), instance).skip_message or "")


def test_what_cannot_be_sent_harms_nothing_and_shows_no_address(archive, runner, instance, monkeypatch, capfd):
    with Receiver() as receiver:
        monkeypatch.setenv("JWST_NOTIFY_URLS", receiver.url)
    skipped = told(runner.run(), instance)
    unsent = "a notice could not be sent to address 1 of notify_urls"
    assert skipped.skip_message == f"0 notices sent; 1 kept for the next attempt; {unsent}"
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err


def test_the_addresses_are_in_no_launchpad_event_or_file(archive, runner, instance, receiver, tmp_path, monkeypatch):
    path = tmp_path / "my.cfg"
    path.write_text(f"sca: [a1]\nnotify_urls: {receiver.url}\n")
    monkeypatch.delenv("JWST_NOTIFY_URLS")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    result = runner.run()
    told(result, instance)
    assert len(receiver.received) == 1
    assert "notify_urls" in NOT_IN_LAUNCHPAD
    assert "notify_urls" not in type(build_resources(Config())["jwst_config"]).model_fields
    written = b"".join(file.read_bytes() for file in runner.root.rglob("*") if file.is_file())
    assert SECRET not in "".join(str(entry) for entry in instance.all_logs(result.run_id)) + written.decode("latin-1")


def test_a_receiver_that_is_down_loses_nothing_and_gets_it_later(archive, runner, instance, monkeypatch):
    with Receiver() as receiver:
        address = receiver.url
    monkeypatch.setenv("JWST_NOTIFY_URLS", address)
    told(runner.run(), instance)
    archive.faults.add(Fault("status", endpoint="download", match=NAME, status=404))
    Path(runner.root / "01138" / "obsnum04" / NAME).unlink()
    noted(runner.run(), instance)
    with Receiver() as receiver:
        monkeypatch.setenv("JWST_NOTIFY_URLS", receiver.url)
        assert send(instance).skip_message == "0 notices sent; 1 kept for the next attempt", "not again at once"
        later(monkeypatch, runner, 0.2)
        assert send(instance).skip_message == "1 notice sent"
        (message,) = receiver.received
        assert message["title"] == "1138: 1 new, 1 failed"
        assert "new data for 1138: 6 files" in message["message"]
        assert NAME in message["message"]
        assert send(instance).skip_message == "0 notices sent"


def test_a_proposal_has_one_notice_an_hour(archive, runner, receiver, instance, monkeypatch):
    told(runner.run(), instance)
    for key in ("2022-04-11|01138", "2022-04-14|01138"):
        told(runner.run(keys=key), instance)
    assert len(receiver.received) == 1
    later(monkeypatch, runner, 1.1)
    send(instance)
    assert [message["title"] for message in receiver.received[1:]] == ["1138: 2 new"]


def test_a_notice_of_an_hour_tells_new_released_and_restored_files_apart(
    archive, runner, receiver, instance, monkeypatch
):
    told(runner.run(), instance)
    told(runner.run(keys="2022-04-11|01138"), instance)
    requested = {attempts.RELEASED: "true", "dagster/partition": "2022-04-14|01138"}
    told(execute(instance, tags=requested), instance)
    next(runner.root.rglob(NAME)).unlink()
    told(runner.run(), instance)
    later(monkeypatch, runner, 1.1)
    send(instance)
    last = receiver.received[-1]
    assert last["title"] == "1138: 1 new, 1 released, 1 healed"
    assert "1 file missing on disk: restored" in last["message"]
    assert "healed: files restored for 1138: 1 file, " in last["message"]


def test_two_runs_in_one_tick_are_both_noted_and_the_cursor_moves(archive, runner, receiver, instance):
    sensor = notices.notice_of_new_data
    repository = build_defs().get_repository_def()

    def evaluate(cursor: str | None) -> str | None:
        with dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor) as context:
            data = sensor.evaluate_tick(context)
        assert [reaction.error for reaction in (data.dagster_run_reactions or []) if reaction.error] == []
        return data.cursor

    start = evaluate(None)
    for _ in range(2):
        # The second one fetches nothing.
        assert runner.run().success
    moved = evaluate(start)
    assert moved != start
    assert evaluate(moved) == moved
    send(instance)
    assert [message["title"][:28] for message in receiver.received] == ["new data for 1138: 6 files, "]


def test_what_makes_every_run_fail_is_one_notice_and_so_is_its_end(archive, runner, receiver, instance, monkeypatch):
    archive.faults.add(Fault("status", endpoint="invoke", status=503))
    for key in (DAY, "2022-04-11|01138", "2022-04-14|01138"):
        told(runner.run(keys=key), instance)
    (message,) = receiver.received
    assert message["title"] == "downloads fail: MAST does not answer"
    later(monkeypatch, runner, 30)
    send(instance)
    assert len(receiver.received) == 1
    # Meanwhile one run at a time shows whether it is over.
    wanted = [DueCell(Cell(dt.date(2022, month, 1), "01138"), "new", "c") for month in (1, 3, 5)]
    now = dt.datetime.now(dt.timezone.utc)
    first = dt.date(2022, 1, 1)
    assert len(run_requests(instance, wanted, {"01138"}, first, now, store=runner.store).runs) == 1
    archive.faults.clear()
    told(runner.run(), instance)
    titles = [message["title"] for message in receiver.received[1:]]
    assert titles[0] == "downloads work again: MAST does not answer no longer"
    assert titles[1].startswith("new data for 1138")
    assert len(run_requests(instance, wanted, {"01138"}, first, now, store=runner.store).runs) == 3


def test_on_a_full_disk_nothing_is_requested(instance):
    wanted = [DueCell(Cell(dt.date(2022, 1, 1), "01138"), "new", "c")]
    now, first = dt.datetime.now(dt.timezone.utc), dt.date(2022, 1, 1)
    full = run_requests(instance, wanted, {"01138"}, first, now, Situation("", 1000, True))
    assert (len(full.runs), full.waiting) == (0, 1)
    assert full.skipped == ["nothing is requested while the disk is full (1 kB free)"]
    assert len(run_requests(instance, wanted, {"01138"}, first, now, Situation("", 10**9, True)).runs) == 1


def test_a_daily_check_that_fails_is_reported(archive, runner, receiver, instance):
    assert runner.run().success
    WatchList(runner.store).add(["01138"])
    (runner.root / ".jwst_mast_assets" / "forgotten.json").write_text("damaged")
    told(execute(instance, "jwst_upkeep"), instance)
    (message,) = receiver.received
    assert message["title"] == "the daily look at the disk failed"
    assert "forgotten.json is damaged" in message["message"]


def tick(instance):
    """One tick of the sensor of the token; what it says."""
    with dg.build_sensor_context(instance=instance) as context:
        result: Any = notices.notice_of_token(context)
    return result.skip_message


def test_a_token_about_to_expire_is_reported_once_a_day(archive, instance, runner, receiver, monkeypatch, tmp_path):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(runner.root))
    assert tick(instance) == "No token is set."
    monkeypatch.setenv("MAST_API_TOKEN", "good-token")
    assert tick(instance) == "The token is in use and young."
    path = runner.root / ".jwst_mast_assets" / "token.json"
    now = dt.datetime.now(dt.timezone.utc)
    aged = path.read_text().replace(f"{now:%Y-%m-%d}", f"{now - dt.timedelta(days=8):%Y-%m-%d}")
    path.write_text(aged)
    assert "the MAST token expires on" in tick(instance)
    assert receiver.received[0]["type"] == "warning"
    tick(instance)
    assert len(receiver.received) == 1
    assert "good-token" not in str(receiver.received) + path.read_text()
    path.write_text(aged)
    runner.run("jwst_query")
    assert tick(instance) == "The token is in use and young."


def test_the_notice_of_the_token_reads_the_config_file_at_each_tick(archive, instance, monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    path.write_text(f"outrootdir: {tmp_path}/before\n")
    assert tick(instance) == "No token is set."
    path.write_text(f"outrootdir: {tmp_path}/after\ntoken: good-token\n")
    assert tick(instance) == "The token is in use and young."
    assert (tmp_path / "after" / ".jwst_mast_assets" / "token.json").exists()
    path.write_text("outrootdir: [\n")
    assert tick(instance).startswith("Skipped: config file")


def test_a_token_that_mast_refuses_is_reported_once_and_once_when_it_works_again(
    own_archive, instance, runner, receiver, monkeypatch
):
    catalogue = own_archive.catalogue
    catalogue.observations.clear()
    catalogue.add_observation(1138, 1, 59700.2, ["a1"], guide_stars=False)
    catalogue.add_observation(1138, 2, 59700.4, ["a1"], guide_stars=False, exclusive=True, release=70_000.0)
    WatchList(runner.store).add(["01138"])
    monkeypatch.setenv("MAST_API_TOKEN", "expired")
    requested = look(instance)
    assert all(run.success for run in carry_out(instance, requested))
    assert [name for name in runner.files() if "_uncal" in name] == ["jw01138001001_02101_00001_nrca1_uncal.fits"]
    for _ in range(3):
        assert "Nothing new" in look(instance).skip_message
        send(instance)
    titles = [message["title"] for message in receiver.received]
    assert titles.count("MAST does not accept the token") == 1
    assert tick(instance) == "MAST does not accept the token, which was reported."
    asked = [each for each in own_archive.requests if each.endpoint == "download" and "jw01138002" in f"{each.params}"]
    assert asked == [], "files that need the token are not requested in vain"
    # A run that succeeds without it does not mean that it works.
    noted(runner.run(keys="2022-05-01|01138"), instance)
    send(instance)
    monkeypatch.setenv("MAST_API_TOKEN", "good-token")
    again = look(instance)
    assert [request.tags[attempts.REASON] for request in again.run_requests] == ["a token is set"]
    assert all(run.success for run in carry_out(instance, again))
    assert len([name for name in runner.files() if "_uncal" in name]) == 2
    look(instance)
    send(instance)
    send(instance)
    titles = [message["title"] for message in receiver.received]
    assert titles.count("MAST does not accept the token") == 1
    assert titles.count("MAST accepts the token again") == 1
