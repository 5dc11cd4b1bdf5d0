"""The option sets of the comparison: every selecting and layout parameter, alone and together.

Each has a name, a config file (a mapping) and a command line, both given unchanged to the original and to ours.
Parameters that the original takes from its config file only are given there.
"""

from typing import Any, NamedTuple

from jwst_mast_assets.embedded_archive import Catalogue

Mapping = dict[str, Any]

FILE = {
    "instrument": "nircam",
    "filetypes": ["fits"],
    "obsnum2outsubdir": True,
    "propIDs_obsnum2outsubdir": [1409],
    "outcolumns_productTable": ["proposal_id", "obsnum", "obsID", "parent_obsid", "obs_id", "sca", "visit"]
    + ["dataproduct_type", "filetype", "calib_level", "size", "outfilename", "dl_code", "dl_str"],
    "outcolumns_obsTable": ["proposal_id", "obsnum", "obsid", "obs_id", "t_min", "t_exptime", "date_min"],
}
"""Much as the original's example config file."""


class OptionSet(NamedTuple):
    """One command line with its config file."""

    name: str
    options: str = ""
    file: Mapping = {}
    on_disk: int = 0
    """Files of the selection that are put on disk first, every second one with a byte too many."""

    @property
    def config(self) -> Mapping:
        return {name: value for name, value in {**FILE, **self.file}.items() if value != "default"}


def of_embedded_archive(catalogue: Catalogue) -> list[OptionSet]:
    """Option sets for the default holdings, recorded with padded proposal numbers."""
    products = {row["obsID"]: row for row in catalogue.products if row["productFilename"].startswith("jw01138")}
    low, *_, high = sorted(products)
    first, second = sorted(products)[3], sorted(products)[9]
    old = "--date_select 2022-01-01+"
    return [
        OptionSet("proposal, look-back", "--propID 1138 -l 1"),
        OptionSet("proposal padded, look-back 3, sca", "--propID 01410 --lookbacktime 3 --sca a1 a2"),
        OptionSet("all programs of the instrument, look-back 3", "-l 3"),
        OptionSet("from a date", f"--propID 1138 {old}"),
        OptionSet("until a date", "--propID 743 --date_select 2021-08-11T16:49:49-"),
        OptionSet("two dates, cut inside days", "--propID 743 --date_select 2021-08-11T16:49:49 2021-08-20T12:00:00"),
        OptionSet("from an MJD", "--propID 743 --date_select 59438.0+"),
        OptionSet("one exact MJD", "--propID 743 --date_select 59437.75"),
        OptionSet("dates in the file, one string", "--propID 1138", {"date_select": "2022-04-10 2022-04-12"}),
        OptionSet("dates in the file, a list", "--propID 1138", {"date_select": ["2022-04-10T12:00:00", "59680.3"]}),
        OptionSet("observation numbers", f"--propID 1409 --obsnums 3 103 {old}"),
        OptionSet("observation numbers in the file", f"{old}", {"propID": 1409, "obsnums": 104}),
        OptionSet("proposal in the file, padded text", old, {"propID": "01409"}),
        OptionSet("letters-only filetype", f"--propID 1138 -f uncal {old}"),
        OptionSet("several filetypes", f"--propID 1138 --filetypes _uncal.jpg rate cal.jpg {old}"),
        OptionSet("jpg", f"--propID 1138 --filetypes jpg {old}"),
        OptionSet("jpg and fits", f"--propID 1138 --filetypes jpg fits {old}"),
        OptionSet("filetypes that overlap", f"--propID 1138 --obsnums 7 --filetypes fits uncal {old}"),
        OptionSet("every filetype", f"--propID 1138 {old}", {"filetypes": None}),
        OptionSet("calibration levels", f"--propID 1138 --calib_levels 2 3 {old}"),
        OptionSet("detectors", f"--propID 1138 --sca b1 a5 blong {old}"),
        OptionSet("guide stars too", f"--propID 1138 --obsnums 4 --guidestars {old}"),
        OptionSet("guide stars only", f"--propID 1138 --guidestar_data_only {old}"),
        OptionSet("one obsid", f"--propID 1138 -e {first} {old}"),
        OptionSet("obsid from", f"--propID 1138 --obsid_select {second}+ {old}"),
        OptionSet("obsid until", f"--propID 1138 --obsid_select {first}- {old}"),
        OptionSet("obsid range", f"--propID 1138 --obsid_select {low} {second} {old}"),
        OptionSet("obsid list", f"--propID 1138 --obsid_list {first} {high} {old}"),
        OptionSet("mode", f"--propID 1409 --obsmode image {old}"),
        OptionSet("mode, recorded under the bare name too", f"--propID 1138 --obsmode image {old}"),
        OptionSet("a mode of another instrument beside one of its own", f"--propID 1409 --obsmode image msa {old}"),
        OptionSet("only modes of other instruments", f"--propID 1409 --obsmode msa ifu {old}"),
        OptionSet("NIRISS", f"-i niriss {old}", {"filetypes": None}),
        OptionSet("NIRSpec, level 3 lists its members", f"-i nirspec --propID 5224 {old}", {"filetypes": None}),
        OptionSet("MIRI, level 3 with observation number", f"-i miri --propID 2731 --obsnums 2 {old}"),
        OptionSet("level 3 of several observations", f"--propID 2731 {old}", {"filetypes": None}),
        OptionSet("FGS", f"-i fgs --propID 1410 {old}"),
        OptionSet("no instrument", f"--propID 1138 {old}", {"instrument": "default"}),
        OptionSet("the second proposal or an observation number?", f"--propID 1138 1409 {old}"),
        OptionSet("subfolder", "--propID 1138 -l 1 --outsubdir week7"),
        OptionSet("no proposal folder", "--propID 1138 -l 1 --skip_propID2outsubdir"),
        OptionSet("no observation folder", "--propID 1138 -l 1", {"obsnum2outsubdir": False}),
        OptionSet("observation folder of listed proposals", "-l 3", {"obsnum2outsubdir": False}),
        OptionSet("no folders at all", "-l 3 --skip_propID2outsubdir", {"obsnum2outsubdir": False}
                  | {"propIDs_obsnum2outsubdir": []}),
        OptionSet("folder for jpg", f"--propID 1138 -f jpg fits {old}", {"jpg_separate_subdir": True}),
        OptionSet("files there, right and wrong size", "--propID 1138 -l 1", on_disk=6),
        OptionSet("files there, any size", "--propID 1138 -l 1 --skip_check_filesize", on_disk=6),
        OptionSet("not looked for", "--propID 1138 -l 1 --skip_check_if_outfile_exists", on_disk=6),
        OptionSet("seven observations per query", f"--propID 1138 --Nobs_per_batch 7 {old}"),
        OptionSet("order of products", f"--propID 1138 --sortcols_productTable obsID filetype {old}"),
        OptionSet("order of observations", f"--propID 1138 --sortcols_obsTable proposal_id obsnum obs_id {old}"),
        OptionSet("order of the summary", "-l 3 --sortcols_summaryTable obsnum proposal_id"),
        OptionSet("columns of products", "--propID 1138 -l 1 --outcolumns_productTable obs_id productFilename size"),
        OptionSet("columns of observations", "--propID 1138 -l 1 --outcolumns_obsTable obs_id instrument_name t_min"),
        OptionSet("columns of MAST", "--propID 1138 -l 1 --mastcolumns_obsTable proposal_id obsid obs_id t_min"
                  " target_name --outcolumns_obsTable obs_id target_name"),
        OptionSet("everything together", f"--propID 1138 --obsnums 4 5 --sca a1 a2 --calib_levels 1 2 -f uncal "
                  f"rate.jpg --guidestars --outsubdir x {old}", {"jpg_separate_subdir": True}),
    ]  # fmt: skip


