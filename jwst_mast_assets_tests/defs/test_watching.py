"""Being watched and being a partition key are two things; and neither an odd key nor an odd row stops the others."""

import datetime as dt
import json
import re
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import reprocessing
from jwst_mast_assets.defs.resources import build_resources
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import DAY, execute, messages, reasons, tick, watch_only


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The output folder; one detector is enough."""
    (tmp_path / "my.cfg").write_text(f"outrootdir: {tmp_path / 'data'}\nsca: [a1]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    return tmp_path / "data"


def proposals(result):
    return {key.split("|")[1] for key in reasons(result)}


def told(skipped) -> str:
    assert isinstance(skipped, dg.SkipReason), skipped
    return skipped.skip_message or ""


def watch(instance, **config):
    """Run the job from the page; the run and its log lines."""
    result = execute(instance, "watch_proposals", run_config={"ops": {"watch_these": {"config": config}}})
    return result, "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


def test_a_partition_key_alone_is_not_watched(archive, instance, root):
    assert "No proposal is watched" in told(tick(instance))
    assert archive.requests == []
    watch_only(root, "01138")
    assert proposals(tick(instance)) == {"01138"}


def test_a_run_of_a_partition_does_not_make_its_proposal_watched(archive, instance, runner, root):
    assert runner.run().success
    assert WatchList(TableStore(root)).read() == []
    assert "No proposal is watched" in told(tick(instance))


def test_a_folder_of_the_version_before_keeps_its_registered_proposals_watched_once(archive, instance, root):
    (root / ".jwst_mast_assets" / "ledger").mkdir(parents=True)
    (root / ".jwst_mast_assets" / "ledger" / "checked.json").write_text("{}")
    instance.add_dynamic_partitions("proposal", ["2731"])
    assert proposals(tick(instance)) == {"01138", "01410"}
    assert WatchList(TableStore(root)).read() == ["01138", "01410"]
    instance.add_dynamic_partitions("proposal", ["02731"])
    assert proposals(tick(instance)) == {"01138", "01410"}


def test_the_list_outlives_a_deleted_dagster_home(archive, instance, root, tmp_path):
    watch_only(root, "01138")
    for key in ("01138", "01410"):
        instance.delete_dynamic_partition("proposal", key)
    result = tick(instance)
    assert [request.partition_keys for request in result.dynamic_partitions_requests] == [["01138"]]
    assert proposals(result) == {"01138"}


def test_the_config_files_propid_is_watched_as_long_as_it_is_there(archive, instance, root, tmp_path):
    watch_only(root, "01138")
    (tmp_path / "my.cfg").write_text(f"outrootdir: {root}\npropID: [1410]\n")
    assert watched_proposals(instance, TableStore(root), load_config()) == ["01138", "01410"]
    (tmp_path / "my.cfg").write_text(f"outrootdir: {root}\n")
    assert watched_proposals(instance, TableStore(root), load_config()) == ["01138"]


def test_the_daily_looks_are_for_watched_proposals_only(archive, instance, runner, root):
    watch_only(root, "01410")
    assert runner.run().success
    look = runner.run("jwst_reprocessing", keys="")
    assert look.success
    (event,) = look.asset_materializations_for_node("reprocessed_files")
    assert event.metadata["compared"].value == 0
    assert "01138" not in str(event.metadata["status"].value)
    (fresh,) = [check for check in look.get_asset_check_evaluations() if check.check_name == "fresh"]
    assert fresh.metadata["not_compared"].value == ["01410"]


def test_the_job_says_what_there_is_and_has_it_watched(archive, instance, root):
    result, log = watch(instance, proposals=["2731", "1138"])
    assert result.success
    assert re.search(r"01138: 61 observations, 10 files, 1\.01 MB selected; free: [\d.]+ [GMT]B; the first files", log)
    assert re.search(r"02731: 5 observations, 6 files, 605 kB selected; free: [\d.]+ [GMT]B; the first files", log)
    assert "; free: " in log
    assert "; the first files within 10 minutes" in log
    assert WatchList(TableStore(root)).read() == ["01138", "02731"]
    assert instance.has_dynamic_partition("proposal", "02731")
    assert proposals(tick(instance)) == {"01138", "02731"}


def test_the_job_refuses_what_mast_does_not_know_but_not_the_others_and_says_which_are_watched(archive, instance, root):
    result, _ = watch(instance, proposals=["2731", "99998", "2221", "abc", "1138"])
    assert not result.success
    (message,) = messages(result)
    assert message.startswith("2 of 5 proposals watched from now on: 01138, 02731. ")
    assert "99998: not watched, because MAST has no program of this number. To watch it anyway" in message
    assert "02221: not watched, because its observations are only planned so far" in message
    assert "abc: not watched, because 'abc' is not a proposal number" in message
    assert WatchList(TableStore(root)).read() == ["01138", "02731"]
    result, log = watch(instance, proposals=["99998", "2221"], force=True)
    assert result.success
    assert "99998: watched; MAST has no program of this number, and has no data for it yet" in log
    assert "02221: watched; MAST has no data for it yet" in log
    assert WatchList(TableStore(root)).read() == ["01138", "02221", "02731", "99998"]


def test_the_launchpad_of_the_job_begins_with_what_is_to_be_filled_in_which_left_empty_fails(archive, instance, root):
    job = build_defs().resolve_job_def("watch_proposals")
    assert job.run_config == {"ops": {"watch_these": {"config": {"proposals": [], "force": False}}}}
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert messages(result) == ["proposals: name at least one, for example ['1138']"]


def test_if_mast_fails_for_one_proposal_the_others_are_watched(archive, instance, root):
    of_2731 = [row["obsid"] for row in archive.catalogue.observations if int(row["proposal_id"]) == 2731]
    archive.faults.add(Fault("status", endpoint="invoke", match="Caom.Products", among=tuple(of_2731), status=404))
    result, _ = watch(instance, proposals=["2731", "1138"])
    (message,) = messages(result)
    assert message.startswith(
        "1 of 2 proposals watched from now on: 01138. 02731: not watched, because MAST did not answer"
    )
    assert WatchList(TableStore(root)).read() == ["01138"]


def test_if_mast_does_not_answer_nothing_changes_unless_forced(instance, root, monkeypatch):
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    result, _ = watch(instance, proposals=["2731"])
    (message,) = messages(result)
    assert "cannot be reached" in message
    assert "nothing was changed" in message
    assert not root.exists()
    assert not instance.has_dynamic_partition("proposal", "02731")
    result, log = watch(instance, proposals=["2731"], force=True)
    assert result.success
    assert "02731: watched without asking MAST" in log


def test_a_warning_if_it_will_not_fit(archive, instance, root, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("jwst_mast_assets.defs.watching.shutil.disk_usage", lambda _: usage)
    result, log = watch(instance, proposals=["1138"])
    assert result.success
    assert "WARNING: they will not fit" in log
    assert "1 kB free in" in log
    assert "WARNING: nothing is downloaded while less than 100 MB are free in" in log
    assert "the first files within" not in log


def test_a_number_typed_into_the_page_stops_nothing_and_is_named_in_the_tick(archive, instance, root):
    instance.add_dynamic_partitions("proposal", ["1410", " 01410", "abc"])
    watch_only(root, "01138", "01410")
    assert proposals(tick(instance)) == {"01138", "01410"}
    # With nothing to request there is room for it in the tick's own message.
    watch_only(root, "02221")
    tick(instance)
    instance.add_dynamic_partitions("proposal", ["02221"])
    message = told(tick(instance))
    for key in ("'1410'", "' 01410'", "'abc'"):
        assert f"the partition key {key} is not a proposal in five digits and is skipped" in message
    assert "jwst-mast proposals remove 1410" in message
    assert any("'abc'" in sentence for sentence in Ledger(TableStore(root)).skipped())


@pytest.mark.parametrize("key", ["abc", "", "123456"])
def test_a_run_of_a_key_that_is_no_proposal_says_what_to_do(archive, instance, runner, key):
    instance.add_dynamic_partitions("proposal", [key])
    result = runner.run(keys=f"2022-04-10|{key}")
    (message,) = messages(result)
    assert "choose a day and a proposal, as 2022-04-10|01138" in message
    assert "jwst-mast proposals remove" in message


def test_a_run_of_an_unregistered_number_without_zeros_names_the_right_key(archive, runner):
    (message,) = messages(runner.run(keys="2022-04-10|1138"))
    assert "choose 01138, not 1138" in message


def test_observations_outside_the_partitions_are_named_and_do_not_stop_the_others(own_archive, instance, root):
    watch_only(root, "01138", "01410")
    own_archive.add_observation(1138, 20, t_min=59000.5)
    own_archive.add_observation(1410, 21, t_min=80000.5)
    result = tick(instance)
    assert DAY in reasons(result)
    assert not any(key.startswith(("2020", "2077")) for key in reasons(result))
    message = "; ".join(Ledger(TableStore(root)).skipped())
    assert "1 day of 01138 (2020-05-31) is skipped: before first_day, 2021-08-01; set an earlier one" in message
    assert "1 day of 01410 (2077-" in message
    assert "dated in the future" in message


def test_one_odd_row_of_mast_does_not_stop_the_others(own_archive, instance, root):
    watch_only(root, "01138")
    own_archive.add_observation(1138, 20, t_min=59700.5)
    row = own_archive.catalogue.observations[-1]
    row["t_min"], row["t_max"] = 99_999.9, 1e300
    row["proposal_id"] = "1138000"
    own_archive.faults.clear()
    assert DAY in reasons(tick(instance))


def test_a_change_of_a_proposal_that_is_no_partition_is_not_requested(own_archive, instance, runner, root):
    watch_only(root, "01138", "01410")
    assert runner.run().success
    own_archive.reprocess(["jw01138004001_02101_00001_nrca1_uncal.fits"])
    assert runner.run("jwst_reprocessing", keys="").success
    instance.delete_dynamic_partition("proposal", "01138")
    assert "01138 (2022-04-10) is skipped: the proposal is not registered yet" in told(
        tick_for_reprocessed(instance, dt.date(2021, 8, 1))
    )
    instance.add_dynamic_partitions("proposal", ["01138"])
    assert "before first_day, 2023-01-01" in told(tick_for_reprocessed(instance, dt.date(2023, 1, 1)))
    assert len(tick_for_reprocessed(instance, dt.date(2021, 8, 1)).run_requests) == 1


def tick_for_reprocessed(instance, first_day) -> Any:
    (sensor,) = reprocessing.build_sensors(first_day)
    with dg.build_sensor_context(instance=instance) as context:
        return sensor(context, archive=build_resources(load_config())["archive"])


def test_more_proposals_than_dagster_carries_leave_the_others_in_peace(archive, instance, root, monkeypatch):
    watch_only(root, "01138", "02731")
    monkeypatch.setattr("jwst_mast_assets.defs.partitions.MAX_PARTITIONS", 3000)
    instance.delete_dynamic_partition("proposal", "01410")
    result = tick(instance)
    assert proposals(result) == {"01138"}
    assert not result.dynamic_partitions_requests


def test_the_list_is_readable_text(root):
    watch_only(root, "01138")
    content = json.loads((root / ".jwst_mast_assets" / "watched.json").read_text())
    assert content == {"proposals": ["01138"]}


def test_a_query_of_products_that_fails_leaves_all_as_it_was(archive, instance, root):
    archive.faults.add(Fault("status", endpoint="invoke", match="Caom.Products", status=404))
    result, _ = watch(instance, proposals=["2731"])
    assert "nothing was changed" in messages(result)[0]
    assert not root.exists()
