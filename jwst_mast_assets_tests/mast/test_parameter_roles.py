"""What is true of a parameter stands on its field; the lists that others use follow from it."""

import re
from pathlib import Path

import pytest

import jwst_mast_assets
from jwst_mast_assets.cli.options import build_parser
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD
from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.parameter_roles import Role, roles


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.SECRET, "token notify_urls"),
        (Role.FILLED_IN_LATE, "outrootdir outsubdir notify_urls"),
        (Role.WHOLE_CALL, "token notify_urls savetables"),
        (Role.PARTITION, "propID lookbacktime date_select all_dates"),
        (Role.PIPELINE, "watch sensor_interval freshness_hours first_day"),
        (
            Role.SELECTS,
            "instrument obsmode obsnums date_select filetypes calib_levels sca guidestars guidestar_data_only "
            "obsid_select obsid_list",
        ),
        (
            Role.PLACES,
            "skip_propID2outsubdir obsnum2outsubdir propIDs_obsnum2outsubdir jpg_separate_subdir skipdownload",
        ),
    ],
)
def test_a_role_belongs_to_these_parameters_at_least(role, names):
    assert set(names.split()) <= set(parameters_with(role))


def test_every_secret_is_shown_nowhere():
    for name in parameters_with(Role.SECRET):
        assert name in NOT_IN_LAUNCHPAD
        assert "Secret" in str(Config.model_fields[name].annotation)


def test_every_role_is_used():
    assert set().union(*(roles(field) for field in Config.model_fields.values())) == set(Role)


def test_the_originals_short_options_and_spellings_are_understood():
    parser = build_parser("jwst_query.py", "")
    short = {flag: action.dest for action in parser._actions for flag in action.option_strings}
    own = {"-h": "help", "-c": "configfile", "-v": "verbose", "-q": "quiet"}
    originals = {"-i": "instrument", "-f": "filetypes", "-e": "obsid_select", "-l": "lookbacktime", "-d": "date_select"}
    originals |= {"-lookbacktime": "lookbacktime", "-s": "savetables", "-w": "makewebpages", "-n": "skipdownload"}
    assert {flag: name for flag, name in short.items() if not flag.startswith("--")} == {**own, **originals}
    assert short["--webpage_thumbnail_width"] == "webpage_thumbnails_width"
    assert Config.from_mapping({"webpage_thumbnail_height": 7}).webpage_thumbnails_height == 7


def test_the_lists_of_names_are_in_no_other_module():
    listed = re.compile(r'"(?:skip_propID2outsubdir|guidestar_data_only|notify_urls|sensor_interval)"\s*,')
    package = Path(jwst_mast_assets.__file__).parent
    assert [path.name for path in package.rglob("*.py") if listed.search(path.read_text(encoding="utf-8"))] == []