def of_niriss_table() -> list[OptionSet]:
    """Option sets for the real NIRISS time series."""
    every: Mapping = {"instrument": "niriss", "filetypes": None, "date_select": "2022-01-01+"}
    return [
        OptionSet("NIRISS tables: all", "", every),
        OptionSet("NIRISS tables: fits", "", {**every, "filetypes": ["fits"]}),
        OptionSet("an option that is the program's default", "-f fits", every),
        OptionSet("NIRISS tables: one program, uncal, jpg", "--propID 1541 -f uncal jpg", every),
        OptionSet("NIRISS tables: guide stars too", "--propID 2734 --guidestars", every),
        OptionSet("NIRISS tables: guide stars only", "--guidestar_data_only", every),
        OptionSet("NIRISS tables: detector", "--sca nis", every),
        OptionSet("NIRISS tables: level 3", "--calib_levels 3", every),
        OptionSet("NIRISS tables: mode, bare names", "--obsmode soss", every),
        OptionSet("NIRISS tables: observation number", "--propID 1091 --obsnums 2", every),
    ]


def of_nirspec_table() -> list[OptionSet]:
    """Option sets for the real NIRSpec MSA sources."""
    every: Mapping = {"instrument": "nirspec", "filetypes": None, "date_select": "2022-01-01+"}
    return [
        OptionSet("NIRSpec tables: all", "", every),
        OptionSet("NIRSpec tables: mode, observation number", "--obsmode msa --propID 5224 --obsnums 4", every),
        OptionSet("NIRSpec tables: guide stars too", "--guidestars", every),
        OptionSet("NIRSpec tables: one detector, cal and s2d", "--sca nrs1 -f cal s2d", every),
    ]
