"""The sentences for a selection that excludes everything."""

import datetime as dt

import pandas as pd
import pytest

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.exclusions import excluded_files, excluded_observations
from jwst_mast_assets.mast.observations import describe_observations
from jwst_mast_assets.mast.products import describe_products

NOW = dt.datetime(2023, 1, 1, tzinfo=dt.timezone.utc)
KINDS = ("MIRI/IMAGE", "MIRI/IMAGE", "MIRI/IFU", "NIRSPEC/MSA")


def observations(**values):
    rows = [
        {"obsid": n, "obs_id": f"jw01409{n:03d}001_02101_00001_mirimage", "proposal_id": 1409, "instrument_name": kind}
        | {"t_min": mjd_of(NOW) - 10 * n, "calib_level": 2}
        for n, kind in enumerate(KINDS, start=1)
    ]
    found = tables.conform(pd.DataFrame(rows), tables.OBS_FROM_MAST)
    return describe_observations(found, Config.from_mapping(values))


def products(**values):
    rows = [
        {"obsID": n, "parent_obsid": n, "obs_id": f"jw01409{n:03d}001_02101_00001_mirimage", "proposal_id": 1409}
        | {"productFilename": f"jw01409{n:03d}001_02101_00001_mirimage_{end}", "calib_level": level, "size": 1}
        | {"dataURI": f"mast:JWST/product/{n}_{end}"}
        for n in range(1, 5)
        for end, level in (("uncal.fits", 1), ("rate.fits", 2))
    ]
    found = tables.conform(pd.DataFrame(rows), tables.PRODUCTS_FROM_MAST)
    return describe_products(found, observations(), Config.from_mapping(values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"instrument": "nircam"}, "has 3 MIRI, 1 NIRSPEC observations; instrument: nircam excludes them"),
        (
            {"obsmode": ["wfss"]},
            "has 1 MIRI/IFU, 2 MIRI/IMAGE, 1 NIRSPEC/MSA observations; obsmode: [wfss] excludes them",
        ),
        ({"instrument": "nirspec", "obsmode": "image"}, "instrument: nirspec and obsmode: [image] exclude them"),
        (
            {"date_select": "2022-12-30+", "all_dates": False},
            "observations from 2022-11-22 to 2022-12-22; date_select: [2022-12-30+] excludes them",
        ),
        ({"all_dates": False}, "from 2022-11-22 to 2022-12-22; lookbacktime: 1.0 excludes them"),
    ],
)
def test_observations_that_are_there_are_counted_and_what_excludes_them_is_named(values, sentence):
    config = Config.from_mapping({"all_dates": True, **values})
    said = excluded_observations(observations(), config, NOW)
    assert said is not None
    assert said.startswith("proposal 01409 has ")
    assert said.endswith(sentence)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"obsnums": [99]}, "has 8 files of obsnums 1, 2, 3, 4; obsnums: [99] excludes them"),
        (
            {"filetypes": "calibrated"},
            "has 8 files of filetypes _rate.fits, _uncal.fits; filetypes: [calibrated] excludes them",
        ),
        ({"sca": "a1"}, "has 8 files of sca mirimage; sca: [a1] excludes them"),
        ({"calib_levels": 3}, "has 8 files of calib_levels 1, 2; calib_levels: [3] excludes them"),
        ({"obsid_list": 7}, "has 8 files of obsID 1 to 4; obsid_list: [7] excludes them"),
        ({"guidestar_data_only": True}, "has 8 files; guidestar_data_only: True excludes them"),
        (
            {"filetypes": "uncal", "calib_levels": 2},
            "_uncal.fits and calib_levels 1, 2; filetypes: [uncal] and calib_levels: [2] exclude them",
        ),
    ],
)
def test_files_that_are_there_are_counted_and_what_excludes_them_is_named(values, sentence):
    values = {"filetypes": [], **values}
    said = excluded_files(products(**values), observations(), Config.from_mapping(values))
    assert said is not None
    assert said.startswith("proposal 01409 has 8 files")
    assert said.endswith(sentence)


def test_where_something_is_left_or_there_is_nothing_nothing_is_said():
    config = Config.from_mapping({"all_dates": True, "instrument": "miri", "filetypes": "rate"})
    assert excluded_observations(observations(), config, NOW) is None
    assert excluded_files(products(filetypes="rate"), observations(), config) is None
    assert excluded_observations(observations()[:0], config.merged({"instrument": "fgs"}), NOW) is None
    assert excluded_files(products()[:0], observations(), config) is None
