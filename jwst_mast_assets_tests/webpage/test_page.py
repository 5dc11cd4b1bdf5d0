"""The page: made from whatever is there, with every configured column, and nothing of MAST's text believed."""

import datetime as dt
import os
import re
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from jwst_mast_assets.downloads.codes import Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.webpage import Page, write_page
from jwst_mast_assets_tests.page_reader import Reader, read_page
from jwst_mast_assets_tests.webpage.proposals import (
    NOT_RELEASED,
    Proposal,
    exposure_keywords,
    write_fits,
    write_jpeg,
)

NOW = dt.datetime(2025, 6, 1, 12, tzinfo=dt.timezone.utc)
EXPOSURE = "jw01138001001_02101_00001_nrca1"
MOSAIC = "jw01138-o001_t001_nircam_clear-f200w"


def make(proposal: Proposal, **changes) -> Page:
    return write_page(proposal.config.merged(changes), proposal.key, *proposal.tables(), now=NOW)


def read(page: Page) -> Reader:
    return read_page(page.path)


def local(reader: Reader) -> list[str]:
    return [link for link in reader.links if not link.startswith(("https:", "#", "../index.html"))]


def assert_all_there(page: Page, reader: Reader) -> None:
    for link in [*local(reader), *reader.pictures]:
        assert not link.startswith("/")
        assert (page.path.parent / unquote(link)).is_file(), link


def test_a_filled_proposal(filled: Proposal):
    page = make(filled)
    assert (page.path, page.rows, page.problems) == (filled.folder / "index.html", 14, [])
    assert page.thumbnails_made == 2 * 2 * 3 * 3 + 2 * 2
    reader = read(page)
    assert len(reader.rows) == 14
    assert len(reader.pictures) == page.thumbnails_made
    assert_all_there(page, reader)
    assert {width for width, _ in reader.sizes} == {100}
    assert {"uncal", "rate", "cal", "i2d", "thumb", "FILTER", "TARG_RA", "size", "outfilename"} <= set(reader.heads)
    assert reader.data["empty"] == ["dark", "rateints"]
    for text in (
        "Imaging of a globular cluster",
        "Boyer, Martha L.",
        "NIRCAM (IMAGE)",
        "2022-03-13 to 2022-03-14",
        "2025-06-01 12:00:00",
        "SHALLOW4",
        "84 MB",
    ):
        assert text in reader.text


def test_one_file_that_needs_no_other(filled: Proposal):
    html = make(filled).path.read_text()
    assert not re.search(r"<link\b|<script[^>]+src|@import|url\(", html)
    known = ("https://www.stsci.edu/", "https://mast.stsci.edu/")
    assert all(url.startswith(known) for url in re.findall(r"https?:[^\"'\s<]+", html))


def test_the_same_again(filled: Proposal):
    first = make(filled).path.read_bytes()
    page = make(filled)
    assert page.path.read_bytes() == first
    assert page.thumbnails_made == 0
    later = write_page(filled.config, filled.key, *filled.tables(), now=NOW + dt.timedelta(hours=1))
    assert later.path.read_bytes().replace(b"13:00:00", b"12:00:00") == first
    assert not [path.name for path in filled.folder.rglob(".*")]


@pytest.mark.parametrize(("obs_id", "suffix"), [(EXPOSURE, "_rate.jpg"), (MOSAIC, "_i2d.jpg"), (EXPOSURE, "_cal.fits")])
def test_made_from_any_file_alone(proposal: Proposal, obs_id: str, suffix: str):
    name = proposal.add(obs_id, suffix, dl_code=Code.EXISTS)["productFilename"]
    path = proposal.path(name)
    write_fits(path, {}) if suffix.endswith("fits") else write_jpeg(path)
    page = make(proposal)
    reader = read(page)
    assert (page.rows, len(reader.rows), page.problems) == (1, 1, [])
    assert len(reader.pictures) == suffix.endswith("jpg")
    assert obs_id in (filled_text := (proposal.folder / "01138.products.txt").read_text()) or MOSAIC in filled_text


