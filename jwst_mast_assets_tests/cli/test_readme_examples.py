"""The ten examples of the original's README, as written; only their output folders are the test's own."""

import shlex
from pathlib import Path

import pytest

from jwst_mast_assets.mast.config_file import annotated_config

NRCA1_2 = ("nrca1", "nrca2")
NEW_1138 = {4: ("nrca1", "nrca2", "nrcblong"), 5: NRCA1_2, 7: ("nrca1",)}
"""The observations of program 1138 in the last day, and their detectors."""


def rehearsal(*obsnums):
    return {
        f"00743/obsnum{n:02d}/jw00743{n:03d}001_02101_00001_{d}_uncal.fits" for n in obsnums for d in ("nrca1", "nrcb1")
    }


def recent(proposal, obsnum, visit, detectors, *endings):
    return {
        f"{proposal:05d}/obsnum{obsnum:02d}/jw{proposal:05d}{obsnum:03d}{visit:03d}_02101_00001_{detector}_{ending}"
        for detector in detectors
        for ending in endings
    }


def of_1138(*obsnums):
    endings = ("uncal.fits", "rate.fits", "cal.fits", "i2d.fits", "uncal.jpg", "rate.jpg", "cal.jpg", "i2d.jpg")
    endings += ("thumb.jpg",)
    return set().union(*(recent(1138, n, 2, NEW_1138[n], *endings) for n in obsnums))


EXAMPLES = [
    (
        "jwst_download.py -v --propID 1410 --config jwst_query.cfg --lookbacktime 3 --sca a1 a2",
        recent(1410, 16, 1, NRCA1_2, "uncal.fits"),
    ),
    (
        "jwst_download.py -v -c jwst_query.cfg --outrootdir /jwst_data -l 1 --propID 01138 --makewebpages "
        "--filetypes jpg fits",
        of_1138(4, 5, 7) | {"01138/index.html", "index.html"},
    ),
    (
        "jwst_download.py -v --config jwst_query.cfg --lookbacktime 2 --propID 1409 --obsnums 3 103",
        recent(1409, 3, 2, ("nrca3", "nrcb4"), "uncal.fits") | recent(1409, 103, 2, ("nrca3",), "uncal.fits"),
    ),
    (
        "jwst_download.py -v -c jwst_query.cfg --outrootdir /jwst_data -l 1 --propID 01138 --obsnums 4 --makewebpages "
        "--filetypes jpg fits",
        of_1138(4) | {"01138/index.html", "index.html"},
    ),
    (
        "jwst_download.py -v -c jwst_query.cfg --outrootdir /jwst_data -l 1 --propID 01138 --obsnums 4 5 7 "
        "--makewebpages --filetypes jpg fits",
        of_1138(4, 5, 7) | {"01138/index.html", "index.html"},
    ),
    (
        "jwst_download.py -v  -c jwst_query.cfg --propID 743 --date_select 2021-08-11T16:49:49 2021-08-12T16:49:49",
        rehearsal(3, 4, 5),
    ),
    ("jwst_download.py -v  -c jwst_query.cfg --propID 743 --date_select 2021-08-11T16:49:49+", rehearsal(3, 4, 5, 6)),
    ("jwst_download.py -v  -c jwst_query.cfg --propID 743 --date_select 2021-08-11T16:49:49-", rehearsal(1, 2)),
    ("jwst_download.py -v  -c jwst_query.cfg --propID 743 --date_select 59430.0+", rehearsal(2, 3, 4, 5, 6)),
    (
        "jwst_download.py -v -c jwst_query.cfg --outrootdir /my_jwst_data -lookbacktime 5 --makewebpages "
        "--filetype jpg",
        {"01138/index.html", "01409/index.html", "01410/index.html"},
    ),
]


@pytest.mark.parametrize(("example", "expected"), EXAMPLES, ids=range(1, 11))
def test_an_example_of_the_readme_runs_as_written(today, command, example, expected):
    # The original's own config file has these two lines; ours has them commented out.
    used = annotated_config().replace("#instrument: nircam", "instrument: nircam")
    Path("jwst_query.cfg").write_text(used.replace("#obsmode: [image", "obsmode: [image"), encoding="utf-8")
    argv = [str(command.root) if word in ("/jwst_data", "/my_jwst_data") else word for word in shlex.split(example)]
    outcome = command.download(*argv[1:])
    assert outcome.status == 0, outcome.err
    there = {path for path in command.files() if path.endswith((".fits", ".jpg", ".html"))}
    if "--filetype jpg" in example:
        assert there >= expected
        assert all(path.endswith((".jpg", ".html")) for path in there)
        assert {path.partition("/")[0] for path in there} >= {"01138", "01409", "01410"}
    else:
        assert there == expected
