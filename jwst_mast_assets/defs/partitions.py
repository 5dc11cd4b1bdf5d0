"""Belongs here: the proposal x day grid, the cells of a run, and the registered proposals."""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from jwst_mast_assets.mast import names
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.errors import ConfigError, UnknownProposal
from jwst_mast_assets.mast.partition_cells import Cell

PROPOSAL = "proposal"

MAX_PARTITIONS = 2_500_000
"""Proposals times days beyond which Dagster's pages take many seconds (measured with Dagster 1.13.27)."""

proposals = dg.DynamicPartitionsDefinition(name=PROPOSAL)
# end_offset=1: today's observations are there before midnight.
days = dg.DailyPartitionsDefinition(start_date=f"{load_config().first_day}", timezone="UTC", end_offset=1)
grid = dg.MultiPartitionsDefinition({PROPOSAL: proposals, "day": days})


def cells_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[Cell]:
    """The cells of a run: of one key, of one that came as a plain string, or of a range.

    Raises
    ------
    UnknownProposal
        If a proposal is not registered; Dagster accepts such a key at launch.
    ConfigError
        If the run has no partition.
    """
    run = context.op_execution_context if isinstance(context, dg.AssetCheckExecutionContext) else context
    if not (run.has_partition_key or run.has_partition_key_range):
        raise ConfigError("This run has no partition; choose a proposal and a day, as 2022-04-10|01138")
    cells = []
    # Listing the keys of a range fails for one that is not registered; that gets a sentence of its own below.
    for key in [run.partition_key] if run.has_partition_key else run.partition_keys:
        try:
            cells.append(Cell.from_key(str(key)))
        except ValueError as error:
            raise ConfigError(
                f"{str(key)!r} is not a partition: write day|proposal, 2022-04-10|01138 ({error})"
            ) from None
    for proposal in sorted({cell.proposal for cell in cells}):
        if not context.instance.has_dynamic_partition(PROPOSAL, proposal):
            raise UnknownProposal(
                f"Proposal {proposal} is not registered; register it with: {suggest(f'proposals add {proposal}')}"
            )
    return cells


def registered_proposals(instance: dg.DagsterInstance) -> list[str]:
    """The proposals that the instance knows, sorted."""
    return sorted(instance.get_dynamic_partitions(PROPOSAL))


def register_proposals(instance: dg.DagsterInstance, wanted: Sequence[str | int]) -> list[str]:
    """Register proposals; returns those that were new.

    Raises
    ------
    ConfigError
        If one is no proposal number, or the grid would be more than Dagster carries.
    """
    try:
        keys = {names.proposal_key(proposal) for proposal in wanted}
    except ValueError as error:
        raise ConfigError(str(error)) from None
    known = set(registered_proposals(instance))
    new = sorted(keys - known)
    if new:
        check_grid(len(known) + len(new))
        instance.add_dynamic_partitions(PROPOSAL, new)
    return new


def check_grid(n_proposals: int) -> None:
    """See that Dagster can carry the days of so many proposals.

    Raises
    ------
    ConfigError
        If not.
    """
    n_days = days.get_num_partitions()
    if n_proposals * n_days > MAX_PARTITIONS:
        raise ConfigError(
            f"{n_proposals} proposals x {n_days} days are {n_proposals * n_days:,} partitions, more than the "
            f"{MAX_PARTITIONS:,} that Dagster carries well; set a later first_day in the config file, "
            f"or remove proposals with: {suggest('proposals remove')}"
        )


def remove_proposals(instance: dg.DagsterInstance, unwanted: Sequence[str | int]) -> list[str]:
    """Unregister proposals; returns those that were registered. Their files and history stay.

    Raises
    ------
    ConfigError
        If one is no proposal number.
    """
    try:
        keys = {names.proposal_key(proposal) for proposal in unwanted}
    except ValueError as error:
        raise ConfigError(str(error)) from None
    gone = sorted(keys & set(registered_proposals(instance)))
    for key in gone:
        instance.delete_dynamic_partition(PROPOSAL, key)
    return gone


def first_day() -> dt.date:
    """The first day of the grid."""
    return days.start.date()
