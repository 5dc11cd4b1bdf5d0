"""``jwst-mast proposals add``, ``list`` and ``remove``: which proposals are watched."""

import argparse
import sys
from pathlib import Path

from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.cli.records import add_folder_options
from jwst_mast_assets.mast.commands import suggest


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands to ``jwst-mast``."""
    proposals = commands.add_parser("proposals", help="manage the proposals that the pipeline watches")
    actions = proposals.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser(
        "add", help="watch proposals: show what MAST has, and download it from now on while Dagster runs"
    )
    remove = actions.add_parser("remove", help="stop watching proposals, or remove partition keys; files stay")
    for action in (add, remove):
        action.add_argument("proposal", nargs="+", help="proposal number, e.g. 1138")
    add.add_argument("--force", action="store_true", help="even if MAST has no data for it yet, or does not answer")
    shown = actions.add_parser("list", help="print the watched proposals, and keys that are only partitions in Dagster")
    for action, run in ((add, _add), (remove, _remove), (shown, _list)):
        add_folder_options(action)
        action.set_defaults(run=run)


# Late imports, so that --help and error messages appear at once.


def _add(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.watching import watch
    from jwst_mast_assets.mast.archive import Archive
    from jwst_mast_assets.mast.shared_limits import shared_limits
    from jwst_mast_assets.records.archive_identity import open_archive

    config, _ = folder_of(arguments)

    def archive(root: Path) -> Archive:
        opened = open_archive(
            root, token=config.token.get_secret_value() if config.token else None, limits=shared_limits(config)
        )
        if opened.token:
            opened.whoami()
        return opened

    with open_instance() as instance:
        outcome = watch(instance, archive, config, arguments.proposal, arguments.force)
    for sentence in outcome.sentences:
        print(sentence, file=sys.stderr if sentence.startswith("WARNING") else sys.stdout)
    for sentence in outcome.refused:
        print(f"jwst-mast: {sentence}", file=sys.stderr)
    if outcome.refused:
        print(f"jwst-mast: {outcome.total}", file=sys.stderr)
    return 1 if outcome.refused else 0


def _remove(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.watching import stop_watching

    config, store = folder_of(arguments)
    with open_instance() as instance:
        sentences, found = stop_watching(instance, store, config, arguments.proposal)
    for sentence in sentences:
        print(sentence)
    return 0 if found else 1


def _list(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.partitions import odd_keys, registered_proposals
    from jwst_mast_assets.defs.watching import watched_proposals
    from jwst_mast_assets.records.instrument_watch import what_is_watched
    from jwst_mast_assets.records.watched import WatchList

    config, store = folder_of(arguments)
    with open_instance() as instance:
        watched = watched_proposals(instance, store, config)
        others = sorted(set(registered_proposals(instance)) - set(watched))
        odd = odd_keys(instance)
    also, chosen = what_is_watched(config), WatchList(store).chosen(config)
    if chosen or not also:
        print("\n".join(chosen) or f"no proposal is watched; watch one with: {suggest('proposals add 1138')}")
    if also:
        found = " ".join(sorted(set(watched) - set(chosen)))
        print(f"{'and ' if chosen else ''}{also}{f'; found so far: {found}' if found else ''}")
    if others:
        print(f"\nnot watched, only partition keys in Dagster: {' '.join(others)}")
    if odd:
        keys = " ".join(map(repr, odd))
        print(f"\nskipped, not a proposal in five digits: {keys}; remove with: {suggest(f'proposals remove {keys}')}")
    return 0
