"""What the archive holds, and that its files are what its tables say."""

import hashlib
import io
import json
from collections import Counter
from typing import Any

import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from jwst_mast_assets.embedded_archive import Catalogue
from jwst_mast_assets_tests.embedded_archive.clients import NOW, UNCAL

HEADER_KEYWORDS = [
    *("TELESCOP", "INSTRUME", "PROGRAM", "OBSERVTN", "VISIT", "DETECTOR", "TARG_RA", "TARG_DEC", "FILTER", "PUPIL"),
    *("READPATT", "NINTS", "NGROUPS", "NFRAMES", "DATE-BEG", "DATE-END", "EFFINTTM", "EFFEXPTM"),
    *("CAL_VER", "CRDS_CTX", "FILENAME"),
]


def opened(content) -> Any:
    """The HDUs of a FITS file."""
    return fits.open(io.BytesIO(content))


def files_like(catalogue, ending, step=1):
    return [file for name, file in catalogue.files.items() if name.endswith(ending)][::step]


def test_every_observation_has_its_own_obsid(catalogue):
    obsids = [row["obsid"] for row in catalogue.observations]
    assert len(obsids) == len(set(obsids)) > 100


def test_the_same_now_gives_the_same_rows_and_bytes(catalogue):
    again = Catalogue.default(NOW)
    assert again.observations == catalogue.observations
    assert again.products == catalogue.products
    assert again.files[UNCAL].md5 == catalogue.files[UNCAL].md5


def test_day_2022_04_10_of_1138_has_thirty_exposures(catalogue):
    rows = [r for r in catalogue.observations if r["proposal_id"] == "1138" and int(r["t_min"] or 0) == 59679]
    assert len(rows) == 30
    products = catalogue.products_of([row["obsid"] for row in rows])
    assert (
        len(
            {
                p["dataURI"]
                for p in products
                if p["productFilename"].endswith("_uncal.fits") and "_gs-" not in p["productFilename"]
            }
        )
        == 30
    )


@pytest.mark.parametrize(
    ("proposal", "days"), [("1138", 1), ("01409", 2), ("1410", 3), ("9231", 2)], ids=["1138", "1409", "1410", "9231"]
)
def test_a_lookback_finds_recent_data(catalogue, proposal, days):
    recent = [
        r for r in catalogue.observations if r["proposal_id"] == proposal and NOW - days < (r["t_min"] or 0) < NOW
    ]
    assert recent


def test_the_guider_exposures_of_1410_are_those_of_the_published_example(catalogue):
    rows = {r["obsid"]: r for r in catalogue.observations if r["obs_id"].endswith("_guider1")}
    assert {obsid: round(row["t_min"], 6) for obsid, row in rows.items()} == {
        71672220: 59623.957319,
        71673298: 59624.849289,
        71673297: 59624.857253,
    }
    assert {row["t_exptime"] for row in rows.values()} == {161.052}


def test_members_of_a_level3_observation_have_no_row_but_their_files_are_in_its_list(catalogue):
    parent = next(r for r in catalogue.observations if r["obs_id"] == "jw02731-o001_t017_nircam_clear-f090w")
    products = catalogue.products_of([parent["obsid"]])
    members = {p["obsID"] for p in products} - {parent["obsid"]}
    assert len(members) == 32
    assert not members & {row["obsid"] for row in catalogue.observations}
    assert "jw02731001001_02101_00001_nrca1_uncal.fits" in {p["productFilename"] for p in products}


def test_shared_files_are_repeated_for_every_member(catalogue):
    parent = next(r for r in catalogue.observations if r["obs_id"] == "jw02731-o001_t017_nircam_clear-f090w")
    repeats = Counter(p["productFilename"] for p in catalogue.products_of([parent["obsid"]]))
    assert max(count for name, count in repeats.items() if name.endswith("_pool.csv")) == 32
    assert max(count for name, count in repeats.items() if "_gs-" in name) == 32


