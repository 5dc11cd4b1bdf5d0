"""The shipped config file, and the same names everywhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD
from jwst_mast_assets.mast.config import Config, load_config

TESTS = Path(__file__).resolve().parents[1]
PARITY = TESTS.parent / "docs" / "parity.md"
README = {"instrument": "nircam", "obsmode": ["image", "wfss"], "outrootdir": "$JWSTDOWNLOAD_OUTDIR"}
"""Where the README's values, which the file has, are not the defaults."""


@pytest.fixture
def printed(capsys):
    assert main(["config"]) == 0
    return capsys.readouterr().out


def test_the_printed_config_file_has_every_parameter_and_no_other(printed):
    assert set(yaml.safe_load(printed)) == set(Config.model_fields)


def test_each_parameter_is_explained_above_it(printed):
    lines = printed.splitlines()
    for number, line in enumerate(lines):
        if line and line[0] not in "# ":
            paragraph = lines[:number][::-1]
            above = paragraph[: paragraph.index("") if "" in paragraph else None]
            assert any(text.startswith("# ") for text in above), line


def test_its_values_are_the_defaults_except_where_the_readme_has_others(printed, tmp_path):
    (tmp_path / "printed.cfg").write_text(printed)
    config, defaults = load_config(tmp_path / "printed.cfg"), Config()
    differing = {n: getattr(config, n) for n in Config.model_fields if getattr(config, n) != getattr(defaults, n)}
    assert differing == README


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
