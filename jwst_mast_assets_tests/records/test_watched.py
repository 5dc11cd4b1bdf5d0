"""The list of watched proposals in an output folder, and how it begins."""

import threading

import pytest

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import MJD_EPOCH
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList


@pytest.fixture
def watched(tmp_path):
    return WatchList(TableStore(tmp_path / "data"))


def test_what_is_added_is_watched_until_it_is_removed(watched):
    assert watched.read() == []
    assert watched.add(["02731", "01138"]) == ["01138", "02731"]
    assert watched.add(["01138", "01410"]) == ["01410"]
    assert watched.remove(["02731", "09231"]) == ["02731"]
    assert WatchList(TableStore(watched.store.root)).read() == ["01138", "01410"]


def test_many_that_add_at_once_lose_none(watched):
    threads = [threading.Thread(target=watched.add, args=([f"{number:05d}"],)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watched.read() == [f"{number:05d}" for number in range(1, 21)]


def test_a_damaged_list_is_reported_and_not_replaced(watched):
    watched.add(["01138"])
    watched.path.write_text('{"proposals": [')
    for action in (watched.read, lambda: watched.add(["02731"]), lambda: watched.remove(["01138"])):
        with pytest.raises(OutputError, match=r"watched\.json is damaged; restore it"):
            action()
    assert watched.path.read_text() == '{"proposals": ['


def test_a_ledger_begins_with_an_empty_list_so_that_no_partition_key_is_taken_for_watched(watched):
    cells = [Cell.from_key("2022-04-10|01138")]
    observations, files = tables.empty(tables.OBS_TABLE), tables.empty(tables.FILE_TABLE)
    Ledger(watched.store).record(cells, observations, files, Config(), MJD_EPOCH)
    assert watched.path.exists()
    assert watched.read() == []
    assert not watched.is_of_the_version_before


def test_a_ledger_without_a_list_is_of_the_version_before(watched):
    assert not watched.is_of_the_version_before
    (watched.store.state / "ledger").mkdir(parents=True)
    (watched.store.state / "ledger" / "01138.json").write_text("{}")
    Ledger(watched.store).note_checked(["01138"], MJD_EPOCH)
    assert watched.is_of_the_version_before
    watched.start(["01138"])
    assert watched.read() == ["01138"]
    assert not watched.is_of_the_version_before
