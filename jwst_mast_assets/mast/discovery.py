"""Which cells have data: what the command line and the sensor ask before they request runs."""

import datetime as dt

import pandas as pd

from jwst_mast_assets.mast import selection
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.cells import Cell
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.observations import describe_observations


def find_observations(archive: Archive, config: Config, now: dt.datetime) -> pd.DataFrame:
    """The observations that the configuration's proposals, dates, instrument and mode mean, with one query.

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
        Columns of ``tables.OBS_TABLE``.

    Raises
    ------
    ArchiveError
        If MAST does not answer.
    """
    lower, upper = selection.window(config, now)
    span = None
    if lower is not None or upper is not None:
        # Nothing was taken later than now; a day more forgives a clock that is late.
        span = (0.0 if lower is None else lower, mjd_of(now) + 1 if upper is None else upper)
    found = archive.observations(config.propID, span, selection.instrument_names(config))
    table = describe_observations(found, config)
    return table[table["wanted"].fillna(False).astype(bool)].reset_index(drop=True)


def cells_with_data(observations: pd.DataFrame) -> list[Cell]:
    """The cells of some observations, sorted."""
    return sorted(Cell.from_key(key) for key in observations["cell"].unique())
