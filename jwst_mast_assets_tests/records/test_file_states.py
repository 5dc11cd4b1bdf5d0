"""One set of words for what a file is, whoever says it."""

import datetime as dt

import pytest

from jwst_mast_assets.downloads import CODES, Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import MJD_EPOCH
from jwst_mast_assets.mast.file_states import NEED_ATTENTION, ON_DISK, URGENCY, State
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import history, holdings
from jwst_mast_assets.records.file_states import file_states
from jwst_mast_assets.records.reprocessing import events_of, write_changes
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.webpage.rows import make_files
from jwst_mast_assets_tests.records.file_rows import CELL, file_row, file_table

NOW = MJD_EPOCH + dt.timedelta(days=60000)
CHANGED = {"stale_rate.fits": "content", "superseded_asn.json": "superseded", "gone_rate.fits": "gone"}
CODE = {
    "present_rate.fits": Code.EXISTS,
    **dict.fromkeys(CHANGED, Code.EXISTS),
    "missing_rate.fits": Code.NOT_THERE,
    "failed_rate.fits": Code.NOT_FOUND,
    "spoiled_rate.fits": Code.BAD_SIZE,
    "refused_rate.fits": Code.BAD_NAME,
    "waiting_rate.fits": Code.EXCLUSIVE,
}
"""Files named for their state."""


@pytest.fixture
def folder(tmp_path):
    """One file in each state, and what a look at MAST said of those that it changed."""
    store = TableStore(tmp_path / "data")
    rows = [file_row(store.root, name, code, size=100) for name, code in CODE.items()]
    for row in rows:
        if row["dl_code"] == Code.BAD_SIZE:
            row["bytes_on_disk"] = 100
    for row in rows:
        path = store.root / "01138" / "obsnum04" / row["productFilename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if row["bytes_on_disk"]:
            path.write_bytes(bytes(50 if row["dl_code"] == Code.BAD_SIZE else 100))
    files = file_table(*rows)
    files.loc[files["dl_code"] == Code.BAD_NAME, "outfilename"] = None
    changed = files[files["productFilename"].isin(CHANGED)]
    changes = changed.assign(kind=changed["productFilename"].map(CHANGED), new_md5="other", old_md5=changed["md5"])
    write_changes(store, changes.assign(new_md5=changes["new_md5"].where(changes["kind"] == "content")))
    return store, files, tables.conform(changes, tables.CHANGE_TABLE)


def by_name(names, states):
    return {str(name).split("_")[0]: str(state) for name, state in zip(names, states, strict=True)}


def test_status_page_and_manifest_say_the_same_word_of_a_file(folder):
    store, files, changes = folder
    expected = {state.value: state.value for state in State}
    assert by_name(files["productFilename"], file_states(files, changes, NOW)) == expected
    shown = make_files(files, NOW, changes=changes)
    assert by_name([file.name for file in shown], [file.state for file in shown]) == expected
    arrived = files.assign(dl_code=files["dl_code"].replace({Code.BAD_SIZE: Code.EXISTS}))
    history.record_fetches(store, arrived, tables.empty(tables.FILE_TABLE), "run", NOW)
    held = history.manifest_at(history.read_history(store, "01138"))
    history.record_events(store, "01138", events_of(changes, held))
    spoiled = files.loc[files["dl_code"] == Code.BAD_SIZE, ["dataURI", "productFilename"]]
    history.record_events(store, "01138", spoiled.assign(event="spoiled"))
    held = history.manifest_at(history.read_history(store, "01138"))
    assert by_name(held["productFilename"], held["status"]) == {state.value: state.value for state in ON_DISK}


def test_each_state_of_the_selected_files_has_its_column_in_status(folder):
    store, files, _ = folder
    cells = [Cell.from_key(CELL)]
    store.write("product_table", tables.conform(files, tables.PRODUCT_TABLE), cells)
    store.write("downloaded_files", files, cells)
    config = Config(outrootdir=str(store.root), skip_propID2outsubdir=False)
    (row,) = status(store, ["01138"], config, NOW).to_dict("records")
    counts = {state.value: row[state.value] for state in State}
    assert sum(counts.values()) == row["files"] == len(files)
    assert counts["stale"] == counts["spoiled"] == counts["superseded"] == counts["waiting"] == 1


def test_the_page_is_made_again_when_a_file_has_become_stale(folder):
    store, files, changes = folder
    cells = [Cell.from_key(CELL)]
    store.write("product_table", tables.conform(files, tables.PRODUCT_TABLE), cells)
    store.write("downloaded_files", files, cells)
    snapshot = Snapshot(Config(outrootdir=str(store.root)))
    stale = holdings.page_fingerprint(holdings.read_proposal(snapshot, "01138"), snapshot.config)
    write_changes(store, changes[changes["kind"] != "content"])
    assert holdings.page_fingerprint(holdings.read_proposal(snapshot, "01138"), snapshot.config) != stale


def test_every_dl_code_belongs_to_a_state_and_every_state_has_its_place():
    assert set(CODES) == set(Code)
    assert {meaning.state for meaning in CODES.values()} == set(State) - {State.SUPERSEDED, State.GONE, State.SPOILED}
    assert set(URGENCY) == set(State)
    assert not {*ON_DISK, State.WAITING} & set(NEED_ATTENTION) - {State.STALE, State.SPOILED}


def test_what_a_version_before_recorded_as_superseded_is_not_recorded_again_as_stale(folder):
    _, _, changes = folder
    content = changes[changes["kind"] == "content"]
    held = tables.conform(content.assign(status="superseded"), tables.MANIFEST_TABLE)
    assert events_of(content, held).empty
