"""A real instance, and what runs the real jobs in it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets_tests.defs.running import Runner


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk where 1138 and 1410 are registered."""
    home = tmp_path / "instance"
    home.mkdir()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        register_proposals(instance, [1138, 1410])
        yield instance


@pytest.fixture
def runner(instance: dg.DagsterInstance, tmp_path: Path) -> Runner:
    return Runner(instance, tmp_path / "data")
