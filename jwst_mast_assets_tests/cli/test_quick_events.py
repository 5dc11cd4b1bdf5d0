"""A command's events in Dagster: the same as Dagster writes, in fewer transactions."""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import event
from sqlalchemy.engine import Engine

from jwst_mast_assets.cli import quick_events
from jwst_mast_assets.cli.quick_events import BATCH, batched_events, quick
from jwst_mast_assets.cli.quick_storage import QuickEventLog

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-02-01")


@dg.asset(partitions_def=DAYS)
def counts() -> None:
    """Something of each day."""


JOB = dg.Definitions(assets=[counts], jobs=[dg.define_asset_job("all_days", [counts])])


def month(instance: dg.DagsterInstance) -> str:
    """Make all days in one run; returns its id."""
    tags = {
        "dagster/asset_partition_range_start": "2026-01-01",
        "dagster/asset_partition_range_end": "2026-01-31",
    }
    return JOB.resolve_job_def("all_days").execute_in_process(instance=instance, tags=tags).run_id


@contextmanager
def opened(home: Path, quicker: bool) -> Iterator[dg.DagsterInstance]:
    """An instance in a folder."""
    home.mkdir(exist_ok=True)
    settings = InstanceRef.from_dir(str(home))
    with dg.DagsterInstance.from_ref(quick(settings) if quicker else settings) as instance:
        yield instance


def recorded(instance: dg.DagsterInstance, run_id: str) -> Counter[tuple[str | None, str | None]]:
    """The events of a run: their types and partitions."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id)]
    return Counter((event.event_type_value, event.partition) for event in events if event)


def test_a_run_of_a_command_leaves_the_same_events_as_one_of_dagster(tmp_path: Path) -> None:
    with opened(tmp_path / "theirs", quicker=False) as instance:
        theirs = recorded(instance, month(instance))
    with opened(tmp_path / "ours", quicker=True) as instance, batched_events():
        run_id = month(instance)
    # Read as Dagster's page reads it.
    with opened(tmp_path / "ours", quicker=False) as instance:
        assert recorded(instance, run_id) == theirs
        assert theirs["ASSET_MATERIALIZATION", "2026-01-31"] == 1
        assert len(instance.get_materialized_partitions(counts.key)) == 31
        assert instance.get_latest_materialization_event(counts.key) is not None
    assert tags_of(tmp_path / "ours") == tags_of(tmp_path / "theirs")


def tags_of(home: Path) -> Counter[tuple[str, str, str]]:
    """What Dagster looks events of assets up by: the day and the kind of tag of each."""
    (index,) = home.rglob("index.db")
    query = (
        "SELECT dagster_event_type, partition, key FROM asset_event_tags JOIN event_logs ON event_logs.id = event_id"
    )
    with closing(sqlite3.connect(index)) as connection:
        return Counter(connection.execute(query).fetchall())


def test_the_days_of_an_asset_take_one_transaction_per_database(tmp_path: Path) -> None:
    commits: Counter[str] = Counter()

    def committed(connection: object) -> None:
        commits[str(connection.engine.url.database).rpartition("/")[2]] += 1  # type: ignore[attr-defined]

    with opened(tmp_path / "home", quicker=True) as instance, batched_events():
        month(instance)
        event.listen(Engine, "commit", committed)
        try:
            run_id = month(instance)
        finally:
            event.remove(Engine, "commit", committed)
    # 31 days; without batches more than two commits each.
    assert commits[f"{run_id}.db"] < 31
    assert commits["index.db"] < 31


def test_the_events_of_an_asset_take_one_statement_per_database(tmp_path: Path) -> None:
    inserts: Counter[str] = Counter()

    def executed(connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO event_logs"):
            inserts[str(connection.engine.url.database).rpartition("/")[2]] += 1  # type: ignore[attr-defined]

    with opened(tmp_path / "home", quicker=True) as instance, batched_events():
        month(instance)
        event.listen(Engine, "before_cursor_execute", executed)
        try:
            run_id = month(instance)
        finally:
            event.remove(Engine, "before_cursor_execute", executed)
        assert len(instance.get_materialized_partitions(counts.key)) == 31
    # What is planned for 31 days, and what was made; and the run's own events, some of them in both.
    others = sum(number for (_, day), number in recorded_of(tmp_path / "home", run_id).items() if day is None)
    assert inserts[f"{run_id}.db"] == 2 + others
    assert inserts["index.db"] <= 2 + others


def recorded_of(home: Path, run_id: str) -> Counter[tuple[str | None, str | None]]:
    """The events of a run, read as Dagster's page reads them."""
    with opened(home, quicker=False) as instance:
        return recorded(instance, run_id)


def test_a_batch_that_cannot_be_stored_leaves_nothing_of_it(tmp_path: Path) -> None:
    with opened(tmp_path / "home", quicker=True) as instance:
        run_id = month(instance)
        before = recorded(instance, run_id)
        log = instance.event_log_storage
        assert isinstance(log, QuickEventLog)
        entry = next(e for e in instance.all_logs(run_id) if e.dagster_event and e.dagster_event.partition)
        with pytest.raises(Exception, match="event"):
            log.store_event_batch([entry, "not an event"])
        assert recorded(instance, run_id) == before
        # Nor is anything locked.
        assert sqlite3.connect(log.path_for_shard("index"), timeout=1).execute("BEGIN IMMEDIATE") is not None


def test_another_kind_of_storage_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(
        "storage:\n  custom:\n    module: dagster._core.storage.sqlite_storage\n    class: Other\n    config: {}\n"
    )
    settings = InstanceRef.from_dir(str(tmp_path))
    assert quick(settings) is settings


def test_the_size_of_a_batch_in_the_environment_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BATCH, "7")
    with batched_events():
        assert os.environ[BATCH] == "7"
    assert os.environ[BATCH] == "7"


def test_a_version_of_dagster_that_was_not_tested_keeps_its_own_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = InstanceRef.from_dir(str(tmp_path))
    assert quick(settings) != settings
    monkeypatch.setattr(quick_events, "TESTED", ("1.13.26",))
    assert quick(settings) == settings
