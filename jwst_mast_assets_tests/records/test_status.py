"""The status of a proposal, from its tables and its disk."""

import datetime as dt
import os

import pandas as pd
import pytest

from jwst_mast_assets.downloads import Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import MJD_EPOCH
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.file_states import file_states
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.reprocessing import write_changes
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.records.file_rows import CELL, file_row, file_table

NOW = MJD_EPOCH + dt.timedelta(days=60000)
NO_CHANGES = tables.empty(tables.CHANGE_TABLE)
CELLS = [Cell.from_key(CELL)]
SOON = {"dataRights": "EXCLUSIVE_ACCESS", "t_obs_release": 60001.0}


@pytest.mark.parametrize(
    ("code", "values", "state"),
    [
        (Code.DOWNLOADED, {}, "present"),
        (Code.REPLACED, {}, "present"),
        (Code.EXISTS, {}, "present"),
        (Code.EXISTS, {"checksum": None}, "present"),
        (Code.EXISTS, {"md5": None}, "present"),
        (Code.EXISTS, SOON, "present"),
        (Code.EXISTS, {"checksum": "other"}, "stale"),
        (Code.BAD_SIZE, {}, "stale"),
        (Code.NOT_THERE, {}, "missing"),
        (Code.VANISHED, {}, "missing"),
        (Code.NOT_THERE, SOON, "waiting"),
        (Code.NOT_THERE, {**SOON, "t_obs_release": 59999.0}, "missing"),
        (Code.EXCLUSIVE, {}, "waiting"),
        (Code.FAILED, {}, "failed"),
        (Code.NOT_FOUND, {}, "failed"),
        (Code.BAD_NAME, {"outfilename": None}, "refused"),
    ],
)
def test_each_selected_file_is_in_one_state(tmp_path, code, values, state):
    files = file_table(file_row(tmp_path, "a.fits", code, **values))
    assert file_states(files, NO_CHANGES, NOW).tolist() == [state]


def test_a_file_that_a_look_for_changes_found_reprocessed_is_stale_until_it_is_fetched(tmp_path):
    row = file_row(tmp_path, "a.fits", Code.EXISTS, "1")
    newer = file_row(tmp_path, "a.fits", Code.EXISTS, "2")
    found = {"kind": ["content"], "dataURI": [row["dataURI"]], "new_md5": [newer["md5"]]}
    changes = tables.conform(NO_CHANGES.reindex([0]).assign(**found), tables.CHANGE_TABLE)
    assert file_states(file_table(row), changes, NOW).tolist() == ["stale"]
    assert file_states(file_table(newer), changes, NOW).tolist() == ["present"]


@pytest.fixture
def folder(tmp_path):
    """Five files, one of each state but stale; one on disk is no longer selected."""
    root = tmp_path / "data"
    store = TableStore(root)
    rows = [
        file_row(root, "a_uncal.fits", Code.DOWNLOADED),
        file_row(root, "b_uncal.fits", Code.NOT_THERE),
        file_row(root, "c_uncal.fits", Code.NOT_FOUND),
        file_row(root, "d_uncal.fits", Code.EXCLUSIVE),
        file_row(root, "e_rate.fits", Code.EXISTS, selected=False),
    ]
    for name in ("a_uncal.fits", "e_rate.fits"):
        path = root / "01138" / "obsnum04" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
    observation = {"obsid": 1, "wanted": True, "cell": CELL}
    observations = tables.conform(tables.empty(tables.OBS_TABLE).reindex([0]).assign(**observation), tables.OBS_TABLE)
    for row in rows:
        row["filetype"] = "_" + row["productFilename"].split("_")[1]
    store.write("obs_table", observations, CELLS)
    store.write("product_table", tables.conform(file_table(*rows), tables.PRODUCT_TABLE), CELLS)
    store.write("downloaded_files", file_table(*rows), CELLS)
    return store


def row_of(store):
    (row,) = status(store, ["01138"], Config(outrootdir=str(store.root)), NOW).to_dict("records")
    return row


def test_the_states_of_the_selected_files_add_up(folder):
    row = row_of(folder)
    assert {state.value: row[state] for state in State if row[state]} == {
        "present": 2, "missing": 1, "failed": 1, "waiting": 1,
    }  # fmt: skip
    assert (row["observations"], row["files"], row["bytes"], row["bytes_to_come"]) == (1, 5, 200, 300)


def test_the_disk_decides_and_not_the_record(folder):
    (folder.root / "01138/obsnum04/a_uncal.fits").unlink()
    (folder.root / "01138/obsnum04/c_uncal.fits").write_bytes(bytes(100))
    row = row_of(folder)
    assert (row["present"], row["missing"], row["failed"]) == (2, 2, 0)


def test_a_moved_output_folder_is_judged_where_it_is(folder, tmp_path):
    moved = tmp_path / "elsewhere" / "archive"
    moved.parent.mkdir()
    folder.root.rename(moved)
    assert row_of(TableStore(moved))["present"] == 2


def test_what_mast_no_longer_lists_is_not_missing(folder):
    products = folder.read_proposal("product_table", "01138")
    folder.write("product_table", products[products["productFilename"] != "b_uncal.fits"], CELLS)
    row = row_of(folder)
    assert (row["files"], row["missing"]) == (4, 0)


