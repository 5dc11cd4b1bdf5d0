"""Where the two differ, and why: the reasons that are improvements."""

import os
from collections import Counter
from typing import Any, NamedTuple

KEYS = {"selprod": ("name",), "obs": ("obsid",), "summary": ("proposal_id", "obsnum")}


class Difference(NamedTuple):
    """One row that only one of them has, one value, or one order."""

    options: str
    table: str
    key: Any
    column: str
    original: Any
    ours: Any


REASONS: dict[str, str] = {}


def compare(options: str, original: dict[str, Any], ours: dict[str, Any]) -> list[Difference]:
    if "error" in original:
        return [Difference(options, "", None, "error", original["error"], len(ours["selprod"]))]
    found = []
    for table in KEYS:
        found += _compare_tables(options, table, original["tables"][table], ours[table])
    return found


def explain(difference: Difference) -> str:
    return ""


def _compare_tables(options: str, table: str, original: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[Difference]:
    theirs, own = ([(_key(table, row), row) for row in rows] for rows in (original, ours))
    found = []
    for key, count in (Counter(k for k, _ in theirs) - Counter(k for k, _ in own)).items():
        found.append(Difference(options, table, key, "row", f"x{count}", None))
    for key, count in (Counter(k for k, _ in own) - Counter(k for k, _ in theirs)).items():
        found.append(Difference(options, table, key, "row", None, f"x{count}"))
    if original and ours and list(original[0]) != list(ours[0]):
        found.append(Difference(options, table, None, "columns", list(original[0]), list(ours[0])))
    by_key = dict(theirs)
    for key, row in own:
        for column, value in by_key.get(key, {}).items():
            if column in row and not _same(value, row[column]):
                found.append(Difference(options, table, key, column, value, row[column]))
    both = set(by_key) & {key for key, _ in own}
    orders = [list(dict.fromkeys(key for key, _ in rows if key in both)) for rows in (theirs, own)]
    if orders[0] != orders[1]:
        found.append(Difference(options, table, None, "order", orders[0][:3], orders[1][:3]))
    return found


def _key(table: str, row: dict[str, Any]) -> Any:
    if table == "selprod":
        return os.path.basename(row.get("outfilename") or row["productFilename"])
    if table == "obs":
        return row.get("obsid") or row["obs_id"]
    return row["proposal_id"], row["obsnum"]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-9
    return one == other
