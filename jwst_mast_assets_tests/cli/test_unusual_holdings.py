"""Names, modes and level-3 products as MAST has them beside the usual ones; none of them is out of reach."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jwst_mast_assets_tests.page_reader import read_page

AMI = ("--propID", "1101", "--all_dates", "--obsnums", "1")
NO_SCHEME = {
    "jw01101004001_02101_00001_nrcb1.fits": ".fits",
    "jw01101004001_02101_00001-seg001_nrcb1.jpg": ".jpg",
    "jw01101004001_02101_00001_nrcb1_RATE.FITS": "_rate.fits",
    "jw01101004001_02101_00001_nrcb1_ramp.fits.gz": "_ramp.fits.gz",
    "spectrum.fits": ".fits",
    "preview.JPG": ".jpg",
    "notes-2022.txt": ".txt",
    "README": "other",
}
"""Files of observation 4 of program 1101, and the type under which they count."""


def listed(command, *argv):
    """What a query selects: the names, and the counts of its summary by observation number."""
    assert command.query(*argv, "-s", "t").status == 0
    names = {Path(path).name for path in Table.read(command.root / "t.selprod.ecsv")["outfilename"]}
    summary = Table.read(command.root / "t.summary.ecsv")
    fixed = ("proposal_id", "obsnum", "date_start")
    counts = {
        row["obsnum"]: {name: int(row[name]) for name in summary.colnames if name not in fixed and row[name]}
        for row in summary
    }
    return names, counts


def test_file_types_with_hyphens_are_selected_counted_and_shown(unusual_archive, command):
    member, level3 = "jw01101001001_02101_00001_nis", "jw01101-o001_t001_niriss_f480m-nrm"
    names, counts = listed(command, *AMI, "-f", "ami-oi", "_psf-ami-oi.fits")
    assert names == {f"{member}_ami-oi.fits", f"{level3}_ami-oi.fits", f"{level3}_psf-ami-oi.fits"}
    assert counts == {1: {"_ami-oi.fits": 2, "_psf-ami-oi.fits": 1}}
    names, counts = listed(command, *AMI, "-f", "fits")
    assert counts[1] == {"_uncal.fits": 1, "_cal.fits": 1, "_calints.fits": 1, "_ami-oi.fits": 2} | {
        "_aminorm-oi.fits": 1,
        "_psf-ami-oi.fits": 1,
        "_amimulti-oi.fits": 2,
    }
    argv = ("--propID", "1101", "--all_dates", "--obsnums", "2", "-f", "wfscmb-04", "wfscmb-05.jpg", "-w")
    assert command.download(*argv).status == 0
    wavefront = "jw01101-o002_t001_nircam_f212n-wlp8"
    assert command.data() == {f"{wavefront}_wfscmb-04.fits", f"{wavefront}_wfscmb-05.jpg"}
    page = read_page(command.root / "01101" / "index.html")
    assert any(picture.endswith(f"{wavefront}_wfscmb-05.TN.jpg") for picture in page.pictures)
    assert "_wfscmb-04.fits" in page.text


def test_names_that_follow_no_scheme_are_selected_by_their_ending_and_counted(unusual_archive, command):
    argv = ("--propID", "1101", "--all_dates", "--obsnums", "4")
    names, _ = listed(command, *argv, "-f", "fits")
    assert {name for name in NO_SCHEME if "fits" in name.lower()} <= names
    names, counts = listed(command, *argv, "-f", "jpg")
    assert names >= {name for name in NO_SCHEME if name.lower().endswith(".jpg")}
    assert counts == {4: {"_cal.jpg": 1, ".jpg": 2}}
    (command.root.parent / "all.cfg").write_text("filetypes: []\n")
    names, counts = listed(command, "-c", str(command.root.parent / "all.cfg"), *argv)
    assert set(NO_SCHEME) <= names
    for filetype in set(NO_SCHEME.values()):
        assert counts[4][filetype] == list(NO_SCHEME.values()).count(filetype)
    assert command.download("-c", str(command.root.parent / "all.cfg"), *argv, "-w").status == 0
    page = read_page(command.root / "01101" / "index.html")
    assert all(name in page.text for name in NO_SCHEME)


def test_sources_of_every_kind_are_listed_under_their_observation(unusual_archive, command):
    argv = ("--propID", "1101", "--all_dates", "--obsnums", "3", "--calib_levels", "3")
    names, counts = listed(command, *argv, "-f", "x1d", "ecsv", "masterbg1d")
    sources = ("s000277193", "b000000021", "v000000042", "t002-s000000001")
    types = ("_x1d.fits", "_masterbg1d.fits", "_whtlt.ecsv", "_phot.ecsv")
    assert names == {f"jw01101-o003_{source}_nirspec_f290lp-g395m{kind}" for source in sources for kind in types}
    assert counts == {3: dict.fromkeys(types, 4)}


MODES = ("--propID", "80001", "--all_dates")
"""Seven observations: MIRI/WFSS, NIRSPEC/IMAGE, FGS/FGS2, NIRCAM/LORES, NIRCAM/IMAGE, and plain NIRCAM and MIRI."""


@pytest.mark.parametrize(
    ("argv", "obsnums"),
    [
        (("-i", "miri", "--obsmode", "wfss"), {1, 7}),
        (("-i", "nirspec", "--obsmode", "image"), {2}),
        (("-i", "nircam", "--obsmode", "lores"), {4, 6}),
        (("--obsmode", "nircam/lores"), {4, 6}),
        (("-i", "fgs", "--obsmode", "fgs2"), {3}),
        (("-i", "nircam", "--obsmode", "image"), {5, 6}),
        (("-i", "nircam"), {4, 5, 6}),
    ],
)
def test_modes_are_those_that_mast_has_also_new_ones(unusual_archive, command, argv, obsnums):
    _, counts = listed(command, *MODES, *argv)
    assert counts == {obsnum: {"_uncal.fits": 1} for obsnum in obsnums}


def test_a_mode_that_mast_does_not_have_is_refused_with_those_in_its_answer(unusual_archive, command):
    outcome = command.query(*MODES, "-i", "nircam", "--obsmode", "imgae")
    told = "obsmode: MAST has no mode 'imgae' of nircam; did you mean 'image'? Modes in its answer: image, lores\n"
    assert (outcome.status, outcome.err) == (2, f"jwst_query.py: {told}")
    assert not command.root.exists()
    outcome = command.query(*MODES, "--obsmode", "image", "xyz")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "Modes in its answer: fgs2, image, lores, wfss" in outcome.err


def test_a_new_mode_without_an_observation_on_these_days_is_no_mistake(unusual_archive, command):
    outcome = command.query("--propID", "80002", "--all_dates", "-i", "nircam", "--obsmode", "lores")
    assert (outcome.status, outcome.err) == (0, "")
    assert "No observations of proposal 80002 found" in outcome.out


BACKGROUND = ("--propID", "80002", "--all_dates")
"""Candidate c1006 of observations 3, 4 and 5, of two detectors each, which have no rows of their own; and observation
6."""
LEVEL3 = "jw80002-c1006_t001_nircam_clear-f200w"


def test_level3_of_several_observations_is_found_by_each_of_their_numbers(unusual_archive, command):
    for obsnum in (3, 4, 5):
        names, counts = listed(command, *BACKGROUND, "--obsnums", str(obsnum), "-f", "i2d", "uncal")
        members = {f"jw80002{obsnum:03d}001_02101_00001_nrca{chip}_uncal.fits" for chip in "12"}
        assert names == {f"{LEVEL3}_i2d.fits"} | members
        assert {number: count["_i2d.fits"] for number, count in counts.items()} == {3: 1, 4: 1, 5: 1}
        assert {number for number, count in counts.items() if "_uncal.fits" in count} == {obsnum}
    names, counts = listed(command, *BACKGROUND, "--obsnums", "6", "-f", "i2d", "uncal")
    assert (names, counts) == ({"jw80002006001_02101_00001_nrca1_uncal.fits"}, {6: {"_uncal.fits": 1}})
    # Without --obsnums nothing is missing, and nothing is under no number.
    _, counts = listed(command, *BACKGROUND, "-f", "i2d", "uncal")
    assert counts == {n: {"_i2d.fits": 1, "_uncal.fits": 2} for n in (3, 4, 5)} | {6: {"_uncal.fits": 1}}


def test_level3_of_several_observations_is_stored_once_and_shown_under_each(unusual_archive, command):
    for obsnum in ("4", "5"):
        assert command.download(*BACKGROUND, "--obsnums", obsnum, "-f", "i2d", "_i2d.jpg", "-w").status == 0
    assert {path for path in command.files() if "i2d" in path} == {
        f"80002/NA/{LEVEL3}_i2d.fits",
        f"80002/NA/{LEVEL3}_i2d.jpg",
    }
    files = [request for request in unusual_archive.requests if request.endpoint == "download"]
    assert len(files) == 2
    page = read_page(command.root / "80002" / "index.html")
    assert page.observations_of(LEVEL3) == ["3", "4", "5"]
    assert {f"#obsnum={number}" for number in (3, 4, 5)} <= set(page.links)
    assert Table.read(command.root / "80002" / "80002.summary.ecsv")["obsnum"].tolist() == [3, 4, 5]


def test_tables_of_the_version_before_are_read(unusual_archive, command):
    assert command.download(*BACKGROUND, "--obsnums", "4", "-f", "i2d").status == 0
    written = [path for path in command.root.rglob("*.parquet") if "obsnums" in pq.read_schema(path).names]
    assert written
    for path in written:
        pq.write_table(pq.read_table(path).drop_columns("obsnums"), path)
    # NIRISS has nothing here: all products are taken over from the recorded tables.
    assert command.query(*BACKGROUND, "-i", "niriss").status == 0
    outcome = command.download(*BACKGROUND, "--obsnums", "5", "-f", "i2d", "-w")
    assert (outcome.status, outcome.err) == (0, "")
    assert "### Nothing to fetch: all 1 selected files are already there" in outcome.out


def test_a_file_that_several_days_list_has_one_place_whichever_day_brought_it(unusual_archive, command):
    program = ("--propID", "1101", "-f", "_pool.csv")
    assert command.download(*program, "--all_dates").status == 0
    at_first = sorted(command.root.rglob("*_pool.csv"))
    assert len({path.name for path in at_first}) == len(at_first) > 0
    observations = Table.read(command.root / "01101" / "01101.obs.ecsv")
    days = sorted({day[:10] for day in observations["date_min"]})
    assert len(days) > 1
    for day in days:
        unusual_archive.clear_requests()
        assert command.download(*program, "--date_select", day).status == 0
        assert not [request for request in unusual_archive.requests if request.endpoint == "download"]
    assert sorted(command.root.rglob("*_pool.csv")) == at_first
