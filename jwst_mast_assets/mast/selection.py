"""What the configuration wants: which observations, and which of their products.

The rules are the original's. Everything here works on tables alone, so a different selection needs no new query.
"""

import datetime as dt
import fnmatch
import math
import re
from collections.abc import Callable

import pandas as pd

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import is_day, mjd_of, parse_mjd
from jwst_mast_assets.mast.modes import instrument_is_wanted

Limits = tuple[float | None, float | None]


def limits(values: list[str], parse: Callable[[str], float]) -> Limits:
    """Lower and upper limit, both included, of ``[x]``, ``[x+]``, ``[x-]`` or ``[x, y]``; None is no limit."""
    if not values:
        return None, None
    if len(values) == 2:
        return parse(values[0]), parse(values[1])
    text = values[0]
    if text.endswith("+"):
        return parse(text[:-1]), None
    if text.endswith("-"):
        return None, parse(text[:-1])
    return parse(text), parse(text)


def date_limits(config: Config) -> Limits:
    """The limits of ``date_select``, MJD (UTC); none with ``all_dates``, which takes precedence over it.

    A single date without a time means that whole day. (The original takes it as the moment at which it starts.)
    """
    if config.all_dates:
        return None, None
    if len(config.date_select) == 1 and is_day(config.date_select[0]):
        start = parse_mjd(config.date_select[0])
        return start, math.nextafter(start + 1, start)
    return limits(config.date_select, parse_mjd)


def window(config: Config, now: dt.datetime) -> Limits:
    """The configuration's time range, MJD: ``all_dates``, else ``date_select``, else ``lookbacktime``."""
    if config.all_dates:
        return None, None
    if config.date_select:
        return date_limits(config)
    return mjd_of(now) - config.lookbacktime, None


def instrument_names(config: Config) -> list[str]:
    """The pattern of ``instrument_name`` to ask MAST for; an empty list means all.

    Modes are not part of the query but distinguished here (:func:`modes.instrument_is_wanted`): one that is new, or
    spelled differently by MAST, would be missed. FGS data come in the product lists of all instruments.
    """
    return [] if config.instrument in (None, "fgs") else [f"{config.instrument}%".upper()]


def observation_is_wanted(observations: pd.DataFrame, config: Config) -> pd.Series:
    """Whether instrument, mode and ``date_select`` want each observation. A Series of boolean."""
    wanted = instrument_is_wanted(observations, config)
    lower, upper = date_limits(config)
    if lower is not None:
        wanted &= observations["t_min"] >= lower
    if upper is not None:
        wanted &= observations["t_min"] <= upper
    return wanted


def filetype_pattern(filetypes: list[str]) -> str | None:
    """The regular expression, for any capitals, that the names of selected files end in; None selects all.

    As in the original ``uncal`` is ``_uncal.fits``, ``_rate.jpg`` is itself, ``uncal.jpg`` is ``_uncal.jpg``; ``fits``
    and ``jpg`` are all files of that kind, and so is any other ending (``ecsv``). A compressed file counts as the file
    in it.
    """
    if not filetypes:
        return None
    patterns = []
    for filetype in filetypes:
        word = re.escape(filetype)
        if filetype.startswith("."):
            patterns.append(word)
        elif "." in filetype:
            patterns.append(word if filetype.startswith("_") else f"[_.]{word}")
        else:
            patterns += [rf"{word if filetype.startswith('_') else f'_{word}'}\.fits", rf"\.{word}"]
    return rf"(?i:{'|'.join(patterns)}){names.COMPRESSED}$"


def product_is_selected(products: pd.DataFrame, config: Config) -> pd.Series:
    """Whether the configuration selects each product.

    Parameters
    ----------
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE`` up to ``filetype``; those of wanted observations.

    Returns
    -------
    Series of boolean
    """
    guide_star = names.is_guide_star(products["productFilename"])
    if config.guidestar_data_only:
        selected = guide_star
    elif config.guidestars:
        selected = pd.Series(True, index=products.index)
    else:
        selected = ~guide_star
    selected = selected.astype("boolean")
    if config.instrument == "fgs":
        selected &= products["sca"].isin(["guider1", "guider2"]) | guide_star
    if config.calib_levels:
        selected &= products["calib_level"].isin(config.calib_levels)
    pattern = filetype_pattern(config.filetypes)
    if pattern is not None:
        selected &= tables.is_true(products["productFilename"].str.contains(pattern))
    if config.obsnums:
        selected &= has_obsnum(products, config.obsnums)
    for keep in (_obsid_range(products, config), _obsid_list(products, config)):
        selected &= keep
    if config.sca:
        selected &= products["sca"].isin([names.SCA_ALIASES.get(sca, sca) for sca in config.sca])
    if config.exclude:
        selected &= ~is_excluded(products["productFilename"], config)
    return tables.is_true(selected).astype("boolean")


def is_excluded(file_names: pd.Series, config: Config) -> pd.Series:
    """Whether ``exclude`` matches file names, in any capitals. A Series of bool."""
    rule = re.compile("|".join(fnmatch.translate(pattern) for pattern in config.exclude) or r"(?!)", re.IGNORECASE)
    matches = [pd.notna(name) and rule.match(name) is not None for name in file_names]
    return pd.Series(matches, index=file_names.index, dtype=bool)


def has_obsnum(products: pd.DataFrame, obsnums: list[int]) -> pd.Series:
    """Whether products belong to one of some observation numbers, a candidate of several to each. Boolean."""
    of_several = tables.is_true(products["obsnums"].str.contains(rf"(?:^|,)(?:{'|'.join(map(str, obsnums))})(?:,|$)"))
    return products["obsnum"].isin(obsnums) | of_several


def _obsid_range(products: pd.DataFrame, config: Config) -> pd.Series:
    lower, upper = limits(config.obsid_select, int)
    keep = pd.Series(False, index=products.index, dtype="boolean")
    for column in ("obsID", "parent_obsid"):
        inside = pd.Series(True, index=products.index, dtype="boolean")
        if lower is not None:
            inside &= products[column] >= lower
        if upper is not None:
            inside &= products[column] <= upper
        keep |= inside
    return keep


def _obsid_list(products: pd.DataFrame, config: Config) -> pd.Series:
    if not config.obsid_list:
        return pd.Series(True, index=products.index, dtype="boolean")
    return products["obsID"].isin(config.obsid_list) | products["parent_obsid"].isin(config.obsid_list)
