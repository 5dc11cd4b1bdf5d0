"""The printed config file, and the same names everywhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD
from jwst_mast_assets.mast.config import Config, load_config, parameters_with
from jwst_mast_assets.mast.parameter_roles import Role

TESTS = Path(__file__).resolve().parents[1]
PARITY = TESTS.parent / "docs" / "parity.md"


@pytest.fixture
def printed(capsys):
    assert main(["config"]) == 0
    return capsys.readouterr().out


def test_the_printed_config_file_has_every_parameter_and_no_other(printed):
    assert re.findall(r"^#?(\w+): ", printed, re.MULTILINE) == list(Config.model_fields)


def test_each_parameter_is_explained_above_it(printed):
    for paragraph in printed.split("\n\n"):
        names = re.findall(r"^#?(\w+): ", paragraph, re.MULTILINE)
        if names:
            assert re.match(r"# [A-Z]", paragraph), paragraph
            assert len(names) == 1


def test_a_new_config_file_changes_nothing(printed, tmp_path):
    (tmp_path / "printed.cfg").write_text(printed)
    config = load_config(tmp_path / "printed.cfg")
    assert config == Config()
    # Nor does it say that it selects something.
    assert not config.model_fields_set.intersection(parameters_with(Role.SELECTS))


def test_every_example_of_the_printed_config_file_can_be_used_as_it_stands(printed, tmp_path, monkeypatch):
    for name in ("NAME", "PASSWORD", "MAST_API_TOKEN"):
        monkeypatch.setenv(name, "abc")
    used = re.sub(r"^#(\w+: )", r"\1", printed, flags=re.MULTILINE)
    (tmp_path / "used.cfg").write_text(used)
    config = load_config(tmp_path / "used.cfg")
    assert config.model_fields_set == set(Config.model_fields)
    assert (config.instrument, config.sca, config.propID) == ("nircam", ["a1", "a3"], ["01138", "02731"])


def test_the_launchpad_knows_the_same_names_and_values():
    fields = build_defs(load_config()).resources["jwst_config"].model_dump()  # pyright: ignore[reportOptionalSubscript]
    assert set(fields) == set(Config.model_fields) - set(NOT_IN_LAUNCHPAD)
    defaults = Config()
    assert {name: str(value) for name, value in fields.items()} == {
        name: str(getattr(defaults, name)) for name in fields
    }


def test_the_config_file_gives_the_launchpads_defaults(tmp_path, monkeypatch):
    (tmp_path / "my.cfg").write_text("sca: [a1]\noutrootdir: $SOMEWHERE/x\ndownload_timeout: 3\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    fields = build_defs().resources["jwst_config"].model_dump()  # pyright: ignore[reportOptionalSubscript]
    assert (fields["sca"], fields["outrootdir"], fields["download_timeout"]) == (["a1"], "$SOMEWHERE/x", 3.0)


def test_help_imports_neither_dagster_nor_astroquery():
    code = (
        "import sys\nfrom jwst_mast_assets.cli.original import download_main\n"
        "try:\n    download_main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(' '.join({'dagster', 'astroquery', 'astropy'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_parity_table_has_every_parameter_every_cell_and_only_tests_that_exist():
    lines = [line for line in PARITY.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]
    assert all(cell for row in rows for cell in row)
    assert {row[0].strip("`") for row in rows} >= set(Config.model_fields)
    named = {match for row in rows for match in re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", row[-1])}
    assert len(named) > 40
    for path, test in named:
        assert f"def {test}" in (TESTS / path).read_text(encoding="utf-8"), (path, test)
