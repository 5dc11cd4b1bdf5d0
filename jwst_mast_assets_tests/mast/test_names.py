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
    value = function(pd.Series([name], dtype="string")).iloc[0]
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
    ("name", "obsnum", "visit", "sca", "filetype"),
    [
        (f"{EXPOSURE}_uncal.fits", 4, "001", "a1", "_uncal.fits"),
        (f"{EXPOSURE}_o002_crf.fits", 4, "001", "a1", "_crf.fits"),
        (f"{EXPOSURE}_c1006_crf.fits", 4, "001", "a1", "_crf.fits"),
        (f"{EXPOSURE}_thumb.jpg", 4, "001", "a1", "_thumb.jpg"),
        (f"{SEGMENT}_o002_crfints.jpg", 2, "001", "nis", "_crfints.jpg"),
        (f"{SEGMENT}_ramp.fits", 2, "001", "nis", "_ramp.fits"),
        (f"{BASE_36}_mbsub.fits", 103, "002", "mirifulong", "_mbsub.fits"),
        ("jw01242002001_03106_00001_nis_ami-oi.fits", 2, "001", "nis", "_ami-oi.fits"),
        ("jw01242002001_03106_00001_nis_amimulti-oi.fits", 2, "001", "nis", "_amimulti-oi.fits"),
        ("jw01242-o002_t001_niriss_f480m-nrm-sub80_ami-oi.fits", 2, None, None, "_ami-oi.fits"),
        ("jw01242-c1006_t001_niriss_f480m-nrm-sub80_aminorm-oi.fits", None, None, None, "_aminorm-oi.fits"),
        ("jw01242-o002_t001_niriss_f480m-nrm-sub80_psf-ami-oi.fits", 2, None, None, "_psf-ami-oi.fits"),
        ("jw02586-o001_t001_nircam_f212n-wlp8-nrca3_wfscmb-04.fits", 1, None, None, "_wfscmb-04.fits"),
        ("jw02586-o001_t001_nircam_f212n-wlp8-nrca3_wfscmb-05.jpg", 1, None, None, "_wfscmb-05.jpg"),
        (f"{MSA_SOURCE}_x1d.png", 4, None, None, "_x1d.png"),
        ("jw05224-o004_b000000021_nirspec_clear-prism_s2d.fits", 4, None, None, "_s2d.fits"),
        ("jw05224-o004_v000000042_nirspec_clear-prism_cal.fits", 4, None, None, "_cal.fits"),
        ("jw01189-o002_t002-s000000001_nirspec_f290lp-g395h_s3d.fits", 2, None, None, "_s3d.fits"),
        ("jw80123-o011_t002-epoch1_miri_f770w_i2d.fits", 11, None, None, "_i2d.fits"),
        ("jw80123011002_02101_00001_mirimage_cal.fits", 11, "002", "mirimage", "_cal.fits"),
        (f"{CANDIDATE}_i2d.fits", None, None, None, "_i2d.fits"),
        (f"{CANDIDATE}_cat.ecsv", None, None, None, "_cat.ecsv"),
        (f"{LEVEL_3}_whtlt.ecsv", 2, None, None, "_whtlt.ecsv"),
        (f"{LEVEL_3}_phot.ecsv", 2, None, None, "_phot.ecsv"),
        ("jw01523-o003_t001_miri_ch1-short_masterbg1d.fits", 3, None, None, "_masterbg1d.fits"),
        ("jw05224004001_01_msa.fits", 4, "001", None, "_msa.fits"),
        ("jw05224-o004_20251221t142913_image2_00005_asn.json", 4, None, None, "_asn.json"),
        ("jw01091-o002_20220605t072046_tso-spec2_001_asn.json", 2, None, None, "_asn.json"),
        ("jw02731-c1006_20220712t204150_image3_00001_asn.json", None, None, None, "_asn.json"),
        ("jw02731_20220712t204150_pool.csv", None, None, None, "_pool.csv"),
        ("jw01366001001_gs-acq1_2022156062319_uncal.fits", 1, "001", None, "_uncal.fits"),
        ("jw01366001001_gs-acq2_2022156062319_cal.fits", 1, "001", None, "_cal.fits"),
        ("jw01366001002_gs-track_2022156062408_stream.fits", 1, "002", None, "_stream.fits"),
        ("jw01091002001_gs-fg_2022156121511-seg001_cal.fits", 2, "001", None, "_cal.fits"),
        ("jw01366001001_gs-id_1_image_cal.fits", 1, "001", None, "_cal.fits"),
        ("jw01366001001_gs-id_12_stacked_uncal.fits", 1, "001", None, "_uncal.fits"),
        ("jw01366001001_gs-id_1_stream.fits", 1, "001", None, "_stream.fits"),
        (PLANNED, 1, "001", None, "other"),
        # What follows no scheme, or has no word for its type, belongs to its ending.
        (f"{EXPOSURE}.fits", 4, "001", "a1", ".fits"),
        (f"{SEGMENT}.fits", 2, "001", "nis", ".fits"),
        ("jw01091002001_03101_00001-seg002.fits", 2, "001", None, ".fits"),
        ("jw01091002001_gs-fg_2022156121511-seg001.fits", 2, "001", None, ".fits"),
        (f"{EXPOSURE}_o002.fits", 4, "001", "a1", ".fits"),
        (f"{MSA_SOURCE}.fits", 4, None, None, ".fits"),
        (f"{EXPOSURE}_CAL.FITS", 4, "001", "a1", "_cal.fits"),
        (f"{EXPOSURE}_cal.fits.gz", 4, "001", "a1", "_cal.fits.gz"),
        ("jw05224004001.tar.gz", 4, "001", None, ".tar.gz"),
        ("spectrum.fits", None, None, None, ".fits"),
        ("x1d.png", None, None, None, ".png"),
        ("notes_v1.2.txt", None, None, None, ".txt"),
        ("README", None, None, None, "other"),
        (None, None, None, None, None),
    ],
)
def test_each_form_of_a_name_says_its_number_visit_detector_and_type(name, obsnum, visit, sca, filetype):
    found = [read(function, name) for function in (names.obsnum, names.visit, names.sca, names.filetype)]
    assert found == [obsnum, visit, sca, filetype]


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
