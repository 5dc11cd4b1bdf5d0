"""The modes that a configuration selects, compared with those in MAST's rows.

MAST appends the mode to the instrument's name (``NIRCAM/IMAGE``); before 2023-02-28 it recorded the bare name. New
modes appear: the list in the code only adds to the rows' modes and hides nothing.
"""

from collections.abc import Collection, Mapping

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.values import INSTRUMENTS, nearest

OBSMODES = {
    "fgs": ("fgs1", "fgs2"),
    "miri": ("coron", "ifu", "image", "slit", "slitless", "targacq", "wfss"),
    "nircam": ("coron", "grism", "image", "targacq", "wfss"),
    "niriss": ("ami", "image", "soss", "wfss"),
    "nirspec": ("bots", "ifu", "image", "msa", "slit"),
}
"""The modes that MAST is known to append to an instrument's name (``NIRCAM/IMAGE``); its answers may have others."""

Modes = dict[str, set[str]]
"""Modes by instrument, in lower case."""


def modes_of_rows(observations: pd.DataFrame) -> Modes:
    """The modes that some observations have."""
    found: Modes = {}
    for name in observations["instrument_name"].dropna().str.lower().unique():
        instrument, _, mode = name.partition("/")
        found.setdefault(instrument, set()).update({mode} - {""})
    return found


def instrument_is_wanted(observations: pd.DataFrame, config: Config) -> pd.Series:
    """Whether ``instrument`` and ``obsmode`` want each observation. A Series of boolean.

    Observations under the bare name of an instrument that may have a wanted mode are wanted, too. FGS data come with
    observations of all instruments. If all modes are known to belong to other instruments, and no row contradicts that,
    every mode is wanted, as in the original. Otherwise what is wanted of an observation does not depend on which others
    are in the answer: the sensor sees those of a proposal, a run those of a day.
    """
    name = observations["instrument_name"].str.lower().str.rstrip("/")
    wanted = pd.Series(True, index=observations.index, dtype="boolean")
    if config.instrument not in (None, "fgs"):
        wanted &= tables.is_true(name.str.startswith(str(config.instrument)))
    words = _words(config) - _ignored(config, modes_of_rows(observations))
    if words:
        chosen = [config.instrument] if config.instrument else list(INSTRUMENTS)
        full = {_full(instrument, word) for instrument in chosen for word in words}
        bare = {instrument for instrument in chosen for word in words if _may_have(instrument, word)}
        wanted &= name.isin(full | bare)
    return wanted.astype("boolean")


def mode_warnings(config: Config, observations: pd.DataFrame) -> list[str]:
    """One sentence for each ``obsmode`` that only other instruments have."""
    if not config.instrument:
        return []
    known = _known(observations)
    valid = ", ".join(sorted(known[config.instrument])) or "none"
    return [
        f"obsmode: {word!r} is not a mode of {config.instrument} and is ignored; valid modes: {valid}"
        for word in config.obsmode
        if not _has(known, config.instrument, word.lower()) and any(_has(known, i, word.lower()) for i in known)
    ]


def check_modes(archive: Archive, observations: pd.DataFrame, config: Config) -> None:
    """Refuse an ``obsmode`` that neither the code, nor MAST's answer, nor any other observation of MAST knows.

    Parameters
    ----------
    archive : Archive
        Queried only about words that are not in the answer.
    observations : DataFrame
        MAST's answer, with ``instrument_name``.
    config : Config

    Raises
    ------
    ConfigError
        Names the modes that the answer has.
    ArchiveError
        If MAST does not answer.
    """
    known, there = _known(observations), modes_of_rows(observations)
    unknown = sorted(word for word in _words(config) if not any(_has(known, instrument, word) for instrument in known))
    for word in unknown:
        if archive.count_observations([_full(instrument, word).upper() for instrument in INSTRUMENTS]):
            continue
        instruments = [config.instrument] if config.instrument else list(INSTRUMENTS)
        in_answer, usual = (sorted(set().union(*(of.get(i, ()) for i in instruments))) for of in (there, known))
        told = f"Modes in its answer: {', '.join(in_answer)}" if in_answer else f"Known modes: {', '.join(usual)}"
        where = f" of {config.instrument}" if config.instrument else ""
        hint = nearest(word, usual) or "."
        raise ConfigError(f"obsmode: MAST has no mode {word!r}{where}{hint} {told}")


def _words(config: Config) -> set[str]:
    return {word.lower() for word in config.obsmode}


def _full(instrument: str, word: str) -> str:
    """``miri/wfss`` of ``wfss``, and of itself."""
    return f"{instrument}/{word.removeprefix(f'{instrument}/')}"


def _has(modes: Mapping[str, Collection[str]], instrument: str, word: str) -> bool:
    """Whether an instrument has a mode, spelled ``wfss`` or ``miri/wfss``."""
    return word.removeprefix(f"{instrument}/") in modes.get(instrument, ())


def _may_have(instrument: str, word: str) -> bool:
    """Whether the bare name of an instrument may mean a mode; a mode unknown to the code may belong to any."""
    spelled_out, _, _ = word.rpartition("/")
    if spelled_out in INSTRUMENTS:
        return spelled_out == instrument
    return _has(OBSMODES, instrument, word) or not any(_has(OBSMODES, other, word) for other in OBSMODES)


def _known(observations: pd.DataFrame) -> Modes:
    """The modes of the code and of the rows."""
    there = modes_of_rows(observations)
    return {name: {*OBSMODES.get(name, ()), *there.get(name, ())} for name in (*INSTRUMENTS, *there)}


def _ignored(config: Config, there: Modes) -> set[str]:
    """The wanted modes that the code only knows for other instruments."""
    mine = config.instrument
    if not mine:
        return set()
    return {word for word in _words(config) if not _may_have(mine, word) and not _has(there, mine, word)}
