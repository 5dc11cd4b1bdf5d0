"""Where the tables of the two differ, and the reasons that make ours the better ones."""

import os
import re
from collections import Counter
from typing import Any, NamedTuple

Rows = list[dict[str, Any]]

REASONS = {
    "level-3 number": "the original loses the observation number of level-3 names (-o008_) where another number is in "
    "the list too: their files go to NA, and --obsnums drops them",
    "candidate": "the original counts a level-3 product of several observations (-c1006_) under no number, ours under "
    "each of theirs",
    "visit": "the original reads no visit from guide-star names and from activities in base 36 (_0310b_)",
    "zero": "no file of a type is 0 in ours, empty in the original",
    "empty columns": "the original keeps count columns of types whose files obsnums, obsid or sca dropped",
    "column order": "within one kind (fits, jpg, all) ours orders the count columns as the pipeline makes the files, "
    "the original as they happen to be listed",
    "sorting": "the original's observations, and its products after a cut by obsnums, obsid or sca, are not in the "
    "order that sortcols_obsTable and sortcols_productTable ask for",
    "repeated rows": "the original lists a file twice that two of the filetypes match",
    "bare names": "ours finds observations recorded under the bare instrument name when a mode is asked for",
    "all instruments": "with no instrument set the original asks for instruments called None; ours asks for all",
    "fgs": "FGS data are not found by instrument name; ours takes them from the product lists of the others",
    "two proposals": "--propID 1138 1409 means two proposals in ours; in the original the second is an observation "
    "number",
    "option as default": "the original ignores an option whose value is the program's default, and keeps the file's",
    "follows": "counts and rows of observations and summary that follow from the differing products of the same set",
}

OF_CANDIDATES = "level 3 of several observations"

OF_A_SET = {
    "mode, recorded under the bare name too": "bare names",
    "NIRISS tables: mode, bare names": "bare names",
    OF_CANDIDATES: "candidate",
    "no instrument": "all instruments",
    "FGS": "fgs",
    "the second proposal or an observation number?": "two proposals",
    "an option that is the program's default": "option as default",
}
"""Option sets made to show that one of them finds rows which the other does not."""


class Difference(NamedTuple):
    """A row that only one of them has, a value, the columns, or the order."""

    options: str
    table: str
    key: Any
    what: str
    original: Any
    ours: Any
    reason: str = ""


def compare(
    options: str, original: dict[str, Any], ours: dict[str, Rows], sorted_by: dict[str, list[str]]
) -> list[Difference]:
    """All differences of an option set, with their reasons; none where there is no known reason.

    Parameters
    ----------
    options : str
        Name of the option set.
    original : dict
        From the driver: ``tables``, or ``error``.
    ours : dict
        The rows of ``selprod``, ``obs``, ``summary``.
    sorted_by : dict
        Columns that each table is to be sorted by.
    """
    if "error" in original:
        return [Difference(options, "", None, "error", original["error"], None)]
    found = [
        difference
        for table, columns in sorted_by.items()
        for difference in _compare_tables(options, table, original["tables"][table], ours[table], columns)
    ]
    products_differ = any(
        difference.table == "selprod" and difference.what in ("row", "obsnum", "parent_obsid") for difference in found
    )
    explained = [
        difference._replace(
            reason=_reason(difference) or ("follows" if products_differ and _follows(difference) else "")
        )
        for difference in found
    ]
    problem = _inconsistency(ours)
    return explained + ([Difference(options, "", None, "inconsistent", None, problem)] if problem else [])


