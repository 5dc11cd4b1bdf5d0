"""The proposal x day grid, the cells of a run, and the proposals that are partition keys."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

import dagster as dg

from jwst_mast_assets.mast import names
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import ConfigError, UnknownProposal
from jwst_mast_assets.mast.partition_cells import Cell

PROPOSAL = "proposal"

SINGLE_KEY = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's tags of a run's partitions."""

MAX_PARTITIONS = 2_500_000
"""Proposals times days beyond which Dagster's pages take many seconds (measured with Dagster 1.13.27)."""

proposals = dg.DynamicPartitionsDefinition(name=PROPOSAL)


def build_grid(first_day: dt.date) -> dg.MultiPartitionsDefinition:
    """The partitions of the five assets: proposals x days, from a first day to today (UTC)."""
    # end_offset=1: today's observations are there before midnight.
    days = dg.DailyPartitionsDefinition(start_date=f"{first_day}", timezone="UTC", end_offset=1)
    return dg.MultiPartitionsDefinition({PROPOSAL: proposals, "day": days})


def on_grid(grid: dg.PartitionsDefinition, *assets: dg.AssetsDefinition) -> Sequence[dg.AssetsDefinition]:
    """The assets, partitioned by a grid."""
    return dg.map_asset_specs(lambda spec: spec.replace_attributes(partitions_def=grid), assets)


def cells_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[Cell]:
    """The cells of the run that a context belongs to; see :func:`cells_of_run`.

    Raises
    ------
    UnknownProposal
        If a proposal is not registered; Dagster accepts such a key at launch.
    ConfigError
        If the run has no partition, or none that means a proposal and a day.
    """
    run = context.op_execution_context if isinstance(context, dg.AssetCheckExecutionContext) else context
    tags, instance = run.run.tags, context.instance
    for proposal in sorted({key.partition("|")[2] for key in keys_of_run(tags, instance)}):
        if not instance.has_dynamic_partition(PROPOSAL, proposal):
            raise _not_registered(proposal)
    cells, unusable = cells_of_run(tags, instance)
    for sentence in unusable:
        context.log.warning(f"Skipped: {sentence}")
    return cells


def cells_of_run(tags: Mapping[str, str], instance: dg.DagsterInstance) -> tuple[list[Cell], list[str]]:
    """The cells of a run, from its tags: the range if there is one, else the single key.

    A run of a backfill from a job's page has both, and its single key is that of another run's first cell
    (Dagster 1.13.27), so the range takes precedence.

    Returns
    -------
    cells : list of Cell
        At least one, without duplicates, with the proposals in five digits.
    unusable : list of str
        One sentence for each invalid key of a range: one bad key does not stop the others.

    Raises
    ------
    UnknownProposal, ConfigError
        As :func:`cells_of`, but for a single key whose proposal is not registered.
    """
    cells: dict[Cell, None] = {}
    unusable = []
    for key in keys_of_run(tags, instance):
        try:
            cells[Cell.from_key(key)] = None
        except ValueError as error:
            unusable.append(
                f"{key!r} is not a partition ({error}): choose a day and a proposal, as 2022-04-10|01138; to remove a "
                "key that is not a proposal: jwst-mast proposals remove KEY"
            )
    if not cells:
        raise ConfigError(unusable[0] if unusable else "This run's range no longer has any partition; launch it again")
    return list(cells), unusable


def keys_of_run(tags: Mapping[str, str], instance: dg.DagsterInstance) -> list[str]:
    """The partition keys of a run as they are spelled in Dagster, from its tags.

    A range is the rectangle between its two corners; proposals are in the order in which they were registered.

    Raises
    ------
    UnknownProposal, ConfigError
        As :func:`cells_of`.
    """
    if not tags.get(RANGE_START):
        if not tags.get(SINGLE_KEY):
            raise ConfigError("This run has no partition; choose a proposal and a day, for example 2022-04-10|01138")
        return [tags[SINGLE_KEY]]
    (first_day, _, first), (last_day, _, last) = (tags[side].partition("|") for side in (RANGE_START, RANGE_END))
    chosen = [first]
    if first != last:
        order = list(instance.get_dynamic_partitions(PROPOSAL))
        for proposal in (first, last):
            if proposal not in order:
                raise _not_registered(proposal)
        chosen = order[order.index(first) : order.index(last) + 1]
    try:
        start, end = dt.date.fromisoformat(first_day), dt.date.fromisoformat(last_day)
    except ValueError as error:
        raise ConfigError(
            f"{tags[RANGE_START]!r} to {tags[RANGE_END]!r} is not a range of partitions: {error}"
        ) from None
    days = [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]
    return [f"{day}|{proposal}" for day in days for proposal in chosen]


