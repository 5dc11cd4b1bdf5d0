"""Notices: what they say, that they arrive over HTTP, and that no address is ever shown."""

import datetime as dt
import logging

import pytest
from pydantic import SecretStr

from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.records import notices
from jwst_mast_assets.records.notices import Addresses, Notice
from jwst_mast_assets_tests.receiver import SECRET, Receiver

pytest.importorskip("apprise", reason="the extra notify is not installed")

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def closed_port():
    """An address where nobody listens."""
    with Receiver() as other:
        return other.url


TOTALS = {"fetched": 24, "bytes_fetched": 2_100_000_000, "present": 24, "selected": 24}


def test_new_data_are_reported_in_one_line():
    notice = notices.new_data(["02731"], TOTALS)
    assert notice is not None
    assert notice.title == "new data for 2731: 24 files, 2.1 GB"


def test_reprocessed_files_are_reported_with_their_versions():
    notice = notices.new_data(
        ["02731"], {**TOTALS, "changed": "24 files reprocessed: cal_ver 1.18.0 -> 1.19.2"}, "page"
    )
    assert notice is not None
    assert notice.body.splitlines() == [
        "24 files reprocessed: cal_ver 1.18.0 -> 1.19.2.",
        "24 of 24 selected files are on disk.",
        "page",
    ]


def test_nothing_fetched_is_no_news():
    assert notices.new_data(["02731"], {**TOTALS, "fetched": 0}) is None
    assert notices.new_data(["02731"], {}) is None


def test_a_notice_arrives(receiver):
    assert notices.send(Notice("title", "body", "success"), Addresses((receiver.url,))) == []
    (message,) = receiver.received
    assert (message["title"], message["message"], message["type"]) == ("title", "body", "success")


def test_a_notice_that_cannot_be_sent_is_reported_without_its_address_and_blocks_no_other(receiver, caplog, capfd):
    caplog.set_level(logging.DEBUG, "apprise")
    addresses = Addresses((f"nonsense://{SECRET}", closed_port(), receiver.url))
    problems = notices.send(Notice("title", "body"), addresses)
    assert problems == [
        "notify_urls: address 1 is not one that apprise knows",
        "a notice could not be sent to address 2 of notify_urls",
    ]
    assert len(receiver.received) == 1
    shown = capfd.readouterr()
    assert SECRET not in repr(addresses) + str(addresses) + shown.out + shown.err + caplog.text


def test_without_the_library_the_notice_says_what_to_install(receiver, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    (problem,) = notices.send(Notice("title", "body"), Addresses((receiver.url,)))
    assert "pip install" in problem


def test_addresses_come_from_the_environment_else_from_the_config_file(monkeypatch, tmp_path):
    assert notices.notice_addresses().urls == ()
    path = tmp_path / "x.cfg"
    path.write_text("notify_urls: [json://a/1, 'mailto://u:p@b?to=x@c,y@c']\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    assert notices.notice_addresses().urls == ("json://a/1", "mailto://u:p@b?to=x@c,y@c")
    monkeypatch.setenv("JWST_NOTIFY_URLS", "json://c  json://d")
    assert notices.notice_addresses().urls == ("json://c", "json://d")


def test_addresses_are_shown_nowhere():
    config = Config.from_mapping({"notify_urls": f"json://{SECRET} json://b"})
    assert config.notify_urls == [SecretStr(f"json://{SECRET}"), SecretStr("json://b")]
    assert SECRET not in repr(config) + str(config.model_dump()) + config.model_dump_json()
    assert config.merged({"instrument": "miri"}).notify_urls == config.notify_urls
    with pytest.raises(ConfigError) as error:
        Config.from_mapping({"notify_urls": [{SECRET: 1}]})
    assert SECRET not in str(error.value)


def test_no_addresses_is_the_default():
    assert load_config().notify_urls == []


def test_a_token_is_kept_as_a_hash(tmp_path):
    notices.note_token(tmp_path, "good-token", NOW)
    written = (tmp_path / ".jwst_mast_assets" / "token.json").read_text()
    assert "good-token" not in written


@pytest.mark.parametrize(
    ("days", "used", "told"),
    [
        (0, 0, False),
        (6, 0, False),
        (8, 0, True),
        (8, 7, False),
        (56, 55, False),
        (58, 57, True),
        (12, 0, True),
    ],
)
def test_the_end_of_a_token_is_reported_in_advance(tmp_path, days, used, told):
    notices.note_token(tmp_path, "t", NOW)
    now = NOW + days * DAY
    state = notices.note_token(tmp_path, "t", now, NOW + used * DAY)
    notice = notices.token_ends(state, now)
    assert (notice is not None) == told
    if notice:
        assert ("has expired" in notice.title) == (days == 12)
        notices.mark_told(tmp_path, "t", state, now)
        again = notices.note_token(tmp_path, "t", now + DAY / 2)
        assert notices.token_ends(again, now + DAY / 2) is None
        assert (notices.token_ends(again, now + 1.5 * DAY) is None) == (days == 12), "that it has expired is said once"


def test_another_token_starts_its_own_record(tmp_path):
    notices.note_token(tmp_path, "old", NOW - 59 * DAY)
    state = notices.note_token(tmp_path, "new", NOW, used=NOW - DAY)
    assert notices.token_ends(state, NOW) is None
    assert state.first_seen == state.last_used == NOW


def test_a_broken_token_record_is_started_again(tmp_path):
    notices.note_token(tmp_path, "t", NOW)
    (tmp_path / ".jwst_mast_assets" / "token.json").write_text("{")
    assert notices.note_token(tmp_path, "t", NOW + DAY).first_seen == NOW + DAY
