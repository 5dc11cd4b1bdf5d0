"""From observations to the table of products."""

import pandas as pd

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.products import describe_products
from jwst_mast_assets_tests.mast.rows import listed, observations

EXPOSURE = "jw02731001001_02101_00001_nrcb1"
OTHER = "jw02731003001_02101_00001_nrcb1"
LEVEL3 = "jw02731-o001_t017_nircam_clear-f090w"
CANDIDATE = "jw02731-c1006_t017_nircam_clear-f090w"


def described(found, parents, **parameters):
    return describe_products(found, parents, Config.from_mapping({"filetypes": [], **parameters}))


def row_of(table, name):
    (row,) = table[table["productFilename"] == name].to_dict("records")
    return row


def test_a_file_of_several_observations_is_listed_under_the_one_that_owns_it():
    parents = observations((3, LEVEL3, 59733.1, "NIRCAM/IMAGE"), (1, EXPOSURE, 59733.1, "NIRCAM/IMAGE"))
    name = f"{EXPOSURE}_cal.fits"
    table = described(listed((3, 1, EXPOSURE, name), (1, 1, EXPOSURE, name)), parents)
    assert row_of(table, name)["parent_obsid"] == 1


def test_a_file_whose_owner_is_not_listed_belongs_to_its_own_number_rather_than_to_a_candidate_of_several():
    parents = observations((6, CANDIDATE, 59733.1, "NIRCAM/IMAGE"), (3, LEVEL3, 59733.2, "NIRCAM/IMAGE"))
    name = f"{EXPOSURE}_cal.fits"
    table = described(listed((6, 1, EXPOSURE, name), (3, 1, EXPOSURE, name)), parents)
    assert row_of(table, name)["parent_obsid"] == 3


def test_repeated_rows_are_one_product():
    parents = observations((1, EXPOSURE, 59733.1, "NIRCAM/IMAGE"))
    name = f"{EXPOSURE}_cal.fits"
    assert len(described(listed(*[(1, 1, EXPOSURE, name)] * 17), parents)) == 1


def test_a_level3_name_gives_its_number_also_when_its_list_holds_another():
    parents = observations((3, LEVEL3, 59733.1, "NIRCAM/IMAGE"))
    found = listed((3, 3, LEVEL3, f"{LEVEL3}_i2d.fits"), (3, 9, OTHER, f"{OTHER}_cal.fits"))
    table = described(found, parents)
    assert row_of(table, f"{LEVEL3}_i2d.fits")["obsnum"] == 1
    assert row_of(table, f"{OTHER}_cal.fits")["obsnum"] == 3


def test_a_candidate_takes_the_number_on_which_its_members_agree_and_none_otherwise():
    parents = observations((6, CANDIDATE, 59733.1, "NIRCAM/IMAGE"))
    of_one = listed((6, 6, CANDIDATE, f"{CANDIDATE}_i2d.fits"), (6, 1, EXPOSURE, f"{EXPOSURE}_cal.fits"))
    assert row_of(described(of_one, parents), f"{CANDIDATE}_i2d.fits")["obsnum"] == 1
    of_two = listed(
        (6, 6, CANDIDATE, f"{CANDIDATE}_i2d.fits"),
        (6, 1, EXPOSURE, f"{EXPOSURE}_cal.fits"),
        (6, 9, OTHER, f"{OTHER}_cal.fits"),
    )
    assert pd.isna(row_of(described(of_two, parents), f"{CANDIDATE}_i2d.fits")["obsnum"])


def test_a_candidate_belongs_to_the_numbers_of_all_its_members_whoever_claims_their_files():
    parents = observations((6, CANDIDATE, 59733.1, "NIRCAM/IMAGE"), (1, EXPOSURE, 59733.1, "NIRCAM/IMAGE"))
    found = listed(
        (1, 1, EXPOSURE, f"{EXPOSURE}_cal.fits"),
        (6, 6, CANDIDATE, f"{CANDIDATE}_i2d.fits"),
        (6, 1, EXPOSURE, f"{EXPOSURE}_cal.fits"),
        (6, 9, OTHER, f"{OTHER}_cal.fits"),
        (6, 10, OTHER.replace("003001", "012001"), f"{OTHER.replace('003001', '012001')}_cal.fits"),
    )
    names = {f"{CANDIDATE}_i2d.fits", f"{EXPOSURE}_cal.fits"}
    table = described(found, parents, obsnums=[1])
    assert row_of(table, f"{CANDIDATE}_i2d.fits")["obsnums"] == "1,3,12"
    assert set(table.loc[table["selected"], "productFilename"]) == names
    assert table["obsnums"].notna().sum() == 1
    for obsnum, selected in ((3, True), (12, True), (2, False), (13, False)):
        table = described(found, parents, obsnums=[obsnum])
        assert row_of(table, f"{CANDIDATE}_i2d.fits")["selected"] is selected


def test_what_an_earlier_run_recorded_of_a_candidate_keeps_its_numbers():
    parents = observations((6, CANDIDATE, 59733.1, "NIRCAM/IMAGE"))
    recorded = listed((6, 6, CANDIDATE, f"{CANDIDATE}_i2d.fits"), (6, 9, OTHER, f"{OTHER}_cal.fits"))
    recorded["obsnums"] = pd.Series(["1,3", None], dtype="string")
    assert row_of(described(recorded, parents), f"{CANDIDATE}_i2d.fits")["obsnums"] == "1,3"


def test_products_of_an_observation_that_is_not_wanted_are_listed_but_not_selected():
    config = Config.from_mapping({"instrument": "nircam", "filetypes": []})
    parents = observations((5, EXPOSURE.replace("nrcb1", "mirimage"), 59733.1, "MIRI/IMAGE"), config=config)
    found = listed((5, 5, EXPOSURE.replace("nrcb1", "mirimage"), EXPOSURE.replace("nrcb1", "mirimage_cal.fits")))
    assert described(found, parents, instrument="nircam")["selected"].tolist() == [False]


def test_the_table_is_sorted_as_configured():
    parents = observations((1, EXPOSURE, 59733.1, "NIRCAM/IMAGE"), (2, OTHER, 59734.1, "NIRCAM/IMAGE"))
    names = [f"{OTHER}_cal.fits", f"{EXPOSURE}_uncal.fits", f"{EXPOSURE}_cal.fits", f"{OTHER}_uncal.fits"]
    found = listed(*((1 if EXPOSURE in n else 2, 1 if EXPOSURE in n else 2, n.rpartition("_")[0], n) for n in names))
    by_level = described(found, parents)["productFilename"].tolist()
    assert by_level == [names[1], names[3], names[2], names[0]]
    by_obsid = described(found, parents, sortcols_productTable=["obsID", "filetype"])["productFilename"].tolist()
    assert by_obsid == [names[2], names[1], names[0], names[3]]
