"""Files with exclusive access cannot be read by others, from their first byte until their release."""

import contextlib
import os
import stat
import threading
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.downloads import Code, access, superseded
from jwst_mast_assets.downloads.partial import Partial, open_partial, partial_path
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets_tests.downloads.holdings import CAL, PRIVATE, cell, config_for, fetch, now, released

TOKEN = "good-token"


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """What the account takes from every new file."""
    monkeypatch.setattr(access, "UMASK", request.param)
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def path_of(files: pd.DataFrame, name: str) -> Path:
    return Path(cell(files, name, "outfilename"))


@pytest.mark.parametrize("wanted", ["0600", "0640", "0660"])
def test_an_exclusive_file_has_the_mode_and_a_public_one_what_the_account_gives(
    wanted: str, umask: int, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, exclusive_file_mode=wanted)
    files = fetch(embedded, config, PRIVATE, CAL, token=TOKEN)
    assert list(files["dl_code"]) == [Code.DOWNLOADED, Code.DOWNLOADED]
    assert mode(path_of(files, PRIVATE)) == int(wanted, 8)
    assert mode(path_of(files, CAL)) == 0o666 & ~umask


def test_there_is_no_moment_in_which_it_is_more_open(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.faults.add(Fault("truncate", endpoint="download", times=1))
    seen: dict[str, set[int]] = {}
    ended = threading.Event()

    def look() -> None:
        for path in tmp_path.rglob("*jw01345*"):
            # It may be renamed just now.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    seen.setdefault(path.suffix, set()).add(mode(path))

    def watch() -> None:
        while not ended.wait(0.0005):
            look()

    append = Partial.append

    def append_and_look(partial: Partial, block: bytes) -> None:
        append(partial, block)
        look()

    # A thread alone may miss the whole download on a busy machine.
    monkeypatch.setattr(Partial, "append", append_and_look)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        fetch(embedded, config_for(tmp_path, exclusive_file_mode="0640"), PRIVATE, token=TOKEN)
    finally:
        ended.set()
        watcher.join()
    look()
    assert {".part", ".json", ".fits"} <= set(seen)
    assert all(found & ~0o640 == 0 for modes in seen.values() for found in modes), seen


def test_a_partial_is_created_with_its_mode_and_not_changed_to_it(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / PRIVATE)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with open_partial(target, threading.Event(), 0o640) as partial:
        assert mode(partial.path) == 0o640 & ~umask


def test_a_partial_that_was_begun_before_the_parameter_was_set_is_closed(tmp_path: Path) -> None:
    target = str(tmp_path / PRIVATE)
    Path(partial_path(target)).write_bytes(b"half")
    with open_partial(target, threading.Event(), 0o600) as partial:
        assert mode(partial.path) == 0o600


def test_a_file_that_was_fetched_before_the_parameter_was_set_is_closed_by_the_next_run(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    before = path_of(fetch(embedded, config_for(tmp_path), PRIVATE, token=TOKEN), PRIVATE)
    written = before.stat().st_mtime_ns
    files = fetch(embedded, config_for(tmp_path, exclusive_file_mode="0600"), PRIVATE, token=TOKEN)
    assert cell(files, PRIVATE, "dl_code") == Code.EXISTS
    assert (mode(before), before.stat().st_mtime_ns) == (0o600, written)


def test_after_its_release_it_is_opened_with_its_older_versions_and_thumbnail(
    umask: int, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, exclusive_file_mode="0640")
    files = fetch(embedded, config, PRIVATE, token=TOKEN)
    path = path_of(files, PRIVATE)
    older = superseded.keep(str(path))
    thumbnail, preview, *_ = [Path(name) for name in access.pictures(str(path))]
    preview.parent.mkdir()
    for picture in (thumbnail, preview):
        picture.touch()
        picture.chmod(0o640)
    assert access.give_modes(files, config, now()) == []
    expected = 0o666 & ~umask | 0o640
    assert access.give_modes(released(files), config, now()) == ([str(path)] if expected != 0o640 else [])
    assert [mode(found) for found in (path, older, thumbnail, preview)] == [expected] * 4
    assert access.give_modes(released(files), config, now()) == []


def test_a_mode_that_someone_chose_stays(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path, exclusive_file_mode="0640")
    files = fetch(embedded, config, PRIVATE, CAL, token=TOKEN)
    for name in (PRIVATE, CAL):
        path_of(files, name).chmod(0o400)
    assert access.give_modes(files, config, now()) == access.give_modes(released(files), config, now()) == []
    assert {mode(path_of(files, name)) for name in (PRIVATE, CAL)} == {0o400}


def test_exclusive_files_are_not_among_those_that_all_may_see_where_they_are_closed(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path, exclusive_file_mode="0640")
    files = fetch(embedded, config, PRIVATE, CAL, token=TOKEN)
    assert list(access.open_to_all(files, config, now()).index) == [CAL]
    assert list(access.open_to_all(files, config_for(tmp_path), now()).index) == [PRIVATE, CAL]


def test_a_file_of_which_mast_gives_no_rights_is_closed_until_its_release() -> None:
    rights = pd.Series(["PUBLIC", "EXCLUSIVE_ACCESS", "RESTRICTED", None, None], dtype="string")
    release = pd.Series([None, 99_000.0, None, None, 50_000.0], dtype="Float64")
    found = access.is_exclusive(pd.DataFrame({"dataRights": rights, "t_obs_release": release}), now())
    assert list(found) == [False, True, True, True, False]


def test_a_copied_older_version_is_no_more_open_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_text("exclusive")
    path.chmod(0o600)

    def no_links(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", no_links)
    assert mode(superseded.keep(str(path))) == 0o600
