"""Which cells have data: what the command line and the sensor query before they request runs."""

import datetime as dt
from collections.abc import Sequence

import pandas as pd

from jwst_mast_assets.mast import selection, tables
from jwst_mast_assets.mast.archive import ONE_TABLE_AT_A_TIME, Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import MJD_EPOCH, mjd_of, mjd_of_day
from jwst_mast_assets.mast.modes import check_modes
from jwst_mast_assets.mast.observations import describe_observations
from jwst_mast_assets.mast.partition_cells import Cell


def find_observations(archive: Archive, config: Config, now: dt.datetime) -> pd.DataFrame:
    """The observations that match the configuration's proposals, dates, instrument and mode.

    Parameters
    ----------
    archive : Archive
    config : Config
        ``propID`` (none: all programs), ``all_dates``, ``date_select``, ``lookbacktime``, ``instrument``, ``obsmode``.
    now : datetime
        Aware.

    Returns
    -------
    DataFrame
        Columns of ``tables.OBS_TABLE``. Proposals for which MAST did not answer are in
        ``archive.failures["observations"]``.

    Raises
    ------
    ArchiveError
        If MAST does not answer at all.
    ConfigError
        If MAST has no such ``obsmode``.
    """
    lower, upper = selection.window(config, now)
    span = None
    if lower is not None or upper is not None:
        # Nothing was taken later than now; the extra day tolerates a slow clock.
        span = (0.0 if lower is None else lower, mjd_of(now) + 1 if upper is None else upper)
    found = archive.observations(config.propID, span, selection.instrument_names(config))
    check_modes(archive, found, config)
    table = describe_observations(found, config)
    return table[tables.is_true(table["wanted"])].reset_index(drop=True)


RIGHTS = ("dataRights", "t_obs_release")
"""The only columns requested besides the required ones: enough to see what is new, changed or released."""

END = 100_000.0
"""An MJD later than any observation, in 2132, so that one dated in the future by mistake is noticed."""


def list_observations(
    archive: Archive, config: Config, proposals: Sequence[str], since: dt.date, now: dt.datetime
) -> pd.DataFrame:
    """What MAST has of some proposals since a day: few queries, few columns.

    Parameters
    ----------
    archive : Archive
    config : Config
        With ``watch: all`` everything of the instrument in the last ``lookbacktime`` days is listed too.
    proposals : sequence of str
    since : date
        The first day.
    now : datetime
        Aware.

    Returns
    -------
    DataFrame
        Columns of ``tables.OBS_TABLE``; only those needed to know the cells and what changed are filled. Proposals
        for which MAST did not answer are in ``archive.failures["observations"]``.

    Raises
    ------
    ArchiveError
        If MAST does not answer at all.
    ConfigError
        If MAST has no such ``obsmode``.
    """
    end = mjd_of(now) + 1
    parts = [archive.observations(proposals, (mjd_of_day(since), END), columns=RIGHTS)] if proposals else []
    if config.watch == "all":
        window = (max(float(mjd_of_day(since)), mjd_of(now) - config.lookbacktime), end)
        parts.append(archive.observations((), window, selection.instrument_names(config), columns=RIGHTS))
    found = pd.concat([part for part in parts if len(part)] or [tables.empty(tables.OBS_FROM_MAST)], ignore_index=True)
    check_modes(archive, found, config)
    found = found.drop_duplicates("obsid")
    table = describe_observations(found, config)
    archive.unusable_rows += len(found) - len(table)
    return table


FEW_COLUMNS = ("obsid", "proposal_id", "t_min", "calib_level", "dataRights", "t_obs_release")
"""What shows that an observation is new, changed or released: about 130 bytes a row, and much is asked for often."""


def list_at_once(archive: Archive, config: Config, proposals: Sequence[str]) -> pd.DataFrame:
    """What MAST has of some proposals, of all dates, in one query of few columns that is not split if it fails.

    Returns
    -------
    DataFrame
        Columns of ``tables.OBS_TABLE``; only those needed to know the cells and what changed are filled.

    Raises
    ------
    ArchiveError
        If MAST does not answer.
    """
    # Only what selects by instrument, and the sentence about what it excludes, needs the instrument.
    selects = config.instrument or config.obsmode or config.date_select
    columns = (*FEW_COLUMNS, "instrument_name") if selects else FEW_COLUMNS
    found = archive.observations_at_once(proposals, (float(mjd_of_day(MJD_EPOCH.date())), END), columns)
    with ONE_TABLE_AT_A_TIME:
        found = tables.conform(found, tables.OBS_FROM_MAST).drop_duplicates("obsid")
    check_modes(archive, found, config)
    with ONE_TABLE_AT_A_TIME:
        table = describe_observations(found, config)
    archive.unusable_rows += len(found) - len(table)
    return table


def list_of_instrument(archive: Archive, config: Config, since: dt.date, now: dt.datetime) -> pd.DataFrame:
    """What MAST has of the instrument since a day; as :func:`list_at_once`."""
    found = archive.observations(
        (), (float(mjd_of_day(since)), mjd_of(now) + 1), selection.instrument_names(config), columns=RIGHTS
    )
    check_modes(archive, found, config)
    return describe_observations(found, config)


def cells_with_data(observations: pd.DataFrame) -> list[Cell]:
    """The cells of some observations, sorted."""
    return sorted(Cell.from_key(key) for key in observations["cell"].unique())