def test_no_files_says_so(proposal: Proposal):
    page = make(proposal)
    reader = read(page)
    assert page.rows == 0
    assert "No files yet" in reader.text
    assert local(reader) == ["01138.products.txt"]


def test_bare_tables_are_enough(proposal: Proposal):
    page = write_page(proposal.config, "01138", pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), now=NOW)
    assert "No files yet" in read(page).text


def test_planned_observations_are_shown(proposal: Proposal):
    proposal.add(EXPOSURE, "_uncal.fits", selected=False)
    observations = proposal.observations.assign(calib_level=-1, t_min=None, date_min=None)
    page = write_page(proposal.config, proposal.key, observations, proposal.files, pd.DataFrame(), now=NOW)
    assert "planned" in read(page).text


def test_states(filled: Proposal):
    failed, missing, exclusive, gone, spare = filled.products[0], filled.products[5], *filled.products[10:13]
    failed |= {"dl_code": Code.FAILED, "dl_message": "MAST answered 503 <five> times"}
    for product in (missing, exclusive, gone):
        filled.path(product["productFilename"]).unlink()
    exclusive["t_obs_release"] = NOT_RELEASED
    gone |= {"dl_code": Code.VANISHED}
    spare |= {"selected": False}
    filled.add(EXPOSURE, "_never.fits", selected=False)
    page = make(filled)
    reader = read(page)
    states = reader.rows
    assert (states.count("failed"), states.count("missing"), states.count("present")) == (1, 2, 11)
    for text in (
        "failed MAST answered 503 <five> times",
        "waiting until 2129-12-06",
        "recorded as on disk but is no longer there",
        "1 of them not selected",
    ):
        assert text in reader.text
    assert "nrca1_never.fits" not in page.path.read_text()


def test_a_file_that_mast_has_changed_since_is_shown_as_stale(proposal: Proposal):
    product = proposal.add(EXPOSURE, "_rate.jpg", dl_code=Code.EXISTS)
    write_jpeg(proposal.path(product["productFilename"]))
    found = {"kind": "content", "dataURI": product["dataURI"], "new_md5": None, "old_mtime": 1e9}
    changes = tables.conform(pd.DataFrame([found]), tables.CHANGE_TABLE)
    product["mtime"] = 1e9
    page = write_page(proposal.config, proposal.key, *proposal.tables(), now=NOW, changes=changes)
    assert read(page).rows[0] == "stale"
    assert "on disk, but MAST has another version of it" in read(page).text


def test_exclusive_until_the_day_it_is_public(proposal: Proposal):
    proposal.add(EXPOSURE, "_rate.fits", t_obs_release=60828.0)  # 2025-06-02
    assert read(make(proposal)).rows[0] == "waiting"
    page = write_page(proposal.config, proposal.key, *proposal.tables(), now=NOW + dt.timedelta(days=2))
    assert read(page).rows[0] == "missing"


def test_keywords_come_from_the_uncalibrated_file_else_from_one_that_can_be_read(proposal: Proposal):
    for suffix in ("_uncal.fits", "_rate.fits"):
        name = proposal.add(EXPOSURE, suffix)["productFilename"]
        write_fits(proposal.path(name), exposure_keywords(1, "nrca1") | {"READPATT": suffix[1:5].upper()})
    assert "UNCA" in read(make(proposal)).text
    proposal.path(EXPOSURE + "_uncal.fits").write_bytes(b"nonsense")
    page = make(proposal)
    assert "RATE" in read(page).text
    assert page.problems == [f"{EXPOSURE}_uncal.fits: it is not a FITS file"]


def test_numbers_stand_in_line(proposal: Proposal):
    for exposure, value in ((1, 10.5), (2, 311.366)):
        name = proposal.add(f"jw01138001001_02101_{exposure:05d}_nrca1", "_rate.fits")["productFilename"]
        write_fits(proposal.path(name), {"EFFINTTM": value})
    html = make(proposal).path.read_text()
    assert '"words":["10.500","311.366"]' in html


