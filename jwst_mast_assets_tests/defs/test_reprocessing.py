"""Reprocessed files, from the daily look to the download that replaces them: a real instance, archive and runs."""

import datetime as dt
import re
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import time_machine

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts, reprocessing, run_requests
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.resources import build_resources
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import store, table_places
from jwst_mast_assets.records.freshness import last_comparisons
from jwst_mast_assets.records.history import manifest_at, read_history
from jwst_mast_assets.records.reprocessing import read_changes
from jwst_mast_assets.records.silent_services import read_silent
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import DAY, Runner, execute, run_requested, watch_only

OTHER_DAY = "2022-04-11|01138"
CHANGED = ["jw01138004001_02101_00001_nrca1_uncal.fits", "jw01138004001_02101_00001_nrca3_uncal.fits"]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The output folder, as the environment names it; two detectors are enough."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    (tmp_path / "my.cfg").write_text("sca: [a1, a3]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    watch_only(tmp_path / "data", "01138", "01410")
    return tmp_path / "data"


@pytest.fixture
def archive(own_archive):
    return own_archive


def look(instance):
    """The daily look: the metadata of ``reprocessed_files``."""
    result = execute(instance, "jwst_reprocessing")
    assert result.success, [event.step_failure_data for event in result.all_events if event.is_step_failure]
    (event,) = result.asset_materializations_for_node("reprocessed_files")
    return {name: value.value for name, value in event.metadata.items()}


def sensor() -> dg.SensorDefinition:
    (only,) = reprocessing.build_sensors(Config().first_day)
    return only


def tick(instance) -> Any:
    """The runs that one tick of the sensor requests."""
    with dg.build_sensor_context(instance=instance, resources=build_resources(Config())) as context:
        result: Any = sensor()(context)
    return [] if isinstance(result, dg.SkipReason) else result.run_requests


def test_a_picture_that_mast_made_again_is_found_by_the_daily_look_and_fetched_once(archive, instance, runner, root):
    name = "jw01138004001_02101_00001_nrca1_uncal.jpg"
    selection = {"sca": ["a1"], "filetypes": ["jpg"]}
    assert runner.run(**selection).success
    path = next(root.rglob(name))
    before = path.read_bytes()
    archive.reprocess(name)
    told = look(instance)
    assert (told["changes"], told["not_comparable"]) == ("1 file reprocessed", 0)
    assert "by etag" in str(told["compared_by"])
    archive.clear_requests()
    for _ in range(2):
        assert runner.run(**selection).success
    assert downloads(archive) == [name]
    assert path.read_bytes() == archive.content(name) != before
    assert look(instance)["changes"] == "nothing reprocessed"


def downloads(archive):
    return sorted({request.uri.rpartition("/")[2] for request in archive.requests if request.endpoint == "download"})


def keys(requests):
    return [str(request.partition_key) for request in requests]


def test_files_just_downloaded_are_not_reprocessed(archive, runner, instance):
    runner.run()
    found = look(instance)
    assert (found["compared"], found["dagster/row_count"], found["changes"]) == (6, 0, "nothing reprocessed")
    assert tick(instance) == []


