"""faults.md names tests that exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent
TEXT = (HERE / "faults.md").read_text(encoding="utf-8")


def test_every_test_that_the_fault_table_names_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 30
    assert {name for name in named if f"def {name}(" not in sources} == set()
