"""A database for a module's tests, and homes that use it as the ready configurations do."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jwst_mast_assets_tests.servers import postgresql

DEPLOY = Path(__file__).parents[2] / "deploy"


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
