"""A deleted Dagster home, a moved output folder, a shared file, and a number stored with or without zeros."""

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.runs import open_instance
from jwst_mast_assets.defs import attempts
from jwst_mast_assets.defs.rebuild import rebuild
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.attempts import AttemptLog
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.defs.running import DAY, carry_out, reasons, tick, watch_only

OTHER = "2022-04-11|01138"
ASSETS = ("obs_table", "product_table", "downloaded_files", "summary_table", "index_html")


@pytest.fixture(autouse=True)
def root(archive, tmp_path, monkeypatch):
    """Two days of 1138 are selected and watched; of one a file cannot be downloaded."""
    (tmp_path / "my.cfg").write_text("sca: [a1]\ndate_select: ['2022-04-10', '2022-04-12']\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "01138")
    return tmp_path / "data"


def downloads(archive):
    return [request.uri.rpartition("/")[2] for request in archive.requests if request.endpoint == "download"]


def materialized(instance) -> dict[str, set[str]]:
    return {name: set(instance.get_materialized_partitions(dg.AssetKey(name))) for name in ASSETS}


def test_a_deleted_home_is_rebuilt_from_the_output_folder(archive, root, tmp_path, capsys, monkeypatch):
    archive.faults.add(Fault("status", endpoint="download", match="jw01138004001_02101_00001_nrca1", status=404))
    with open_instance() as instance:
        carry_out(instance, tick(instance))
        before = materialized(instance)
    assert before["downloaded_files"] == {DAY, OTHER}
    shutil.rmtree(tmp_path / "dagster_home")
    assert main(["rebuild"]) == 0
    said = capsys.readouterr().out
    assert "of 1 new partition key(s) rebuilt from the output folder; watched: 01138" in said
    with open_instance() as instance:
        after = materialized(instance)
        assert after["obs_table"] == after["product_table"] == after["summary_table"] == {DAY, OTHER}
        # Green means done.
        assert after["downloaded_files"] == after["index_html"] == {OTHER}
        event = instance.get_latest_materialization_event(dg.AssetKey("downloaded_files"))
        assert event is not None
        assert event.asset_materialization is not None
        assert "the output folder" in str(event.asset_materialization.metadata["rebuilt"].value)

        archive.clear_requests()
        skipped = tick(instance)
        assert isinstance(skipped, dg.SkipReason), "the first attempt is remembered"
        assert "1 wait for" in (skipped.skip_message or "")
        monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
        archive.faults.clear()
        again = tick(instance)
        assert reasons(again) == {DAY: "files missing"}
        assert again.run_requests[0].tags[attempts.ATTEMPT] == "2"
        (run,) = carry_out(instance, again)
        assert run.success
        assert downloads(archive) == ["jw01138004001_02101_00001_nrca1_uncal.fits"]
        assert rebuild(instance, TableStore(root), load_config()).materializations == 0, "the home has them"
    assert main(["rebuild"]) == 0
    assert capsys.readouterr().out.startswith("0 materializations of 0 new partition key(s)")


def test_a_folder_of_the_version_before_keeps_its_proposals_watched_without_its_home(root, tmp_path):
    with open_instance() as instance:
        carry_out(instance, tick(instance))
    (root / ".jwst_mast_assets" / "watched.json").unlink()
    shutil.rmtree(tmp_path / "dagster_home")
    with open_instance() as instance:
        assert rebuild(instance, TableStore(root), load_config()).watched == ["01138"]


def test_a_moved_output_folder_is_the_same_archive(archive, root, tmp_path, monkeypatch):
    watch_only(root, "01138", "02731")
    (tmp_path / "my.cfg").write_text("filetypes: [_pool.csv, _asn.json]\ndate_select: ['2022-04-10', '2022-07-01']\n")
    with open_instance() as instance:
        result = tick(instance)
        assert all(run.success for run in carry_out(instance, result))
        fetched = downloads(archive)
        assert any(name.endswith("_pool.csv") for name in fetched)
        moved = tmp_path / "elsewhere"
        root.rename(moved)
        monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(moved))
        archive.clear_requests()
        assert isinstance(tick(instance), dg.SkipReason)
        assert main(["heal", "--read-all"]) == 0
        # A run of every day, as by hand.
        assert all(run.success for run in carry_out(instance, result))
        assert downloads(archive) == []
        files = TableStore(moved).read_proposal("downloaded_files", "02731")
        assert files["outfilename"].str.startswith(f"{moved}/").all()
    assert not root.exists()


def test_a_file_that_two_watched_proposals_list_is_one_file_and_restored_once(own_archive, root, tmp_path):
    watch_only(root, "01138", "01410")
    (tmp_path / "my.cfg").write_text("sca: [a1]\nobsnums: [4]\ndate_select: ['2022-02-01', '2022-04-10T23:59']\n")
    with open_instance() as instance:
        carry_out(instance, tick(instance))
        store = TableStore(root)
        files = store.read_proposal("downloaded_files", "01138")
        shared = files.iloc[:1].assign(cell="2022-02-14|01410", proposal_id=1410)
        store.write("downloaded_files", shared, [Cell.from_key("2022-02-14|01410")])
        Path(str(shared["outfilename"].iloc[0])).unlink()
        assert main(["heal"]) == 1
        own_archive.clear_requests()
        carry_out(instance, tick(instance))
        assert downloads(own_archive) == [shared["productFilename"].iloc[0]]
        assert main(["heal"]) == 0
        assert isinstance(tick(instance), dg.SkipReason)


@pytest.mark.parametrize("spelled", ["01138", " 1138", "1138"])
def test_a_proposal_stored_with_or_without_zeros_is_the_same(own_archive, root, spelled):
    with open_instance() as instance:
        carry_out(instance, tick(instance))
        own_archive.clear_requests()
        for row in own_archive.catalogue.observations:
            if str(row["proposal_id"]).strip().lstrip("0") == "1138":
                row["proposal_id"] = spelled
        assert isinstance(tick(instance), dg.SkipReason)
        assert downloads(own_archive) == []
    assert [path.name for path in root.glob("*1138")] == ["01138"]


def test_the_attempts_of_a_day_are_kept_by_cause_and_a_clock_that_was_ahead_delays_none(tmp_path):
    log = AttemptLog(TableStore(tmp_path))
    ahead = dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)
    log.note({DAY: "a", OTHER: "b"}, 1, ahead)
    log.note({DAY: "a"}, 2, ahead)
    read = log.read(["01138", "01410"])
    assert {key: started.number for key, started in read.items()} == {(DAY, "a"): 2, (OTHER, "b"): 1}
    now = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    tries = attempts.Tries(1, read[OTHER, "b"].at.timestamp())
    assert attempts.next_attempt(tries, now) is None
    assert attempts.next_attempt(attempts.Tries(1, (now - dt.timedelta(hours=1)).timestamp()), now) == 2
