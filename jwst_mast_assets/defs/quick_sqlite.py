"""Fewer waits for the disk in Dagster's SQLite files, for as long as a command or a run takes.

Dagster opens a connection for each of a run's events and closes it again. Closing the last connection to a database
writes its log back and waits for the disk, and so does each commit, unless SQLite has ``synchronous=NORMAL``. With a
write-ahead log, which Dagster uses, this is safe: a power cut may cost the last events, but never the database.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextlib.contextmanager
def quick_sqlite() -> Iterator[None]:
    """Wait for the disk once per database instead of once per event."""
    spare: dict[str, sqlite3.Connection] = {}

    def connected(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path and not os.path.getsize(path):
            # It is about to be created; if that is interrupted, it is created again.
            connection.execute("PRAGMA synchronous=OFF")
        elif path and connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA synchronous=NORMAL")
            if path not in spare:
                # While this one is open, no other is the last.
                spare[path] = sqlite3.connect(path, check_same_thread=False)
                spare[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
        for connection in spare.values():
            connection.close()
