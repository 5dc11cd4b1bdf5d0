"""``jwst-mast heal``, ``forget`` and ``rebuild``: what repairs an archive, or records that it is complete as it is."""

import argparse
import sys
from typing import TYPE_CHECKING

from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.cli.records import add_folder_options
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.dates import utc_now

if TYPE_CHECKING:
    import pandas as pd

    from jwst_mast_assets.mast.config import Config
    from jwst_mast_assets.records.store import TableStore


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
    from jwst_mast_assets.cli.record_views import folder_of, named, place
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.attempts import under_way
    from jwst_mast_assets.defs.daemon_config import check_not_lost
    from jwst_mast_assets.defs.watching import watched_proposals
    from jwst_mast_assets.mast.sizes import counted
    from jwst_mast_assets.records.status import recorded_proposals
    from jwst_mast_assets.records.upkeep import have_tried_again, held_sentence, look_after, never_arrived, with_files

    config, store = folder_of(arguments)
    with open_instance() as instance:
        check_not_lost(instance, store)
        asked = named(store, arguments.proposal)
        watched, busy = set(watched_proposals(instance, store, config)), under_way(instance).cells
    now = utc_now()
    of_watched = {*with_files(store, watched), *watched.intersection(recorded_proposals(store))}
    proposals = asked if arguments.proposal else sorted(of_watched)
    found = look_after(store, config, proposals, now, arguments.yes, arguments.read_all, busy)
    others = never_arrived(store, config, proposals, now, found.bad["dataURI"])
    marked = {*found.marked, *have_tried_again(store, config, found, others, now, busy)}
    print("; ".join(sentence for sentence in (f"{found}", f"{others}") if sentence))
    for row in found.bad.itertuples():
        print(f"  {row.problem}: {place(row, store.root)}")
    for row in others.failed.itertuples():
        print(f"  {row.state}: {place(row, store.root)}{f': {row.why}' if row.why else ''}")
    for line in found.blocked:
        print(f"  {line}")
    for proposal, counts in found.held.items():
        print(held_sentence(proposal, counts, suggest(f"heal {proposal} --yes")))
    kept = [key for key in marked if key[-5:] in watched]
    if kept:
        print(f"{counted(len(kept), 'day')} will be downloaded again while {suggest('serve')} runs")
    unwatched = sorted(set(proposals) - watched)
    of_others = found.bad["cell"].str[-5:].isin(unwatched)
    held = (found.bad["problem"] == "missing") & found.bad["cell"].str[-5:].isin(list(found.held))
    left = _restore(found.bad[of_others & ~held], config, store, unwatched) if unwatched else 0
    for proposal in sorted({*others.to_come["cell"].str[-5:]}.intersection(unwatched)):
        command = suggest(f"--propID {int(proposal)} --all_dates", "jwst_download.py")
        print(f"{proposal} is not watched, so no run follows by itself; to fetch the rest: {command}")
    # Failed files of proposals that are not watched have just been tried again.
    left += len(others.to_come) + int((~others.failed["cell"].str[-5:].isin(unwatched)).sum())
    return 1 if (held | ~of_others).any() or left or found.blocked else 0


def _restore(bad: "pd.DataFrame", config: "Config", store: "TableStore", proposals: list[str]) -> int:
    """Fetch what no run would, as the proposals are not watched; returns how many files could not be fetched."""
    import pandas as pd

    from jwst_mast_assets.cli.outcome import failed_lines
    from jwst_mast_assets.downloads import FETCHED
    from jwst_mast_assets.mast.shared_limits import shared_limits
    from jwst_mast_assets.mast.sizes import counted
    from jwst_mast_assets.records.archive_identity import open_archive
    from jwst_mast_assets.records.restoring import failed_before, restore

    bad = pd.concat([bad, failed_before(store, proposals, config)], ignore_index=True).drop_duplicates("dataURI")
    if bad.empty:
        return 0
    token = config.token.get_secret_value() if config.token else None
    archive = open_archive(config.root, token=token, limits=shared_limits(config))
    files = restore(bad, config, archive)
    for sentence in archive.unsaid():
        print(f"WARNING: {sentence}", file=sys.stderr)
    fetched = files["dl_code"].isin(FETCHED)
    print(f"{counted(int(fetched.sum()), 'file')} of {', '.join(proposals)} fetched again (not watched)")
    for line in failed_lines(files[~fetched]):
        print(line, file=sys.stderr)
    if gone := len(bad) - len(files):
        print(f"{counted(gone, 'file')} cannot be fetched: MAST no longer lists {'it' if gone == 1 else 'them'}")
    return len(bad) - int(fetched.sum())


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
