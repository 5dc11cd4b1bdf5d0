"""``jwst-mast``: everything beyond Dagster's own commands."""

import argparse
import sys
from collections.abc import Sequence

from jwst_mast_assets import __version__
from jwst_mast_assets.cli import adopt, proposals, records, service, upkeep
from jwst_mast_assets.cli.messages import TEXT, Messages, add_log_format
from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.cli.screen import CLOSED_PIPE, ignore_closed_pipe
from jwst_mast_assets.mast.config_file import annotated_config
from jwst_mast_assets.mast.errors import JwstMastError


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``jwst-mast``; returns the exit status: 0 done, 1 something failed, 2 bad usage."""
    arguments = build_parser().parse_args(argv)
    messages = Messages("jwst-mast", getattr(arguments, "log_format", TEXT))
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except (JwstMastError, ValueError) as error:
        messages.error(str(error), named=True)
        return error.exit_status if isinstance(error, JwstMastError) else 2
    except BrokenPipeError:
        ignore_closed_pipe()
        return CLOSED_PIPE
    except OSError as error:
        messages.error(f"{error.filename or 'the system'}: {error.strerror or error}", named=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Not at the top: the import takes a second.
        from jwst_mast_assets.cli.runs import trouble_with_home

        if sentence := trouble_with_home(error):
            messages.error(sentence, named=True)
            return 1
        raise


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = Parser(prog="jwst-mast", description="Your own copy of JWST data, kept current.")
    parser.add_argument("--version", action="version", version=f"jwst_mast_assets {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    proposals.add_commands(commands)
    commands.add_parser("config", help="print an annotated config file with every parameter").set_defaults(run=_config)

    archive = commands.add_parser("archive", help="run the embedded archive: a small MAST on this machine")
    archive.add_argument("--host", default="127.0.0.1", help="loopback address (default %(default)s)")
    archive.add_argument("--port", type=int, default=8765, help="port, 0 for a free one (default %(default)s)")
    archive.set_defaults(run=_archive)

    demo = commands.add_parser("demo", help="run the main job against the embedded archive")
    demo.add_argument("--folder", default="demo_data", help="folder for everything (default %(default)s)")
    demo.set_defaults(run=_demo)

    dev = commands.add_parser("dev", help="run Dagster's web page on the embedded archive")
    dev.add_argument("--folder", default="jwst_data", help="folder for everything (default %(default)s)")
    dev.set_defaults(run=_dev)

    serve = commands.add_parser("serve", help="run Dagster: its web page, and the daemon that downloads new data")
    serve.set_defaults(run=_serve)
    for parser_of_page in (dev, serve):
        parser_of_page.add_argument("--host", default="127.0.0.1", help="address of the page (default %(default)s)")
        parser_of_page.add_argument(
            "--port", type=int, default=3000, help="port of the page, 0 for a free one (default %(default)s)"
        )
        parser_of_page.add_argument(
            "--pages-port", type=int, help="port of the proposals' pages, on 127.0.0.1 (default: --port + 1)"
        )
        parser_of_page.add_argument("-v", "--verbose", action="store_true", help="show everything that Dagster logs")
        add_log_format(parser_of_page, "what is printed")
    service.add_commands(commands)
    records.add_commands(commands)
    upkeep.add_commands(commands)
    adopt.add_commands(commands)
    return parser


def _config(_arguments: argparse.Namespace) -> int:
    print(annotated_config(), end="")
    return 0


def _archive(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.ports import free_port
    from jwst_mast_assets.embedded_archive import serve

    port = free_port(arguments.host, arguments.port, "--port")
    print(f"embedded archive at http://{arguments.host}:{port}", flush=True)
    serve(arguments.host, port)
    return 0


def _dev(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.dev import run_dev

    return run_dev(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.serve import run_serve

    return run_serve(arguments)


def _demo(arguments: argparse.Namespace) -> int:
    from jwst_mast_assets.cli.demo import run_demo

    return run_demo(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
