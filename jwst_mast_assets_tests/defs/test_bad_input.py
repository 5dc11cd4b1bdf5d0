"""Bad input: one clear sentence each, and no change on disk."""

import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets_tests.defs.running import messages


def one_sentence(result, *words):
    assert not result.success
    (message,) = messages(result)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("parameters", "asset", "sentence"),
    [
        (
            {"instrument": "miri"},
            "obs_table",
            "proposal 01138 has 30 NIRCAM observations; instrument: miri excludes them",
        ),
        ({"filetypes": ["calibrated"]}, "product_table", "; filetypes: [calibrated] excludes them"),
        ({"obsnums": [99]}, "product_table", " files of obsnums 4, 5; obsnums: [99] excludes them"),
    ],
)
def test_a_selection_that_excludes_everything_is_a_success_that_names_what_there_is(
    archive, runner, parameters, asset, sentence
):
    result = runner.run("jwst_query", **parameters)
    assert result.success
    (event,) = result.asset_materializations_for_node(asset)
    assert sentence in str(event.metadata["excluded"].value)


def test_a_proposal_that_is_not_registered(archive, runner):
    one_sentence(runner.run(keys="2022-04-10|01409"), "01409", "not registered", "jwst-mast proposals add 01409")
    assert not runner.root.exists()


def test_a_server_that_cannot_be_reached(runner, monkeypatch):
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    one_sentence(runner.run(), "http://127.0.0.1:9", "cannot be reached", "MAST_SERVER")
    assert not runner.root.exists()


def test_a_server_that_is_not_mast(runner, archive, monkeypatch):
    monkeypatch.setenv("MAST_SERVER", f"{archive.url}/nowhere")
    one_sentence(runner.run(), "HTTP status 404")


def test_a_wrong_token_is_named_once_and_stops_no_public_data(archive, runner, monkeypatch):
    monkeypatch.setenv("MAST_API_TOKEN", "wrong-token")
    result = runner.run(sca=["a1"])
    assert result.success
    assert len(runner.files()) == 3
    logged = [str(entry) for entry in runner.instance.all_logs(result.run_id)]
    assert "wrong-token" not in "".join(logged)
    assert len([entry for entry in logged if "get a new token at https://auth.mast.stsci.edu/token" in entry]) == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"sca": ["a9"]}, ("sca", "'a9'")),
        ({"instrument": "nircamm"}, ("instrument", "did you mean 'nircam'?")),
        ({"obsid_select": ["1", "2", "3"]}, ("obsid_select", "3 were given")),
        ({"obsnums": [1000]}, ("obsnums", "1000")),
        ({"outsubdir": "$NO_SUCH_VARIABLE"}, ("outsubdir", "$NO_SUCH_VARIABLE")),
    ],
)
def test_a_bad_value_in_the_run_config(archive, runner, parameters, words):
    one_sentence(runner.run(**parameters), *words)
    assert not runner.root.exists()


def test_an_unknown_parameter_in_the_run_config_is_refused_at_launch(archive, runner):
    with pytest.raises(Exception, match='unexpected config entry "instrumnt"'):
        runner.run(instrumnt="nircam")


def test_an_output_folder_that_cannot_be_written(archive, runner):
    runner.root.write_text("a file where the folder must go")
    one_sentence(runner.run(), str(runner.root), "cannot be written", "outrootdir")


def test_a_malformed_config_file_is_named_when_the_code_location_loads(monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("instrument: [nircam\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    with pytest.raises(ConfigError, match=r"config file .*my.cfg: is not YAML"):
        build_defs()


def test_values_of_the_config_file_hold_unless_the_run_config_has_others(archive, runner, monkeypatch, tmp_path):
    path = tmp_path / "my.cfg"
    path.write_text("sca: [a1]\nfiletypes: [_rate.jpg]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    assert load_config().sca == ["a1"]
    assert runner.run().success
    assert {name.partition("nrc")[2] for name in runner.files() if "TN" not in name} == {"a1_rate.jpg"}
    assert runner.run(sca=["b1"]).success
    assert {name.partition("nrc")[2] for name in runner.files() if "TN" not in name} == {"a1_rate.jpg", "b1_rate.jpg"}


def test_more_proposals_than_dagster_carries_are_refused(instance):
    with pytest.raises(ConfigError, match=r"partitions, more than the 2,500,000 .* set a later first_day"):
        register_proposals(instance, range(1, 3000))
    assert len(instance.get_dynamic_partitions("proposal")) == 2


@pytest.mark.parametrize("given", ["abc", "0", "123456"])
def test_what_is_no_proposal_cannot_be_registered(instance, given):
    with pytest.raises(ConfigError, match="not a proposal number"):
        register_proposals(instance, [given])


def test_a_mode_that_mast_does_not_have(archive, runner):
    result = runner.run(instrument="nircam", obsmode=["imgae"])
    one_sentence(result, "obsmode: MAST has no mode 'imgae' of nircam", "did you mean 'image'?", "answer: image")
    assert not runner.root.exists()
