"""A real instance and runs of the real jobs in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.defs.running import execute

DAY = "2022-04-10|01138"
"""30 exposures of NIRCam, 30 selected files."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk where 1138 and 1410 are registered."""
    home = tmp_path / "instance"
    home.mkdir()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        register_proposals(instance, [1138, 1410])
        yield instance


def watch_only(root: Path, *proposals: str) -> None:
    """Have just these proposals watched in an output folder."""
    watched = WatchList(TableStore(root))
    watched.start()
    watched.remove(watched.read())
    watched.add(proposals)


class Runner:
    """Runs jobs with an output folder of the test's own."""

    def __init__(self, instance: dg.DagsterInstance, root: Path) -> None:
        self.instance = instance
        self.root = root
        self.store = TableStore(root)

    def run(self, job: str = "jwst_download", keys: str | tuple[str, str] = DAY, **parameters: Any) -> Any:
        """Run a job over one key or a range of two; parameters go into the run config."""
        tags = (
            {"dagster/partition": keys}
            if isinstance(keys, str)
            else {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]}
        )
        config = {"outrootdir": str(self.root), **parameters}
        run_config = {"resources": {"jwst_config": {"config": config}}}
        return execute(self.instance, job, tags=tags, run_config=run_config)

    def table(self, asset: str, key: str = DAY) -> pd.DataFrame:
        """A table as it stands on disk."""
        return self.store.read(asset, [Cell.from_key(key)])

    def files(self) -> set[str]:
        """Names of all files below the output folder but tables and pages."""
        return {path.name for path in self.root.rglob("*.fits")} | {path.name for path in self.root.rglob("*.jpg")}


@pytest.fixture
def runner(instance: dg.DagsterInstance, tmp_path: Path) -> Runner:
    return Runner(instance, tmp_path / "data")


def messages(result: Any) -> list[str]:
    """The sentences with which a run failed."""
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    return [failure.description if failure else "an unexpected error" for failure in failures]