def test_last_checked_is_when_mast_was_asked_last_by_a_run_or_the_sensor(folder):
    os.utime(folder.where(f"obs_table/{CELLS[0].proposal}/{CELLS[0].day}.parquet"), (1e9, 1e9))
    assert row_of(folder)["last_checked"] == "2001-09-09T01:46:40"
    Ledger(folder).note_checked(["01138"], NOW)
    assert row_of(folder)["last_checked"] == "2023-02-25T00:00:00"


def test_a_changed_file_found_by_a_look_for_changes_counts_as_stale(folder):
    files = folder.read_proposal("downloaded_files", "01138")
    found = files.iloc[:1].assign(kind="content", new_md5="other")
    write_changes(folder, found)
    row = row_of(folder)
    assert (row["present"], row["stale"], row["bytes"]) == (1, 1, 200)


def test_a_configuration_that_selects_says_what_is_missing_whatever_the_last_run_selected(folder):
    products = folder.read_proposal("product_table", "01138").assign(selected=False)
    folder.write("product_table", products, CELLS)
    assert row_of(folder)["missing"] == 0
    config = Config.from_mapping({"outrootdir": str(folder.root), "filetypes": ["uncal"]})
    (row,) = status(folder, ["01138"], config, NOW).to_dict("records")
    assert row["missing"] == 1


def test_a_file_of_an_earlier_selection_counts_while_it_is_there_and_is_not_missing_when_it_was_deleted(folder):
    assert row_of(folder)["files"] == 5
    (folder.root / "01138/obsnum04/e_rate.fits").unlink()
    row = row_of(folder)
    assert (row["files"], row["missing"]) == (4, 1)
    config = Config.from_mapping({"outrootdir": str(folder.root), "filetypes": ["uncal", "rate"]})
    (row,) = status(folder, ["01138"], config, NOW).to_dict("records")
    assert (row["files"], row["missing"]) == (5, 2)


def test_an_excluded_file_is_neither_stale_nor_missing_nor_to_come(folder):
    files = folder.read_proposal("downloaded_files", "01138")
    write_changes(folder, files.iloc[:1].assign(kind="content", new_md5="other"))
    (folder.root / "01138/obsnum04/e_rate.fits").unlink()
    config = Config(outrootdir=str(folder.root), exclude=["a_*", "c_*", "d_*", "e_*"])
    (row,) = status(folder, ["01138"], config, NOW).to_dict("records")
    assert {state.value: row[state] for state in State if row[state]} == {"present": 1, "missing": 1}
    assert (row["files"], row["bytes_to_come"]) == (2, 100)


def test_a_file_that_is_gone_from_mast_is_counted_as_such_while_it_is_on_disk(folder):
    products = folder.read_proposal("product_table", "01138")
    folder.write("product_table", products[products["productFilename"] != "a_uncal.fits"], CELLS)
    files = folder.read_proposal("downloaded_files", "01138")
    changes = pd.concat([files.iloc[:1].assign(kind="gone"), files.iloc[:1].assign(kind="content", new_md5="other")])
    write_changes(folder, changes)
    row = row_of(folder)
    assert (row["files"], row["gone"], row["stale"], row["missing"]) == (5, 1, 0, 1)
    (folder.root / "01138/obsnum04/a_uncal.fits").unlink()
    row = row_of(folder)
    assert (row["files"], row["gone"], row["missing"]) == (4, 0, 1)


def test_a_file_that_a_run_has_found_listed_again_is_gone_no_more(folder):
    files = folder.read_proposal("downloaded_files", "01138")
    write_changes(folder, files.iloc[:1].assign(kind="gone"))
    row = row_of(folder)
    assert (row["present"], row["gone"]) == (2, 0)


def test_many_proposals_have_the_status_that_each_has_alone(folder):
    """Also two that share a file, of which one has it in a folder of its own."""
    names = {"02731": "f_uncal.fits", "01410": "g_uncal.fits", "01411": "g_uncal.fits"}
    for number, (proposal, name) in enumerate(names.items()):
        cell = f"2022-06-0{number + 1}|{proposal}"
        row = file_row(folder.root, name, Code.NOT_THERE, cell=cell, proposal_id=int(proposal))
        row["outfilename"] = str(folder.root / proposal / name)
        if proposal != "01411":
            (folder.root / proposal).mkdir()
            (folder.root / proposal / name).write_bytes(bytes(100))
        files = file_table(row)
        observation = {"obsid": 10 + number, "wanted": True, "cell": cell}
        empty = tables.empty(tables.OBS_TABLE).reindex([0])
        folder.write("obs_table", tables.conform(empty.assign(**observation), tables.OBS_TABLE), [Cell.from_key(cell)])
        products = tables.conform(files, tables.PRODUCT_TABLE).assign(parent_obsid=10 + number)
        folder.write("product_table", products, [Cell.from_key(cell)])
        folder.write("downloaded_files", files, [Cell.from_key(cell)])
    config = Config(outrootdir=str(folder.root))
    proposals = ["01411", "01138", "02731", "09999", "01410"]
    together = status(folder, proposals, config, NOW)
    alone = [status(folder, [proposal], config, NOW) for proposal in proposals]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
    assert together["proposal"].tolist() == proposals
    assert together["files"].tolist() == [1, 5, 1, 0, 1]
    assert together["present"].tolist() == [0, 2, 1, 0, 1]
