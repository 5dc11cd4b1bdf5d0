"""A command's events in Dagster, written in batches to a quicker storage; see :mod:`.quick_storage`."""

import contextlib
import os
from collections.abc import Iterator

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

BATCH = "DAGSTER_EVENT_BATCH_SIZE"
"""Dagster's variable: events of a batch at most; without it, each is written by itself."""

TESTED = ("1.13.27",)
"""Versions of Dagster with which the quicker storage was tested to write the same."""


def quick(instance: InstanceRef) -> InstanceRef:
    """An instance's settings with the quicker storage, where it keeps its records in SQLite; else as they are.

    The quicker storage builds on what is inside Dagster, so other versions of it keep their own.
    """
    storage = instance.storage_data
    if storage is None or storage.class_name != "DagsterSqliteStorage" or dg.__version__ not in TESTED:
        return instance
    ours = ConfigurableClassData("jwst_mast_assets.cli.quick_storage", "QuickStorage", storage.config_yaml)
    return instance._replace(storage_data=ours)


@contextlib.contextmanager
def batched_events() -> Iterator[None]:
    """Have Dagster write the events of a batch together, unless the environment says how many."""
    if BATCH in os.environ:
        yield
        return
    os.environ[BATCH] = "1000"
    try:
        yield
    finally:
        del os.environ[BATCH]
