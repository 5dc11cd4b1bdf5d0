"""An output folder that is moved away, or whose disk is unmounted, while files are fetched, is not filled again."""

from pathlib import Path

import pytest

from jwst_mast_assets.downloads import Event, download
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.errors import FolderMoved
from jwst_mast_assets_tests.downloads.holdings import config_for, products_for

NAMES = [f"jw01138001001_02101_00001_nrc{sca}_{kind}" for sca in ("a1", "a2") for kind in ("uncal.fits", "cal.fits")]


@pytest.mark.parametrize("mount_point_is_left", [False, True])
def test_nothing_more_is_written_there(embedded: EmbeddedArchive, tmp_path: Path, mount_point_is_left: bool) -> None:
    root, away = tmp_path / "data", tmp_path / "away"
    config = config_for(root, Nparallel=1)
    embedded.faults.add(Fault("slow", endpoint="download", seconds=0.3))

    def move_away(event: Event) -> None:
        if event.files_done and root.exists() and not away.exists():
            root.rename(away)
            if mount_point_is_left:
                root.mkdir()

    with pytest.raises(FolderMoved, match=f"The output folder {root} was moved or replaced while files were fetched"):
        download(products_for(embedded, config, NAMES), config, Archive(embedded.url), progress=move_away)
    assert [path.name for path in root.rglob("*") if path.is_file()] == []
    whole = [path for path in away.rglob("*.fits") if not path.name.startswith(".")]
    assert 1 <= len(whole) < len(NAMES)
    assert all(path.read_bytes() == embedded.content(path.name) for path in whole)
