"""An output folder and a Dagster home of the version before serve as they are.

``data/version_before.tar.xz`` is what commit 7bb08e0 left of ``jwst-mast proposals add 1138`` and two minutes of its
daemon on the embedded archive: the sensor requested the four days of the proposal and their runs succeeded. The FITS
files, pictures and associations are left out; :func:`folder` puts them back from the embedded archive of today.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.original import download_main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import tick

PACKED = Path(__file__).parent / "data" / "version_before.tar.xz"
OLD_ROOT = "/tmp/jwst_before/data"
DAYS = ["2022-04-10", "2022-04-11", "2022-04-14", "2023-09-13"]
CONFIG = "instrument: nircam\nsca: [a1]\nfiletypes: [_uncal.fits, _rate.jpg, _asn.json]\n"


def at_root(path: Path, root: Path) -> None:
    """A table as it would be had the folder been made here."""
    replace(path, {OLD_ROOT: str(root)})


def replace(path: Path, words: dict[str, str]) -> None:
    """Replace words in all texts of a table."""
    table = pq.read_table(path)
    for number, name in enumerate(table.column_names):
        if pa.types.is_string(table.schema.types[number]) or pa.types.is_large_string(table.schema.types[number]):
            here = table[name].to_pylist()
            for old, new in words.items():
                here = [value and value.replace(old, new) for value in here]
            table = table.set_column(number, table.schema.field(number), pa.array(here, table.schema.types[number]))
    pq.write_table(table, path)


@pytest.fixture(scope="module")
def unpacked(shared_archive: EmbeddedArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``data`` and the home ``dagster``, for all tests to copy."""
    place = tmp_path_factory.mktemp("before")
    with tarfile.open(PACKED) as packed:
        # Python 3.11.3 and older have no filters; this way they ignore it.
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(place)
    checksums: dict[str, str] = {}
    for path in (place / "data" / ".jwst_mast_assets" / "tables" / "downloaded_files").rglob("*.parquet"):
        for row in pd.read_parquet(path).itertuples():
            file = Path(str(row.outfilename).replace(OLD_ROOT, str(place / "data")))
            file.parent.mkdir(parents=True, exist_ok=True)
            content = shared_archive.content(str(row.productFilename))
            file.write_bytes(content)
            if isinstance(row.md5, str):
                # The embedded archive's pictures are not those of that time.
                checksums[row.md5] = hashlib.md5(content, usedforsecurity=False).hexdigest()
            os.utime(file, (float(row.mtime), float(row.mtime)))  # pyright: ignore[reportArgumentType]
            assert file.stat().st_mtime == row.mtime
    for path in (place / "data").rglob("*.parquet"):
        replace(path, checksums)
    return place


@pytest.fixture
def folder(unpacked: Path, tmp_path: Path, archive: EmbeddedArchive, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the output folder, which the configuration and $DAGSTER_HOME name."""
    root = tmp_path / "data"
    shutil.copytree(unpacked / "data", root)
    shutil.copytree(unpacked / "dagster", tmp_path / "dagster_home")
    for path in root.rglob("*.parquet"):
        at_root(path, root)
    (tmp_path / "my.cfg").write_text(CONFIG)
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    return root


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster home."""
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        yield instance


def files(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in root.rglob("jw*") if ".TN." not in path.name}


def test_a_download_fetches_nothing_again_and_makes_the_page(
    folder: Path, archive: EmbeddedArchive, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(folder)
    assert len(before) == 27
    assert download_main(["--propID", "1138", "--date_select", "2022-04-10", "--makewebpages", "--yes"]) == 0
    assert "all 9 selected files are already there" in capsys.readouterr().out
    assert [request for request in archive.requests if request.endpoint == "download"] == []
    assert files(folder) == before
    rows = (folder / "01138" / "01138.products.txt").read_text().splitlines()[1:]
    assert len(rows) == 10
    assert all(str(folder) in row and row.endswith(" present") for row in rows)


def test_its_proposals_stay_watched_and_none_of_their_days_is_due(folder: Path, home: dg.DagsterInstance) -> None:
    result = tick(home)
    assert isinstance(result, dg.SkipReason), result
    assert WatchList(TableStore(folder)).read() == ["01138"]


def test_its_runs_and_partitions_are_in_the_home_as_they_were(folder: Path, home: dg.DagsterInstance) -> None:
    keys = {f"{day}|01138" for day in DAYS}
    assert home.get_dynamic_partitions("proposal") == ["01138"]
    assert {run.tags["dagster/partition"] for run in home.get_runs()} == keys
    assert home.get_materialized_partitions(dg.AssetKey("downloaded_files")) == keys
    assert home.get_materialized_partitions(dg.AssetKey("index_html")) == keys


def test_status_and_manifest_know_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "1138", "--check"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("01138")]
    assert row[2:8] == ["27", "27", "0", "0", "0", "0"]
    assert main(["manifest", "1138"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("present") for line in lines) == 27
    assert not any(OLD_ROOT in line for line in lines)


def test_a_look_at_mast_finds_nothing_reprocessed(folder: Path, home: dg.DagsterInstance) -> None:
    look = build_defs().resolve_job_def("jwst_reprocessing").execute_in_process(instance=home)
    assert look.success
    (event,) = look.asset_materializations_for_node("reprocessed_files")
    assert event.metadata["compared"].value == 27
    assert len(TableStore(folder).cells("downloaded_files")) == 4
