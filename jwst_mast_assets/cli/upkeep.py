"""``jwst-mast heal``, ``forget`` and ``rebuild``: what repairs an archive, or records that it is complete as it is."""

import argparse

from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.cli.records import add_folder_options
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.dates import utc_now


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands to ``jwst-mast``."""
    heal = commands.add_parser("heal", help="look for missing and spoiled files, and have them fetched again")
    heal.add_argument("proposal", nargs="*", help="proposal numbers; default: the watched ones")
    heal.add_argument("--yes", action="store_true", help="also where most of a proposal's files are missing")
    heal.add_argument("--read-all", action="store_true", help="read every file to its end, not only a share of them")
    heal.set_defaults(run=_heal)
    forget = commands.add_parser("forget", help="never fetch these files again; those on disk stay")
    forget.add_argument("file", nargs="+", help="name or path of a file")
    forget.add_argument("--undo", action="store_true", help="have them fetched again")
    forget.set_defaults(run=_forget)
    again = commands.add_parser("rebuild", help="give a new Dagster home what the output folder has on record")
    again.set_defaults(run=_rebuild)
    for parser in (heal, forget, again):
        add_folder_options(parser)


# Late imports, so that --help and error messages appear at once.


def _heal(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.attempts import under_way
    from jwst_mast_assets.defs.watching import watched_proposals
    from jwst_mast_assets.mast.names import proposal_key
    from jwst_mast_assets.records.upkeep import held_sentence, look_after, watched_and_recorded

    config, store = folder_of(arguments)
    with open_instance() as instance:
        watched, busy = set(watched_proposals(instance, store, config)), under_way(instance).cells
    given = {proposal_key(proposal) for proposal in arguments.proposal}
    if unwatched := sorted(given - watched):
        raise ValueError(
            f"{', '.join(unwatched)}: not watched, so nothing would fetch the files; "
            f"watch it with: {suggest(f'proposals add {unwatched[0]}')}"
        )
    now = utc_now()
    proposals = watched_and_recorded(store, given or watched)
    found = look_after(store, config, proposals, now, arguments.yes, arguments.read_all, busy)
    print(found)
    for row in found.bad.itertuples():
        print(f"  {row.problem}: {str(row.outfilename).removeprefix(f'{store.root}/')}")
    for line in found.blocked:
        print(f"  {line}")
    for proposal, counts in found.held.items():
        print(held_sentence(proposal, counts, suggest(f"heal {proposal} --yes")))
    if found.marked:
        days = f"{len(found.marked)} day{'s' * (len(found.marked) > 1)}"
        print(f"{days} will be downloaded again while {suggest('serve')} runs")
    return 1 if len(found.bad) or found.blocked else 0


def _forget(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.records.forgotten import Forgotten

    config, store = folder_of(arguments)
    now = utc_now()
    if arguments.undo:
        names, what = (
            Forgotten(store).undo(arguments.file, config, now),
            "no longer forgotten; fetched with the next run",
        )
    else:
        names, what = Forgotten(store).add(arguments.file, now), "forgotten: it will not be fetched again"
    for name in names:
        print(f"{name}: {what}")
    if not names:
        print("nothing changed: " + ("none of them is forgotten" if arguments.undo else "all of them are forgotten"))
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.rebuild import rebuild

    config, store = folder_of(arguments)
    with open_instance() as instance:
        print(rebuild(instance, store, config))
    return 0
