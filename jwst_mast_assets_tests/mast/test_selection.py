"""What of MAST's holdings a configuration wants."""

import datetime as dt

import pytest

from jwst_mast_assets.mast import selection
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets_tests.mast.rows import observations, products

UNCAL = "jw01138004001_02101_00001_nrca1_uncal.fits"
RATE_JPG = "jw01138004001_02101_00001_nrca1_rate.jpg"
LONG = "jw01138004001_02101_00001_nrcalong_cal.fits"
LEVEL3 = "jw01138-o005_t001_nircam_clear-f115w_i2d.fits"
GUIDE = "jw01138004001_gs-fg_2022101130517_uncal.fits"
POOL = "jw01138_20220410t120000_pool.csv"
ALL = (UNCAL, RATE_JPG, LONG, LEVEL3, GUIDE, POOL)


def selected(**parameters):
    config = Config.from_mapping({"filetypes": [], **parameters})
    table = products(config, *ALL)
    return set(table.loc[table["selected"], "productFilename"])


@pytest.mark.parametrize(
    ("filetypes", "expected"),
    [
        ([], {UNCAL, RATE_JPG, LONG, LEVEL3, POOL}),
        (["uncal"], {UNCAL}),
        (["_uncal.fits"], {UNCAL}),
        (["uncal.fits"], {UNCAL}),
        (["_rate.jpg"], {RATE_JPG}),
        (["rate"], set()),
        (["fits"], {UNCAL, LONG, LEVEL3}),
        (["jpg"], {RATE_JPG}),
        (["pool.csv", "uncal"], {POOL, UNCAL}),
        (["cal"], {LONG}),
    ],
)
def test_filetypes_are_taken_as_in_the_original(filetypes, expected):
    assert selected(filetypes=filetypes) == expected


@pytest.mark.parametrize(
    ("filetypes", "names"),
    [
        (["ami-oi"], ["_ami-oi.fits"]),
        (["_ami-oi.fits"], ["_ami-oi.fits"]),
        (["ami-oi.fits", "psf-ami-oi"], ["_ami-oi.fits", "_psf-ami-oi.fits"]),
        (["wfscmb-05.jpg"], ["_wfscmb-05.jpg"]),
        (["rate"], ["_RATE.FITS"]),
        (["ramp"], ["_ramp.fits.gz"]),
        (["jpg"], ["_wfscmb-05.jpg", ".JPG"]),
        ([".jpg"], ["_wfscmb-05.jpg", ".JPG"]),
        (["txt"], ["-notes.txt"]),
        (["fits.gz"], ["_ramp.fits.gz"]),
        (["fits"], ["_ami-oi.fits", "_psf-ami-oi.fits", "_RATE.FITS", "_ramp.fits.gz", ".fits"]),
        (["oi"], []),
    ],
)
def test_every_name_can_be_selected_by_its_type_or_its_ending(filetypes, names):
    every = ["_ami-oi.fits", "_psf-ami-oi.fits", "_wfscmb-05.jpg", "_RATE.FITS", "_ramp.fits.gz", ".fits", ".JPG"]
    every += ["-notes.txt", ""]
    stem = "jw01138004001_02101_00001_nrca1"
    table = products(Config.from_mapping({"filetypes": filetypes}), *(stem + name for name in every))
    assert set(table.loc[table["selected"], "productFilename"]) == {stem + name for name in names}
    table = products(Config.from_mapping({"filetypes": []}), *(stem + name for name in every))
    assert table["selected"].all()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"guidestars": True, "filetypes": ["uncal"]}, {UNCAL, GUIDE}),
        ({"guidestar_data_only": True}, {GUIDE}),
        ({"guidestar_data_only": True, "guidestars": True}, {GUIDE}),
        ({"calib_levels": [3]}, {LEVEL3}),
        ({"calib_levels": [1, 3]}, {UNCAL, LEVEL3}),
        ({"sca": ["a1"]}, {UNCAL, RATE_JPG}),
        ({"sca": ["a5"]}, {LONG}),
        ({"sca": ["along"]}, {LONG}),
        ({"sca": ["a1", "a5"]}, {UNCAL, RATE_JPG, LONG}),
        ({"obsnums": [4]}, {UNCAL, RATE_JPG, LONG}),
        ({"obsnums": [5]}, {LEVEL3}),
        ({"obsnums": [4, 5], "filetypes": ["fits"]}, {UNCAL, LONG, LEVEL3}),
        ({"obsnums": [7]}, set()),
        ({"obsid_select": ["100"]}, {UNCAL, RATE_JPG}),
        ({"obsid_select": ["101+"]}, {LONG, LEVEL3, POOL}),
        ({"obsid_select": ["101-"]}, {UNCAL, RATE_JPG, LONG}),
        ({"obsid_select": ["101", "102"]}, {LONG, LEVEL3}),
        ({"obsid_list": [100, 102]}, {UNCAL, RATE_JPG, LEVEL3}),
    ],
)
def test_each_selecting_parameter_keeps_what_it_names(parameters, expected):
    assert selected(**parameters) == expected


