"""Where files go."""

import pytest

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets_tests.mast.rows import products

FITS = "jw01138004001_02101_00001_nrca1_uncal.fits"
JPG = "jw01138004001_02101_00001_nrca1_uncal.jpg"
LEVEL3 = "jw01138-o012_t001_nircam_clear-f115w_i2d.fits"
CANDIDATE = "jw01138-c1006_t001_nircam_clear-f115w_i2d.fits"
LARGE = "jw01409103001_02101_00001_nrca3_uncal.fits"


@pytest.mark.parametrize(
    ("name", "parameters", "folder"),
    [
        (FITS, {}, "01138/obsnum04"),
        (LARGE, {}, "01409/obsnum103"),
        (LEVEL3, {}, "01138/obsnum12"),
        (CANDIDATE, {}, "01138/NA"),
        (JPG, {}, "01138/obsnum04"),
        (JPG, {"jpg_separate_subdir": True}, "01138/obsnum04/jpg"),
        (FITS, {"jpg_separate_subdir": True}, "01138/obsnum04"),
        (FITS, {"outsubdir": "week/7"}, "week/7/01138/obsnum04"),
        (FITS, {"skip_propID2outsubdir": True}, "obsnum04"),
        (FITS, {"obsnum2outsubdir": False}, "01138"),
        (LARGE, {"obsnum2outsubdir": False}, "01409/obsnum103"),
        (LARGE, {"obsnum2outsubdir": False, "propIDs_obsnum2outsubdir": []}, "01409"),
        (FITS, {"obsnum2outsubdir": False, "propIDs_obsnum2outsubdir": [1138]}, "01138/obsnum04"),
        (FITS, {"obsnum2outsubdir": False, "skip_propID2outsubdir": True}, ""),
        (JPG, {"obsnum2outsubdir": False, "jpg_separate_subdir": True}, "01138/jpg"),
    ],
)
def test_each_part_of_the_folder_has_its_parameter(tmp_path, name, parameters, folder):
    config = Config.from_mapping({"outrootdir": str(tmp_path), **parameters})
    (path,) = products(config, name)["outfilename"]
    assert path == str(tmp_path / folder / name)


def test_a_name_that_could_leave_the_folder_gets_no_place(tmp_path):
    config = Config.from_mapping({"outrootdir": str(tmp_path)})
    assert products(config, "jw01138004001_02101_00001_nrca1/../../x_uncal.fits")["outfilename"].isna().all()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/data cannot be written .*outrootdir"):
        make_folder(tmp_path / "file" / "data")
