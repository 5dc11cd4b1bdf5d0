"""Downloads under the limits that all processes of an output folder share."""

import time
from pathlib import Path

import pytest

from jwst_mast_assets.downloads import download
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.shared_limits import SharedLimits
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    OTHER,
    assert_fetched,
    config_for,
    fetch,
    products_for,
)


@pytest.fixture(autouse=True)
def _recorded(tmp_path):
    """The output folder has records already."""
    (tmp_path / ".jwst_mast_assets").mkdir()


def test_downloads_are_no_faster_than_max_bandwidth(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    size = len(embedded.content(CAL)) + len(embedded.content(OTHER))
    config = config_for(tmp_path, max_bandwidth=size / 1e6)
    start = time.monotonic()
    assert_fetched(fetch(embedded, config, CAL, OTHER), embedded)
    # All bytes in a second, but for the pause that the last ones would call for.
    assert time.monotonic() - start > 0.9


def test_a_download_that_waits_for_a_connection_can_be_interrupted(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path, max_connections=1)

    def interrupt(_event: object) -> None:
        raise KeyboardInterrupt

    with SharedLimits(tmp_path, 1).connection(lambda: False), pytest.raises(KeyboardInterrupt):
        download(products_for(embedded, config, [CAL]), config, Archive(embedded.url), progress=interrupt)
    assert not [request for request in embedded.requests if request.endpoint == "download"]
    assert_fetched(fetch(embedded, config, CAL), embedded)
