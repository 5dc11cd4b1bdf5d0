import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets_tests.downloads.holdings import md5_of, small_catalogue


@pytest.fixture(scope="session")
def shared_archive() -> Iterator[EmbeddedArchive]:
    """One server for all tests; only :func:`embedded` hands it out."""
    with EmbeddedArchive(small_catalogue()) as archive:
        yield archive


@pytest.fixture
def embedded(shared_archive: EmbeddedArchive) -> Iterator[EmbeddedArchive]:
    """An archive without faults and with no requests yet."""
    shared_archive.faults.clear()
    shared_archive.clear_requests()
    yield shared_archive
    shared_archive.faults.clear()


@pytest.fixture
def own_archive() -> Iterator[EmbeddedArchive]:
    """An archive of one test, which may change what it holds."""
    with EmbeddedArchive(small_catalogue()) as archive:
        yield archive


@pytest.fixture
def watch():
    """Watch a folder meanwhile: whatever has a final name is, at any moment, a version that the archive has or had."""
    return Watched


class Watched:
    """See :func:`watch`."""

    def __init__(self, folder: Path, archive: EmbeddedArchive, *more: str) -> None:
        self.folder, self.archive = folder, archive
        self.allowed = {*more}
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        assert self.wrong == []

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self._look()

    def _look(self) -> None:
        for folder, subfolders, names in os.walk(self.folder):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    md5 = md5_of(os.path.join(folder, name))
                    if md5 not in self.allowed and md5 != self.archive.md5(name):
                        self.wrong.append(name)
