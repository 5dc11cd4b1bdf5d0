"""Files that MAST adds to observations whose own row does not change."""

import datetime as dt
from typing import Any

import pytest

from jwst_mast_assets.defs.attempts import ATTEMPT
from jwst_mast_assets.embedded_archive import Fault, living
from jwst_mast_assets.records import daily_look, relisting, steps
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.defs.running import DAY, carry_out, execute, reasons, watch_only
from jwst_mast_assets_tests.defs.test_many_proposals import Daemon

NEW = "jw01138004001_02101_00001_nrca1_extra_uncal.fits"


@pytest.fixture
def daemon(own_archive, instance, tmp_path, monkeypatch) -> Daemon:
    """The sensor watches a day of 1138, which was downloaded; its clock is right."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    (tmp_path / "my.cfg").write_text("date_select: ['2022-04-10']\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    instance.delete_dynamic_partition("proposal", "01410")
    watch_only(tmp_path / "data", "01138")
    daemon = Daemon(instance, monkeypatch, tmp_path / "data")
    daemon.now = dt.datetime.now(dt.timezone.utc)
    assert all(run.success for run in carry_out(instance, daemon.tick()))
    own_archive.clear_requests()
    return daemon


@pytest.fixture
def confirmed(own_archive, daemon) -> Daemon:
    """A day later the list was asked for a second time."""
    daemon.now += dt.timedelta(days=1)
    assert ticks_until_requested(daemon, 2) is None
    assert lists_asked(own_archive)
    own_archive.clear_requests()
    return daemon


def add_product(archive) -> None:
    """A file is added to the observation of the first exposure."""
    living.add_product(archive.catalogue, "jw01138004001_02101_00001_nrca1_uncal.fits", NEW)


def lists_asked(archive) -> list[str]:
    return [request.params["obsid"] for request in archive.requests if request.service == "Mast.Caom.Products"]


def ticks_until_requested(daemon: Daemon, most: int = 60) -> Any:
    """Look after look, ten minutes apart, until runs are requested."""
    for _ in range(most):
        result = daemon.tick()
        daemon.now += dt.timedelta(minutes=10)
        if getattr(result, "run_requests", None):
            return result
    return None


def test_a_new_file_of_an_old_observation_is_found_when_its_list_is_asked_for_again(own_archive, confirmed):
    add_product(own_archive)
    # The days of 1138 are older than half a year: once in thirty days.
    confirmed.now += dt.timedelta(days=20)
    assert ticks_until_requested(confirmed, 3) is None
    assert lists_asked(own_archive) == []
    confirmed.now += dt.timedelta(days=11)
    result = ticks_until_requested(confirmed)
    assert reasons(result) == {DAY: "1 new file of known observations"}
    (run,) = carry_out(confirmed.instance, result)
    assert run.success
    assert (confirmed.ledger.store.root / "01138" / "obsnum04" / NEW).exists()
    assert ticks_until_requested(confirmed, 10) is None


def test_a_new_file_that_a_run_has_listed_but_not_fetched_is_due_until_one_has(own_archive, confirmed):
    """As after a run that was killed in its download, or jwst_query.py."""
    add_product(own_archive)
    assert execute(confirmed.instance, "jwst_query", partition_key=DAY).success
    confirmed.now += dt.timedelta(days=31)
    assert reasons(ticks_until_requested(confirmed)) == {DAY: "1 new file of known observations"}
    assert execute(confirmed.instance, "jwst_query", partition_key=DAY).success
    (run,) = carry_out(confirmed.instance, ticks_until_requested(confirmed, 1))
    assert run.success
    assert (confirmed.ledger.store.root / "01138" / "obsnum04" / NEW).exists()
    confirmed.now += dt.timedelta(days=31)
    assert ticks_until_requested(confirmed, 10) is None


def test_a_new_file_of_a_day_that_failed_for_good_is_fetched(own_archive, confirmed):
    """One file of the day has a name that cannot be used, so no further attempt was to be made."""
    uncal = "jw01138004001_02101_00001_nrca1_uncal.fits"
    living.add_product(own_archive.catalogue, uncal, "../evil_uncal.fits")
    confirmed.now += dt.timedelta(days=31)
    (run,) = carry_out(confirmed.instance, ticks_until_requested(confirmed, 10))
    assert not run.success
    # The new file came to nothing, and once more for the day itself, which had been complete.
    (run,) = carry_out(confirmed.instance, ticks_until_requested(confirmed, 10))
    assert not run.success
    assert ticks_until_requested(confirmed, 10) is None
    waits = "1 day will not be tried again until what failed there changes"
    assert waits in str(confirmed.tick().skip_message)

    add_product(own_archive)
    confirmed.now += dt.timedelta(days=31)
    result = ticks_until_requested(confirmed, 10)
    assert reasons(result) == {DAY: "files missing, 1 new file of known observations"}
    carry_out(confirmed.instance, result)
    assert (confirmed.ledger.store.root / "01138" / "obsnum04" / NEW).exists()
    assert ticks_until_requested(confirmed, 10) is None
    assert waits in str(confirmed.tick().skip_message)


def test_the_daily_look_makes_due_what_was_listed_and_not_fetched_however_old(own_archive, confirmed):
    add_product(own_archive)
    assert execute(confirmed.instance, "jwst_query", partition_key=DAY).success
    assert ticks_until_requested(confirmed, 2) is None
    assert execute(confirmed.instance, "jwst_reprocessing").success
    result = ticks_until_requested(confirmed, 2)
    assert reasons(result) == {DAY: "1 listed file not fetched yet"}
    (run,) = carry_out(confirmed.instance, result)
    assert run.success
    assert (confirmed.ledger.store.root / "01138" / "obsnum04" / NEW).exists()
    assert execute(confirmed.instance, "jwst_reprocessing").success
    assert ticks_until_requested(confirmed, 2) is None


def test_what_a_run_fetches_while_the_daily_look_compares_is_not_due_again(own_archive, confirmed, monkeypatch):
    compare = daily_look.compare_with_mast

    def compare_meanwhile(*arguments: Any) -> Any:
        assert execute(confirmed.instance, partition_key=DAY).success
        return compare(*arguments)

    add_product(own_archive)
    assert execute(confirmed.instance, "jwst_query", partition_key=DAY).success
    monkeypatch.setattr(daily_look, "compare_with_mast", compare_meanwhile)
    assert execute(confirmed.instance, "jwst_reprocessing").success
    assert ticks_until_requested(confirmed, 2) is None


def test_a_list_without_any_observation_is_no_comparison(own_archive, daemon):
    before = daemon.ledger.checked()
    own_archive.faults.add(Fault("short-list", match="Caom.Filtered", rows=0))
    daemon.now += dt.timedelta(hours=3)
    assert ticks_until_requested(daemon, 3) is None
    assert daemon.ledger.checked() == before
    assert daemon.ledger.asked() != before
    own_archive.faults.clear()
    daemon.now += dt.timedelta(hours=3)
    daemon.tick()
    assert daemon.ledger.checked() == daemon.ledger.asked() != before


def test_a_new_file_that_was_deleted_on_purpose_is_not_new(own_archive, confirmed):
    root = confirmed.ledger.store.root
    name = "jw01138004001_02101_00001_nrca1_uncal.fits"
    Forgotten(confirmed.ledger.store).add([name], confirmed.now)
    (root / "01138" / "obsnum04" / name).unlink()
    (run,) = [execute(confirmed.instance, partition_key=DAY)]
    assert run.success
    confirmed.now += dt.timedelta(days=31)
    assert ticks_until_requested(confirmed, 10) is None
    assert lists_asked(own_archive)


@pytest.mark.parametrize("fails", [False, True])
def test_a_first_list_that_was_cut_short_is_completed_a_day_later_whatever_its_age(
    own_archive, instance, daemon, fails
):
    """Nothing was on record by which it could have been noticed; also if MAST fails when it is asked again."""
    add_product(own_archive)
    daemon.now += dt.timedelta(hours=20)
    assert ticks_until_requested(daemon, 1) is None
    if fails:
        own_archive.faults.add(Fault("status", endpoint="invoke", match="Products", status=503))
        daemon.now += dt.timedelta(hours=3)
        daemon.tick()
        own_archive.faults.clear()
    daemon.now += dt.timedelta(hours=3)
    assert reasons(ticks_until_requested(daemon, 9)) == {DAY: "1 new file of known observations"}


def test_young_days_are_asked_about_daily(own_archive, confirmed, monkeypatch):
    monkeypatch.setattr(relisting, "SCHEDULE", ((100_000, 1), (float("inf"), 30)))
    add_product(own_archive)
    confirmed.now += dt.timedelta(hours=20)
    assert ticks_until_requested(confirmed, 1) is None
    assert lists_asked(own_archive) == []
    confirmed.now += dt.timedelta(hours=2)
    begun = confirmed.now
    assert reasons(ticks_until_requested(confirmed)) == {DAY: "1 new file of known observations"}
    assert confirmed.now - begun < dt.timedelta(hours=2)


def test_a_list_that_is_cut_short_again_is_asked_for_at_once_however_often_that_was_before(
    own_archive, confirmed, monkeypatch
):
    monkeypatch.setattr(steps, "utc_now", lambda: confirmed.now)
    for _ in range(2):
        confirmed.now += dt.timedelta(days=31)
        own_archive.faults.add(Fault("short-list", match="Products", rows=0, times=1))
        result = ticks_until_requested(confirmed)
        own_archive.faults.clear()
        assert reasons(result)[DAY].endswith("files no longer listed")
        assert [request.tags[ATTEMPT] for request in result.run_requests] == ["1"]
        (run,) = carry_out(confirmed.instance, result)
        assert run.success


def test_few_queries_a_tick_and_each_observation_once(own_archive, confirmed):
    confirmed.now += dt.timedelta(days=31)
    most = 0
    for _ in range(12):
        before = len(lists_asked(own_archive))
        confirmed.tick()
        confirmed.now += dt.timedelta(minutes=10)
        most = max(most, len(lists_asked(own_archive)) - before)
    obsids = [obsid for text in lists_asked(own_archive) for obsid in text.split(",")]
    assert most <= relisting.LISTS_PER_TICK * relisting.OBSERVATIONS_PER_LIST / relisting.OBSERVATIONS_PER_QUERY
    assert len(obsids) == len(set(obsids)) == 30


def test_a_list_that_fails_is_asked_for_again_an_hour_later_and_stops_nothing(own_archive, confirmed):
    add_product(own_archive)
    confirmed.now += dt.timedelta(days=31)
    own_archive.faults.add(Fault("status", endpoint="invoke", match="Products", status=503))
    confirmed.tick()
    assert "01138" in confirmed.ledger.checked()
    own_archive.faults.clear()
    own_archive.clear_requests()
    begun = confirmed.now
    confirmed.now += dt.timedelta(minutes=10)
    assert reasons(ticks_until_requested(confirmed)) == {DAY: "1 new file of known observations"}
    assert confirmed.now - begun < dt.timedelta(hours=3)


def test_a_damaged_record_costs_only_a_second_look(daemon, tmp_path):
    ledger = Ledger(TableStore(tmp_path / "data"))
    for text in ("not JSON", '{"cells": 3}', '{"cells": {"2022-04-10|01138": 1}}'):
        # Not JSON at all, other types, and an entry that is none.
        (ledger.folder / "relisted.json").write_text(text)
        daemon.now += dt.timedelta(minutes=10)
        assert "Nothing new" in daemon.tick().skip_message
