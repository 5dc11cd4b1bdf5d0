"""A database for a module's tests, and homes that use it as the ready configurations do."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets_tests.archives import NOW
from jwst_mast_assets_tests.deploy.configurations import DEPLOY
from jwst_mast_assets_tests.deploy.sixty_partitions import LIMIT
from jwst_mast_assets_tests.servers import postgresql


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a PostgreSQL database."""
    with postgresql() as url:
        yield url


@pytest.fixture
def home(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster home with the configuration of one server."""
    monkeypatch.setenv("JWST_POSTGRES_URL", database)
    folder = Path(os.environ["DAGSTER_HOME"])
    folder.mkdir()
    shutil.copy(DEPLOY / "one-server" / "dagster.yaml", folder)
    return folder


@pytest.fixture
def filled_archive(monkeypatch):
    """Two proposals with data on some of thirty days; every file takes a while."""
    with EmbeddedArchive(now=NOW) as archive:
        for day in (59671.2, 59679.3, 59680.7, 59683.2, 59690.1, 59695.5):
            archive.add_observation(1410, 40, t_min=day, detectors=("nrca1", "nrcb1"))
        archive.faults.add(Fault("slow", endpoint="download", seconds=0.4))
        monkeypatch.setenv("MAST_SERVER", archive.url)
        yield archive


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The output folder that all share, and the config file."""
    folder = tmp_path / "data"
    folder.mkdir()
    config = tmp_path / "jwst.cfg"
    config.write_text(f"outrootdir: {folder}\nmax_connections: {LIMIT}\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(config))
    return folder
