"""What the configuration wants: which observations, and which of their products.

The rules are the original's. Everything here looks only at tables, so that another selection needs no new query.
"""

import datetime as dt
import math
import re
from collections.abc import Callable

import pandas as pd

from jwst_mast_assets.mast import names
from jwst_mast_assets.mast.config import OBSMODES, Config, valid_modes
from jwst_mast_assets.mast.dates import is_day, mjd_of, parse_mjd

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

    A single date without a time means that whole day. (The original takes it as the one moment at which it begins.)
    """
    if config.all_dates:
        return None, None
    if len(config.date_select) == 1 and is_day(config.date_select[0]):
        start = parse_mjd(config.date_select[0])
        return start, math.nextafter(start + 1, start)
    return limits(config.date_select, parse_mjd)


def window(config: Config, now: dt.datetime) -> Limits:
    """The time that the configuration means, MJD: ``all_dates``, else ``date_select``, else ``lookbacktime``."""
    if config.all_dates:
        return None, None
    if config.date_select:
        return date_limits(config)
    return mjd_of(now) - config.lookbacktime, None


def mode_warnings(config: Config) -> list[str]:
    """A sentence for each ``obsmode`` that does not exist; such modes are ignored."""
    valid = valid_modes(config.instrument)
    where = f" of {config.instrument}" if config.instrument else ""
    return [
        f"obsmode: {mode!r} is not a mode{where} and is ignored; valid modes: {', '.join(valid) or 'none'}"
        for mode in config.obsmode
        if mode.lower() not in valid
    ]


def instrument_names(config: Config) -> list[str]:
    """The ``instrument_name`` values to ask MAST for; one may end in ``%``; an empty list means all.

    FGS data are not found by instrument name, only through the product lists of other instruments. Observations
    recorded under the bare instrument name are asked for beside those with the mode.
    """
    if config.instrument in (None, "fgs") and not config.obsmode:
        return []
    instruments = [config.instrument] if config.instrument else list(OBSMODES)
    modes = {mode.lower() for mode in config.obsmode}
    pairs = [(name, mode) for name in instruments for mode in OBSMODES.get(name, ()) if mode in modes]
    if not pairs:
        return [f"{config.instrument.upper()}%"] if config.instrument and config.instrument != "fgs" else []
    return sorted({name.upper() for name, _ in pairs}) + [f"{name}/{mode}".upper() for name, mode in pairs]


def observation_is_wanted(observations: pd.DataFrame, config: Config) -> pd.Series:
    """Whether instrument, mode and ``date_select`` want each observation. A Series of boolean."""
    wanted = pd.Series(True, index=observations.index, dtype="boolean")
    asked = instrument_names(config)
    if asked:
        recorded = observations["instrument_name"].str.upper()
        if asked[0].endswith("%"):
            wanted &= recorded.str.startswith(asked[0].rstrip("%")).fillna(False)
        else:
            wanted &= recorded.isin(asked)
    lower, upper = date_limits(config)
    if lower is not None:
        wanted &= observations["t_min"] >= lower
    if upper is not None:
        wanted &= observations["t_min"] <= upper
    return wanted


def filetype_pattern(filetypes: list[str]) -> str | None:
    """The regular expression that a selected filetype ends in, as in the original; None selects all.

    ``uncal`` is ``_uncal.fits``, ``_rate.jpg`` is itself, ``uncal.jpg`` is ``_uncal.jpg``; ``fits`` and ``jpg``
    are all files of that kind.
    """
    if not filetypes:
        return None
    patterns = []
    for filetype in filetypes:
        if filetype in ("fits", "jpg"):
            patterns.append(rf"\.{filetype}$")
            continue
        word = filetype if filetype.startswith("_") else f"_{filetype}"
        patterns.append(re.escape(word if "." in word else f"{word}.fits") + "$")
    return "|".join(patterns)


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
        selected &= products["filetype"].str.contains(pattern).fillna(False)
    if config.obsnums:
        selected &= products["obsnum"].isin(config.obsnums)
    for keep in (_obsid_range(products, config), _obsid_list(products, config)):
        selected &= keep
    if config.sca:
        selected &= products["sca"].isin([names.SCA_ALIASES.get(sca, sca) for sca in config.sca])
    return selected.fillna(False).astype("boolean")


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