def test_a_candidate_shares_files_with_an_observation_of_another_day(catalogue):
    names = ("jw02731-c1006_t017_nircam_clear-f090w", "jw02731-o003_t017_nircam_clear-f090w")
    candidate, other = (next(r for r in catalogue.observations if r["obs_id"] == name) for name in names)
    assert int(candidate["t_min"]) != int(other["t_min"])
    shared = [{p["dataURI"] for p in catalogue.products_of([row["obsid"]])} for row in (candidate, other)]
    assert any(uri.endswith("_uncal.fits") for uri in shared[0] & shared[1])


def test_an_observation_continues_past_midnight(catalogue):
    row = next(r for r in catalogue.observations if r["obs_id"] == "jw02731-o002_t017_miri_f770w")
    assert int(row["t_max"]) == int(row["t_min"]) + 1


def test_planned_observations_have_no_times_and_no_products(catalogue):
    planned = [row for row in catalogue.observations if row["calib_level"] == -1]
    assert planned
    assert all(row.get("t_min") is None for row in planned)
    assert not catalogue.products_of([row["obsid"] for row in planned])


def test_proposal_ids_are_padded_in_some_programs_only(catalogue):
    assert {"1138", "02731", "12782"} <= {row["proposal_id"] for row in catalogue.observations}


@pytest.mark.parametrize(("form", "expected"), [("plain", "2731"), ("padded", "01138")])
def test_proposal_ids_can_be_recorded_all_alike(form, expected):
    recorded = {row["proposal_id"] for row in Catalogue.default(NOW, form).observations}
    assert expected in recorded
    assert all((len(text) == 5) == (form == "padded") for text in recorded - {"12782"})


@pytest.mark.parametrize(
    ("ending", "step"), [("_uncal.fits", 9), ("_cal.fits", 29), ("_i2d.fits", 9), ("x1dints.fits", 1)]
)
def test_fits_files_are_valid_and_tell_what_the_pages_show(catalogue, ending, step):
    for file in files_like(catalogue, ending, step):
        content = file.read()
        assert len(content) == file.size
        assert file.size % 2880 == 0
        with opened(content) as hdus:
            hdus.verify("exception")
            assert hdus["SCI"].data.size > 1
            assert hdus[0].header["FILENAME"] == file.name
    with opened(catalogue.files[UNCAL].read()) as hdus:
        assert [keyword for keyword in HEADER_KEYWORDS if keyword not in hdus[0].header] == []
        assert hdus[0].header["DATE-BEG"].startswith("2022-04-10T")


@pytest.mark.parametrize(("ending", "step"), [(".jpg", 60), (".png", 4)])
def test_previews_open_and_have_the_size_in_the_table(catalogue, ending, step):
    for file in files_like(catalogue, ending, step):
        content = file.read()
        assert len(content) == file.size < 60_000
        Image.open(io.BytesIO(content)).load()


def test_text_products_are_what_their_names_say(catalogue):
    for file in files_like(catalogue, "_asn.json", 20):
        assert len(file.read()) == file.size
        assert json.loads(file.read())["products"][0]["members"]
    for file in files_like(catalogue, "_cat.ecsv"):
        assert len(Table.read(file.read().decode(), format="ascii.ecsv")) == 60
    for file in files_like(catalogue, "_pool.csv"):
        assert len(file.read()) == file.size


def test_reprocessing_changes_bytes_and_ingest_date_but_not_the_size(catalogue):
    file = catalogue.files[UNCAL]
    before = (file.size, file.md5, file.ingested, file.etag)
    assert catalogue.reprocess(UNCAL, cal_ver="1.20.0") == [UNCAL]
    assert file.size == before[0]
    assert file.md5 == hashlib.md5(file.read()).hexdigest() != before[1]
    assert file.ingested > before[2]
    assert file.etag != before[3]
    with opened(file.read()) as hdus:
        assert hdus[0].header["CAL_VER"] == "1.20.0"


