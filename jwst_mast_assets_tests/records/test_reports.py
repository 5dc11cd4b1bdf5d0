"""The tables for people."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.products import describe_products
from jwst_mast_assets.records import reports
from jwst_mast_assets.records.reports import make_reports, to_text, write_reports
from jwst_mast_assets_tests.mast.rows import listed, observations

GUIDERS = (
    (71672220, "jw01410001001_02101_00001_guider1", 59623 + 82712.378 / 86400),
    (71673297, "jw01410014001_02101_00001_guider1", 59624 + 74066.670 / 86400),
    (71673298, "jw01410003001_02101_00001_guider1", 59624 + 73378.543 / 86400),
)


def reports_of(config, endings=("uncal.fits",)):
    """Those of the original's README: three guider exposures of program 1410."""
    parents = observations(*((obsid, name, t_min, "NIRCAM") for obsid, name, t_min in GUIDERS), config=config)
    rows = [(obsid, obsid, name, f"{name}_{ending}") for obsid, name, _ in GUIDERS for ending in endings]
    products = describe_products(listed(*rows), parents, config)
    files = products[products["selected"].astype(bool)].assign(dl_code=0)
    return make_reports(parents, tables.conform(files, tables.FILE_TABLE), config)


def test_the_summary_is_that_of_the_readme():
    text = to_text(reports_of(Config()).summary).splitlines()
    assert [line.split() for line in text] == [
        ["proposal_id", "obsnum", "_uncal.fits", "date_start"],
        ["1410", "1", "1", "2022-02-13T22:58:32.378"],
        ["1410", "3", "1", "2022-02-14T20:22:58.543"],
        ["1410", "14", "1", "2022-02-14T20:34:26.670"],
    ]


def test_the_observations_are_those_of_the_readme():
    text = to_text(reports_of(Config.from_mapping({"sortcols_obsTable": ["obsid"]})).obs).splitlines()
    assert [line.split() for line in text] == [
        ["proposal_id", "obsnum", "obsid", "obs_id", "t_min", "t_exptime", "date_min", "_uncal.fits"],
        ["1410", "1", "71672220", "jw01410001001_02101_00001_guider1", "59623.957319", "161.052"]
        + ["2022-02-13T22:58:32.378", "1"],
        ["1410", "14", "71673297", "jw01410014001_02101_00001_guider1", "59624.857253", "161.052"]
        + ["2022-02-14T20:34:26.670", "1"],
        ["1410", "3", "71673298", "jw01410003001_02101_00001_guider1", "59624.849289", "161.052"]
        + ["2022-02-14T20:22:58.543", "1"],
    ]


def test_the_products_are_those_of_the_readme():
    columns = ["proposal_id", "obsnum", "obsID", "parent_obsid", "obs_id", "sca", "dataproduct_type", "filetype"]
    columns += ["calib_level", "size", "outfilename", "dl_code", "dl_str"]
    config = Config.from_mapping(
        {"outcolumns_productTable": columns, "outrootdir": "/jwst_data", "obsnum2outsubdir": False}
    )
    lines = to_text(reports_of(config).selprod).splitlines()
    assert lines[0].split() == columns
    assert lines[1].split() == ["1410", "1", "71672220", "71672220", "jw01410001001_02101_00001_guider1", "guider1"] + [
        "image", "_uncal.fits", "1", "2880", "/jwst_data/01410/jw01410001001_02101_00001_guider1_uncal.fits", "0", "NaN"
    ]  # fmt: skip


def test_there_is_a_column_of_counts_per_filetype_in_the_order_asked_for():
    endings = ("cal.fits", "uncal.fits", "cal.jpg", "rate.fits")
    columns = list(reports_of(Config.from_mapping({"filetypes": ["rate", "jpg", "uncal"]}), endings).summary)
    assert columns == ["proposal_id", "obsnum", "_rate.fits", "_cal.jpg", "_uncal.fits", "date_start"]
    columns = list(reports_of(Config.from_mapping({"filetypes": []}), endings).obs)
    assert columns[-4:] == ["_uncal.fits", "_rate.fits", "_cal.fits", "_cal.jpg"]


def test_the_tables_have_the_columns_and_the_order_asked_for():
    config = Config.from_mapping(
        {
            "outcolumns_productTable": ["productFilename", "size"],
            "outcolumns_obsTable": ["obs_id", "instrument_name"],
            "sortcols_summaryTable": ["obsnum"],
            "sortcols_productTable": ["productFilename"],
        }
    )
    made = reports_of(config)
    assert list(made.selprod) == ["productFilename", "size"]
    assert list(made.obs) == ["obs_id", "instrument_name", "_uncal.fits"]
    assert made.summary["obsnum"].tolist() == [1, 3, 14]
    assert made.selprod["productFilename"].is_monotonic_increasing


def test_an_observation_without_selected_products_is_not_listed():
    made = reports_of(Config.from_mapping({"obsnums": [3, 14]}))
    assert made.obs["obsnum"].tolist() == [3, 14]
    assert made.summary["obsnum"].tolist() == [3, 14]


