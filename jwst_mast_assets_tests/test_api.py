"""The Python API: `from jwst_mast_assets import Archive, Config, find, download, holdings`."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jwst_mast_assets import Archive, Config, JwstMastWarning, download, find, holdings
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.errors import ConfigError, NothingRecorded, WrongArchive
from jwst_mast_assets.records import history
from jwst_mast_assets.records.store import TableStore

TWICE = "propID is given twice; give the proposals as the first argument or as propID, not both"
RATE = {"instrument": "nircam", "filetypes": ["_rate.fits"], "sca": ["a1"]}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_mapping({**RATE, "outrootdir": str(tmp_path / "data")})


def test_a_program_is_found_fetched_and_held_with_units(archive: EmbeddedArchive, config: Config) -> None:
    found: Any = find(2731, config=config)
    assert len(found) == 6
    assert str(found["size"].unit) == "byte"
    assert not config.root.exists()

    files: Any = download(found[:2], config=config)
    assert list(files["dl_str"]) == ["downloaded"] * 2
    assert {path.name for path in config.root.rglob("*_rate.fits")} == set(found["productFilename"][:2])

    held: Any = holdings(2731, config=config)
    assert sorted(held["state"]) == ["missing"] * 4 + ["present"] * 2
    assert find(2731, config=config).to_pandas()["state"].eq("present").sum() == 2


def test_a_download_is_recorded_like_one_of_a_command(archive: EmbeddedArchive, config: Config) -> None:
    download(2731, config=config, obsnums=[1])
    events = history.read_history(TableStore(config.root), "02731")
    assert set(events["event"]) == {"downloaded"}
    archive.clear_requests()
    again: Any = download(2731, config=config, obsnums=[1])
    assert set(again["dl_str"]) == {"exists"}
    assert not [request for request in archive.requests if request.path.startswith("/api/v0.1/Download/file")]


def test_it_works_in_a_running_event_loop_as_in_a_notebook(archive: EmbeddedArchive, config: Config) -> None:
    async def cell() -> int:
        files: Any = download(find(2731, config=config)[:1], config=config)
        return len(files) + len(holdings(2731, config=config))

    assert asyncio.run(cell()) == 7


def test_rows_chosen_with_pandas_are_downloaded(archive: EmbeddedArchive, config: Config) -> None:
    table: Any = find(2731, config=config).to_pandas()
    files: Any = download(table[table["obsnum"] == 3], config=config)
    assert len(files) == int((table["obsnum"] == 3).sum()) > 0


def test_files_that_the_configuration_rules_out_are_named_in_a_warning(
    archive: EmbeddedArchive, config: Config
) -> None:
    found = find(2731, config=config)[:1]
    with pytest.warns(JwstMastWarning, match="1 of 1 files are not in MAST's list for this instrument"):
        assert len(download(found, config=config, instrument="miri")) == 0


def test_observations_are_listed_on_request(archive: EmbeddedArchive, config: Config) -> None:
    table: Any = find(2731, config=config, observations=True)
    assert str(table["t_exptime"].unit) == "s"
    assert set(table["proposal_id"]) == {2731}


def test_exclusive_files_wait_and_are_no_failure(archive: EmbeddedArchive, config: Config) -> None:
    files: Any = download(9231, config=config, sca=[], filetypes=["_uncal.fits"])
    assert "waiting" in set(files["state"])
    waiting = files[files["state"] == "waiting"]
    assert all("exclusive access until" in message for message in waiting["dl_message"])


def test_files_that_fail_are_in_the_table_and_a_warning_says_so(own_archive: EmbeddedArchive, config: Config) -> None:
    found: Any = find(2731, config=config)[:2]
    own_archive.faults.add(Fault("status", match=str(found["productFilename"][0]), status=404))
    with pytest.warns(JwstMastWarning, match="1 of 2 files could not be downloaded"):
        files: Any = download(found, config=config)
    assert sorted(files["state"]) == ["failed", "present"]


def test_a_folder_of_another_archive_is_refused(archive: EmbeddedArchive, config: Config) -> None:
    download(find(2731, config=config)[:1], config=config)
    with pytest.raises(WrongArchive, match="holds files of"):
        download(2731, config=config, archive=Archive("http://127.0.0.1:9"))


def test_mistakes_are_one_clear_sentence(archive: EmbeddedArchive, config: Config) -> None:
    with pytest.raises(ConfigError, match=r"unknown parameter 'instrumnt'.*instrument"):
        find(2731, config=config, instrumnt="nircam")
    with pytest.raises(ConfigError, match=r"files: must be a table that find\(\) returned"):
        download(find(2731, config=config)["productFilename", "size"], config=config)
    with pytest.raises(NothingRecorded, match="download something first, or set outrootdir"):
        holdings(2731, config=config)


def test_a_wrong_kind_of_argument_is_one_clear_sentence(archive: EmbeddedArchive, config: Config) -> None:
    found: Any = find(2731, config=config)
    for row in (found[0], found.to_pandas().iloc[0]):
        with pytest.raises(ConfigError, match=r"files: is a single row; .*found\[:1\]"):
            download(row, config=config)
    with pytest.raises(ConfigError, match="config: must be a Config, not str"):
        find(2731, config="my.cfg")  # pyright: ignore[reportArgumentType]


def test_messages_name_the_parameter_and_nothing_of_the_command_line(archive: EmbeddedArchive, config: Config) -> None:
    for call, message in (
        (lambda: Config(filetyps=[]), "unknown parameter 'filetyps'; did you mean 'filetypes'?"),  # pyright: ignore[reportCallIssue]
        (lambda: Config(Nparallel=0), "Nparallel: should be greater than 0, not 0"),
        (lambda: find(2731, config=config, instrumnt="x"), "unknown parameter 'instrumnt'; did you mean 'instrument'?"),
        (lambda: find(2731, propID=1138), TWICE),
        (lambda: download(2731, propID=1138), TWICE),
        (lambda: holdings(2731, propID=1138), TWICE),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert str(caught.value) == message


def test_the_proposal_can_be_named(archive: EmbeddedArchive, config: Config) -> None:
    assert len(find(propID=2731, config=config)) == len(find(2731, config=config)) == 6


def test_values_that_match_nothing_are_warned_of_even_if_others_match(archive: EmbeddedArchive, config: Config) -> None:
    with pytest.warns(JwstMastWarning, match="obsnums: 999 matches no observation that was found; proposal 02731 has"):
        assert len(find(2731, config=config, obsnums=[1, 999])) == 4
    with pytest.warns(JwstMastWarning, match="filetypes: 'rat' matches no file; did you mean '_rate.fits'"):
        assert len(find(2731, config=config, filetypes=["uncal", "rat"])) == 6


def test_an_empty_list_does_not_mean_every_program(archive: EmbeddedArchive, config: Config) -> None:
    for call in (find, download, holdings):
        with pytest.raises(ConfigError, match="propID: the list is empty"):
            call([], config=config)
    assert not config.root.exists()


def test_a_proposal_number_of_a_column_is_taken(archive: EmbeddedArchive, config: Config) -> None:
    found: Any = find(2731, config=config)
    files: Any = download(found["proposal_id"][0], config=config, obsnums=[3])
    assert list(files["dl_str"]) == ["downloaded"] * 2


def test_a_selection_that_excludes_everything_is_a_warning(archive: EmbeddedArchive, config: Config) -> None:
    with pytest.warns(JwstMastWarning, match="filetypes"):
        assert len(find(2731, config=config, filetypes=["_nothing.fits"])) == 0


def test_a_download_that_matches_nothing_says_that_nothing_was_downloaded(
    archive: EmbeddedArchive, config: Config
) -> None:
    with pytest.warns(JwstMastWarning, match="nothing was downloaded"):
        assert len(download(99998, config=config)) == 0


def test_no_representation_shows_a_secret() -> None:
    config = Config.from_mapping({"token": "secret-token", "notify_urls": ["mailto://user:secret-word@example.org"]})
    for shown in (repr(config), str(config), repr(Archive("http://127.0.0.1:9", token="secret-token"))):
        assert "secret-" not in shown


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import jwst_mast_assets, sys; print(sorted({'pandas', 'dagster', 'astropy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_api_never_imports_dagster() -> None:
    code = "from jwst_mast_assets import find; import sys; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
