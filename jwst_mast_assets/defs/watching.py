"""Which proposals are watched, and the act of watching one, from the command line or the web page."""

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pydantic

from jwst_mast_assets.defs.daemon_config import check_folder_is_set
from jwst_mast_assets.defs.failures import LEAST_ROOM, Verdict, failure, plain_failures_of
from jwst_mast_assets.defs.home import is_to_be_adopted, note_adopted
from jwst_mast_assets.defs.partitions import PROPOSAL, odd_keys, proposal_keys, register_proposals, registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource, JwstConfig
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ArchiveError, ConfigError
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.survey import Survey, survey
from jwst_mast_assets.records.watched import WatchList

FORCE = "To watch it anyway: --force, or in the web page force: true"


def watched_proposals(instance: dg.DagsterInstance, store: TableStore, config: Config) -> list[str]:
    """The proposals that the pipeline looks after: :meth:`Ledger.watched`, and those that the previous version watched.

    Raises
    ------
    OutputError
        If the list is damaged.
    """
    adopt_registered(instance, store)
    return Ledger(store).watched(config)


def adopt_registered(instance: dg.DagsterInstance, store: TableStore) -> None:
    """Watch, once, what the previous version watched: every registered proposal.

    That is in a folder that it filled and, as it may not have downloaded anything, with a Dagster home that it used.
    To be called before anything becomes a partition key for another reason.
    """
    watched, home = WatchList(store), Path(instance.root_directory)
    of_the_home = is_to_be_adopted(home)
    registered = registered_proposals(instance) if of_the_home or watched.is_of_the_version_before else []
    if watched.is_of_the_version_before or registered:
        watched.start(registered)
    if of_the_home:
        note_adopted(home)


def stop_watching(
    instance: dg.DagsterInstance, store: TableStore, config: Config, given: Sequence[str]
) -> tuple[list[str], bool]:
    """Stop watching proposals and remove their partition keys; files and history stay.

    Parameters
    ----------
    instance : DagsterInstance
    store : TableStore
    config : Config
    given : sequence of str
        Proposals, or partition keys as they are spelled in Dagster: an odd one is removed alone.

    Returns
    -------
    sentences : list of str
        What became of each.
    found : bool
        Whether any of them was watched or a partition key.

    Raises
    ------
    ConfigError
        If one is neither a proposal number nor a partition key; nothing was changed.
    """
    adopt_registered(instance, store)
    odd = {spelling: key for key in odd_keys(instance) for spelling in (key.strip(), key)}
    exact = sorted({odd[text] for text in given if text in odd})
    proposals = proposal_keys([text for text in given if text not in odd])
    watched = WatchList(store).remove(proposals)
    registered = sorted(set(proposals) & set(registered_proposals(instance)))
    for key in [*exact, *registered]:
        instance.delete_dynamic_partition(PROPOSAL, key)
    if exact and store.state.exists():
        ledger = Ledger(store)
        ledger.note_skipped([note for note in ledger.skipped() if not any(repr(key) in note for key in exact)])
    sentences = [f"removed the partition key {key!r}" for key in exact]
    for proposal in proposals:
        if proposal in watched:
            sentences.append(f"{proposal}: no longer watched (its files stay)")
        elif proposal in registered:
            sentences.append(f"{proposal}: removed from Dagster's partitions; it was not watched (its files stay)")
        else:
            sentences.append(f"{proposal}: was not watched")
        if proposal in config.propID:
            sentences.append(f"{proposal}: still watched, because propID in the config file names it; remove it there")
        elif config.watch == "all" and proposal in watched_proposals(instance, store, config):
            sentences.append(f"{proposal}: what was downloaded is kept current, because the config file has watch: all")
    return sentences, bool(exact or watched or registered)


class Watched(NamedTuple):
    """The result of a request to watch proposals."""

    sentences: list[str]
    """One for each proposal that is watched now, and warnings."""
    refused: list[str]
    """One for each that is not."""
    accepted: list[str]
    """The proposals that are watched now."""

    @property
    def total(self) -> str:
        """Which of the proposals are watched now, in a sentence."""
        given = len(self.accepted) + len(self.refused)
        return f"{len(self.accepted)} of {given} proposals watched from now on: {', '.join(self.accepted) or 'none'}"