def test_level3_of_several_observations_is_one_observation_that_counts_under_each_number(tmp_path):
    exposures = [f"jw02731{obsnum:03d}001_02101_00001_nrcb1" for obsnum in (1, 3)]
    candidate = "jw02731-c1006_t017_nircam_clear-f090w"
    config = Config.from_mapping({"filetypes": ["i2d", "cal"], "outcolumns_obsTable": ["obs_id", "obsnum", "obsnums"]})
    parents = observations((6, candidate, 59733.1, "NIRCAM/IMAGE"), config=config)
    found = [(6, 6, candidate, f"{candidate}_i2d.fits")]
    found += [(6, number, name, f"{name}_cal.fits") for number, name in enumerate(exposures, 1)]
    products = describe_products(listed(*found), parents, config)
    made = make_reports(parents, tables.conform(products, tables.FILE_TABLE), config)
    write_reports(made, tmp_path, "mine")
    (row,) = Table.read(tmp_path / "mine.obs.ecsv")
    assert [row[name] for name in ("obs_id", "obsnums", "_i2d.fits", "_cal.fits")] == [candidate, "1,3", 1, 2]
    summary = made.summary[["obsnum", "_i2d.fits", "_cal.fits"]]
    assert summary.to_numpy().tolist() == [[1, 1, 1], [3, 1, 1]]
    # Observation 3 began later than the candidate, which began with observation 1.
    rows = [(6, candidate, 59733.5, "NIRCAM/IMAGE"), (2, exposures[1], 59735.5, "NIRCAM/IMAGE")]
    parents = observations(*rows, config=config)
    products = describe_products(listed(*found, (2, 2, exposures[1], f"{exposures[1]}_cal.fits")), parents, config)
    made = make_reports(parents, tables.conform(products, tables.FILE_TABLE), config)
    assert made.summary["date_start"].str[:10].tolist() == ["2022-06-03", "2022-06-05"]


def test_a_table_without_rows_is_its_heading():
    assert to_text(reports_of(Config.from_mapping({"obsnums": [9]})).summary) == "proposal_id obsnum date_start\n"


@pytest.mark.parametrize("kind", ["selprod", "obs", "summary"])
def test_astropy_reads_each_table_with_types_and_missing_values(tmp_path, kind):
    made = reports_of(Config.from_mapping({"outrootdir": str(tmp_path)}))
    written = write_reports(made, tmp_path, "mine")
    assert {path.name for path in written} >= {f"mine.{kind}.txt", f"mine.{kind}.ecsv"}
    read, table = Table.read(tmp_path / f"mine.{kind}.ecsv"), made._asdict()[kind]
    assert list(read.colnames) == list(table.columns)
    for name in read.colnames:
        mask = np.ma.getmaskarray(np.ma.asarray(read[name]))
        assert mask.tolist() == table[name].isna().tolist()
        expected = {"Int64": "i", "Float64": "f", "boolean": "b", "string": "U"}[str(table[name].dtype)]
        assert mask.all() or read[name].dtype.kind == expected, name
        assert [v for v, m in zip(read[name].tolist(), mask, strict=True) if not m] == table[name].dropna().tolist()


def test_units_and_meanings_stand_in_the_ecsv(tmp_path):
    write_reports(reports_of(Config()), tmp_path, "mine")
    assert str(Table.read(tmp_path / "mine.selprod.ecsv")["size"].unit) == "byte"
    assert str(Table.read(tmp_path / "mine.obs.ecsv")["t_exptime"].unit) == "s"
    assert "APT" in Table.read(tmp_path / "mine.obs.ecsv")["obsnum"].description


def test_a_missing_number_stays_an_integer_column():
    table = pd.DataFrame({"obsnum": pd.Series([3, None], dtype="Int64")})
    assert [line.strip() for line in to_text(table).splitlines()] == ["obsnum", "3", "NaN"]


def test_tables_that_would_be_the_same_are_not_written_again(tmp_path):
    note, made = tmp_path / "note.txt", reports_of(Config())

    def times():
        return [path.stat().st_mtime_ns for path in write_reports(made, tmp_path, "mine", note)]

    first = times()
    text = (tmp_path / "mine.obs.txt").read_text()
    assert times() == first
    (tmp_path / "mine.obs.txt").write_text("edited")
    (tmp_path / "mine.summary.ecsv").unlink()
    write_reports(made, tmp_path, "mine", note)
    assert (tmp_path / "mine.obs.txt").read_text() == text
    assert (tmp_path / "mine.summary.ecsv").exists()
    made = reports_of(Config.from_mapping({"obsnums": [9]}))
    write_reports(made, tmp_path, "mine", note)
    assert (tmp_path / "mine.summary.txt").read_text() == "proposal_id obsnum date_start\n"


def test_nothing_is_converted_where_the_tables_are_noted_as_the_same(tmp_path, monkeypatch):
    note, made = tmp_path / "note.txt", reports_of(Config())
    written = write_reports(made, tmp_path, "mine", note)
    monkeypatch.delattr(reports, "to_text")
    assert write_reports(made, tmp_path, "mine", note) == written
