"""What a run has read of its output folder, and what other runs change meanwhile."""

import os
from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.store import TableStore

CELL = Cell.from_key("2022-04-10|01138")


def record(root: Path, path: Path) -> None:
    """Record a file as another run does that has just fetched it."""
    found = path.stat()
    row = {"cell": CELL.key, "dataURI": f"mast:JWST/product/{path.name}", "productFilename": path.name}
    row |= {"outfilename": str(path), "bytes_on_disk": found.st_size, "mtime": found.st_mtime, "selected": True}
    table = tables.conform(pd.DataFrame([row]), tables.FILE_TABLE)
    TableStore(root).write("downloaded_files", table, [CELL])


def test_a_file_that_another_run_has_fetched_since_the_folder_was_listed_is_seen(tmp_path: Path) -> None:
    snapshot = Snapshot(Config(outrootdir=str(tmp_path)))
    path = tmp_path / "01138" / "obsnum04" / "jw01138004001_02101_00001_nrca1_uncal.fits"
    path.parent.mkdir(parents=True)
    assert snapshot.disk.look(str(path)) is None
    path.write_bytes(b"twelve bytes")
    record(tmp_path, path)
    assert len(snapshot.recorded_files("01138")) == 1
    assert snapshot.disk.table(pd.Series([str(path)]))["bytes_on_disk"].tolist() == [12]


def test_a_file_that_another_run_has_replaced_is_seen_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "01138" / "jw01138004001_02101_00001_nrca1_uncal.fits"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old")
    record(tmp_path, path)
    snapshot = Snapshot(Config(outrootdir=str(tmp_path)))
    snapshot.recorded_files("01138")
    path.write_bytes(b"new and longer")
    record(tmp_path, path)
    assert snapshot.recorded_files("01138")["bytes_on_disk"].tolist() == [14]
    assert snapshot.disk.table(pd.Series([str(path)]))["bytes_on_disk"].tolist() == [14]


def test_a_store_reads_nothing_that_it_wrote_itself(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    row = {"cell": CELL.key, "obsid": 1, "proposal_id": 1138, "t_min": 59679.5, "wanted": True, "obs_id": "jw01138"}
    table = tables.conform(pd.DataFrame([row]), tables.OBS_TABLE)
    store.write("obs_table", table, [CELL])
    path = Path(store.where(f"obs_table/{CELL.proposal}/{CELL.day}.parquet"))
    content, times = path.read_bytes(), path.stat()
    # It would notice another file, of another size or time.
    path.write_bytes(b"x" * len(content))
    os.utime(path, ns=(times.st_mtime_ns, times.st_mtime_ns))
    pd.testing.assert_frame_equal(store.read("obs_table", [CELL]), table)
    path.write_bytes(content)
    pd.testing.assert_frame_equal(TableStore(tmp_path).read("obs_table", [CELL]), table)
