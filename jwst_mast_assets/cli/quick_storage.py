"""Dagster's storage in SQLite, quicker: the same files and tables, with what the version in ``TESTED`` has inside.

Dagster 1.13 makes a new SQLAlchemy engine, which compiles its statements again, for each connection, and an event of an
asset takes five of them. Here each database has one engine, and the events of a batch (what is planned for a run; an
asset's days) have one connection, one transaction and one statement per database.
"""

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy
from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine


class QuickEventLog(SqliteEventLogStorage):
    """Dagster's event log, with one engine per database, and batches in one transaction."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._held: dict[str, Connection] = {}
        self._tables: set[str] = set()
        self._partitions: set[tuple[str, str]] = set()
        self._using = threading.RLock()
        super().__init__(base_dir, inst_data)

    def run_connection(self, run_id: str | None = None) -> Any:
        """A connection to the database of a run."""
        return self._connection(str(run_id))

    def index_connection(self) -> Any:
        """A connection to the database of all runs."""
        return self._connection(INDEX_SHARD_NAME)

    def store_event_batch(self, events: Sequence[Any]) -> None:
        """Store events of a run, all or none."""
        if not events:
            return
        with self._hold(INDEX_SHARD_NAME), self._hold(events[0].run_id):
            for of_assets, some in itertools.groupby(events, _is_of_asset):
                if of_assets:
                    self._store_asset_events(list(some))
                else:
                    super().store_event_batch(list(some))

    def _store_asset_events(self, events: list[EventLogEntry]) -> None:
        """As Dagster stores each of them; but what it notes about an asset's last event only for the last of these."""
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(insert, rows)
        with self.index_connection() as connection:
            connection.execute(insert, rows)
            # Nobody else can have added any since, as the transaction holds the database.
            number_of = SqlEventLogStorageTable.c.id
            last_ids = sqlalchemy.select(number_of).order_by(number_of.desc()).limit(len(rows))
            ids = sorted(connection.execute(last_ids).scalars())
            self._store_asset_event_tags(connection, events, ids)
            last = {(row["asset_key"], row["dagster_event_type"]): number for number, row in enumerate(rows)}
            for number in last.values():
                self._store_asset_event(connection, events[number], ids[number])

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether a partition was added; looked up until it was."""
        key = partitions_def_name, partition_key
        if key not in self._partitions and super().has_dynamic_partition(*key):
            self._partitions.add(key)
        return key in self._partitions

    def has_table(self, table_name: str) -> bool:
        """Whether the database has a table; looked up until it does."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextlib.contextmanager
    def _connection(self, shard: str) -> Iterator[Connection]:
        with self._using:
            if held := self._held.get(shard):
                yield held
                return
            if shard not in self._engines:
                # Dagster creates the database where it is missing.
                with super().run_connection(shard):
                    pass
                self._engines[shard] = sqlalchemy.create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=sqlalchemy.NullPool,
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
                )
            with self._engines[shard].begin() as connection:
                yield connection

    @contextlib.contextmanager
    def _hold(self, shard: str) -> Iterator[None]:
        """Use one connection, and one transaction, for everything in a ``with`` block."""
        with self._connection(shard) as connection:
            self._held[shard] = connection
            try:
                yield
            finally:
                del self._held[shard]


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


class QuickStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite with that event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        events = os.path.dirname(self._event_log_storage.path_for_shard(INDEX_SHARD_NAME))
        self._event_log_storage = QuickEventLog(events)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "QuickStorage":
        """Made by Dagster from an instance's settings."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @property
    def event_log_storage(self) -> EventLogStorage:
        """The event log."""
        return self._event_log_storage