def watch(
    instance: dg.DagsterInstance,
    open_archive: Callable[[Path], Archive],
    config: Config,
    given: Sequence[str | int],
    force: bool = False,
) -> Watched:
    """Watch proposals, after checking what MAST has of them; a refused one does not stop the others.

    Parameters
    ----------
    instance : DagsterInstance
    open_archive : callable
        Opens the archive for an output folder.
    config : Config
        What selects, and the output folder.
    given : sequence of str or int
    force : bool
        Watch them even if MAST has no data for them, or does not answer.

    Raises
    ------
    ConfigError
        If none is a proposal number, no output folder is set, or they are too many for Dagster; nothing was
        changed.
    ArchiveError
        If MAST does not answer for any of them, and `force` is not set; nothing was changed.
    OutputError
        If the output folder cannot be used.
    """
    keys, unreadable = _numbers(given)
    check_folder_is_set(config)
    store = TableStore.of(config)
    adopt_registered(instance, store)
    try:
        found = survey(open_archive(config.root), config, store, keys)
    except ArchiveError as error:
        if not force:
            raise type(error)(f"{error}; nothing was changed. {FORCE}") from None
        found = [Survey(key, problem=str(error)) for key in keys]
    doubts = {one.proposal: doubt for one in found if (doubt := _doubt(one))}
    accepted = [key for key in keys if force or key not in doubts]
    register_proposals(instance, accepted, config.first_day)
    WatchList(store).add(accepted)
    refused = [f"{key}: not watched, because {why}. {FORCE}" for key, why in doubts.items() if key not in accepted]
    return Watched(_told(found, accepted, config), [*unreadable, *refused], accepted)


def _numbers(given: Sequence[str | int]) -> tuple[list[str], list[str]]:
    """The proposals, five digits each, sorted, and a sentence for each text that is not one; at least one must be."""
    if not given:
        raise ConfigError("proposals: name at least one, for example ['1138']")
    keys: set[str] = set()
    problems = {}
    for text in given:
        try:
            keys |= set(proposal_keys([text]))
        except ConfigError as error:
            problems[f"{text}: not watched, because {error}"] = error
    if not keys and problems:
        raise next(iter(problems.values()))
    return sorted(keys), list(problems)


def _doubt(one: Survey) -> str | None:
    """Why a proposal should not be watched."""
    if one.problem:
        return f"MAST did not answer for it ({one.problem})"
    if not one.known:
        return "MAST has no program of this number"
    return None if one.observations else "its observations are only planned so far: MAST has no data for it yet"


def _told(found: Sequence[Survey], accepted: Sequence[str], config: Config) -> list[str]:
    free = shutil.disk_usage(_existing(config.root)).free
    minutes = math.ceil(config.sensor_interval / 60)
    soon = "the first files within " + ("a minute" if minutes == 1 else f"{minutes} minutes")
    told = []
    for one in (one for one in found if one.proposal in accepted):
        if one.problem:
            told.append(f"{one.proposal}: watched without asking MAST ({one.problem})")
            continue
        if not one.observations:
            unknown = "" if one.known else " has no program of this number, and"
            told.append(f"{one.proposal}: watched; MAST{unknown} has no data for it yet")
            continue
        when = f"; {soon}" if one.bytes_to_fetch and free >= LEAST_ROOM else ""
        told.append(f"{one}; free: {human_bytes(free)}{when}")
    if free < LEAST_ROOM:
        told.append(
            f"WARNING: nothing is downloaded while less than {human_bytes(LEAST_ROOM)} are free in {config.root}: "
            f"{human_bytes(free)} are"
        )
    to_fetch = sum(one.bytes_to_fetch for one in found if one.proposal in accepted)
    if to_fetch > free:
        told.append(
            f"WARNING: they will not fit: {human_bytes(to_fetch)} to fetch, {human_bytes(free)} free in {config.root}; "
            "free some space, narrow the selection in the config file, or set another outrootdir"
        )
    return told


def _existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


class WatchRequest(dg.Config):
    """Which proposals to watch."""

    proposals: list[str] = pydantic.Field(description="Proposal numbers, e.g. [1138, 2731].")
    force: bool = pydantic.Field(
        default=False, description="Even if MAST has no data for them yet, or does not answer."
    )


@dg.op(out=dg.Out(dg.Nothing))
def watch_these(
    context: dg.OpExecutionContext, config: WatchRequest, jwst_config: JwstConfig, archive: ArchiveResource
) -> None:
    """Asks MAST what it has of the proposals, reports it, and has the sensor watch them from now on."""
    with plain_failures_of(context.instance, context.run_id):
        settings = jwst_config.checked()
        outcome = watch(context.instance, lambda _: archive.open(settings), settings, config.proposals, config.force)
    for sentence in outcome.sentences:
        context.log.info(sentence)
    if outcome.refused:
        sentence = f"{outcome.total}. {'; '.join(outcome.refused)}"
        raise failure(context.instance, context.run_id, sentence, Verdict(permanent=True))


@dg.job(
    description="Watches proposals from now on: asks MAST what it has of them, reports it, and adds them to the list "
    "of the sensor new_observations. In the launchpad: ops: watch_these: config: proposals: ['1138'].",
    # What the launchpad begins with: not every parameter of a download.
    config={"ops": {"watch_these": {"config": {"proposals": [], "force": False}}}},
)
def watch_proposals() -> None:
    """Watch proposals from the web page."""
    watch_these()


def unusable_keys(instance: dg.DagsterInstance) -> list[str]:
    """One sentence for each partition key that is not spelled like a proposal, as when typed into the page."""
    return [
        f"the partition key {key!r} is not a proposal in five digits and is skipped; remove it with: "
        f"{suggest(f'proposals remove {key.strip() or repr(key)}')}"
        for key in odd_keys(instance)
    ]


jobs = [watch_proposals]
