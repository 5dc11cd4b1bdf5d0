"""What a person at a terminal sees: the question before a download, and the progress bar."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from jwst_mast_assets.embedded_archive import Fault

ARGV = ("--propID", "1138", "--date_select", "2022-04-10T12:00:00", "2022-04-10T23:00:00", "--sca", "a1", "a2")
CODE = "import sys; from jwst_mast_assets.cli.original import download_main; sys.exit(download_main(sys.argv[1:]))"
PATIENCE = 60


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *argv: str, columns: int = 120) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *argv],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def read_until(self, pattern: str | None) -> None:
        """Read until a pattern has been shown, or the command has ended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if pattern and re.search(pattern, self.shown):
                return
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    return
        raise AssertionError(f"{pattern!r} was not shown in {PATIENCE} s:\n{self.shown}")

    def answer(self, text: str) -> int:
        """Type something and wait for the end; returns the exit status."""
        os.write(self.master, f"{text}\n".encode())
        return self.finish()

    def finish(self) -> int:
        self.read_until(None)
        os.close(self.master)
        return self.process.wait(PATIENCE)


@pytest.mark.parametrize(("answer", "files"), [("n", 0), ("y", 2)])
def test_a_person_is_asked_and_only_yes_continues(archive, command, answer, files):
    terminal = Terminal(*ARGV)
    terminal.read_until(r"\[y/n\]\? ")
    in_one_line = " ".join(terminal.shown.split())
    assert re.search(r"### Downloading 2 files, [\d.]+ [kM]B; free in \S*: [\d.]+ [GT]B", in_one_line)
    assert terminal.answer(answer) == 0
    assert len(list(Path(command.root).rglob("*_uncal.fits"))) == files
    assert ("OK, stopping." in terminal.shown) == (files == 0)


def test_with_yes_nobody_is_asked_and_a_bar_shows_rate_and_time_left(archive, command):
    archive.faults.add(Fault("slow", match="_uncal.fits", rate=60_000))
    # A terminal that does not say how wide it is.
    terminal = Terminal(*ARGV, "--yes", columns=0)
    assert terminal.finish() == 0
    assert "[y/n]" not in terminal.shown
    assert re.search(r"[012]/2 files: +\d+%.*\[\d\d:\d\d<\d\d:\d\d, +[\d.]+[kM]?B/s\]", terminal.shown)
