"""What file and observation names say, on names as MAST has them."""

import pandas as pd
import pytest

from jwst_mast_assets.mast import names

EXPOSURE = "jw01138004001_02101_00001_nrca1"
LEVEL_3 = "jw02734-o002_t002_niriss_f277w-gr700xd-substrip256"
CANDIDATE = "jw02731-c1006_t017_nircam_clear-f090w"
MSA_SOURCE = "jw05224-o004_s000277193_nirspec_clear-prism"
SEGMENT = "jw01091002001_03101_00001-seg002_nis"
BASE_36 = "jw01409103002_0310b_00002_mirifulong"
PLANNED = "jw02221001001_xx101_00001_nircam"


def read(function, name):
    value = function(pd.Series([name])).iloc[0]
    return None if pd.isna(value) else value


@pytest.mark.parametrize(
    ("name", "obsnum"),
    [(EXPOSURE, 4), (LEVEL_3, 2), (CANDIDATE, None), (MSA_SOURCE, 4), (SEGMENT, 2), (BASE_36, 103), (PLANNED, 1)],
)
def test_observation_number(name, obsnum):
    assert read(names.obsnum, name) == obsnum


@pytest.mark.parametrize(
    ("name", "sca"),
    [
        (EXPOSURE, "a1"),
        ("jw01138004001_02101_00001_nrcalong", "along"),
        ("jw01138004001_02101_00001_nrcblong_cal.fits", "blong"),
        (SEGMENT, "nis"),
        (BASE_36, "mirifulong"),
        ("jw01410001001_02101_00001_guider1", "guider1"),
        ("jw05224004001_02101_00002_nrs2", "nrs2"),
        (LEVEL_3, None),
        (CANDIDATE, None),
    ],
)
def test_detector(name, sca):
    assert read(names.sca, name) == sca


def test_visit_is_read_from_exposures_only():
    assert [read(names.visit, name) for name in (BASE_36, SEGMENT, LEVEL_3)] == ["002", "001", None]


@pytest.mark.parametrize(
    ("name", "filetype"),
    [
        (f"{EXPOSURE}_uncal.fits", "_uncal.fits"),
        ("jw02731_20220712t204150_pool.csv", "_pool.csv"),
        (f"{EXPOSURE}_o002_crf.fits", "_crf.fits"),
        ("README", None),
    ],
)
def test_filetype(name, filetype):
    assert read(names.filetype, name) == filetype


def test_guide_star_products_are_known_by_their_name():
    found = names.is_guide_star(pd.Series(["jw01366001001_gs-fg_2022208050823-seg002_stream.fits", EXPOSURE, None]))
    assert found.tolist() == [True, False, False]


@pytest.mark.parametrize(
    "name",
    ["../../x.fits", "/etc/x.fits", "a/b.fits", "a\\b.fits", "a\0b.fits", "..", ".hidden", "-rf", "", "x" * 300, None],
)
def test_names_that_are_no_plain_file_names_are_refused(name):
    assert not names.is_safe(pd.Series([name], dtype="string")).iloc[0]


def test_every_real_looking_name_is_accepted():
    good = [f"{LEVEL_3}_x1dints.fits", "jw02731_20220712t204150_pool.csv", f"{SEGMENT}_calints.jpg", "x1d.png"]
    assert names.is_safe(pd.Series(good)).all()


@pytest.mark.parametrize(("given", "key"), [(1138, "01138"), ("1138", "01138"), ("01138", "01138"), (12782, "12782")])
def test_proposals_are_five_padded_digits(given, key):
    assert names.proposal_key(given) == key


@pytest.mark.parametrize("given", [0, -3, "abc", 123456, "", "11 38", "\uff11\uff11\uff13\uff18"])
def test_what_is_no_proposal_number_is_refused(given):
    with pytest.raises(ValueError, match="not a proposal number"):
        names.proposal_key(given)