def test_reprocessing_can_change_the_size_everywhere(catalogue):
    before = catalogue.files[UNCAL].size
    catalogue.reprocess(lambda name: name == UNCAL, same_size=False)
    after = catalogue.files[UNCAL].size
    assert after > before
    assert {p["size"] for p in catalogue.products if p["productFilename"] == UNCAL} == {after}
    assert len(catalogue.files[UNCAL].read()) == after


@pytest.mark.parametrize("ending", ["_thumb.jpg", "_asn.json", "_pool.csv", "_cat.ecsv", "_x1d.png"])
def test_every_kind_of_file_changes_when_reprocessed(catalogue, ending):
    file = files_like(catalogue, ending)[0]
    before = (file.size, file.md5)
    catalogue.reprocess(file.name)
    assert (file.size, len(file.read())) == (before[0], before[0])
    assert file.md5 != before[1]


def test_reprocessing_an_unknown_file_is_refused(catalogue):
    with pytest.raises(KeyError):
        catalogue.reprocess("nothing.fits")


def test_an_observation_can_be_added_with_a_file_of_any_size(catalogue):
    (obsid,) = catalogue.add_observation(1138, 30, NOW - 0.1, ["a1"], sizes={"uncal.fits": 2_880_000_000})
    names = [p["productFilename"] for p in catalogue.products_of([obsid])]
    assert "jw01138030001_02101_00001_nrca1_uncal.fits" in names
    big = catalogue.files["jw01138030001_02101_00001_nrca1_uncal.fits"]
    assert big.size == 2_880_000_000
    assert len(big.read(2_879_999_000)) == 1000
    assert big.read(1_999_999_990, 2_000_000_010)[10:] == big.read(2_000_000_000, 2_000_000_010)


def test_a_second_addition_is_another_visit(catalogue):
    first = catalogue.add_observation(1138, 31)
    second = catalogue.add_observation(1138, 31)
    assert not set(first) & set(second)


def test_a_released_program_is_public(catalogue):
    exclusive = [name for name, file in catalogue.files.items() if file.exclusive]
    assert exclusive
    assert catalogue.release("09231") == len(exclusive)
    assert {row["dataRights"] for row in catalogue.observations + catalogue.products} == {"PUBLIC"}


def test_real_tables_are_served_as_they_are(tmp_path):
    observations, products = tmp_path / "observations.csv", tmp_path / "products.csv"
    observations.write_text(
        "obs_id,obsid,t_min,calib_level,instrument_name,dataRights\n"
        "jw05224-o004_s000277193_nirspec_clear-prism,254258482,60781.133675289355,3,NIRSPEC/MSA,PUBLIC\n"
        "jw02221001001_xx101_00001_nircam,86900436,nan,-1,NIRCAM/IMAGE,PUBLIC\n"
    )
    names = {"_cal.fits": 100831680, "_uncal.fits": 25251840, "_cal.jpg": 382, "_rate.jpg": 1114433}
    member = "jw05224004001_02101_00002_nrs2"
    rows = [
        f"254198469,{member},mast:JWST/product/{member}{ending},{member}{ending},{size},254258482,PUBLIC,2"
        for ending, size in names.items()
    ]
    heading = "obsID,obs_id,dataURI,productFilename,size,parent_obsid,dataRights,calib_level"
    products.write_text("\n".join([heading, *rows]) + "\n")
    catalogue = Catalogue.from_csv(observations, products)
    assert catalogue.observations[0]["t_min"] == 60781.133675289355
    assert catalogue.observations[1]["t_min"] is None
    assert len(catalogue.products_of([254258482])) == 4
    for ending in ("_cal.jpg", "_rate.jpg"):
        content = catalogue.files[member + ending].read()
        assert len(content) == names[ending]
        Image.open(io.BytesIO(content)).load()
    big = catalogue.files[f"{member}_uncal.fits"]
    with opened(big.read()) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["INSTRUME"] == "NIRSPEC"
