"""From cells to the table of observations."""

from collections.abc import Collection, Iterable

import pandas as pd

from jwst_mast_assets.mast import names, selection, tables
from jwst_mast_assets.mast.archive import OBS_COLUMNS, Archive
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_of_mjd
from jwst_mast_assets.mast.errors import UnknownProgram
from jwst_mast_assets.mast.listing import Listing, OpenList, asked_again
from jwst_mast_assets.mast.modes import check_modes
from jwst_mast_assets.mast.partition_cells import Cell, cell_keys, proposals_of, t_min_range

NO_SUCH_PROGRAM = "MAST has no such program"


def query_observations(archive: Archive, config: Config, cells: Collection[Cell], known: pd.DataFrame) -> Listing:
    """The observations of some cells, of every instrument and mode.

    Instrument, mode and dates do not narrow the query, only the column ``wanted``: a later run with other values
    finds the rest known, and a narrower run forgets nothing. If MAST lists fewer observations of a cell than are known,
    the query is repeated, and then the known ones are kept.

    Parameters
    ----------
    archive : Archive
    config : Config
    cells : collection of Cell
    known : DataFrame
        Columns of ``tables.OBS_TABLE``: what an earlier run recorded for the same cells.

    Returns
    -------
    Listing
        Its table has the columns of ``tables.OBS_TABLE``, sorted by ``sortcols_obsTable``.

    Raises
    ------
    ArchiveError
        If MAST does not answer at all, or without needed columns.
    UnknownProgram
        If MAST has none of the programs. If it has some of them, the others are open lists.
    ConfigError
        If MAST has no such ``obsmode``.
    """
    archive.max_queries = config.max_queries
    asked = {cell.key for cell in cells}
    columns = (*OBS_COLUMNS, *config.mastcolumns_obsTable)

    def ask(keys: Collection[str], anew: bool = True) -> pd.DataFrame:
        some = [Cell.from_key(key) for key in keys]
        found = archive.observations(proposals_of(some), t_min_range(some), columns=columns, anew=anew)
        found["cell"] = cell_keys(found)
        return found[found["cell"].isin(asked)].reset_index(drop=True)

    found = ask(asked, anew=False) if asked else tables.empty({**tables.OBS_FROM_MAST, **tables.CELL})
    failed = {
        proposal: why for proposal, why in archive.failures["observations"].items() if proposal in proposals_of(cells)
    }
    unanswered = {cell.key for cell in cells if cell.proposal in failed}
    seen = {key[-5:] for key in [*found["cell"], *known["cell"]]} | failed.keys()
    unknown = unknown_programs(archive, set(proposals_of(cells)) - seen)
    if unknown and unknown == set(proposals_of(cells)):
        numbers = " ".join(sorted(unknown))
        raise UnknownProgram(
            f"MAST has no program {numbers}, not even a planned one: check the number, and remove it with: "
            f"{suggest(f'proposals remove {numbers}')}"
        )
    found, short = asked_again(found, known, asked - unanswered, "cell", "obsid", ask)
    kept = known[known["cell"].isin(unanswered | short.keys()) & ~known["obsid"].isin(found["obsid"])]
    kept = tables.conform(kept, tables.OBS_FROM_MAST)
    everything = pd.concat([part for part in (found, kept) if len(part)] or [found], ignore_index=True)
    problems = [
        OpenList(cell.key, f"proposal {cell.proposal}", failed[cell.proposal], True)
        for cell in sorted(cells)
        if cell.proposal in failed
    ]
    problems += [
        OpenList(cell.key, f"proposal {cell.proposal}", NO_SUCH_PROGRAM, True)
        for cell in sorted(cells)
        if cell.proposal in unknown
    ]
    problems += [OpenList(cell, cell, f"MAST lists {count} observations", False) for cell, count in short.items()]
    check_modes(archive, everything, config)
    table = describe_observations(everything, config)
    return Listing(table, "obsid", "cell", frozenset(found["obsid"]), problems, frozenset(unanswered))


def unknown_programs(archive: Archive, proposals: Iterable[str]) -> set[str]:
    """Those of some proposals (five digits) of which MAST lists no observation at all, not even a planned one."""
    return {proposal for proposal in proposals if not archive.count_observations(proposals=[proposal])}


def describe_observations(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """What is derived from MAST's columns: ``obsnum``, ``date_min``, ``wanted``, ``cell``; sorted.

    A row with an impossible start or proposal is left out, so that it does not stop the others.
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
    """A table sorted by some columns; ties keep their order, missing values come last."""
    known = [column for column in columns if column in table]
    return table.sort_values(known, kind="stable", ignore_index=True) if known and len(table) else table
