"""``jwst-mast demo`` and ``dev`` keep to their own folder, whatever the user has exported."""

import re
from pathlib import Path

import pytest

from jwst_mast_assets.cli.embedded import embedded_archive_in
from jwst_mast_assets.cli.main import main
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.records.archive_identity import claim


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo, shared by the tests of this module in their order."""
    return tmp_path_factory.mktemp("demo") / "demo_data"


@pytest.fixture
def real(tmp_path, monkeypatch):
    """The user's own folder, home and settings, all exported."""
    data, home = tmp_path / "real", tmp_path / "real_home"
    claim(data, "https://mast.stsci.edu")
    (data / "01138").mkdir()
    (data / "01138" / "jw01138004001_02101_00001_nrca1_uncal.fits").write_text("real")
    home.mkdir()
    (tmp_path / "my.cfg").write_text(f"outrootdir: {data}\nfiletypes: [nothing]\nnotify_urls: ['json://127.0.0.1:9']\n")
    for name, value in {
        "JWSTDOWNLOAD_OUTDIR": data,
        "DAGSTER_HOME": home,
        "JWST_QUERY_CFGFILE": tmp_path / "my.cfg",
        "MAST_SERVER": "https://mast.stsci.edu",
        "MAST_API_TOKEN": "secret",
        "JWST_NOTIFY_URLS": "json://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_a_demo_changes_nothing_of_the_users_whatever_is_exported(real, folder, capsys):
    before = snapshot(real)
    assert main(["demo", "--folder", str(folder)]) == 0
    assert re.search(r"Download complete: 2\d\d files", capsys.readouterr().out)
    assert snapshot(real) == before
    assert (folder / "data" / "01138" / "index.html").exists()
    assert (folder / "dagster" / "dagster.yaml").exists()


def test_a_second_demo_finds_everything_there_also_in_a_folder_of_the_version_before(folder, capsys):
    note = folder / "data" / ".jwst_mast_assets" / "archive.json"
    first = note.read_text()
    note.unlink()
    assert main(["demo", "--folder", str(folder)]) == 0
    assert "### Nothing to fetch: all " in capsys.readouterr().out
    assert note.read_text() != first


def test_the_environment_of_a_demo_knows_the_embedded_archive_only(real, tmp_path, monkeypatch):
    import os

    before = dict(os.environ)
    with embedded_archive_in(str(tmp_path / "x")) as place:
        ours = {name: value for name, value in os.environ.items() if name.startswith(("JWST", "MAST", "DAGSTER"))}
        assert ours == {
            "DAGSTER_HOME": str(place.home),
            "JWSTDOWNLOAD_OUTDIR": str(place.data),
            "MAST_SERVER": place.url,
        }
    assert dict(os.environ) == before


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_folder_with_the_files_of_another_archive_is_refused(tmp_path, capsys, command):
    claim(tmp_path / "data", "https://mast.stsci.edu")
    before = snapshot(tmp_path / "data")
    assert main([command, "--folder", str(tmp_path)]) == 2
    assert (
        "holds files of https://mast.stsci.edu, not of the embedded archive; choose another" in capsys.readouterr().err
    )
    assert snapshot(tmp_path / "data") == before


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_folder_with_files_that_nobody_recorded_is_refused(tmp_path, capsys, command):
    path = tmp_path / "data" / "01138" / "jw01138004001_02101_00001_nrca1_uncal.fits"
    path.parent.mkdir(parents=True)
    path.write_text("real")
    assert main([command, "--folder", str(tmp_path)]) == 2
    assert "holds files that are not the embedded archive's; choose another folder" in capsys.readouterr().err
    assert path.read_text() == "real"


def test_two_at_the_same_time_in_one_folder_are_refused(tmp_path):
    with (
        embedded_archive_in(str(tmp_path)) as place,
        pytest.raises(JwstMastError, match=f"already running with the Dagster home {place.home}; stop that first"),
        embedded_archive_in(str(tmp_path)),
    ):
        pass
    with embedded_archive_in(str(tmp_path)):
        pass
