"""``jwst-mast``: what Dagster's own commands lack."""

import argparse
import sys
from collections.abc import Sequence
from importlib import resources

from jwst_mast_assets import __version__
from jwst_mast_assets.cli import records
from jwst_mast_assets.mast.errors import JwstMastError


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``jwst-mast``; returns the exit status: 0 done, 1 something failed, 2 bad usage."""
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (JwstMastError, ValueError) as error:
        print(f"jwst-mast: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, JwstMastError) else 2
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="jwst-mast", description="Your own copy of JWST data, kept current.")
    parser.add_argument("--version", action="version", version=f"jwst_mast_assets {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    proposals = commands.add_parser("proposals", help="the proposals that the pipeline looks after")
    actions = proposals.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("add", _add, "register proposals"),
        ("remove", _remove, "unregister proposals; their files stay"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("proposal", nargs="+", help="proposal number, e.g. 1138")
        action.set_defaults(run=run)
    actions.add_parser("list", help="print the registered proposals").set_defaults(run=_list)

    commands.add_parser("config", help="print an annotated config file with every parameter").set_defaults(run=_config)

    archive = commands.add_parser("archive", help="run the embedded archive: a small MAST on this machine")
    archive.add_argument("--host", default="127.0.0.1", help="loopback address (default %(default)s)")
    archive.add_argument("--port", type=int, default=8765, help="port, 0 for a free one (default %(default)s)")
    archive.set_defaults(run=_archive)

    demo = commands.add_parser("demo", help="run the main job against the embedded archive")
    demo.add_argument("--folder", default="demo_data", help="where everything goes (default %(default)s)")
    demo.set_defaults(run=_demo)

    dev = commands.add_parser("dev", help="run the embedded archive and Dagster's web page on it")
    dev.add_argument("--folder", default="jwst_data", help="where everything goes (default %(default)s)")
    dev.add_argument("--port", type=int, default=3000, help="port of the page (default %(default)s)")
    dev.set_defaults(run=_dev)
    records.add_commands(commands)
    return parser


def _add(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.partitions import register_proposals

    with open_instance() as instance:
        new = register_proposals(instance, arguments.proposal)
    print(f"registered: {' '.join(new)}" if new else "all were registered already")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.partitions import remove_proposals

    with open_instance() as instance:
        gone = remove_proposals(instance, arguments.proposal)
    print(f"removed: {' '.join(gone)} (their files stay)" if gone else "none of them was registered")
    return 0 if gone else 1


def _list(_arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.runs import open_instance
    from jwst_mast_assets.defs.partitions import registered_proposals

    with open_instance() as instance:
        known = registered_proposals(instance)
    print("\n".join(known) if known else "no proposal is registered; add one with: jwst-mast proposals add 1138")
    return 0


def _config(_arguments: argparse.Namespace) -> int:
    print(resources.files("jwst_mast_assets").joinpath("jwst_query.cfg").read_text(encoding="utf-8"), end="")
    return 0


def _archive(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.embedded_archive import serve

    serve(arguments.host, arguments.port)
    return 0


def _dev(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.dev import run_dev

    return run_dev(arguments.folder, arguments.port)


def _demo(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.demo import run_demo

    return run_demo(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