def test_before_the_first_look_the_sensor_says_which_job_to_run(archive, instance):
    with dg.build_sensor_context(instance=instance, resources=build_resources(Config())) as context:
        skipped = sensor()(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "jwst_reprocessing" in (skipped.skip_message or "")


def test_reprocessed_files_are_listed_requested_fetched_and_reported(archive, runner, instance, root):
    runner.run()
    before = {path.name: path.read_bytes() for path in root.rglob("*.fits")}
    archive.reprocess(CHANGED)
    found = look(instance)
    sentence = "2 files reprocessed: cal_ver 1.18.0 -> 1.19.2, crds_ctx jwst_1364.pmap -> jwst_1413.pmap"
    assert (found["n_content"], found["changes"]) == (2, sentence)
    table = pd.read_parquet(root / ".jwst_mast_assets" / "tables" / "reprocessed_files.parquet")
    assert table["productFilename"].tolist() == CHANGED

    (request,) = tick(instance)
    assert str(request.partition_key) == DAY
    assert request.tags[attempts.REASON] == sentence
    archive.clear_requests()
    (run,) = run_requested(instance, [request])
    assert run.success
    assert downloads(archive) == CHANGED
    after = {path.name: path.read_bytes() for path in root.rglob("*.fits")}
    assert {name for name in after if after[name] != before[name]} == set(CHANGED)
    (event,) = run.asset_materializations_for_node("downloaded_files")
    assert event.metadata["changed"].value == sentence

    assert tick(instance) == []
    assert look(instance)["changes"] == "nothing reprocessed"
    assert tick(instance) == []


def test_a_change_is_not_requested_twice(archive, runner, instance):
    runner.run()
    archive.reprocess(CHANGED)
    look(instance)
    (request,) = tick(instance)
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags={**request.tags, "dagster/partition": DAY},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert tick(instance) == []
    look(instance)
    assert tick(instance) == []


def test_a_change_stays_due_after_a_canceled_run_until_it_is_fetched(archive, runner, instance, monkeypatch):
    runner.run()
    archive.reprocess(CHANGED)
    look(instance)
    (request,) = tick(instance)
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags={**request.tags, "dagster/partition": DAY},
        status=dg.DagsterRunStatus.CANCELED,
    )
    with dg.build_sensor_context(instance=instance, resources=build_resources(Config())) as context:
        waiting: Any = sensor()(context)
    sentence = r"2 reprocessed files are still stale; 1 day waits for a run under way or the next attempt, at "
    assert re.match(sentence + r"\d{4}-\d\d-\d\d \d\d:\d\d \(UTC\)\.", waiting.skip_message)
    monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
    (again,) = tick(instance)
    assert again.tags[attempts.ATTEMPT] == "2"
    assert all(run.success for run in run_requested(instance, [again]))
    assert tick(instance) == []


def test_a_change_that_a_run_did_not_fetch_is_not_requested_again_at_once(archive, runner, instance):
    runner.run()
    archive.reprocess(CHANGED)
    look(instance)
    (request,) = tick(instance)
    instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_download"),
        tags={**request.tags, "dagster/partition": DAY},
        status=dg.DagsterRunStatus.SUCCESS,
    )
    assert look(instance)["n_content"] == 2
    assert tick(instance) == []
    archive.reprocess(CHANGED, cal_ver="1.20.2")
    look(instance)
    assert keys(tick(instance)) == [DAY]


def test_a_failed_run_is_requested_again_with_growing_waits(archive, runner, instance, monkeypatch):
    runner.run()
    archive.reprocess(CHANGED[0])
    look(instance)
    archive.faults.add(Fault("status", endpoint="download", status=404))
    for number, wait in (("1", 10), ("2", 40)):
        (request,) = tick(instance)
        assert request.tags[attempts.ATTEMPT] == number
        (run,) = run_requested(instance, [request])
        assert not run.success
        assert tick(instance) == []
        ended = instance.get_run_record_by_id(run.run_id).end_time
        moments = [dt.datetime.fromtimestamp(ended + 60 * wait + s, dt.timezone.utc) for s in (-5, 5)]
        monkeypatch.setattr(reprocessing, "utc_now", lambda moment=moments[0]: moment)
        assert tick(instance) == []
        monkeypatch.setattr(reprocessing, "utc_now", lambda moment=moments[1]: moment)
    assert keys(tick(instance)) == [DAY]


