"""The five assets, end to end: a real instance, a real archive over HTTP, real files."""

import base64
import datetime as dt
import io
import re

import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from jwst_mast_assets.defs.partitions import build_grid
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast import tables
from jwst_mast_assets_tests.defs.running import DAY, messages

EMPTY_DAY = "2022-04-12|01138"
RANGE = ("2022-04-10|01138", "2022-04-14|01138")


def downloads(archive):
    return [request for request in archive.requests if request.endpoint == "download"]


def queries(archive, service):
    return [request for request in archive.requests if request.service == service]


def test_a_partition_brings_the_selected_files_to_disk_as_the_archive_has_them(archive, runner):
    assert runner.run().success
    files = runner.table("downloaded_files")
    assert len(files) == 30
    assert set(files["dl_str"]) == {"downloaded"}
    for row in files.itertuples():
        assert row.outfilename == str(runner.root / "01138" / f"obsnum{row.obsnum:02d}" / row.productFilename)
        with open(row.outfilename, "rb") as file:
            assert file.read() == archive.content(row.productFilename)
        assert row.md5 == archive.md5(row.productFilename)
    with fits.open(files["outfilename"].iloc[0]) as hdus:
        hdus.verify("exception")


def test_a_second_run_fetches_nothing(archive, runner):
    assert runner.run().success
    archive.clear_requests()
    assert runner.run().success
    assert downloads(archive) == []
    assert set(runner.table("downloaded_files")["dl_str"]) == {"exists"}


def test_the_query_job_writes_tables_and_downloads_nothing(archive, runner):
    assert runner.run("jwst_query").success
    assert downloads(archive) == []
    assert runner.files() == set()
    assert len(runner.table("obs_table")) == 30
    products = runner.table("product_table")
    assert len(products) > products["selected"].sum() == 30
    summary = Table.read(runner.root / "01138" / "01138.summary.ecsv")
    assert summary["_uncal.fits"].tolist() == [20, 10]


def test_every_product_is_listed_once_with_what_its_name_says(archive, runner):
    runner.run("jwst_query")
    products = runner.table("product_table")
    assert products["dataURI"].is_unique
    row = products.set_index("productFilename").loc["jw01138004001_02101_00002_nrcalong_rate.jpg"]
    assert (row["obsnum"], row["sca"], row["visit"], row["filetype"]) == (4, "along", "001", "_rate.jpg")
    assert not row["selected"]


def test_another_selection_needs_no_longer_list(archive, runner):
    runner.run("jwst_query")
    before = runner.table("product_table")
    runner.run("jwst_query", filetypes=["jpg"], sca=["a1"])
    after = runner.table("product_table")
    assert set(before["dataURI"]) == set(after["dataURI"])
    assert after.loc[after["selected"], "filetype"].str.endswith(".jpg").all()


def test_a_range_is_one_run_with_one_query_of_observations(archive, runner):
    assert runner.run("jwst_query", RANGE).success
    assert len(queries(archive, "Mast.Caom.Filtered")) == 1
    found = {day: len(runner.table("obs_table", f"2022-04-{day}|01138")) for day in (10, 11, 12, 13, 14)}
    assert found == {10: 30, 11: 15, 12: 0, 13: 0, 14: 10}


def test_products_are_asked_for_in_batches(archive, runner):
    runner.run("jwst_query", Nobs_per_batch=10)
    assert len(queries(archive, "Mast.Caom.Products")) == 3


def test_a_day_without_observations_is_green_with_empty_tables_of_all_columns(archive, runner):
    assert runner.run("jwst_download", EMPTY_DAY).success
    for asset, schema in (
        ("obs_table", tables.OBS_TABLE),
        ("product_table", tables.PRODUCT_TABLE),
        ("downloaded_files", tables.FILE_TABLE),
    ):
        stored = pd.read_parquet(runner.root / ".jwst_mast_assets/tables" / asset / "01138/2022-04-12.parquet")
        assert list(stored.columns) == list(schema)
        assert stored.empty
    assert (runner.root / "01138" / "index.html").exists()


def test_tables_keep_their_types_between_assets(archive, runner):
    runner.run()
    for asset, schema in (("obs_table", tables.OBS_TABLE), ("downloaded_files", tables.FILE_TABLE)):
        table = runner.table(asset)
        assert {name: str(table[name].dtype) for name in schema} == {
            name: str(pd.Series(dtype=column.dtype).dtype) for name, column in schema.items()
        }


def test_the_page_and_tables_cover_all_days_so_far(archive, runner):
    runner.run(keys="2022-04-10|01138")
    runner.run(keys="2022-04-14|01138")
    summary = Table.read(runner.root / "01138" / "01138.summary.ecsv")
    assert summary["obsnum"].tolist() == [4, 5, 9]
    page = (runner.root / "01138" / "index.html").read_text()
    assert "jw01138004001_02101_00001_nrca1" in page
    assert "jw01138009001_02101_00001_nrca1" in page


def test_a_narrower_run_forgets_nothing(archive, runner):
    runner.run()
    runner.run(sca=["a1"], savetables="narrow")
    assert len(Table.read(runner.root / "01138" / "01138.selprod.ecsv")) == 30
    assert len(Table.read(runner.root / "narrow.selprod.ecsv")) == 3
    assert len(runner.table("downloaded_files")) == 30
    assert "nrcblong" in (runner.root / "01138" / "index.html").read_text()


def test_a_run_for_another_instrument_keeps_the_products_of_this_one(archive, runner):
    runner.run("jwst_query")
    before = len(runner.table("product_table"))
    archive.clear_requests()
    runner.run("jwst_query", instrument="miri")
    assert queries(archive, "Mast.Caom.Products") == []
    assert len(runner.table("product_table")) == before
    assert runner.table("product_table")["selected"].sum() == 0


