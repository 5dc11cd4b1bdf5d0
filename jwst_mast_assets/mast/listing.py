"""Lists that are not believed at once: MAST sends a short or empty one now and then, and says that it is complete."""

import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.mast.errors import ArchiveUnavailable

PAUSES = (2.0, 10.0, 30.0)
"""Seconds to wait before a list that is shorter than what is recorded is asked for again."""


class OpenList(NamedTuple):
    """A list that failed, or is shorter than it should be."""

    cell: str
    name: str
    """The proposal or observation whose list it is."""
    why: str
    failed: bool
    """Whether MAST did not answer for it."""


class Listing(NamedTuple):
    """What MAST lists, and what is kept of what it listed before."""

    table: pd.DataFrame
    key: str
    """The column that names a row: ``obsid`` or ``dataURI``."""
    group: str
    """The column that says to which list a row belongs: ``cell`` or ``parent_obsid``."""
    listed: frozenset[Any]
    """The keys that MAST listed."""
    open: list[OpenList]
    """The lists that failed or stayed shorter than recorded; their recorded rows are kept in the table."""
    unanswered: frozenset[Any]
    """The lists that MAST was not asked for, or did not answer."""


def asked_again(
    found: pd.DataFrame,
    known: pd.DataFrame,
    asked: Collection[Any],
    group: str,
    key: str,
    ask: Callable[[list[Any]], pd.DataFrame],
    least: int = 0,
) -> tuple[pd.DataFrame, dict[Any, str]]:
    """An answer, completed by more answers where it lacks rows that are known.

    Parameters
    ----------
    found, known : DataFrame
        The first answer, and what is recorded; both with `group` and `key`.
    asked : collection
        The lists that were asked for: values of `group`.
    group : str
    key : str
        The column that names a row; one row can be in several lists.
    ask : callable
        Asks for some of the lists again.
    least : int
        How many rows a list must have even if nothing is recorded of it.

    Returns
    -------
    DataFrame
        The rows of all answers, the newest of each.
    dict
        The lists that are still shorter, each with ``12 of 30``.
    """
    for pause in PAUSES:
        short = _shorter(found, known, asked, group, key, least)
        if not short:
            return found, short
        time.sleep(pause)
        try:
            more = ask(list(short))
        except ArchiveUnavailable:
            continue
        parts = [part for part in (found, more) if len(part)]
        if parts:
            found = pd.concat(parts).drop_duplicates([group, key], keep="last", ignore_index=True)
    return found, _shorter(found, known, asked, group, key, least)


def _shorter(
    found: pd.DataFrame, known: pd.DataFrame, asked: Collection[Any], group: str, key: str, least: int
) -> dict[Any, str]:
    """The lists that lack more of what is known than they have new: a renamed file is none that is missing."""
    missing = known[known[group].isin(asked) & ~known[key].isin(found[key])].groupby(group)[key].nunique().to_dict()
    new = found[~found[key].isin(known[key])].groupby(group)[key].nunique().to_dict()
    now = found.groupby(group)[key].nunique().to_dict()
    lost = {one: max(missing.get(one, 0) - new.get(one, 0), least - now.get(one, 0)) for one in asked}
    return {one: f"{now.get(one, 0)} of {now.get(one, 0) + number}" for one, number in lost.items() if number > 0}
