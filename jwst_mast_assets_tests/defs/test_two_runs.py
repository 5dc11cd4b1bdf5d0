"""Runs at the same time, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from astropy.table import Table

PROGRAM = str(Path(sys.executable).parent / "jwst_download.py")


def start(root, *options):
    """A download of proposal 1138, begun."""
    return subprocess.Popen(
        [PROGRAM, "--propID", "1138", "--outrootdir", str(root), "--makewebpages", "--yes", *options],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_runs_of_one_proposal_do_not_spoil_each_others_page_or_tables(archive, tmp_path):
    root = tmp_path / "data"
    runs = [start(root, "--date_select", day, f"{day}T23:59:59") for day in ("2022-04-10", "2022-04-14")]
    outputs = [run.communicate(timeout=400)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    page = (root / "01138" / "index.html").read_text()
    assert "jw01138004001_02101_00001_nrca1" in page
    assert "jw01138009001_02101_00001_nrca1" in page
    assert Table.read(root / "01138" / "01138.summary.ecsv")["obsnum"].tolist() == [4, 5, 9]


def test_two_runs_of_one_day_fetch_each_file_once_and_whole(archive, tmp_path):
    root = tmp_path / "data"
    runs = [start(root, "--date_select", "2022-04-10", "2022-04-10T23:59:59") for _ in range(2)]
    outputs = [run.communicate(timeout=400)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    files = sorted((root / "01138").rglob("*.fits"))
    assert len(files) == 30
    assert all(path.read_bytes() == archive.content(path.name) for path in files)
    fetched = [
        request.uri for request in archive.requests if request.endpoint == "download" and request.method == "GET"
    ]
    assert len(fetched) == len(set(fetched)) == 30
    assert not list(root.rglob("*.part"))
