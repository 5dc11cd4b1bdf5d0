"""From cells to the table of observations, with one query."""

from collections.abc import Collection

import pandas as pd

from jwst_mast_assets.mast import names, selection, tables
from jwst_mast_assets.mast.archive import OBS_COLUMNS, Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_of_mjd
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
    """
    if not cells:
        return tables.empty(tables.OBS_TABLE)
    found = archive.observations(
        proposals_of(cells), t_min_range(cells), columns=(*OBS_COLUMNS, *config.mastcolumns_obsTable)
    )
    table = describe_observations(found, config)
    asked = {cell.key for cell in cells}
    return table[table["cell"].isin(asked)].reset_index(drop=True)


def describe_observations(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """What is derived from MAST's columns: ``obsnum``, ``date_min``, ``wanted``, ``cell``; sorted.

    A row whose start or proposal cannot be one is left out: it must not stop the others.
    """
    table = found.assign(cell=cell_keys(found))
    table = table[table["cell"].notna()]
    table = table.assign(
        obsnum=names.obsnum(table["obs_id"]),
        date_min=iso_of_mjd(table["t_min"]),
        wanted=selection.observation_is_wanted(table, config),
    )
    return sort(tables.conform(table, tables.OBS_TABLE), config.sortcols_obsTable)


def sort(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A table in the order of some columns, ties as they were, missing values last."""
    known = [column for column in columns if column in table]
    return table.sort_values(known, kind="stable", ignore_index=True) if known and len(table) else table