def _compare_tables(options: str, table: str, original: Rows, ours: Rows, sorted_by: list[str]) -> list[Difference]:
    theirs, own = ([(_key(table, row), row) for row in rows] for rows in (original, ours))
    here, there = Counter(key for key, _ in own), Counter(key for key, _ in theirs)
    found = [Difference(options, table, key, "row", n, here.get(key, 0)) for key, n in (there - here).items()]
    found += [Difference(options, table, key, "row", there.get(key, 0), n) for key, n in (here - there).items()]
    if original and ours and list(original[0]) != list(ours[0]):
        found.append(Difference(options, table, None, "columns", list(original[0]), list(ours[0])))
    by_key = dict(theirs)
    for key, row in own:
        found += [
            Difference(options, table, key, column, value, row[column])
            for column, value in by_key.get(key, {}).items()
            if column in row and not _same(value, row[column])
        ]
    both = set(by_key) & set(here)
    orders = [[_order(row, sorted_by) for key, row in rows if key in both] for rows in (theirs, own)]
    if orders[1] != sorted(orders[1]):
        found.append(Difference(options, table, None, "ours is not sorted", orders[0], orders[1]))
    if orders[0] != orders[1] and len(orders[0]) == len(orders[1]):
        found.append(Difference(options, table, None, "order", orders[0], orders[1]))
    return found


def _reason(difference: Difference) -> str:
    _, table, key, what, original, ours, _ = difference
    if table == "summary" and difference.options == OF_CANDIDATES and (what == "row" or what.startswith("_")):
        return OF_A_SET[OF_CANDIDATES]
    if what == "row":
        if difference.options in OF_A_SET and not original:
            return OF_A_SET[difference.options]
        if table == "selprod" and original and ours and original > ours == 1:
            return "repeated rows"
        if table == "selprod" and not original and "-o" in key:
            return "level-3 number"
        if difference.options == "an option that is the program's default":
            return OF_A_SET[difference.options]
    if what == "columns":
        extra = set(original) - set(ours)
        if set(ours) - set(original):
            return OF_A_SET.get(difference.options, "")
        return "empty columns" if extra else "column order"
    if what == "visit" and original is None and ("_gs-" in key or not key.split("_")[1].isdigit()):
        return "visit"
    if what == "obsnum" and original is None and (table == "obs" or not re.match(r"jw\d{11}_", key)):
        return "level-3 number"
    if what == "outfilename" and not re.match(r"jw\d{11}_", key) and "/NA/" in str(original):
        return "level-3 number"
    if what == "order" and original and ours and ours == sorted(ours) and original != sorted(original):
        return "sorting"
    if table == "obs" and what.startswith("_") and original is None and ours == 0:
        return "zero"
    return ""


def _follows(difference: Difference) -> bool:
    counts = (
        difference.what in ("row", "order")
        or difference.what.startswith("_")
        or difference.what in ("date_start", "obsnum")
    )
    return counts and difference.table in ("obs", "summary")


def _inconsistency(ours: dict[str, Rows]) -> str:
    """Whether our counts are those of our products, and our summary the sum of our observations."""
    if not ours["selprod"] or not {"parent_obsid", "filetype"} <= set(ours["selprod"][0]):
        return ""
    if not {"proposal_id", "obsnum", "obsid"} <= set(ours["obs"][0]):
        return ""
    products = Counter((row["parent_obsid"], row["filetype"]) for row in ours["selprod"] if row["filetype"])
    observations: Counter[Any] = Counter()
    numbers: Counter[Any] = Counter()
    for row in ours["obs"]:
        for column, count in row.items():
            if column.startswith("_"):
                observations[row["obsid"], column] += count
                numbers[row["proposal_id"], row["obsnum"], column] += count
    summary = Counter(
        {
            (row["proposal_id"], row["obsnum"], column): count
            for row in ours["summary"]
            for column, count in row.items()
            if column.startswith("_")
        }
    )
    if products != +observations:
        return "the observations do not count the products"
    # Level 3 of several observations counts under each of their numbers.
    of_several = any("-c" in (row.get("obs_id") or "") for row in ours["obs"])
    return "" if +numbers == +summary or of_several else "the summary does not count the observations"


def _key(table: str, row: dict[str, Any]) -> Any:
    if table == "selprod":
        return os.path.basename(row.get("outfilename") or row["productFilename"])
    if table == "obs":
        return row.get("obsid") or row["obs_id"]
    return row["proposal_id"], row["obsnum"]


def _order(row: dict[str, Any], columns: list[str]) -> list[Any]:
    return [(row[column] is None, row[column] or "") for column in columns if column in row]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-9
    return one == other
