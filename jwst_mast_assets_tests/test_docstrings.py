"""The examples in docstrings are true."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import jwst_mast_assets

ROOT = Path(jwst_mast_assets.__path__[0])
HERE = Path(__file__).parent
MODULES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0


def test_examples_are_found() -> None:
    assert {"jwst_mast_assets.mast.dates", "jwst_mast_assets.embedded_archive.server"} <= set(MODULES)


def test_every_module_that_the_documentation_names_exists() -> None:
    pages = [*ROOT.parent.glob("*.md"), *(ROOT.parent / "docs").glob("*.md")]
    named = {
        path
        for page in pages
        for path in re.findall(
            r"\b(?:mast|downloads|records|defs|webpage|cli|embedded_archive)/[\w/]+\.py\b", page.read_text("utf-8")
        )
    }
    assert len(named) > 30
    assert {path for path in named if not ((ROOT / path).exists() or (HERE / path).exists())} == set()