def test_jpegs_get_thumbnails(archive, runner):
    assert runner.run(filetypes=["_rate.jpg"], sca=["a1"], jpg_separate_subdir=True).success
    folder = runner.root / "01138" / "obsnum04" / "jpg"
    with Image.open(folder / "jw01138004001_02101_00001_nrca1_rate.TN.jpg") as image:
        assert image.width == 100


def test_a_page_that_would_show_the_same_is_left_as_it_is(archive, runner):
    runner.run()
    page = runner.root / "01138" / "index.html"
    made = page.stat().st_mtime_ns
    runner.run()
    assert page.stat().st_mtime_ns == made
    runner.run(webpage_thumbnails_width=60)
    assert page.stat().st_mtime_ns > made


def test_with_skipdownload_nothing_is_fetched(archive, runner):
    assert runner.run(skipdownload=True).success
    assert downloads(archive) == []


def test_level_3_brings_its_members_files_once_each_with_their_number(archive, runner, instance):
    instance.add_dynamic_partitions("proposal", ["02731"])
    day = next(
        key
        for key in ("2022-06-03|02731", "2022-06-04|02731")
        if runner.run("jwst_query", key) and len(runner.table("obs_table", key))
    )
    products = runner.table("product_table", day)
    assert products["dataURI"].is_unique
    level_3 = products[products["calib_level"] == 3]
    assert len(level_3)
    assert len(products[products["calib_level"] == 1])
    named = level_3[level_3["obs_id"].str.contains("-o")]
    assert named["obsnum"].notna().all()


def test_a_cause_that_many_files_share_is_named_once(archive, runner):
    archive.faults.add(Fault("status", endpoint="download", match="_nrca[1-3]_uncal.fits", status=404))
    (message,) = messages(runner.run())
    assert message.startswith("9 selected files could not be downloaded: jw01138004001_02101_00001_nrca1_uncal.fits, ")
    assert message.count("HTTP status 404") == message.count(" and 6 more: ") == 1
    assert message.count("_uncal.fits") == 3


def test_a_file_that_cannot_be_downloaded_fails_the_run_but_not_the_others(archive, runner):
    name = "jw01138004001_02101_00001_nrca1_uncal.fits"
    archive.faults.add(Fault("status", endpoint="download", match=name, status=404))
    result = runner.run()
    assert not result.success
    (message,) = messages(result)
    assert "1 selected file could not be downloaded" in message
    assert name in message
    assert len(runner.files()) == 29
    assert (runner.root / "01138" / "index.html").exists()
    assert runner.table("downloaded_files").set_index("productFilename").loc[name, "dl_str"] == "ERRORnotfound"
    (check,) = [found for found in result.get_asset_check_evaluations() if found.asset_key.path == ["downloaded_files"]]
    assert not check.passed
    archive.faults.clear()
    archive.clear_requests()
    assert runner.run().success
    assert len(downloads(archive)) == 1


def test_hostile_names_are_refused_and_reported_and_nothing_is_written_elsewhere(archive, runner, tmp_path):
    archive.faults.add(Fault("hostile-names"))
    runner.run(filetypes=[])
    products = runner.table("product_table")
    refused = products[products["outfilename"].isna()]
    assert any("../" in name for name in refused["productFilename"])
    assert any(name.startswith("/") for name in refused["productFilename"])
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and runner.root not in path.parents]
    assert all("instance" in path.parts or "dagster_home" in path.parts for path in outside)
    listed = runner.table("downloaded_files").set_index("dataURI").loc[refused["dataURI"], "dl_str"]
    assert set(listed) == {"ERRORname"}


def test_today_is_a_partition():
    today = dt.datetime.now(dt.timezone.utc).date()
    days = build_grid(dt.date(2021, 8, 1)).get_partitions_def_for_dimension("day")
    assert days.get_last_partition_key() == str(today)
    assert days.get_first_partition_key() == "2021-08-01"


@pytest.mark.parametrize("job", ["jwst_query", "jwst_download"])
def test_the_token_is_in_no_event_table_or_page(archive, runner, monkeypatch, job):
    monkeypatch.setenv("MAST_API_TOKEN", "good-token")
    result = runner.run(job)
    assert result.success
    logged = "".join(str(entry) for entry in runner.instance.all_logs(result.run_id))
    written = b"".join(path.read_bytes() for path in runner.root.rglob("*") if path.is_file())
    assert "good-token" not in logged
    assert b"good-token" not in written


def test_a_run_shows_its_images_as_one_small_picture(archive, runner):
    result = runner.run(filetypes=["_rate.jpg", "_i2d.jpg"])
    (event,) = result.asset_materializations_for_node("downloaded_files")
    markdown = str(event.metadata["images"].value)
    ((number, data),) = re.findall(r"^!\[(\d+) images\]\(data:image/jpeg;base64,(.*)\)$", markdown)
    assert int(number) == len([name for name in runner.files() if name.endswith(("_rate.jpg", "_i2d.jpg"))]) == 60
    assert len(data) < 60_000
    with Image.open(io.BytesIO(base64.b64decode(data))) as sheet:
        assert sheet.size == (8 * 100 - 4, 3 * 100 - 4)
        assert len(sheet.getcolors(1 << 20)) > 1000


def test_metadata_say_how_many(archive, runner):
    result = runner.run()
    (event,) = result.asset_materializations_for_node("downloaded_files")
    values = {name: value.value for name, value in event.metadata.items()}
    assert (values["selected"], values["fetched"], values["failed"], values["waiting"]) == (30, 30, 0, 0)
    assert values["bytes_fetched"] == values["bytes_on_disk"] > 0
    assert str(event.partition) == DAY