def test_one_tick_requests_some_and_the_next_ones_the_rest(archive, runner, instance, monkeypatch):
    monkeypatch.setattr(reprocessing, "MOST_REPLACEMENTS", 1)
    monkeypatch.setattr(run_requests, "MOST_DAYS", 1)
    runner.run(keys=(DAY, OTHER_DAY))
    other = runner.table("downloaded_files", OTHER_DAY)["productFilename"].iloc[0]
    archive.reprocess([*CHANGED, other])
    look(instance)
    first = tick(instance)
    assert keys(first) == [OTHER_DAY]
    run_requested(instance, first)
    second = tick(instance)
    assert keys(second) == [DAY]
    run_requested(instance, second)
    assert tick(instance) == []


def test_proposals_that_are_no_longer_watched_are_left_alone(archive, runner, instance, root):
    runner.run()
    archive.reprocess(CHANGED)
    look(instance)
    watch_only(root)
    assert tick(instance) == []
    assert look(instance)["compared"] == 0


def test_superseded_associations_are_reported_and_recorded_once_and_stay(archive, runner, instance, root):
    instance.add_dynamic_partitions("proposal", ["02731"])
    day = "2022-06-03|02731"
    runner.run(keys=day, filetypes=["_asn.json"])
    WatchList(runner.store).add(["02731"])
    path = Path(runner.table("downloaded_files", day)["outfilename"].iloc[0])
    stamp = path.name.split("_")[1]
    newer = path.name.replace(stamp, "20991231t000000")
    products = runner.table("product_table", day)
    listed = products["productFilename"] == path.name
    products.loc[listed, "dataURI"] = f"mast:JWST/product/{newer}"
    products.loc[listed, "productFilename"] = newer
    runner.store.write("product_table", products, [Cell.from_key(day)])
    found = look(instance)
    assert (found["n_superseded"], found["n_gone"]) == (1, 0)
    assert path.exists()
    look(instance)
    history = read_history(runner.store, "02731")
    assert history["event"].value_counts()["superseded"] == 1
    status = manifest_at(history).set_index("productFilename")["status"]
    assert status[path.name] == "superseded"
    assert tick(instance) == []


def test_mast_failing_fails_the_look_in_one_sentence(archive, runner, instance):
    runner.run()
    archive.faults.add(Fault("error", endpoint="invoke"))
    result = execute(instance, "jwst_reprocessing")
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "MAST answered the query" in str(failure.user_failure_data)


