"""Lists that are checked before they are trusted: now and then MAST sends a short or empty one as complete."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.errors import ArchiveUnavailable
from jwst_mast_assets.mast.sizes import counted

log = logging.getLogger("jwst_mast_assets.mast")

PAUSES = (2.0, 10.0, 30.0)
"""Seconds to wait before retrying a list that is shorter than the record."""


class OpenList(NamedTuple):
    """A list that failed, or is shorter than it should be."""

    cell: str
    name: str
    """The proposal or observation whose list it is."""
    why: str
    failed: bool
    """Whether MAST did not answer for it."""


class Listing(NamedTuple):
    """What MAST lists, and what is kept of its earlier lists."""

    table: pd.DataFrame
    key: str
    """The column that names a row: ``obsid`` or ``dataURI``."""
    group: str
    """The column that assigns a row to a list: ``cell`` or ``parent_obsid``."""
    listed: frozenset[Any]
    """The keys that MAST listed."""
    open: list[OpenList]
    """The lists that failed or stayed shorter than recorded; their recorded rows are kept in the table."""
    unanswered: frozenset[Any]
    """The lists that were not requested from MAST, or not answered."""


def asked_again(
    found: pd.DataFrame,
    known: pd.DataFrame,
    asked: Collection[Any],
    group: str,
    key: str,
    ask: Callable[[list[Any]], pd.DataFrame],
    least: int = 0,
) -> tuple[pd.DataFrame, dict[Any, str]]:
    """An answer, completed by further answers if known rows are missing.

    Parameters
    ----------
    found, known : DataFrame
        The first answer, and what is recorded; both with `group` and `key`.
    asked : collection
        The lists that were requested: values of `group`.
    group : str
    key : str
        The column that names a row; one row can be in several lists.
    ask : callable
        Requests some of the lists again.
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
        lists = counted(len(short), "list")
        log.warning("MAST sent %s that may be too short; asking again in %.0f s", lists, pause)
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
    """The lists with more known rows missing than new ones: a renamed file does not count as missing."""
    gone = known[known[group].isin(asked) & ~tables.among(known[key], found[key])]
    missing = gone.groupby(group)[key].nunique().to_dict()
    new = found[~tables.among(found[key], known[key])].groupby(group)[key].nunique().to_dict()
    now = found.groupby(group)[key].nunique().to_dict()
    lost = {one: max(missing.get(one, 0) - new.get(one, 0), least - now.get(one, 0)) for one in asked}
    return {one: f"{now.get(one, 0)} of {now.get(one, 0) + number}" for one, number in lost.items() if number > 0}
