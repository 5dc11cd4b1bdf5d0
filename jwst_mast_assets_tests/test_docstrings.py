"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

import jwst_mast_assets

ROOT = Path(jwst_mast_assets.__path__[0])
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
