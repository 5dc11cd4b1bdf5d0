"""What a command reports: sentences for people, or with ``--log-format json`` one JSON object per line."""

import argparse
import datetime as dt
import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jwst_mast_assets.cli import screen
from jwst_mast_assets.mast.dates import iso_second, utc_now

TEXT, JSON = "text", "json"


def add_log_format(parser: argparse.ArgumentParser, what: str, dest: str = "log_format") -> None:
    """Add the option ``--log-format``; `what` is logged, and `dest` gets the value."""
    parser.add_argument(
        "--log-format",
        dest=dest,
        choices=(TEXT, JSON),
        default=TEXT,
        help=f"of {what} (default %(default)s); json: one object per line",
    )


class Messages:
    """The messages of a command.

    As JSON they all go to standard output, in the order in which they were sent, with ``time`` (ISO, UTC), ``level``
    (``info``, ``warning`` or ``error``), ``command`` and ``message``; tables are left out, as they are in files.

    Parameters
    ----------
    command : str
        Its name.
    log_format : str
        ``text`` or ``json``.
    quiet : bool
        Report errors only.
    """

    def __init__(self, command: str, log_format: str = TEXT, quiet: bool = False) -> None:
        self.command = command
        self.as_json = log_format == JSON
        self.quiet = quiet

    def info(self, *lines: str) -> None:
        """Report what is done; a terminal gets the lines wrapped."""
        if self.quiet:
            return
        if self.as_json:
            self._log("info", *lines)
            return
        width = screen.width_of_screen()
        for line in lines:
            print("\n".join(screen.wrapped(line, width)), flush=True)

    def event(self, line: str, level: str = "info") -> None:
        """Report what happens just now, with the time."""
        if self.as_json:
            self._log(level, line)
        else:
            print(f"{dt.datetime.now():%H:%M:%S} {line}", flush=True)

    def table(self, title: str, lines: Sequence[str]) -> None:
        """Report a table that is in a file, too."""
        if not self.quiet and not self.as_json:
            print("\n".join([f"\n### {title}:", *lines]), flush=True)

    def warning(self, sentence: str) -> None:
        """Report what may be a mistake, also if `quiet`."""
        if self.as_json:
            self._log("warning", sentence)
        else:
            print(f"WARNING: {sentence}", file=sys.stderr)

    def error(self, sentence: str, named: bool = False) -> None:
        """Report what failed; `named`: as a shell shows it, after the command's name."""
        if self.as_json:
            self._log("error", sentence)
        else:
            print(f"{self.command}: {sentence}" if named else sentence, file=sys.stderr)

    @contextmanager
    def package_warnings(self) -> Iterator[None]:
        """Report what the package logs as a warning meanwhile, each sentence once."""
        logger, handler = logging.getLogger("jwst_mast_assets"), _Handler(self)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def _log(self, level: str, *lines: str) -> None:
        for line in lines:
            # What is lined up for people has several blanks.
            if message := re.sub(r": {2,}", ": ", line.strip().removeprefix("### ")):
                entry = {"time": iso_second(utc_now()), "level": level, "command": self.command, "message": message}
                print(json.dumps(entry), flush=True)


class _Handler(logging.Handler):
    """Passes warnings on to the messages of a command."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Report a warning that is new."""
        if (sentence := record.getMessage()) not in self.said:
            self.said.add(sentence)
            self.messages.warning(sentence)
