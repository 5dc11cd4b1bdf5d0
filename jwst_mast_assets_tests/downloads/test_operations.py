"""How often a download asks the archive, opens files and connects: the same on any machine."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests.sessions

from jwst_mast_assets.downloads.partial import SMALL
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets_tests.downloads.holdings import CAL, JPG, OTHER, assert_fetched, config_for, fetch


class Opened:
    """The files below a folder that this process opened: an audit hook stays for its life."""

    def __init__(self) -> None:
        self.below: str | None = None
        self.names: Counter[str] = Counter()
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.below and str(arguments[0]).startswith(self.below):
            self.names[os.path.basename(str(arguments[0]))] += 1


@pytest.fixture(scope="module")
def hook() -> Opened:
    return Opened()


@pytest.fixture
def opened(hook: Opened, tmp_path: Path):
    hook.below = f"{tmp_path}/01138/"
    hook.names.clear()
    yield hook.names
    hook.below = None


def test_only_a_file_without_checksum_is_read_again(embedded: EmbeddedArchive, tmp_path: Path, opened) -> None:
    assert len(embedded.content(JPG)) <= SMALL < len(embedded.content(CAL))
    files = fetch(embedded, config_for(tmp_path), CAL, JPG)
    often = dict(opened)
    assert_fetched(files, embedded)
    asked = [(request.method, request.status) for request in embedded.requests if request.endpoint == "download"]
    assert asked == [("GET", 200)] * 2
    # The FITS file was verified as it arrived; what it belongs to was noted, as it is worth resuming after a kill. The
    # beginning of the image was read, and it was decoded.
    assert often.pop(f".{CAL}.part.json")
    assert often == {f".{CAL}.part": 1, f".{JPG}.part": 3}


def test_the_part_of_a_small_file_is_resumed_by_the_next_run(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    fault = embedded.faults.add(Fault("drop", after_bytes=1000))
    assert fetch(embedded, config_for(tmp_path, download_retries=0), JPG)["dl_code"].item() != 1
    embedded.faults.remove(fault.id)
    files = fetch(embedded, config_for(tmp_path), JPG)
    assert_fetched(files, embedded)
    assert files["bytes_fetched"].item() == len(embedded.content(JPG)) - 1000


def test_the_environment_is_read_once_per_thread_not_once_per_file(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    proxies = requests.sessions.get_environ_proxies

    def reading(url: str, **options: Any) -> dict[str, str]:
        read.append(url)
        return proxies(url, **options)

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", reading)
    assert_fetched(fetch(embedded, config_for(tmp_path, Nparallel=1), CAL, OTHER, JPG), embedded)
    assert len([url for url in read if "Download" in url]) == 1
