"""Notices of real runs, received over HTTP."""

import datetime as dt
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.defs import attempts, notices
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD, build_resources
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets_tests.defs.conftest import DAY
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


def told(result, instance) -> Any:
    """What the sensors say of a run that has ended, as the daemon has them say it."""
    run = instance.get_run_by_id(result.run_id)
    kind = "RUN_SUCCESS" if result.success else "RUN_FAILURE"
    (event,) = [event for event in result.all_events if event.event_type_value == f"PIPELINE_{kind[4:]}"]
    sensor = notices.notice_of_new_data if result.success else notices.notice_of_failure
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=run
    )
    return sensor(context if result.success else context.for_run_failure())


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


def test_reprocessed_files_are_reported(own_archive, runner, receiver, instance):
    runner.run()
    own_archive.reprocess(NAME)
    told(runner.run(), instance)
    (message,) = receiver.received
    assert message["title"].startswith("new data for 1138: 1 file, ")
    assert "1 file reprocessed: cal_ver 1.18.0 -> 1.19.2" in message["message"]


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
    assert skipped.skip_message == "a notice could not be sent to address 1 of notify_urls"
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
