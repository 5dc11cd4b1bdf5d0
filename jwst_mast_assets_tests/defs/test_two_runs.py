"""Runs at the same time, each in a process of its own."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from astropy.table import Table

from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.records.history import manifest_at, read_history
from jwst_mast_assets.records.store import TableStore

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


def test_two_runs_of_one_day_record_each_file_once_with_the_md5_and_say_who_fetched_it(archive, tmp_path):
    # Also of pictures, of which MAST has no checksum: without a record of the md5 nobody would notice a spoiled one.
    archive.faults.add(Fault("slow", endpoint="download", seconds=0.1))
    root = tmp_path / "data"
    options = ("--date_select", "2022-04-10", "2022-04-10T23:59:59", "--sca", "a1", "--filetypes", "uncal", "jpg")
    runs = [start(root, *options) for _ in range(2)]
    outputs = [run.communicate(timeout=400)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    history = read_history(TableStore(root), "01138")
    held = manifest_at(history)
    # The second run may find some that the first one has not recorded yet.
    assert set(history["event"]) <= {"downloaded", "adopted"}
    assert sorted(history.loc[history["event"] == "downloaded", "dataURI"]) == sorted(held["dataURI"])
    assert {path.rpartition(".")[2] for path in held["path"]} == {"fits", "jpg"}
    on_disk = {path: hashlib.md5((root / path).read_bytes()).hexdigest() for path in held["path"]}
    assert dict(zip(held["path"], held["md5"], strict=True)) == on_disk
    fetched = [int(number) for said in outputs for number in re.findall(r"Download complete: (\d+) files", said)]
    assert sum(fetched) == len(held), outputs
