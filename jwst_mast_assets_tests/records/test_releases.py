"""What becomes public when."""

import datetime as dt

from jwst_mast_assets.downloads import Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import MJD_EPOCH
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets_tests.records.file_rows import file_row, file_table

NOW = MJD_EPOCH + dt.timedelta(days=60000)


def waiting(root, name, release, code=Code.EXCLUSIVE, **values):
    return file_row(root, name, code, dataRights="EXCLUSIVE_ACCESS", t_obs_release=release, **values)


def test_files_are_counted_by_day_of_release_and_proposal(tmp_path):
    files = file_table(
        waiting(tmp_path, "a.fits", 60010.5),
        waiting(tmp_path, "b.fits", 60010.75, obsnum=12, size=1000),
        waiting(tmp_path, "c.fits", 60005.25),
        waiting(tmp_path, "d.fits", 60010.0, proposal_id=2731, obsnum=None),
    )
    table = releases(files, NOW)
    assert table.drop(columns=["on_disk", "public"]).to_numpy().tolist() == [
        ["2023-03-02T06:00:00", "01138", "4", 1, 100],
        ["2023-03-07T00:00:00", "02731", "", 1, 100],
        ["2023-03-07T12:00:00", "01138", "4,12", 2, 1100],
    ]
    assert not table["public"].any()
    assert table.dtypes.to_dict() == tables.empty(tables.RELEASE_TABLE).dtypes.to_dict()


def test_level3_of_several_observations_is_released_for_each_of_their_numbers(tmp_path):
    files = file_table(
        waiting(tmp_path, "a.fits", 60010.5, obsnum=12),
        waiting(tmp_path, "b.fits", 60010.5, obsnum=None, obsnums="3,12"),
    )
    assert releases(files, NOW)["obsnums"].tolist() == ["3,12"]


def test_public_files_are_shown_only_when_asked_for(tmp_path):
    files = file_table(file_row(tmp_path, "a.fits", Code.EXISTS), waiting(tmp_path, "b.fits", 60001.0))
    assert releases(files, NOW)["files"].tolist() == [1]
    table = releases(files, NOW, past=True)
    assert table["public"].tolist() == [True, False]
    assert table["on_disk"].tolist() == [1, 0]


def test_what_is_public_and_not_fetched_yet_is_shown(tmp_path):
    table = releases(file_table(waiting(tmp_path, "a.fits", 59999.0)), NOW)
    assert table[["files", "on_disk", "public"]].to_numpy().tolist() == [[1, 0, True]]


def test_files_fetched_with_a_token_are_on_disk_before_they_are_public(tmp_path):
    table = releases(file_table(waiting(tmp_path, "a.fits", 60001.0, Code.EXISTS)), NOW)
    assert table[["files", "on_disk", "public"]].to_numpy().tolist() == [[1, 1, False]]


def test_a_release_that_mast_does_not_tell_comes_last(tmp_path):
    table = releases(file_table(waiting(tmp_path, "a.fits", None), waiting(tmp_path, "b.fits", 60400.0)), NOW)
    assert table["public_from"].isna().tolist() == [False, True]
    assert table["files"].tolist() == [1, 1]


def test_without_exclusive_files_there_is_nothing_to_wait_for(tmp_path):
    table = releases(file_table(file_row(tmp_path, "a.fits", Code.EXISTS)), NOW)
    assert table.empty
    assert list(table.columns) == list(tables.RELEASE_TABLE)
    assert releases(file_table(), NOW, past=True).empty