def test_broken_pictures_are_problems(filled: Proposal):
    filled.path(f"{EXPOSURE}_rate.jpg").write_bytes(b"nonsense")
    page = make(filled)
    assert page.problems == [f"{EXPOSURE}_rate.jpg: it is not a JPEG or PNG image"]
    assert page.problems[0] in read(page).text


def test_unknown_names_are_reported_and_ignored(filled: Proposal):
    page = make(
        filled,
        webpage_cols4table=["obsnumm", "FILTR", "rate", "crf", "obsnum", "_cal.jpg", "NOSUCH"],
        webpage_sortcols=["scaa", "rate", "obsnum"],
        webpage_level12_jpgs=["rat", "_rate.jpg", "cal", "uncal.fits"],
        webpage_fitskeys2table=["FILTER", "PUPILL", "NOSUCH", "NOT A KEY"],
    )
    first_words = {problem.split(";")[0].split(" is ")[0]: problem for problem in page.problems}
    assert "did you mean 'obsnum'?" in first_words["webpage_cols4table: 'obsnumm'"]
    assert "did you mean 'FILTER'?" in first_words["webpage_cols4table: 'FILTR'"]
    assert "webpage_level12_jpgs" in first_words["webpage_cols4table: 'crf'"]
    assert "did you mean 'sca'?" in first_words["webpage_sortcols: 'scaa'"]
    assert "cannot be sorted by" in first_words["webpage_sortcols: 'rate'"]
    assert "did you mean '_rate.jpg'?" in next(p for p in page.problems if "image 'rat'" in p)
    assert any("'uncal.fits' is not an image" in problem for problem in page.problems)
    assert read(page).heads.count("rate") == 1
    assert "cal.jpg" in "".join(read(page).heads)


def test_a_slip_in_a_keyword_is_reported_once_headers_were_read(filled: Proposal):
    page = make(
        filled,
        webpage_fitskeys2table=["FILTER", "NGROUP", "GRATING"],
        webpage_cols4table=["NGROUP", "GRATING", "FILTER"],
    )
    assert page.problems == ["webpage_fitskeys2table: no file has the keyword 'NGROUP'; did you mean 'NGROUPS'?"]


@pytest.mark.parametrize("spelling", ["rate", "_rate", "rate.jpg", "_rate.jpg"])
def test_all_spellings_of_a_picture_mean_the_same(filled: Proposal, spelling: str):
    page = make(filled, webpage_level12_jpgs=[spelling], webpage_cols4table=["rate"])
    assert page.problems == []
    assert sum("_rate." in picture for picture in read(page).pictures) == 12


@pytest.mark.parametrize(
    "layout",
    [
        {"skip_propID2outsubdir": True},
        {"jpg_separate_subdir": True},
        {"outsubdir": "with blank #1/ünd"},
        {"obsnum2outsubdir": False},
    ],
)
def test_links_lead_to_files_in_any_layout(proposal: Proposal, layout: dict):
    proposal.config = proposal.config.merged(layout)
    for suffix in ("_uncal.fits", "_rate.jpg"):
        path = proposal.path(proposal.add(EXPOSURE, suffix)["productFilename"])
        write_fits(path, {}) if suffix.endswith("fits") else write_jpeg(path)
    page = make(proposal)
    reader = read(page)
    assert page.problems == []
    assert len(reader.pictures) == 1
    assert_all_there(page, reader)


def test_odd_characters_in_paths_and_texts(proposal: Proposal):
    proposal.title = "<script>alert('x')</script> \"quoted\" & 'more'"
    product = proposal.add('jw01138001001_02101_00001_nrca1"><b>', "_rate.jpg", dl_message="<i>")
    files = proposal.files
    path = proposal.folder / 'a "b" #?%41 &.jpg'
    write_jpeg(path)
    files["outfilename"] = str(path)
    page = write_page(proposal.config, proposal.key, proposal.observations, files, pd.DataFrame(), now=NOW)
    reader = read(page)
    assert reader.scripts == 2  # the data and the page's own
    assert "<script>alert('x')</script>" in reader.text
    assert product["obs_id"] in reader.text
    assert_all_there(page, reader)


