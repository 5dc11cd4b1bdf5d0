"""`jwst-mast adopt FOLDER`: an existing folder of jwst_mast_query is taken into the records."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from jwst_mast_assets import Archive, Config, download
from jwst_mast_assets.cli.main import main
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.records.history import manifest_at, read_history
from jwst_mast_assets.records.store import TableStore

UNCAL = {"instrument": "nircam", "filetypes": ["_uncal.fits"], "obsnums": [1], "sca": ["a1", "a2"]}


@pytest.fixture(scope="module")
def filled(shared_archive: EmbeddedArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of jwst_mast_query: files and no records."""
    root = tmp_path_factory.mktemp("original") / "data"
    both = {**UNCAL, "filetypes": ["_uncal.fits", "_rate.jpg"], "outrootdir": str(root)}
    download(2731, config=Config.from_mapping(both), archive=Archive(shared_archive.url))
    shutil.rmtree(root / ".jwst_mast_assets")
    return root


@pytest.fixture
def originals(archive: EmbeddedArchive, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the output folder."""
    root = tmp_path / "data"
    shutil.copytree(filled, root)
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    archive.clear_requests()
    return root


def fits_of(root: Path) -> list[Path]:
    return sorted(root.rglob("*_uncal.fits"))


def state(root: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [path for path in root.rglob("jw*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def fetched(archive: EmbeddedArchive) -> list[str]:
    return [request.path for request in archive.requests if "ownload" in request.path and request.method == "GET"]


def test_files_that_are_there_are_recorded_and_not_fetched(originals, archive, capsys):
    before = state(originals)
    assert main(["adopt", str(originals)]) == 0
    out = capsys.readouterr().out
    n = len(before)
    fits = len(fits_of(originals))
    assert f"{n} files as in MAST ({fits} by checksum, {n - fits} by size)" in out
    assert f"{n} files newly on record" in out
    assert state(originals) == before
    assert fetched(archive) == []

    # Also of those that MAST has no checksum of, so that a spoiled one is noticed.
    assert manifest_at(read_history(TableStore(originals), "02731"))["md5"].notna().all()
    assert main(["manifest", "2731"]) == 0
    assert f"{n} files" in capsys.readouterr().out
    again: Any = download(2731, config=Config.from_mapping({**UNCAL, "outrootdir": str(originals)}))
    assert set(again["dl_str"]) == {"exists"}
    assert fetched(archive) == []


def test_a_second_time_changes_nothing(originals, capsys):
    main(["adopt", str(originals)])
    records = {path: path.read_bytes() for path in (originals / ".jwst_mast_assets" / "history").rglob("*.parquet")}
    capsys.readouterr()
    assert main(["adopt", str(originals)]) == 0
    assert "0 files newly on record" in capsys.readouterr().out
    assert {p: p.read_bytes() for p in (originals / ".jwst_mast_assets" / "history").rglob("*.parquet")} == records


def test_what_differs_is_listed_and_left_alone_and_the_next_download_replaces_it(originals, capsys):
    spoiled, short = fits_of(originals)[:2]
    content = bytearray(spoiled.read_bytes())
    content[-1] ^= 1
    spoiled.write_bytes(content)
    short.write_bytes(short.read_bytes()[:-1])
    assert main(["adopt", str(originals)]) == 0
    out = capsys.readouterr().out
    assert "2 files not as in MAST; left as they are, replaced by the next download" in out
    assert f"{spoiled.name}: MAST has another version (checksum)" in out
    assert short.name in out
    assert spoiled.read_bytes() == bytes(content)
    files: Any = download(2731, config=Config.from_mapping({**UNCAL, "outrootdir": str(originals)}))
    assert list(files["dl_str"]).count("replaced") == 2


def test_what_mast_does_not_know_or_has_another_place_is_named(originals, capsys):
    first = fits_of(originals)[0]
    (first.parent / "jw02731001001_02101_00001_nrca1_mine.fits").write_bytes(b"mine")
    (originals / "jpg").mkdir()
    moved = first.rename(originals / "jpg" / first.name)
    assert main(["adopt", str(originals)]) == 0
    out = capsys.readouterr().out
    assert "1 file not in MAST; left alone" in out
    assert "nrca1_mine.fits: MAST does not list it" in out
    assert f"jpg/{first.name}: not where the output parameters put it" in out
    assert moved.exists()


def test_a_folder_that_is_not_the_output_folder_is_refused_with_what_to_set(originals, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "other"))
    before = state(originals)
    assert main(["adopt", str(originals / "02731")]) == 2
    assert f"set JWSTDOWNLOAD_OUTDIR={originals} (or outrootdir" in capsys.readouterr().err
    assert state(originals) == before
    assert not (originals / ".jwst_mast_assets").exists()
    assert main(["adopt", str(originals), "--outrootdir", str(originals)]) == 0


def test_a_folder_without_files_of_jwst_is_refused(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path))
    assert main(["adopt", str(tmp_path)]) == 2
    assert "has no files of JWST" in capsys.readouterr().err
    assert main(["adopt", str(tmp_path / "absent")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_folder_is_adopted_whatever_the_configuration_selects_and_what_was_selected_stays(originals, capsys):
    config = Config.from_mapping({**UNCAL, "filetypes": ["_rate.fits"], "outrootdir": str(originals)})
    download(2731, config=config)
    rate = sorted(originals.rglob("*_rate.fits"))
    rate[0].unlink()
    assert main(["adopt", str(originals)]) == 0
    capsys.readouterr()
    main(["status", "2731", "--details"])
    assert rate[0].name in capsys.readouterr().out
