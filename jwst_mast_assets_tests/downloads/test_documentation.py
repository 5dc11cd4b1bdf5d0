"""docs/downloads.md says what is."""

import re
from pathlib import Path

from jwst_mast_assets.downloads import CODES
from jwst_mast_assets.mast.file_states import State

TEXT = (Path(__file__).parents[2] / "docs" / "downloads.md").read_text(encoding="utf-8")


def test_every_code_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w*) ?\| (\w+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [(int(code), word or None, state, meaning) for code, word, state, meaning in rows] == [
        (int(code), *meaning) for code, meaning in CODES.items()
    ]


def test_every_state_is_documented_as_it_is() -> None:
    rows = dict(re.findall(r"^\| ([a-z]+) \| ([^|]+) \|$", TEXT, re.MULTILINE))
    assert {name: rows[name] for name in rows if name in set(State)} == {state.value: state.meaning for state in State}


def test_every_test_that_the_fault_table_names_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in sources} == set()
