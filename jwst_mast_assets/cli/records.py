"""The commands about what is recorded: ``manifest``, ``diff``, ``status``, ``calendar``."""

import argparse
import importlib
from collections.abc import Callable

from jwst_mast_assets.cli.options import Parser

DATE_HELP = "a day (2026-01-15: at its end), a time (2026-01-15T12:00:00) or MJD, all UTC"


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the commands to ``jwst-mast``."""
    manifest = _command(commands, "manifest", "what the output folder holds of a proposal, or held at a given time")
    manifest.add_argument("proposal", help="proposal number, e.g. 1138")
    manifest.add_argument("--at", metavar="DATE", help=f"at this time: {DATE_HELP}")
    manifest.add_argument("-o", "--output", metavar="FILE", help="write it as ECSV, to keep with a paper")

    diff = _command(commands, "diff", "what was added, changed by reprocessing, or removed between two dates")
    diff.add_argument("proposal", help="proposal number, e.g. 1138")
    diff.add_argument("date1", metavar="DATE1", help=DATE_HELP)
    diff.add_argument("date2", metavar="DATE2", nargs="?", help="likewise; default: now")

    status = _command(commands, "status", "what is on disk of each proposal, and what is missing")
    status.add_argument("proposal", nargs="*", help="proposal numbers; default: the watched ones, or all with records")
    status.add_argument(
        "--check", action="store_true", help="exit status 1 if a selected file is missing, failed, spoiled or stale"
    )
    status.add_argument(
        "--format",
        choices=("text", "json", "prometheus"),
        default="text",
        help="for people, or for other programs (default %(default)s)",
    )
    status.add_argument("--all", action="store_true", help="also proposals that are no longer watched")
    status.add_argument(
        "--details", action="store_true", help="name the files that are not as they should be, and those that wait"
    )

    calendar = _command(commands, "calendar", "which selected files become public when")
    calendar.add_argument("proposal", nargs="*", help="proposal numbers; default: all with records")
    calendar.add_argument("--all", action="store_true", help="also those that are already public")


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, text: str) -> Parser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_folder_options(parser)
    parser.set_defaults(run=_later(name))
    return parser


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """The options that choose the output folder."""
    parser.add_argument("-c", "--configfile", help="config file (YAML); default: the one in $JWST_QUERY_CFGFILE")
    parser.add_argument("--outrootdir", help="output folder; default: as configured")
    parser.add_argument("--outsubdir", help="folder below outrootdir; default: as configured")


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    """Import what a command needs only when it runs, so that --help and error messages appear at once."""
    return lambda arguments: getattr(importlib.import_module("jwst_mast_assets.cli.record_views"), name)(arguments)
