"""The documentation says what is, and its site asks no other host."""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jwst_mast_assets.cli.main import build_parser, main
from jwst_mast_assets.cli.original import download_main, query_main
from jwst_mast_assets.downloads import CODES
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.file_states import State

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_each_page_says_in_its_first_line_who_it_is_for(hooks: ModuleType) -> None:
    made = {"parameters": hooks.parameters(), "commands": hooks.commands(), "tables": hooks.all_tables()}
    pages = {path.name: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")} | made
    pages["CONTRIBUTING"] = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(pages) > 20
    assert {name for name, text in pages.items() if not re.match(r"# [^\n]+\n\nFor ", text)} == set()


def test_no_page_of_the_site_names_a_test_to_users(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name not in ("contributing.html", "changelog.html"):
            assert not re.search(r"\btest_\w+", page.read_text(encoding="utf-8")), page


def messages_of_the_code() -> str:
    """All texts of the package; a value in one is a question mark in curly brackets."""
    texts = []
    for path in (ROOT / "jwst_mast_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(str(v.value) if isinstance(v, ast.Constant) else "{?}" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_every_message_of_the_troubleshooting_page_is_in_the_code() -> None:
    quoted = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 15
    code = messages_of_the_code()
    parts = {part.strip() for message in quoted for part in message.split("...")}
    assert {part for part in parts if part not in code} == set()


def test_the_reference_has_every_parameter_command_table_and_code(hooks: ModuleType) -> None:
    parameters = hooks.parameters()
    assert {name for name in Config.model_fields if f"\n## {name}\n" not in parameters} == set()
    commands = hooks.commands()
    subcommands = build_parser()._subparsers._group_actions[0].choices  # pyright: ignore
    assert {name for name in subcommands if f"### jwst-mast {name}\n" not in commands} == set()  # pyright: ignore
    listed = {name for name, _ in hooks.TABLES.values()}
    assert {name for name in dir(tables) if name.endswith("_TABLE")} == listed - {"SUMMARY_FIXED"}
    states = hooks.states()
    assert {state for state in State if f"| {state.value} | {state.meaning} |" not in states} == set()
    assert {code for code in CODES if f"\n| {int(code)} |" not in states} == set()


def test_no_page_of_the_site_asks_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loads = re.compile(
        r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+rel=["']?(?:stylesheet|preconnect)["']?[^>]+//"""
    )
    assert {page.name for page in pages if loads.search(page.read_text(encoding="utf-8"))} == set()
    assert not [page.name for page in pages if 'data-md-component="source"' in page.read_text(encoding="utf-8")]


def test_the_site_has_the_api_with_its_arguments(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in ("find", "download", "holdings"):
        assert f'id="jwst_mast_assets.api.{name}"' in text
    assert "With units and descriptions, one row per file" in text


PROGRAMS = {"jwst_query.py": query_main, "jwst_download.py": download_main, "jwst-mast": main}


def test_the_tutorial_works_as_written(
    archive: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    for line in "".join(blocks).splitlines():
        program, *arguments = shlex.split(line)
        if program == "export":
            name, value = arguments[0].split("=")
            monkeypatch.setenv(name, value.replace("$PWD", str(tmp_path)))
        else:
            assert PROGRAMS[program](arguments) == 0, capsys.readouterr()
    assert "02731" in capsys.readouterr().out
    assert len(list((tmp_path / "jwst" / "02731").rglob("*_rate.fits"))) == 6
    assert (tmp_path / "jwst" / "02731" / "index.html").exists()
    assert "_rate.fits" in (tmp_path / "manifest.ecsv").read_text(encoding="utf-8")
