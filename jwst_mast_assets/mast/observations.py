"""From cells to the table of observations, with one query."""

from collections.abc import Collection

import pandas as pd

from jwst_mast_assets.mast import names, selection, tables
from jwst_mast_assets.mast.archive import OBS_COLUMNS, Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_of_mjd
from jwst_mast_assets.mast.modes import check_modes
from jwst_mast_assets.mast.partition_cells import Cell, cell_keys, proposals_of, t_min_range


def query_observations(archive: Archive, config: Config, cells: Collection[Cell]) -> pd.DataFrame:
    """The observations of some cells, of every instrument and mode.

    Instrument, mode and dates do not narrow the query but the column ``wanted``: a later run that wants others
    finds them known, and a narrower run forgets nothing.

    Parameters
    ----------
    archive : Archive
    config : Config
    cells : collection of Cell

    Returns
    -------
    DataFrame
        Columns of ``tables.OBS_TABLE``, sorted by ``sortcols_obsTable``.

    Raises
    ------
    ArchiveError
        If MAST does not answer, or not with what is needed.
    ConfigError
        If MAST has no such ``obsmode``.
    """
    if not cells:
        return tables.empty(tables.OBS_TABLE)
    found = archive.observations(
        proposals_of(cells), t_min_range(cells), columns=(*OBS_COLUMNS, *config.mastcolumns_obsTable)
    )
    check_modes(archive, found, config)
    table = describe_observations(found, config)
    asked = {cell.key for cell in cells}
    return table[table["cell"].isin(asked)].reset_index(drop=True)


def describe_observations(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """What is derived from MAST's columns: ``obsnum``, ``date_min``, ``wanted``, ``cell``; sorted."""
    table = found.assign(
        obsnum=names.obsnum(found["obs_id"]),
        date_min=iso_of_mjd(found["t_min"]),
        wanted=selection.observation_is_wanted(found, config),
        cell=cell_keys(found),
    )
    return sort(tables.conform(table, tables.OBS_TABLE), config.sortcols_obsTable)


def sort(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A table in the order of some columns, ties as they were, missing values last."""
    known = [column for column in columns if column in table]
    return table.sort_values(known, kind="stable", ignore_index=True) if known and len(table) else table
