"""Names, modes and level-3 products as MAST has them beside the usual ones; none of them is out of reach."""

from pathlib import Path

from astropy.table import Table

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


def test_file_types_with_hyphens_are_selected_counted_and_shown(archive, command):
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
    page = (command.root / "01101" / "index.html").read_text(encoding="utf-8")
    assert f"{wavefront}_wfscmb-05.TN.jpg" in page
    assert "_wfscmb-04.fits" in page


def test_names_that_follow_no_scheme_are_selected_by_their_ending_and_counted(archive, command):
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
    page = (command.root / "01101" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in NO_SCHEME)


def test_sources_of_every_kind_are_listed_under_their_observation(archive, command):
    argv = ("--propID", "1101", "--all_dates", "--obsnums", "3", "--calib_levels", "3")
    names, counts = listed(command, *argv, "-f", "x1d", "ecsv", "masterbg1d")
    sources = ("s000277193", "b000000021", "v000000042", "t002-s000000001")
    types = ("_x1d.fits", "_masterbg1d.fits", "_whtlt.ecsv", "_phot.ecsv")
    assert names == {f"jw01101-o003_{source}_nirspec_f290lp-g395m{kind}" for source in sources for kind in types}
    assert counts == {3: dict.fromkeys(types, 4)}
