"""The configuration: what it takes, what it refuses, and the messages for bad ones."""

import pytest

from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"instrumnt": "nircam"}, "unknown parameter 'instrumnt'; did you mean 'instrument'?"),
        ({"instrument": "nircamm"}, "instrument: unknown instrument 'nircamm'; did you mean 'nircam'?"),
        ({"sca": "a1 a9"}, "sca: unknown detector 'a9'"),
        ({"obsnums": [0]}, "obsnums: 0 is not an observation number (1 to 999)"),
        ({"obsnums": "three"}, "obsnums: 'three' is not a whole number"),
        ({"propID": "abc"}, "propID: 'abc' is not a proposal number"),
        ({"date_select": "yesterday"}, "date_select: 'yesterday' cannot be read"),
        ({"date_select": [1, 2, 3]}, "date_select: takes one value, value+, value-, or two values; 3 were given"),
        ({"lookbacktime": -1}, "lookbacktime: should be greater than or equal to 0, not -1"),
        ({"outcolumns_obsTable": ["obs_idd"]}, "outcolumns_obsTable: unknown column 'obs_idd'; did you mean 'obs_id'?"),
        ({"clobber": "maybe"}, "clobber: must be True or False, not 'maybe'"),
        ({"Nobs_per_batch": 0}, "Nobs_per_batch: should be greater than 0, not 0"),
        ({"verify": "sha"}, "verify: should be 'none', 'size', 'content' or 'checksum', not 'sha'"),
        ({"obsid_select": "many"}, "obsid_select: 'many' cannot be read"),
        ({"date_select": "2022-05-05 2022-01-02"}, "date_select: 2022-05-05 comes after 2022-01-02"),
        ({"lookbacktime": "abc"}, "lookbacktime: must be a number, not 'abc'"),
        ({"calib_levels": 9}, "calib_levels: 9 is not a calibration level"),
        ({"exclusive_file_mode": "0644"}, "exclusive_file_mode: must be '0600', '0640' or '0660', in quotes, so that"),
        ({"exclusive_file_mode": 0o640}, "exclusive_file_mode: must be '0600', '0640' or '0660', in quotes, so that"),
        ({"exclusive_file_mode": "u=rw"}, "exclusive_file_mode: must be '0600', '0640' or '0660', in quotes, so that"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_that_names_it(values, sentence):
    with pytest.raises(ConfigError) as error:
        Config.from_mapping(values)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"obsnums": 3}, [3]),
        ({"obsnums": "3 103"}, [3, 103]),
        ({"obsnums": ["001", 2]}, [1, 2]),
        ({"propID": 1409}, ["01409"]),
        ({"propID": "01409"}, ["01409"]),
        ({"sca": "A1"}, ["a1"]),
        ({"sca": "NRCA1 nrcblong mirimage"}, ["nrca1", "nrcblong", "mirimage"]),
        ({"date_select": "2022-06-06 2022-06-08"}, ["2022-06-06", "2022-06-08"]),
        ({"date_select": 59430.0}, ["59430.0"]),
        ({"filetypes": None}, []),
        ({"filetypes": ""}, []),
        ({"filetypes": [""]}, []),
        ({"webpage_thumbnail_width": 50}, 50),
        ({"exclusive_file_mode": "0640"}, "0640"),
        ({"exclusive_file_mode": "600"}, "0600"),
        ({"exclusive_file_mode": "0o660"}, "0660"),
        ({"exclusive_file_mode": 640}, "0640"),
        ({"exclusive_file_mode": ""}, None),
    ],
)
def test_one_value_may_stand_for_a_list_and_words_for_several(values, expected):
    config = Config.from_mapping(values)
    (name,) = config.model_fields_set
    assert getattr(config, name) == expected


def test_the_token_is_never_shown():
    config = Config.from_mapping({"token": "secret-token"})
    assert "secret-token" not in repr(config) + str(config) + str(config.model_dump())
    with pytest.raises(ConfigError) as error:
        Config.from_mapping({"token": ["secret-token"]})
    assert "secret-token" not in str(error.value)


def test_later_values_replace_earlier_ones_and_the_rest_stays():
    config = Config.from_mapping({"sca": "a1", "guidestars": True}).merged({"sca": ["b1"]})
    assert (config.sca, config.guidestars) == (["b1"], True)


def test_environment_variables_are_filled_in_anywhere_in_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DISK", str(tmp_path))
    config = Config.from_mapping({"outrootdir": "$DISK/jwst", "outsubdir": "${DISK}x"})
    assert str(config.root).endswith("x")
    assert Config.from_mapping({"outrootdir": "$DISK/jwst"}).root == tmp_path / "jwst"


def test_an_undefined_environment_variable_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    with pytest.raises(ConfigError, match=r"outrootdir: the environment variable \$NO_SUCH_VARIABLE is not defined"):
        _ = Config.from_mapping({"outrootdir": "$NO_SUCH_VARIABLE"}).root


def test_the_output_folder_defaults_to_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path))
    assert Config().root == tmp_path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("instrument: [nircam", "is not YAML"),
        ("- instrument\n- nircam\n", "must contain lines like"),
        ("instrument: nircam\nlookbaktime: 3\n", "unknown parameter 'lookbaktime'; did you mean 'lookbacktime'?"),
        ("filetypes: {a: 1}\n", "filetypes: "),
    ],
)
def test_a_bad_config_file_is_named_with_what_is_wrong(tmp_path, text, sentence):
    path = tmp_path / "my.cfg"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert f"config file {path}: " in str(error.value)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.cfg: cannot be read"):
        load_config(tmp_path / "nowhere.cfg")


def test_a_padded_proposal_is_no_octal_number(tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("propID: [01410, 02733, 0743]\nobsnums: [010, 3]\n")
    assert load_config(path).propID == ["01410", "02733", "00743"]
    assert load_config(path).obsnums == [10, 3]


def test_the_environment_names_the_config_file(monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("sca: [a1, a5]\ndate_select: 2021-08-11\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    assert load_config().sca == ["a1", "a5"]
    assert load_config().date_select == ["2021-08-11"]


@pytest.mark.parametrize("text", ["0640", "'0640'", "640", "0o640"])
def test_a_file_mode_in_a_config_file_needs_no_quotes(tmp_path, text):
    (tmp_path / "jwst.cfg").write_text(f"exclusive_file_mode: {text}\n")
    assert load_config(tmp_path / "jwst.cfg").exclusive_mode == 0o640
