"""Why nothing is selected: what there is, and which parameters exclude it, in one sentence.

For the commands, the sensor and the assets alike: a selection that excludes everything is not an error, but it is
rarely what was meant.
"""

import datetime as dt
import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from jwst_mast_assets.mast import names, selection, tables
from jwst_mast_assets.mast.config import Config

MOST_NAMED = 12
"""Values that a sentence lists."""

CLOSE = 0.8
"""How similar a file type must be to count as mistyped: ``rat`` and ``rate`` are, ``cal`` and ``uncal`` are not."""

ALL_FILES: Mapping[str, Any] = {
    "instrument": None,
    "guidestars": True,
    "guidestar_data_only": False,
    **{name: [] for name in ("filetypes", "obsnums", "calib_levels", "sca", "obsid_select", "obsid_list", "exclude")},
}
"""A selection of every file; each parameter is tried against it by itself."""


def excluded_observations(observations: pd.DataFrame, config: Config, now: dt.datetime | None = None) -> str | None:
    """Why none of some observations is wanted.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``: all that there are, of every instrument, mode and date.
    config : Config
        ``instrument``, ``obsmode``, and the dates: ``date_select``, ``lookbacktime``, ``all_dates``.
    now : datetime, optional
        Aware. Without it ``lookbacktime`` does not count, as in a run, whose partitions stand for the dates.

    Returns
    -------
    str or None
        ``proposal 01409 has 8 MIRI observations; instrument: nircam excludes them``. None if there are no observations,
        or one of them is wanted.
    """
    free = config.model_copy(update={"instrument": None, "obsmode": [], "all_dates": True})
    keeps = {
        name: selection.observation_is_wanted(observations, free.model_copy(update={name: getattr(config, name)}))
        for name in ("instrument", "obsmode")
    }
    lower, upper = selection.window(config, now) if now else selection.date_limits(config)
    start = observations["t_min"]
    dates = "date_select" if config.date_select else "lookbacktime"
    keeps[dates] = start.between(-math.inf if lower is None else lower, math.inf if upper is None else upper)
    culprits = _culprits(keeps)
    if not culprits:
        return None
    recorded = observations["instrument_name"].fillna("unknown").str.upper()
    kinds = recorded if "obsmode" in culprits else recorded.str.split("/").str[0]
    counts = [f"{number} {kind}" for kind, number in kinds.value_counts().sort_index(kind="stable").items()]
    when = observations["date_min"].str[:10].dropna()
    between = f" from {when.min()} to {when.max()}" if dates in culprits and len(when) else ""
    number = "observation" if len(observations) == 1 else "observations"
    return f"{_subject(observations)} {_listed(counts)} {number}{between}; {_blame(culprits, config)}"


def excluded_files(products: pd.DataFrame, observations: pd.DataFrame, config: Config) -> str | None:
    """Why none of the products of the wanted observations is selected.

    Parameters
    ----------
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``.
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    config : Config
        The parameters that select files.

    Returns
    -------
    str or None
        ``proposal 01138 has 120 files of obsnums 1, 2, 3; obsnums: [99] excludes them``. None if there are none, or one
        is selected.
    """
    wanted = observations.loc[tables.is_true(observations["wanted"]), "obsid"]
    files = products[products["parent_obsid"].isin(wanted)].drop_duplicates("dataURI")
    free = config.model_copy(update=ALL_FILES)
    keeps = {
        name: selection.product_is_selected(files, free.model_copy(update={name: getattr(config, name)}))
        for name in ALL_FILES
    }
    culprits = _culprits(keeps)
    if not culprits:
        return None
    there = [text for name in culprits if (text := _there(name, files))]
    of = f" of {' and '.join(there)}" if there else ""
    number = "file" if len(files) == 1 else "files"
    return f"{_subject(files)} {len(files)} {number}{of}; {_blame(culprits, config)}"


def unmatched_values(products: pd.DataFrame, config: Config) -> list[str]:
    """Single values of ``obsnums`` and ``filetypes`` that match nothing, and so may be mistyped.

    Parameters
    ----------
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``: all that MAST lists.
    config : Config

    Returns
    -------
    list of str
        ``obsnums: 999 matches no observation that was found; proposal 01138 has 1, 2, 3``, and
        ``filetypes: 'rat' matches no file; did you mean '_rate.fits'?``. A file type that is not there but is spelled
        unlike those that are is not listed: not every proposal has every type.
    """
    if products.empty:
        return []
    told = []
    lost = [number for number in config.obsnums if not selection.has_obsnum(products, [number]).any()]
    if lost and len(lost) < len(config.obsnums):
        matches = "matches" if len(lost) == 1 else "match"
        there = _listed([str(number) for number in sorted(products["obsnum"].dropna().unique())])
        numbers = ", ".join(map(str, lost))
        told.append(f"obsnums: {numbers} {matches} no observation that was found; {_subject(products)} {there}")
    types = [str(name) for name in products["filetype"].dropna().unique()]
    spelled = {name.removeprefix("_").removesuffix(".fits"): name for name in types} | {name: name for name in types}
    for filetype in config.filetypes:
        pattern = selection.filetype_pattern([filetype])
        if pattern and not tables.is_true(products["productFilename"].str.contains(pattern)).any():
            close = difflib.get_close_matches(filetype.lower(), list(spelled), n=1, cutoff=CLOSE)
            told += [f"filetypes: {filetype!r} matches no file; did you mean {spelled[close[0]]!r}?"] if close else []
    return told


def _culprits(keeps: Mapping[str, pd.Series]) -> list[str]:
    """The parameters that exclude everything on their own, if any; else all that exclude something."""
    table = pd.DataFrame({name: tables.is_true(keep) for name, keep in keeps.items()})
    if table.empty or table.all(axis=1).any():
        return []
    alone = [name for name in table if not table[name].any()]
    return [str(name) for name in alone or table.columns[~table.all()]]


def _there(name: str, files: pd.DataFrame) -> str | None:
    """The existing values that a parameter could have named."""
    column = {"filetypes": "filetype", "obsnums": "obsnum", "calib_levels": "calib_level", "sca": "sca"}.get(name)
    if column:
        values = _listed([str(value) for value in sorted(files[column].dropna().unique())])
        return f"{name} {values}" if values else None
    if name in ("obsid_select", "obsid_list"):
        return f"obsID {files['obsID'].min()} to {files['obsID'].max()}"
    if name == "guidestars":
        return "guide stars"
    return None


def _blame(culprits: list[str], config: Config) -> str:
    values = [f"{name}: {_value(getattr(config, name))}" for name in culprits]
    return f"{' and '.join(values)} {'excludes' if len(culprits) == 1 else 'exclude'} them"


def _value(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _subject(table: pd.DataFrame) -> str:
    proposals = sorted({names.proposal_key(int(number)) for number in table["proposal_id"].dropna()})
    if len(proposals) == 1:
        return f"proposal {proposals[0]} has"
    return f"{len(proposals)} proposals have" if len(proposals) > 4 else f"proposals {', '.join(proposals)} have"


def _listed(values: Iterable[str]) -> str:
    values = list(values)
    more = f", ... ({len(values)} in all)" if len(values) > MOST_NAMED else ""
    return ", ".join(values[:MOST_NAMED]) + more
