"""Files that are deleted, cut or spoiled on disk come back; those that were forgotten do not."""

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import upkeep
from jwst_mast_assets.records.history import manifest_at, read_history
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.upkeep_notes import read_again
from jwst_mast_assets_tests.defs.running import DAY, carry_out, execute, reasons, tick, watch_only

EXPOSURES = ("jw01138004001_02101_00001", "jw01138004001_02101_00002", "jw01138005001_02101_00001")
NAMES = [f"{exposure}_nrc{sca}_uncal.fits" for exposure in EXPOSURES for sca in ("a1", "a3")]
MISSING, CUT, SPOILED = NAMES[0], NAMES[1], NAMES[2]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """Six files of 1138 are selected, on one day that is watched and up to date."""
    (tmp_path / "my.cfg").write_text("sca: [a1, a3]\ndate_select: ['2022-04-10']\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "01138")
    return tmp_path / "data"


@pytest.fixture
def filled(archive, instance, root) -> dict[str, Path]:
    """The files on disk, by name."""
    assert all(run.success for run in carry_out(instance, tick(instance)))
    assert isinstance(tick(instance), dg.SkipReason)
    archive.clear_requests()
    return {path.name: path for path in root.rglob("*_uncal.fits")}


def look(instance, **config: Any) -> dict[str, Any]:
    """A run of the daily job; what it says."""
    run = execute(instance, "jwst_upkeep", run_config={"ops": {"look_at_disk": {"config": config}}})
    assert run.success
    (event,) = [event for event in run.all_events if event.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def states(root: Path) -> dict[str, int]:
    """What ``status`` counts."""
    (row,) = status(TableStore(root), ["01138"], load_config(), dt.datetime.now(dt.timezone.utc)).to_dict("records")
    return {state.value: row[state.value] for state in State if row[state.value]}


def spoil(path: Path, keep_time: bool = True) -> bytes:
    """Change a byte of a file but neither its size nor, as a disk does, its time; returns what it was."""
    content, found = path.read_bytes(), path.stat()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if keep_time:
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return content


def downloads(archive):
    return sorted(request.uri.rpartition("/")[2] for request in archive.requests if request.endpoint == "download")


def test_deleted_cut_and_spoiled_files_are_found_and_restored_once(archive, instance, filled, root):
    assert sorted(filled) == sorted(NAMES)
    assert look(instance)["found"].startswith("6 recorded files looked for: every one is there")
    filled[MISSING].unlink()
    whole = filled[CUT].read_bytes()
    filled[CUT].write_bytes(whole[:-2880])
    right = spoil(filled[SPOILED])
    assert states(root) == {"present": 4, "missing": 1, "spoiled": 1}, "a flipped bit shows only when the file is read"
    found = look(instance, read_all=True)
    assert states(root) == {"present": 3, "missing": 1, "spoiled": 2}
    sentence = "1 file missing on disk, 1 with another size, 1 spoiled"
    assert sentence in found["found"]
    events = read_history(upkeep.TableStore(root), "01138")
    told = manifest_at(events).set_index("productFilename")["status"]
    assert (told[CUT], told[SPOILED], MISSING in told.index) == ("spoiled", "spoiled", False)

    result = tick(instance)
    assert reasons(result) == {DAY: sentence}
    (run,) = carry_out(instance, result)
    assert run.success
    assert downloads(archive) == sorted([MISSING, CUT, SPOILED])
    assert filled[MISSING].exists()
    assert (filled[CUT].read_bytes(), filled[SPOILED].read_bytes()) == (whole, right)
    (event,) = run.asset_materializations_for_node("downloaded_files")
    assert event.metadata["restored"].value == f"{sentence}: restored"
    assert isinstance(tick(instance), dg.SkipReason)
    assert "every one is there" in look(instance, read_all=True)["found"]
    assert set(manifest_at(read_history(upkeep.TableStore(root), "01138"))["status"]) == {"present"}
    assert states(root) == {"present": 6}


def test_what_heal_finds_is_requested_at_the_next_tick_not_at_the_next_look(archive, instance, filled, capsys):
    cursors: list[str | None] = []
    assert "Nothing new" in tick(instance, cursors).skip_message
    assert "Nothing is asked before" in tick(instance, cursors).skip_message
    filled[MISSING].unlink()
    main(["heal"])
    assert reasons(tick(instance, cursors)) == {DAY: "1 file missing on disk"}
    assert "Nothing is asked before" in tick(instance, cursors).skip_message


def test_without_mast_what_heal_finds_is_not_asked_about_in_every_tick(archive, instance, filled, capsys):
    cursors: list[str | None] = []
    tick(instance, cursors)
    filled[MISSING].unlink()
    main(["heal"])
    archive.faults.add(Fault("status", endpoint="invoke", status=503))
    assert "HTTP status 503" in tick(instance, cursors).skip_message
    assert "Nothing is asked before" in tick(instance, cursors).skip_message


def test_a_file_that_a_program_spoiled_is_restored_as_such(archive, instance, filled):
    """Its time has changed, too."""
    right = spoil(filled[SPOILED], keep_time=False)
    filled[MISSING].unlink()
    sentence = "1 file missing on disk, 1 spoiled"
    assert sentence in look(instance, read_all=True)["found"]
    (run,) = carry_out(instance, tick(instance))
    assert filled[SPOILED].read_bytes() == right
    (event,) = run.asset_materializations_for_node("downloaded_files")
    assert event.metadata["restored"].value == f"{sentence}: restored"


def test_a_reprocessed_file_that_was_only_touched_is_not_spoiled(own_archive, instance, root):
    carry_out(instance, tick(instance))
    (path,) = root.rglob(SPOILED)
    os.utime(path)
    own_archive.reprocess(SPOILED)
    assert "every one is there" in look(instance)["found"]
    run = execute(instance, partition_key=DAY)
    (event,) = run.asset_materializations_for_node("downloaded_files")
    assert str(event.metadata["changed"].value).startswith("1 file reprocessed")
    assert "restored" not in event.metadata


def told_by(capsys, *arguments: str) -> tuple[int, list[str]]:
    """Exit status and lines of a command."""
    capsys.readouterr()
    return main(list(arguments)), capsys.readouterr().out.splitlines()


def test_heal_names_the_files_that_failed_before_and_has_them_tried_again_at_once(archive, instance, root, capsys):
    place = root / "01138" / "obsnum04" / MISSING
    place.mkdir(parents=True)
    (run,) = carry_out(instance, tick(instance))
    assert not run.success
    assert isinstance(tick(instance), dg.SkipReason), "it waits for its next attempt"
    status, lines = told_by(capsys, "heal")
    assert status == 1
    assert lines[:2] == [
        "5 recorded files looked for: every one is there; 1 file failed to download before",
        f"  failed: 01138/obsnum04/{MISSING}: a folder is there",
    ]
    assert lines[2].startswith("1 day will be downloaded again while")
    result = tick(instance)
    assert reasons(result) == {DAY: "1 file that failed before"}
    (run,) = carry_out(instance, result)
    assert not run.success
    assert isinstance(tick(instance), dg.SkipReason)

    place.rmdir()
    place.with_name(CUT).unlink()
    _, lines = told_by(capsys, "heal")
    assert lines[0].endswith("looked for: 1 file missing on disk; 1 file failed to download before")
    assert lines[2].endswith(f"{MISSING}: what was in the way is gone; the next run tries it again")
    result = tick(instance)
    assert reasons(result) == {DAY: "1 file missing on disk, 1 file that failed before"}
    (run,) = carry_out(instance, result)
    assert run.success
    status, lines = told_by(capsys, "heal")
    assert (status, lines) == (0, ["6 recorded files looked for: every one is there"])


def test_heal_has_nothing_tried_again_of_a_proposal_whose_files_have_vanished(
    archive, instance, root, monkeypatch, capsys
):
    monkeypatch.setattr(upkeep, "FEW", 2)
    (root / "01138" / "obsnum04" / MISSING).mkdir(parents=True)
    carry_out(instance, tick(instance))
    shutil.rmtree(root / "01138")
    status, lines = told_by(capsys, "heal")
    assert status == 1
    assert any("5 of 5 recorded files are missing on disk, so nothing is restored" in line for line in lines)
    assert not any("will be downloaded again" in line for line in lines)
    assert isinstance(tick(instance), dg.SkipReason)


def test_heal_says_what_waits_for_a_run(archive, instance, root, tmp_path, capsys):
    assert execute(instance, "jwst_query", partition_key=DAY).success
    status, lines = told_by(capsys, "heal")
    waits = "to be downloaded (1 day waits for a run)"
    assert (status, lines[0]) == (1, f"0 recorded files looked for; 6 more files are {waits}")
    carry_out(instance, tick(instance))
    path = tmp_path / "my.cfg"
    path.write_text(path.read_text().replace("[a1, a3]", "[a1, a2, a3]"))
    status, lines = told_by(capsys, "heal")
    assert (status, lines[0]) == (1, f"6 recorded files looked for: every one is there; 3 more files are {waits}")
    assert reasons(tick(instance)) == {DAY: "selection changed"}
    watch_only(root)
    status, lines = told_by(capsys, "heal", "1138")
    assert status == 1
    assert lines[1].startswith("01138 is not watched, so no run follows by itself; to fetch the rest: ")
    assert lines[1].endswith("jwst_download.py --propID 1138 --all_dates")


def test_a_file_that_a_run_under_way_will_bring_is_not_called_there(instance, filled, capsys):
    filled[MISSING].unlink()
    job = build_defs().resolve_job_def("jwst_download")
    tags = {"dagster/partition": DAY}
    instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    status, lines = told_by(capsys, "heal")
    assert status == 1
    assert lines == ["0 recorded files looked for; 1 more file is to be downloaded (1 day waits for a run)"]


def test_status_says_what_is_in_the_way_of_a_file(instance, root, filled, tmp_path, capsys):
    for name, is_folder in ((MISSING, True), (CUT, False)):
        filled[name].unlink()
        filled[name].mkdir() if is_folder else filled[name].symlink_to(tmp_path)
    _, lines = told_by(capsys, "status", "--details")
    assert lines[lines.index("failed:") + 1 :] == [
        f"  01138/obsnum04/{MISSING}: a folder is there",
        f"  01138/obsnum04/{CUT}: a symbolic link is there; it is neither followed nor replaced",
    ]


def test_status_and_heal_name_a_refused_file_as_mast_does(archive, instance, root, tmp_path, capsys):
    (tmp_path / "my.cfg").write_text("filetypes: []\nsca: [a1]\ndate_select: ['2022-04-10']\n")
    archive.faults.add(Fault("hostile-names", names=("../evil\n.fits",)))
    carry_out(instance, tick(instance))
    why = "'../evil\\n.fits': the name that MAST sent cannot be a file name here"
    _, lines = told_by(capsys, "status", "--details")
    assert lines[lines.index("refused:") + 1] == f"  {why}"
    status, lines = told_by(capsys, "heal")
    assert status == 1
    assert f"  refused: {why}" in lines
    assert not any("will be downloaded again" in line for line in lines)


def test_heal_restores_the_files_of_a_proposal_that_is_not_watched_and_nothing_else(archive, filled, root, capsys):
    watch_only(root)
    filled[MISSING].unlink()
    right = spoil(filled[SPOILED])
    archive.faults.add(Fault("status", endpoint="download", match=MISSING, status=404))
    assert main(["heal", "1138", "--read-all"]) == 1
    told = capsys.readouterr()
    assert "1 file of 01138 fetched again (not watched)" in told.out
    assert MISSING in told.err
    assert filled[SPOILED].read_bytes() == right
    archive.faults.clear()
    assert main(["heal", "1138"]) == 0
    assert filled[MISSING].exists()
    assert set(downloads(archive)) == {MISSING, SPOILED}
    assert states(root) == {"present": 6}
    capsys.readouterr()
    assert main(["heal", "1138", "--read-all"]) == 0
    assert "6 recorded files looked for: every one is there" in capsys.readouterr().out
    assert main(["heal", "999"]) == 2
    assert "Nothing is recorded of 00999" in capsys.readouterr().err


def test_a_spoiled_file_stays_until_its_replacement_is_verified(archive, instance, filled, monkeypatch):
    spoil(filled[SPOILED])
    bad = filled[SPOILED].read_bytes()
    look(instance, read_all=True)
    archive.faults.add(Fault("corrupt", endpoint="download", match=SPOILED))
    (run,) = carry_out(instance, tick(instance))
    assert not run.success
    assert filled[SPOILED].read_bytes() == bad
    look(instance)
    assert isinstance(tick(instance), dg.SkipReason), "it waits for its next attempt"


def test_a_forgotten_file_is_fetched_by_nothing_until_that_is_undone(archive, instance, filled, root, capsys):
    filled[MISSING].unlink()
    assert main(["forget", str(filled[MISSING])]) == 0
    assert f"{MISSING}: forgotten" in capsys.readouterr().out
    assert "every one is there" in look(instance)["found"]
    assert isinstance(tick(instance), dg.SkipReason)
    assert execute(instance, partition_key=DAY).success
    assert downloads(archive) == []
    main(["status"])
    shown = capsys.readouterr().out
    assert "forgotten" in shown
    table = status(upkeep.TableStore(root), ["01138"], load_config(), dt.datetime.now(dt.timezone.utc))
    assert table[["files", "present", "missing", "forgotten"]].iloc[0].tolist() == [5, 5, 0, 1]

    assert main(["forget", "--undo", MISSING]) == 0
    assert reasons(tick(instance)) == {DAY: "1 file no longer forgotten"}
    carry_out(instance, tick(instance))
    assert filled[MISSING].exists()


def test_forgetting_an_unknown_file_says_so(filled, capsys):
    assert main(["forget", "nonsense.fits"]) == 2
    assert "has a file nonsense.fits" in capsys.readouterr().err


def test_an_excluded_file_is_neither_restored_nor_missed(archive, instance, filled, root, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text(f"{path.read_text()}exclude: ['*_00001_nrca1_*']\n")
    filled[MISSING].unlink()
    assert "every one is there" in look(instance)["found"]
    assert states(root) == {"present": 5}
    carry_out(instance, tick(instance))
    assert states(root) == {"present": 5}
    assert downloads(archive) == []
    assert not filled[MISSING].exists()
    assert main(["status", "--check"]) == 0
    assert main(["heal"]) == 0


def test_files_that_vanish_in_great_number_are_restored_only_when_asked(
    archive, instance, filled, root, monkeypatch, capsys
):
    monkeypatch.setattr(upkeep, "FEW", 2)
    folder, elsewhere = root / "01138", root.with_name("elsewhere")
    shutil.move(folder, elsewhere)
    (held,) = look(instance)["held"]
    assert held.startswith("01138: 6 of 6 recorded files are missing on disk, so nothing is restored: is a disk not")
    assert held.endswith("jwst-mast heal 01138 --yes")
    assert isinstance(tick(instance), dg.SkipReason)
    assert main(["status"]) == 0
    assert "6 of 6 recorded files are missing" in capsys.readouterr().out
    # Mounted again, nothing has happened.
    shutil.move(elsewhere, folder)
    assert look(instance)["held"] == []
    assert downloads(archive) == []
    shutil.rmtree(folder)
    look(instance)
    assert main(["heal", "1138", "--yes"]) == 1
    assert "1 day will be downloaded again" in capsys.readouterr().out
    carry_out(instance, tick(instance))
    assert downloads(archive) == sorted(NAMES)


def test_a_folder_that_cannot_be_looked_at_is_not_missing(archive, instance, filled, root):
    folder = filled[MISSING].parent
    folder.rename(folder.with_name("kept"))
    folder.write_text("in the way")
    found = look(instance)
    assert found["found"].startswith("6 recorded files looked for: 4 cannot be looked at")
    assert isinstance(tick(instance), dg.SkipReason)


def test_files_of_a_run_under_way_are_left_to_the_next_look(archive, instance, filled, root):
    filled[MISSING].unlink()
    job = build_defs().resolve_job_def("jwst_download")
    tags = {"dagster/partition": DAY}
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert "0 recorded files" in look(instance)["found"]
    instance.report_run_canceled(run)
    assert "1 file missing" in look(instance)["found"]


def test_the_look_asks_mast_nothing_and_lists_each_folder_once(archive, instance, filled, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    look(instance)
    assert archive.requests == []
    assert [path for path in listed if path.endswith("obsnum04")] == [str(filled[MISSING].parent)]


def test_each_file_is_read_once_within_reread_days_an_equal_share_each_day(filled, root):
    store, config = upkeep.TableStore(root), load_config().merged({"reread_days": 6})
    start = dt.datetime.now(dt.timezone.utc)
    reads = [
        upkeep.look_after(store, config, ["01138"], start + dt.timedelta(days=day)).bytes_read for day in range(1, 14)
    ]
    size = filled[MISSING].stat().st_size
    assert max(reads) <= 2 * size
    assert sum(reads[:7]) >= 6 * size
    table = read_again(store)
    assert sorted(table["dataURI"].str.rpartition("/")[2]) == sorted(NAMES)
    assert table["read"].min()[:10] >= f"{start + dt.timedelta(days=7):%Y-%m-%d}"


def test_reading_again_can_be_switched_off(filled, root):
    store, config = upkeep.TableStore(root), load_config().merged({"reread_days": 0})
    now = dt.datetime.now(dt.timezone.utc)
    assert upkeep.look_after(store, config, ["01138"], now + dt.timedelta(days=400)).bytes_read == 0


@pytest.mark.parametrize("jump", [dt.timedelta(days=-400), dt.timedelta(days=400)])
def test_a_clock_that_jumps_neither_stops_the_reading_nor_reads_all_at_once(filled, root, jump):
    store, config = upkeep.TableStore(root), load_config().merged({"reread_days": 60})
    now = dt.datetime.now(dt.timezone.utc)
    upkeep.look_after(store, config, ["01138"], now)
    size = filled[MISSING].stat().st_size
    assert upkeep.look_after(store, config, ["01138"], now + jump).bytes_read <= 2 * size
    later = [
        upkeep.look_after(store, config, ["01138"], now + jump + dt.timedelta(days=day)).bytes_read
        for day in range(1, 62)
    ]
    assert sum(later) >= 5 * size
    # And back: what was read at a time that is now in the future counts as never read.
    again = [
        upkeep.look_after(store, config, ["01138"], now + dt.timedelta(days=day)).bytes_read for day in range(1, 62)
    ]
    assert sum(again) >= 5 * size


def test_times_in_the_future_count_as_never():
    files = pd.DataFrame({"dataURI": ["a", "b"], "mtime": [10.0, 99.0], "recorded_mtime": [10.0, 99.0]})
    files = files.astype({"dataURI": "string", "mtime": "Float64", "recorded_mtime": "Float64"})
    empty = upkeep.tables.empty(upkeep.tables.READ_TABLE)
    assert upkeep.last_read(files, empty, now=50.0).tolist() == [10.0, float("-inf")]


def test_the_default_is_ninety_days():
    assert Config().reread_days == 90


def test_a_file_whose_exclusive_access_has_ended_since_loses_its_mode(instance, filled, root, tmp_path):
    with (tmp_path / "my.cfg").open("a") as config:
        config.write("exclusive_file_mode: 0640\n")
    store, cells = TableStore(root), [Cell.from_key(DAY)]
    recorded = store.read("downloaded_files", cells)
    now = mjd_of(dt.datetime.now(dt.timezone.utc))
    ended = recorded["productFilename"] == MISSING
    release = pd.Series(now + 30.0, index=recorded.index, dtype="Float64").mask(ended, now - 0.1)
    recorded = recorded.assign(dataRights="EXCLUSIVE_ACCESS", t_obs_release=release)
    store.write("downloaded_files", recorded, cells)
    for path in filled.values():
        path.chmod(0o640)
    look(instance)
    assert {name for name, path in filled.items() if path.stat().st_mode & 0o004} == {MISSING}