def test_a_product_without_a_path_is_shown_as_refused(proposal: Proposal):
    proposal.add(EXPOSURE, "_rate.fits", productFilename="../../etc/passwd_rate.fits", dl_code=Code.BAD_NAME)
    page = make(proposal)
    reader = read(page)
    assert reader.rows[0] == "refused"
    assert not any("passwd" in link for link in reader.links)


def test_guide_stars_have_rows_of_their_own(proposal: Proposal):
    proposal.add(EXPOSURE, "_uncal.fits", size=1)
    for suffix in ("_uncal.fits", "_cal.fits"):
        proposal.add(EXPOSURE, suffix, productFilename=f"jw01138001001_gs-acq1_2022156062319{suffix}", size=2)
    page = make(proposal)
    assert page.rows == 2
    assert "jw01138001001_gs-acq1_2022156062319" in read(page).text


def test_a_file_listed_twice_counts_once(proposal: Proposal):
    proposal.add(EXPOSURE, "_rate.fits")
    proposal.add(EXPOSURE, "_rate.fits", parent_obsid=8)
    assert len(read(make(proposal)).data["files"][0]) == 5  # one file


def test_full_pictures_without_thumbnails(filled: Proposal):
    page = make(filled, webpage_mkthumbnails=False)
    reader = read(page)
    assert page.thumbnails_made == 0
    assert not list(filled.folder.rglob("*.TN.jpg"))
    assert {width for width, _ in reader.sizes} == {100}
    assert_all_there(page, reader)


def test_figure_size_in_the_table(filled: Proposal):
    assert (180, 110) in read(make(filled, webpage_tablefigsize_width=180)).sizes  # the mosaics
    assert read(make(filled, webpage_tablefigsize_width=50, webpage_tablefigsize_height=70)).sizes == {(50, 70)}


def test_order_and_products_table(filled: Proposal):
    make(filled, webpage_sortcols=["sca", "obsnum"], webpage_cols4table=["sca", "obsnum", "rate", "DATE-BEG", "obs_id"])
    lines = (filled.folder / "01138.products.txt").read_text().splitlines()
    assert lines[0].split() == ["sca", "obsnum", "DATE-BEG", "obs_id", "state"]
    rows = [line.split() for line in lines[1:]]
    assert [len(row) for row in rows] == [5] * 14
    assert [row[:2] for row in rows[:5]] == [["a1", "1"]] * 2 + [["a1", "2"]] * 2 + [["a2", "1"]]
    assert rows[-1][0] == "NaN"


def test_ecsv_tables_beside_it_are_linked(filled: Proposal):
    for name in ("01138.obs.ecsv", "01138.summary.ecsv", "01139.obs.ecsv"):
        (filled.folder / name).touch()
    links = local(read(make(filled)))
    assert "01138.obs.ecsv" in links
    assert "01138.summary.ecsv" in links
    assert "01139.obs.ecsv" not in links


def test_a_reader_never_sees_half_a_page(filled: Proposal, monkeypatch: pytest.MonkeyPatch):
    page = make(filled)
    before = page.path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(Exception, match="No space left"):
            make(filled, webpage_cols4table=["obsnum"])
    assert page.path.read_bytes() == before
    assert not [path.name for path in filled.folder.iterdir() if path.name.startswith(".")]


def test_links_of_a_page_survive_moving_the_folder(filled: Proposal, tmp_path: Path):
    page = make(filled)
    moved = (tmp_path / "data").rename(tmp_path / "moved")
    page = page._replace(path=moved / "01138" / "index.html")
    assert_all_there(page, read(page))
