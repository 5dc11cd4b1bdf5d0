"""Ctrl-C and SIGTERM in the middle of a download: real signals to a real process, with a slow archive."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from jwst_mast_assets.embedded_archive import Fault

ARGV = ("--propID", "1138", "--date_select", "2022-04-10", "--yes")
"""30 files."""
CODE = "import sys; from jwst_mast_assets.cli.original import download_main; sys.exit(download_main(sys.argv[1:]))"
PATIENCE = 120


class Download:
    """A download under way, of which the first file is there."""

    def __init__(self, root: Path, log: Path) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, *ARGV], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while not list(root.rglob("*_uncal.fits")):
            assert time.monotonic() < end, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.05)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def stop(self, number: signal.Signals) -> None:
        """As a terminal does: all processes of the command get the signal."""
        os.killpg(self.process.pid, number)


def last_run() -> tuple[str, str]:
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
    return run.job_name, run.status.value


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_download_says_what_is_complete_and_is_canceled_in_dagster_and_given_again_fetches_the_rest(
    archive, command, tmp_path, number, status
):
    archive.faults.add(Fault("slow", match="_uncal.fits", rate=100_000))
    download = Download(command.root, tmp_path / "log.txt")
    download.stop(number)
    assert download.process.wait(PATIENCE) == status
    complete = len(list(command.root.rglob("*_uncal.fits")))
    assert 0 < complete < 30
    sentence = f"Interrupted; {complete} of 30 files are complete. Run the same command again to resume."
    assert download.said.splitlines()[-1] == sentence
    assert "Traceback" not in download.said
    assert last_run() == ("jwst_download", "CANCELED")
    archive.faults.clear()
    again = command.download(*ARGV)
    assert again.status == 0
    assert f"### Download complete: {30 - complete} files, " in again.out


def test_one_ctrl_c_ends_a_download_whose_connections_have_stalled(archive, command, tmp_path):
    # One file comes; then no byte, for longer than anybody waits. download_timeout is minutes.
    archive.faults.add(Fault("stall", match="_nrc[ab][2-4]_uncal.fits", seconds=90))
    download = Download(command.root, tmp_path / "log.txt")
    time.sleep(1)
    start = time.monotonic()
    download.stop(signal.SIGINT)
    assert download.process.wait(PATIENCE) == 130
    # About two seconds on an idle machine; the connections stall much longer.
    assert time.monotonic() - start < 45
    assert re.fullmatch(
        r"Interrupted; [1-9]\d* of 30 files are complete. Run the same command again to resume.",
        download.said.splitlines()[-1],
    )
    assert "Traceback" not in download.said
    assert last_run() == ("jwst_download", "CANCELED")


def test_a_second_ctrl_c_ends_at_once(archive, command, tmp_path):
    # One file comes; then no byte, for longer than anybody waits.
    archive.faults.add(Fault("stall", match="_nrc[ab][2-4]_uncal.fits", seconds=60))
    download = Download(command.root, tmp_path / "log.txt")
    download.stop(signal.SIGINT)
    time.sleep(0.1)
    start = time.monotonic()
    assert download.process.poll() is None
    download.stop(signal.SIGINT)
    assert download.process.wait(PATIENCE) == 130
    assert time.monotonic() - start < 20
    assert "Traceback" not in download.said
    # It does not wait for Dagster's record; the next command, or the sensor lost_runs, ends what stayed open.
    archive.faults.clear()
    assert command.query("--propID", "1138", "--date_select", "2022-04-10", "--sca", "a1").status == 0
    with dg.DagsterInstance.get() as instance:
        ended = {run.job_name: run.status.value for run in instance.get_runs()}
    assert ended["jwst_download"] == "CANCELED"
