"""The head of the page: what is known about the proposal as a whole, and about each of its observations."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.file_states import URGENCY, State
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.webpage.observed import MOST_NAMED, few
from jwst_mast_assets.webpage.rows import File


class Fact(NamedTuple):
    """A number of the page's head."""

    label: str
    value: str
    detail: str = ""
    state: str = ""


class Overview(NamedTuple):
    """The page's head."""

    titles: list[str]
    investigators: str
    instruments: str
    dates: str
    facts: list[Fact]
    waiting: list[tuple[str, int]]
    """The days on which exclusive access ends, with the number of files; the first of them."""
    more_waiting: int
    """Number of further days."""


class Summary(NamedTuple):
    """The table with one row per observation number."""

    filetypes: list[str]
    rows: list[dict[str, Any]]


def make_overview(observations: pd.DataFrame, files: list[File]) -> Overview:
    """The proposal as a whole.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    files : list of File
    """
    observations = tables.conform(observations, tables.OBS_TABLE).drop_duplicates("obsid")
    numbers = {int(number) for number in observations["obsnum"].dropna()}
    numbers |= {number for file in files for number in file.obsnums}
    dates = sorted(observations["date_min"].dropna().str[:10])
    on_disk = [file for file in files if file.on_disk]
    others = sum(not file.selected for file in on_disk)
    facts = [
        Fact("observations", f"{len(numbers):,}", f"{len(observations):,} entries in MAST"),
        Fact("files selected", f"{sum(file.selected for file in files):,}"),
        Fact("files on disk", f"{len(on_disk):,}", f"{others:,} of them not selected" if others else ""),
        Fact("on disk", human_bytes(sum(file.bytes_on_disk or 0 for file in on_disk))),
    ]
    for state in URGENCY[:-1]:
        found = [file for file in files if file.state == state]
        detail = human_bytes(sum(file.values["size"] or 0 for file in found)) if found else ""
        if found or state in (State.MISSING, State.FAILED, State.WAITING):
            facts.append(Fact(state.value, f"{len(found):,}", detail, state.value if found else ""))
    waiting = _waiting(files)
    return Overview(
        titles=_by_frequency(observations["obs_title"]),
        investigators="; ".join(_by_frequency(observations["proposal_pi"])),
        instruments=_instruments(observations["instrument_name"]),
        dates="" if not dates else dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
        facts=facts,
        waiting=waiting[:MOST_NAMED],
        more_waiting=max(0, len(waiting) - MOST_NAMED),
    )


def _waiting(files: Iterable[File]) -> list[tuple[str, int]]:
    """Number of files by the day until which they wait; an empty day where MAST does not say."""
    waiting = [file for file in files if file.state == State.WAITING]
    days = Counter(file.note.removeprefix("until ") if file.note.startswith("until ") else "" for file in waiting)
    return sorted(days.items(), key=lambda item: (not item[0], item[0]))


def _by_frequency(values: Iterable[Any]) -> list[str]:
    counts = Counter(str(value).strip() for value in values if not pd.isna(value) and str(value).strip())
    return sorted(counts, key=lambda value: (-counts[value], value))


def _instruments(values: Iterable[Any]) -> str:
    """``NIRCAM (IMAGE, WFSS), NIRISS``."""
    modes: dict[str, set[str]] = {}
    for value in _by_frequency(values):
        name, _, mode = value.partition("/")
        modes.setdefault(name, set()).update({mode} - {""})
    return ", ".join(name + (f" ({', '.join(sorted(modes[name]))})" if modes[name] else "") for name in sorted(modes))


def make_summary(summary: pd.DataFrame, observations: pd.DataFrame, files: list[File]) -> Summary:
    """One row per known observation number.

    Parameters
    ----------
    summary : DataFrame
        ``proposal_id``, ``obsnum``, a count per file type, ``date_start``.
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    files : list of File
    """
    observations = tables.conform(observations, tables.OBS_TABLE)
    given = tables.conform(summary, tables.SUMMARY_FIXED)
    filetypes = [str(name) for name in summary.columns if name not in tables.SUMMARY_FIXED]
    # A column without any file is useless.
    filetypes = [name for name in filetypes if (pd.to_numeric(summary[name]).fillna(0) > 0).any()]
    by_number: dict[int | None, list[File]] = {}
    for file in files:
        for number in file.obsnums or [None]:
            by_number.setdefault(number, []).append(file)
    numbers = {_whole(number) for number in (*given["obsnum"], *observations["obsnum"])} | set(by_number)
    rows = []
    for number in sorted(numbers, key=lambda number: (number is None, number or 0)):
        mine = _of(observations, number)
        row = _of(summary, number)
        own = by_number.get(number, [])
        if number is None and not own and row.empty:
            continue
        if mine.empty:
            # Known only from a level-3 candidate.
            mine = observations[observations["obsid"].isin({file.values["parent_obsid"] for file in own})]
        rows.append(
            {
                "obsnum": number,
                "date": _first(row, mine),
                "target": few(_by_frequency(mine["target_name"])),
                "instrument": _instruments(mine["instrument_name"]),
                "filters": few(_by_frequency(mine["filters"])),
                "planned": bool(len(mine)) and bool(tables.is_true(mine["calib_level"] < 0).all()),
                "present": sum(file.state == State.PRESENT for file in own),
                "states": [(s, n) for s in URGENCY[:-1] if (n := sum(f.state == s for f in own))],
                "size": sum(file.bytes_on_disk or 0 for file in own),
                "bytes": human_bytes(sum(file.bytes_on_disk or 0 for file in own)) if own else "",
                "counts": [int(pd.to_numeric(row[name]).fillna(0).sum()) for name in filetypes],
            }
        )
    return Summary(filetypes, rows)


def _whole(number: Any) -> int | None:
    return None if pd.isna(number) else int(number)


def _of(table: pd.DataFrame, number: int | None) -> pd.DataFrame:
    if "obsnum" not in table:
        return table.iloc[:0]
    return table[table["obsnum"].isna() if number is None else tables.is_true(table["obsnum"] == number)]


def _first(row: pd.DataFrame, observations: pd.DataFrame) -> str:
    """First date, to the minute."""
    dates = row["date_start"].dropna() if "date_start" in row else observations["date_min"].iloc[:0]
    dates = dates if len(dates) else observations["date_min"].dropna()
    return str(min(dates))[:16].replace("T", " ") if len(dates) else ""