def wanted(*more, **parameters):
    table = observations(
        (1, "jw01138004001_02101_00001_nrca1", 59679.4, "NIRCAM/IMAGE"),
        (2, "jw01138004001_02101_00001_nrca2", 59679.9, "NIRCAM/WFSS"),
        (3, "jw01138009001_02101_00001_nrca2", 59680.2, "NIRCAM"),
        (4, "jw02734002001_04101_00001-seg001_nis", 59680.2, "NIRISS/SOSS"),
        (5, "jw02731002001_02101_00001_mirimage", 59681.0, "MIRI/IMAGE"),
        *more,
        config=Config.from_mapping(parameters),
    )
    return set(table.loc[table["wanted"], "obsid"])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {1, 2, 3, 4, 5}),
        ({"instrument": "nircam"}, {1, 2, 3}),
        ({"instrument": "NIRCAM"}, {1, 2, 3}),
        ({"instrument": "nircam", "obsmode": ["image"]}, {1, 3}),
        ({"instrument": "nircam", "obsmode": ["IMAGE", "wfss"]}, {1, 2, 3}),
        ({"instrument": "nircam", "obsmode": ["image", "msa"]}, {1, 3}),
        ({"instrument": "nircam", "obsmode": ["msa"]}, {1, 2, 3}),
        ({"obsmode": ["soss"]}, {4}),
        ({"obsmode": ["image"]}, {1, 3, 5}),
        ({"instrument": "fgs"}, {1, 2, 3, 4, 5}),
    ],
)
def test_instrument_and_mode_keep_their_observations_and_those_under_the_bare_name(parameters, expected):
    assert wanted(**parameters) == expected


TODAY = (
    (6, "jw80001001001_02101_00001_mirimage", 59681.0, "MIRI/WFSS"),
    (7, "jw80001002001_02101_00001_nrs1", 59681.0, "NIRSPEC/IMAGE"),
    (8, "jw80001003001_02101_00001_guider2", 59681.0, "FGS/FGS2"),
    (9, "jw80001004001_02101_00001_nrca1", 59681.0, "NIRCAM/LORES"),
    (10, "jw80001007001_02101_00001_mirimage", 59681.0, "MIRI"),
)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"instrument": "miri", "obsmode": ["wfss"]}, {6, 10}),
        ({"instrument": "nirspec", "obsmode": ["image"]}, {7}),
        ({"instrument": "nircam", "obsmode": ["lores"]}, {3, 9}),
        ({"instrument": "nircam", "obsmode": ["NIRCAM/LORES"]}, {3, 9}),
        ({"instrument": "nircam", "obsmode": ["lores", "slitless"]}, {3, 9}),
        ({"instrument": "fgs", "obsmode": ["fgs2"]}, {8}),
        ({"instrument": "fgs", "obsmode": ["image"]}, set(range(1, 11))),
        ({"instrument": "fgs"}, set(range(1, 11))),
        ({"obsmode": ["wfss"]}, {2, 3, 6, 10}),
        ({"obsmode": ["miri/wfss"]}, {6, 10}),
        ({"obsmode": ["nircam/lores"]}, {3, 9}),
        ({"obsmode": ["lores"]}, {3, 9, 10}),
        ({"instrument": "niriss", "obsmode": ["lores"]}, set()),
        ({"instrument": "niriss", "obsmode": ["nosuch"]}, set()),
    ],
)
def test_a_mode_is_what_the_rows_say_whatever_the_list_in_the_code(parameters, expected):
    assert wanted(*TODAY, **parameters) == expected


def test_what_is_wanted_of_an_observation_does_not_depend_on_the_others_in_the_answer():
    rows = [
        (3, "jw01138009001_02101_00001_nrca2", 59680.2, "NIRCAM"),
        (11, "jw01138009001_02101_00001_nrca1", 59680.2, "NIRCAM/IMAGE"),
        *TODAY,
    ]
    for parameters in ({"obsmode": ["lores"]}, {"obsmode": ["wfss"]}, {"instrument": "nircam", "obsmode": ["lores"]}):
        config = Config.from_mapping(parameters)
        together = observations(*rows, config=config).set_index("obsid")["wanted"]
        alone = {row[0]: observations(row, config=config)["wanted"].iloc[0] for row in rows}
        assert together.to_dict() == alone


def test_a_mode_of_another_instrument_is_warned_of_with_the_valid_ones():
    rows = observations(*TODAY)
    (warning,) = mode_warnings(Config.from_mapping({"instrument": "nirspec", "obsmode": ["lores", "msa"]}), rows)
    assert "'lores'" in warning
    assert "bots, ifu, image, msa, slit" in warning
    assert mode_warnings(Config.from_mapping({"obsmode": ["soss", "ifu"]}), rows) == []
    assert mode_warnings(Config.from_mapping({"instrument": "nircam", "obsmode": ["lores"]}), rows) == []


@pytest.mark.parametrize(
    ("date_select", "expected"),
    [
        ("59679.4", {1}),
        ("2022-04-10T12:00:00+", {2, 3, 4, 5}),
        ("59679.9-", {1, 2}),
        ("59679.5 59680.5", {2, 3, 4}),
        (["2022-04-11", "2022-04-12"], {3, 4, 5}),
        ([59680], set()),
        ("2022-04-11+", {3, 4, 5}),
    ],
)
def test_date_select_cuts_between_days_and_inside_them(date_select, expected):
    assert wanted(date_select=date_select) == expected


def test_all_dates_overrides_date_select_which_overrides_the_look_back():
    now = dt.datetime(2022, 4, 12, tzinfo=dt.timezone.utc)
    assert selection.window(Config(), now) == (mjd_of(now) - 1, None)
    assert selection.window(Config.from_mapping({"lookbacktime": 3.5}), now) == (mjd_of(now) - 3.5, None)
    assert selection.window(Config.from_mapping({"date_select": "59430.0-"}), now) == (None, 59430)
    assert selection.window(Config.from_mapping({"date_select": "59430", "all_dates": True}), now) == (None, None)
