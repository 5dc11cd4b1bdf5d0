"""``jwst_query.py`` and ``jwst_download.py``: the original's two commands.

They work out which proposals and days the options mean, make the proposals partitions, and materialize the same assets
into the same instance as the UI, then print the tables.
"""

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jwst_mast_assets.cli.importing import without_collecting
from jwst_mast_assets.cli.interrupts import Interrupts
from jwst_mast_assets.cli.messages import Messages, add_log_format
from jwst_mast_assets.cli.options import build_parser, config_of
from jwst_mast_assets.cli.screen import CLOSED_PIPE, ignore_closed_pipe
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ConfigError, JwstMastError

if TYPE_CHECKING:
    from jwst_mast_assets.cli.asking import Asking
    from jwst_mast_assets.cli.command import Command

QUERY_TEXT = (
    "Query MAST for JWST observations and products; print and save tables. "
    "Exit status: 0 done, 1 MAST failed (try again), 2 bad usage."
)
DOWNLOAD_TEXT = (
    "Query MAST for JWST observations and products, and download the selected files that are missing. "
    "Exit status: 0 done, 1 some files or MAST failed (try again), 2 bad usage, or no space."
)


def query_main(argv: Sequence[str] | None = None) -> int:
    """Run ``jwst_query.py``; returns the exit status."""
    return _main("jwst_query.py", QUERY_TEXT, argv, download=False)


def download_main(argv: Sequence[str] | None = None) -> int:
    """Run ``jwst_download.py``; returns the exit status."""
    return _main("jwst_download.py", DOWNLOAD_TEXT, argv, download=True)


def _main(program: str, text: str, argv: Sequence[str] | None, download: bool) -> int:
    parser = build_parser(program, text)
    # A query has nothing to ask, but scripts may pass the same options to both commands.
    help_of_yes = "do not ask before downloading" if download else argparse.SUPPRESS
    parser.add_argument("--yes", action="store_true", default=False, help=help_of_yes)
    if download:
        parser.add_argument(
            "--watch",
            dest="watch_from_now_on",
            action="store_true",
            default=False,
            help="watch the proposals of --propID from now on, as jwst-mast proposals add does",
        )
    add_log_format(parser, "what is printed")
    arguments = parser.parse_args(argv)
    messages = Messages(program, arguments.log_format, arguments.quiet)
    try:
        with Interrupts() as interrupts, messages.package_warnings():
            return _run(arguments, interrupts, messages, download)
    except JwstMastError as error:
        messages.error(str(error), named=True)
        return error.exit_status
    except BrokenPipeError:
        ignore_closed_pipe()
        return CLOSED_PIPE
    except OSError as error:
        messages.error(f"{error.filename or 'the system'}: {error.strerror or error}", named=True)
        return 1
    except Exception as error:
        # Not at the top: the import takes a second.
        from jwst_mast_assets.cli.runs import trouble_with_home

        if sentence := trouble_with_home(error):
            messages.error(sentence, named=True)
            return 1
        raise


def _run(arguments: argparse.Namespace, interrupts: Interrupts, messages: Messages, download: bool) -> int:
    command = None
    try:
        config = config_of(arguments)
        if "login" in arguments:
            raise ConfigError("--login: MAST only accepts tokens; use --token or $MAST_API_TOKEN")
        if config.token:
            os.environ["MAST_API_TOKEN"] = config.token.get_secret_value()
        _quiet(config)
        watch = download and arguments.watch_from_now_on
        if watch and not config.propID:
            raise ConfigError("--watch: name the proposals to watch with --propID")
        asking, command_class = _asking(config)
        command = command_class(asking, interrupts, messages, assume_yes=arguments.yes, watch=watch)
        status = command.run(download and not config.skipdownload)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        sentence = command.interruption() if command else "Interrupted. Run the same command again to resume."
        messages.error(sentence if messages.as_json else f"\n{sentence}")
        return interrupts.status


def _asking(config: Config) -> "tuple[Asking, type[Command]]":
    """MAST is asked, and Dagster imported meanwhile. Both come late, so that --help and bad options answer at once."""
    once = without_collecting() if "dagster" not in sys.modules else contextlib.nullcontext()
    with once:
        from jwst_mast_assets.cli.asking import Asking

        asking = Asking(config)
        from jwst_mast_assets.cli.command import Command
    return asking, Command


def _quiet(config: Config) -> None:
    """Hide Dagster's and astropy's developer warnings, which are not for astronomers."""
    if config.verbose < 2:
        warnings.simplefilter("ignore")
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