def let_the_range_win(run: dg.DagsterRun) -> None:
    """Make Dagster, too, use a run's range if its tags also name a single cell.

    Its events, which make partitions green in the page, would otherwise all name that one cell. Only this process's
    copy of the run changes.
    """
    if run.tags.get(RANGE_START) and isinstance(run.tags, dict):
        for tag in (SINGLE_KEY, f"{SINGLE_KEY}/day", f"{SINGLE_KEY}/{PROPOSAL}"):
            run.tags.pop(tag, None)


def _not_registered(proposal: str) -> UnknownProposal:
    try:
        padded = names.proposal_key(proposal)
    except ValueError as error:
        return UnknownProposal(f"{error}; choose a proposal and a day, for example 2022-04-10|01138")
    if padded != proposal:
        return UnknownProposal(f"A proposal's partitions have five digits: choose {padded}, not {proposal}")
    return UnknownProposal(
        f"Proposal {proposal} is not registered in Dagster; watch it with: "
        f"{suggest(f'proposals add {proposal}')}, "
        "or add it to the partitions in the web page"
    )


def registered_proposals(instance: dg.DagsterInstance) -> list[str]:
    """The proposals that are partition keys in Dagster, five digits each, sorted; see :func:`odd_keys`."""
    keys = instance.get_dynamic_partitions(PROPOSAL)
    return sorted(key for key in keys if _is_proposal(key))


def odd_keys(instance: dg.DagsterInstance) -> list[str]:
    """The partition keys that are not spelled like a proposal: Dagster's page accepts any text."""
    return sorted(key for key in instance.get_dynamic_partitions(PROPOSAL) if not _is_proposal(key))


def _is_proposal(key: str) -> bool:
    try:
        return names.proposal_key(key) == key
    except ValueError:
        return False


def proposal_keys(given: Sequence[str | int]) -> list[str]:
    """Proposals as people write them, five digits each, sorted.

    Raises
    ------
    ConfigError
        If one is not a proposal number.
    """
    try:
        return sorted({names.proposal_key(proposal) for proposal in given})
    except ValueError as error:
        raise ConfigError(str(error)) from None


def register_proposals(
    instance: dg.DagsterInstance, wanted: Sequence[str | int], first_day: dt.date | None = None
) -> list[str]:
    """Make proposals partition keys, as Dagster needs for any run; returns those that were new.

    This does not watch them: see :mod:`jwst_mast_assets.defs.watching`.

    Parameters
    ----------
    instance : DagsterInstance
    wanted : sequence of str or int
    first_day : date, optional
        Of the grid; default: from the config file.

    Raises
    ------
    ConfigError
        If one is not a proposal number, or the grid would be too large for Dagster.
    """
    known = set(registered_proposals(instance))
    new = sorted(set(proposal_keys(wanted)) - known)
    if new:
        check_grid(len(known) + len(new), first_day or load_config().first_day)
        instance.add_dynamic_partitions(PROPOSAL, new)
    return new


def check_grid(n_proposals: int, first_day: dt.date) -> None:
    """Check that Dagster can handle the days of this many proposals, from a first day on.

    Raises
    ------
    ConfigError
        If not.
    """
    n_days = (utc_now().date() - first_day).days + 1
    if n_proposals * n_days > MAX_PARTITIONS:
        raise ConfigError(
            f"{n_proposals} proposals x {n_days} days are {n_proposals * n_days:,} partitions, more than the "
            f"{MAX_PARTITIONS:,} that Dagster handles well; set a later first_day in the config file, "
            f"or remove proposals with: {suggest('proposals remove')}"
        )


def on_the_grid(
    cells: Iterable[Cell], registered: Collection[str], first_day: dt.date, now: dt.datetime
) -> tuple[list[Cell], list[str]]:
    """The cells that a run can be requested for, and a sentence for each proposal that has others.

    One request for a partition that does not exist fails a whole tick.
    """
    inside, early, late, unknown = [], [], [], []
    for cell in cells:
        if cell.proposal not in registered:
            unknown.append(cell)
        elif cell.day < first_day:
            early.append(cell)
        elif cell.day > now.date():
            late.append(cell)
        else:
            inside.append(cell)
    told = [
        f"{what} of {proposal} ({', '.join(f'{cell.day}' for cell in some[:3])}{', ...' * (len(some) > 3)}) "
        f"{'is' if len(some) == 1 else 'are'} skipped: {why}"
        for others, why in (
            (unknown, "the proposal is not registered yet"),
            (early, f"before first_day, {first_day}; set an earlier one in the config file and reload the definitions"),
            (late, "dated in the future"),
        )
        for proposal in sorted({cell.proposal for cell in others})
        if (some := sorted(cell for cell in others if cell.proposal == proposal))
        for what in [f"{len(some)} day{'s' * (len(some) > 1)}"]
    ]
    return inside, told