def test_the_look_is_daily_and_runs_by_itself():
    (schedule,) = reprocessing.schedules
    assert (schedule.cron_schedule, schedule.execution_timezone) == (["0 5 * * *", "0 8,11,14,17,20 * * *"], "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert sensor().default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor().job.name == jwst_download.name


def test_one_instrument_s_keyword_service_fails_and_the_others_are_compared(archive, runner, instance, root, tmp_path):
    (tmp_path / "my.cfg").write_text("filetypes: [uncal]\nsca: [a1, mirimage]\n")
    miri_day = "2022-06-11|02731"
    instance.add_dynamic_partitions("proposal", ["02731"])
    watch_only(root, "01138", "02731")
    parameters = {"filetypes": ["uncal"], "sca": ["a1", "mirimage"]}
    assert runner.run(**parameters).success
    assert runner.run(keys=miri_day, **parameters).success
    miri = next(name for name in sorted(runner.files()) if "mirimage" in name)
    archive.reprocess(CHANGED[0])
    look(instance)
    assert changed_names(root) == [CHANGED[0]]
    archive.reprocess(miri)
    archive.faults.add(Fault("error", match="Filtered.Nircam"))
    look(instance)
    # What was found of NIRCam before is not forgotten, and MIRI's change is found.
    assert set(changed_names(root)) == {CHANGED[0], miri}
    archive.faults.clear()
    archive.faults.add(Fault("error", match="Mast.Jwst.Filtered"))
    assert not execute(instance, "jwst_reprocessing").success
    assert set(changed_names(root)) == {CHANGED[0], miri}


def test_a_keyword_service_that_failed_is_asked_again_the_same_day_each_time_after_a_longer_wait(
    archive, runner, instance, root, tmp_path
):
    (tmp_path / "my.cfg").write_text("filetypes: [uncal]\nsca: [a1, mirimage]\n")
    instance.add_dynamic_partitions("proposal", ["02731"])
    watch_only(root, "01138", "02731")
    for key in (DAY, "2022-06-11|02731"):
        assert runner.run(keys=key, filetypes=["uncal"], sca=["a1", "mirimage"]).success
    (schedule,) = reprocessing.schedules
    now = dt.datetime.now(dt.timezone.utc)
    with time_machine.travel(now + dt.timedelta(days=2), tick=True) as clock:
        clock.move_to(dt.datetime.now(dt.timezone.utc).replace(hour=5, minute=0, second=0, microsecond=0))

        def asks_again_after(hours: int) -> bool:
            clock.shift(dt.timedelta(hours=hours))
            scheduled = dt.datetime.now(dt.timezone.utc)
            with dg.build_schedule_context(
                instance=instance, scheduled_execution_time=scheduled, resources=build_resources(Config())
            ) as context:
                request = schedule(context)
            asks = isinstance(request, dg.RunRequest)
            assert not asks or request.tags[attempts.REASON] == "no answer from the keyword service of nircam"
            return asks

        archive.faults.add(Fault("error", match="Filtered.Nircam"))
        look(instance)
        assert asks_again_after(3)
        look(instance)
        assert asks_again_after(3)
        look(instance)
        assert not asks_again_after(3), "after the third look in a row it waits for four hours"
        assert asks_again_after(3)
        archive.faults.clear()
        look(instance)
        assert not asks_again_after(3)


def test_an_empty_answer_of_a_keyword_service_is_no_comparison(archive, instance, runner, root):
    assert runner.run(filetypes=["uncal"]).success
    look(instance)
    records = TableStore(root)
    (before,) = last_comparisons(records, ["01138"])["checksums"]
    archive.reprocess(CHANGED[0])
    for fault in (Fault("etag"), Fault("no-date"), Fault("short-list", match="Filtered", rows=0)):
        archive.faults.add(fault)
    with time_machine.travel(dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1), tick=True):
        assert look(instance)["n_content"] == 0
        assert read_silent(records).services == ["nircam"]
        (meanwhile,) = last_comparisons(records, ["01138"])["checksums"]
        assert meanwhile == before
        archive.faults.clear()
        assert look(instance)["n_content"] == 1
        assert changed_names(root) == CHANGED[:1]
        assert read_silent(records).services == []
        (after,) = last_comparisons(records, ["01138"])["checksums"]
        assert after > before


def changed_names(root) -> list[str]:
    return list(read_changes(TableStore(root))["productFilename"])


def test_the_daily_look_reads_each_table_once_also_where_they_are_more_than_memory_holds(
    archive, instance, root, monkeypatch
):
    Runner(instance, root).run(keys=(DAY, OTHER_DAY))
    monkeypatch.setattr(store, "TABLES_KEPT", 1)
    monkeypatch.setattr(store, "FILES_KEPT", 1)
    reads: Counter[str] = Counter()
    read = table_places.read_parquet

    def counted(path, remedy):
        reads[f"{path.parent.parent.name}/{path.name}"] += 1
        return read(path, remedy)

    monkeypatch.setattr(table_places, "read_parquet", counted)
    look(instance)
    assets = ("obs_table", "product_table", "downloaded_files")
    assert reads == {f"{asset}/{key.partition('|')[0]}.parquet": 1 for asset in assets for key in (DAY, OTHER_DAY)}


def test_the_daily_look_writes_the_status_for_prometheus(archive, runner, instance, root):
    runner.run(sca=["a1"])
    look(instance)
    lines = (root / ".jwst_mast_assets" / "metrics.prom").read_text().splitlines()
    assert any(line.startswith('jwst_files{proposal="01138",state="present"} ') for line in lines)
    assert all(re.fullmatch(r"# (HELP|TYPE) .+|\w+\{.+\} \d+", line) for line in lines)
