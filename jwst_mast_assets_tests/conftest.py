"""What all tests share: an archive on loopback, and an environment without the user's own settings."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadScopeScheduling

from jwst_mast_assets.downloads import backoff
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast import adaptive, listing, mashup, session
from jwst_mast_assets_tests.archives import NOW

LONGEST = ("test_dagster_dev.py", "deploy", "cli", "defs")
"""Modules and folders to start first, so that no worker is left alone with a long module at the end."""

MANY_PROCESSES = LONGEST[:2]
"""Those that start many processes and wait for them: one after another, or they would keep each other waiting."""

# The many processes that tests start then compile the package once, not each for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell's background jobs ignore Ctrl-C, and so would the commands that are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first; the others stay in their order."""

    def place(item: pytest.Item) -> int:
        first = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONGEST.index(first) if first in LONGEST else len(LONGEST)

    items.sort(key=place)


class ByModule(LoadScopeScheduling):
    """Keeps the tests of a module, which share servers, on one worker, and those of many processes on one, too."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "many processes" if module.split("/")[1] in MANY_PROCESSES else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    """What runs where if there are several workers, whatever ``--dist`` says."""
    return ByModule(config, log)


_migrations: dict[str | None, ScriptDirectory] = {}


def _read_once(
    config: Config, read: Callable[[Config], ScriptDirectory] = ScriptDirectory.from_config
) -> ScriptDirectory:
    folder = config.get_alembic_option("script_location")
    if folder not in _migrations:
        _migrations[folder] = read(config)
    return _migrations[folder]


# Dagster reads its migrations again for each database, and a test makes a few.
ScriptDirectory.from_config = _read_once  # pyright: ignore[reportAttributeAccessIssue]


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    """Spare Dagster's SQLite files, which no test needs after a power failure, a wait for the disk per event."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the user reaches a test; DAGSTER_HOME and the current folder are the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("JWST_QUERY_CFGFILE", "JWSTDOWNLOAD_OUTDIR", "MAST_API_TOKEN", "MAST_SERVER", "JWST_NOTIFY_URLS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("JWST_EXECUTOR", "JWST_POSTGRES_URL", "JWST_CELERY_BROKER", "JWST_CELERY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked at once, or nearly so."""
    monkeypatch.setattr(session, "BACKOFF", 0.01)
    monkeypatch.setattr(session, "PAUSE_WHILE_EXECUTING", 0.05)
    monkeypatch.setattr(backoff, "WAITS", backoff.Waits(first=0.01, longest=0.05, longest_asked=3.0))
    monkeypatch.setattr(mashup, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(listing, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture(autouse=True)
def nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test knows what an archive before it, perhaps at the same address, could do."""
    monkeypatch.setattr(adaptive, "SIZES", {})
    monkeypatch.setattr(mashup, "REFUSED", {})


@pytest.fixture(scope="session")
def shared_archive() -> Iterator[EmbeddedArchive]:
    """One archive for all tests that leave its catalogue as it is."""
    with EmbeddedArchive(now=NOW) as archive:
        yield archive


@pytest.fixture
def archive(shared_archive: EmbeddedArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedArchive]:
    """The shared archive, as $MAST_SERVER, without faults and with an empty request log; do not change its holdings."""
    shared_archive.faults.clear()
    shared_archive.clear_requests()
    monkeypatch.setenv("MAST_SERVER", shared_archive.url)
    yield shared_archive
    shared_archive.faults.clear()


@pytest.fixture
def own_archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedArchive]:
    """An archive of the test's own, as $MAST_SERVER, to be changed at will."""
    with EmbeddedArchive(now=NOW) as archive:
        monkeypatch.setenv("MAST_SERVER", archive.url)
        yield archive


@pytest.fixture(scope="session")
def shared_unusual_archive() -> Iterator[EmbeddedArchive]:
    """One archive of programs 1101 (odd names), 80001 (new modes) and 80002 (level 3 of several observations)."""
    with EmbeddedArchive(Catalogue.unusual()) as archive:
        yield archive


@pytest.fixture
def unusual_archive(shared_unusual_archive: EmbeddedArchive, monkeypatch: pytest.MonkeyPatch) -> EmbeddedArchive:
    """That archive, as $MAST_SERVER, with an empty request log; do not change its holdings."""
    shared_unusual_archive.clear_requests()
    monkeypatch.setenv("MAST_SERVER", shared_unusual_archive.url)
    return shared_unusual_archive


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a file system of the test's own; the test needs the right to do so."""
    folders = []

    def mount(*arguments: str) -> Path:
        folder = tmp_path / f"mounted{len(folders)}"
        folder.mkdir()
        done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine does not let tests mount a file system: {done.stderr.strip()}")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
