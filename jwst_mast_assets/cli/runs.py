"""Materializing cells from the command line, in this process, into the user's instance."""

import datetime as dt
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import filelock
from dagster._core.instance.ref import InstanceRef

from jwst_mast_assets.defs.checks import PRESENT
from jwst_mast_assets.defs.failures import FAILED_FILES, PERMANENT
from jwst_mast_assets.defs.home import SETTLED, TO_ADOPT, WATCH_LISTS
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell

MERGE_GAP = 10
"""Longest gap of days without data within a run: starting another run costs about as much as this many empty cells."""

LOCATION = "jwst_mast_assets"
"""The name of the code location."""

LOCATION_TAG = {".dagster/repository": f"__repository__@{LOCATION}"}
"""Makes the web page list a run of this process with its job's other runs."""

NO_OUTPUT_CAPTURED = {
    "compute_logs": {"module": "dagster.core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
"""Of the runs in this process. Dagster would start helpers that copy a step's output, and Ctrl-C in a terminal, which
reaches all of its processes, has each print a traceback."""

DAGSTER_FOLDERS = {"history", "storage", "schedules"}
"""What Dagster creates in a home."""


class Result(NamedTuple):
    """The result of a run."""

    run_id: str
    success: bool
    messages: list[str]
    """Why it failed, one sentence each."""
    of_files: list[str]
    """Likewise, where it is because some files could not be downloaded."""
    permanent: bool = False
    """Whether it would fail again until something is changed."""
    files_failed: bool = False
    """Whether the only problem is that some files could not be downloaded or listed."""


def open_instance(prepared: Callable[[InstanceRef], InstanceRef] | None = None) -> dg.DagsterInstance:
    """The instance of ``$DAGSTER_HOME``; if that is not set, one in ``~/.jwst_mast_assets``.

    A plain ``DagsterInstance.get()`` would forget everything at the end of the command.

    Parameters
    ----------
    prepared : callable, optional
        Changes the instance's settings for this process, as :func:`quick_events.quick` does.
    """
    home = dagster_home()
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        prepare_home(home)
        # Dagster creates its databases at first use, which fails for two processes at once.
        with filelock.FileLock(home / "jwst_mast_assets.lock"):
            settings = InstanceRef.from_dir(str(home), overrides=NO_OUTPUT_CAPTURED)
            instance = dg.DagsterInstance.from_ref(prepared(settings) if prepared else settings)
            instance.get_runs(limit=1)
        return instance
    except OSError as error:
        raise JwstMastError(f"DAGSTER_HOME {home} cannot be used ({error.strerror})") from None


def trouble_with_home(error: Exception) -> str | None:
    """A sentence if an error is that of Dagster's database, which may be in the middle of anything."""
    # SQLAlchemy wraps it.
    cause = getattr(error, "orig", error)
    if not isinstance(cause, sqlite3.Error):
        return None
    home = dagster_home()
    if not home.exists():
        return (
            f"The Dagster home {home} is gone; start the command again, which makes a new one. Files that are on disk "
            "are not affected"
        )
    return (
        f"Dagster's records in {home} cannot be used ({cause}): is the disk full, or does a quota or "
        "another program block it? Files that are on disk are not affected"
    )


def dagster_home() -> Path:
    """``$DAGSTER_HOME``; if that is not set or empty, ``~/.jwst_mast_assets``."""
    return Path(os.environ.get("DAGSTER_HOME") or Path.home() / ".jwst_mast_assets").expanduser().resolve()


@contextmanager
def home_in_use(home: Path) -> Iterator[None]:
    """Keep a second ``serve``, ``dev`` or ``demo`` from using a home: two daemons would request every run twice.

    Raises
    ------
    JwstMastError
        If one is running.
    """
    refusal = (
        f"jwst-mast is already running with the Dagster home {home}; stop that first, or set DAGSTER_HOME "
        "(for dev and demo --folder) to another folder"
    )
    with _only_one(home / "jwst_mast_assets_serve.lock", refusal):
        yield


@contextmanager
def records_in_use(records: Path) -> Iterator[None]:
    """Keep a second ``serve``, with another home, from an output folder: both would request every run.

    Parameters
    ----------
    records : Path
        ``<root>/.jwst_mast_assets``. If it is not there, as when a disk is not mounted, it is left alone.

    Raises
    ------
    JwstMastError
        If one is running.
    """
    refusal = (
        f"jwst-mast serve is already running for the output folder {records.parent}, with another Dagster home or on "
        "another machine; stop that one first, as two would fetch everything twice"
    )
    with ExitStack() as held:
        if records.exists():
            # Some disks have no locks; one that cannot be written is for a run to report.
            with suppress(OSError, NotImplementedError):
                held.enter_context(_only_one(records / "serve.lock", refusal))
        yield


@contextmanager
def _only_one(path: Path, refusal: str) -> Iterator[None]:
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise JwstMastError(refusal) from None
    try:
        yield
    finally:
        lock.release()


def prepare_home(home: Path) -> None:
    """Give a Dagster home its settings (limits, retries, no telemetry): a new one, and one that Dagster made without.

    Raises
    ------
    JwstMastError
        If it cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in home.iterdir()}
        has_settings, was_used = "dagster.yaml" in there, bool(there & DAGSTER_FOLDERS)
        if there and not has_settings and not was_used:
            return
        if WATCH_LISTS not in there:
            (home / WATCH_LISTS).write_text(TO_ADOPT if was_used else SETTLED, encoding="utf-8")
        if has_settings:
            return
        settings = resources.files("jwst_mast_assets").joinpath("dagster.yaml").read_text(encoding="utf-8")
        (home / "dagster.yaml").write_text(settings, encoding="utf-8")
    except OSError as error:
        raise JwstMastError(f"The Dagster home {home} cannot be used ({error.strerror}); set DAGSTER_HOME") from None


def ranges(cells: Iterable[Cell]) -> list[tuple[Cell, Cell]]:
    """First and last cell of each run: one proposal, days with gaps of at most ten days."""
    result: list[tuple[Cell, Cell]] = []
    for cell in sorted(set(cells), key=lambda cell: (cell.proposal, cell.day)):
        if result:
            first, last = result[-1]
            if last.proposal == cell.proposal and cell.day - last.day <= dt.timedelta(days=MERGE_GAP):
                result[-1] = (first, cell)
                continue
        result.append((cell, cell))
    return result


def materialize(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    first: Cell,
    last: Cell,
    parameters: Mapping[str, Any],
    assets: Sequence[str] = (),
    log_level: str = "CRITICAL",
    run_id: str | None = None,
) -> Result:
    """Run a job over the days from one cell to another of the same proposal, in this process.

    Parameters
    ----------
    job : JobDefinition
    instance : DagsterInstance
    first, last : Cell
    parameters : mapping
        What differs from the config file, by the parameters' names.
    assets : sequence of str
        Of the job's assets only these; default: all.
    log_level : str
        What of Dagster's log is shown.
    run_id : str, optional
        The run's id, where the caller needs it beforehand.
    """
    if first == last:
        partition: dict[str, Any] = {
            "partition_key": dg.MultiPartitionKey({"day": str(first.day), "proposal": first.proposal})
        }
        range_tags = {}
    else:
        partition = {}
        range_tags = {
            "dagster/asset_partition_range_start": first.key,
            "dagster/asset_partition_range_end": last.key,
        }
    if assets:
        keys = {dg.AssetKey(name) for name in assets}
        # With assets alone Dagster adds back the checks that the job leaves out: the audits, which read every file.
        checks = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key in keys}
        job = job.get_subset(asset_selection=keys, asset_check_selection=checks)
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={
            "resources": {"jwst_config": {"config": dict(parameters)}},
            "loggers": {"console": {"config": {"log_level": log_level}}},
        },
        tags={**range_tags, **LOCATION_TAG},
        run_id=run_id,
        **partition,
    )
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    marks = [data.user_failure_data.metadata for data in failures if data.user_failure_data]
    counts = [int(str(mark[FAILED_FILES].value)) if FAILED_FILES in mark else 0 for mark in marks]
    return Result(
        result.run_id,
        result.success,
        [_message(event) for event in result.all_events if event.is_step_failure and not _is_of_files(event)],
        [_message(event) for event in result.all_events if event.is_step_failure and _is_of_files(event)],
        any(mark["failure"].value == PERMANENT for mark in marks if "failure" in mark),
        files_failed=len(marks) == len(failures) > 0 and all(counts),
    )


def _is_of_files(event: dg.DagsterEvent) -> bool:
    return str(event.step_key).endswith(PRESENT)


def _message(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    return described or f"{event.step_key}: {_innermost(data.error)}"


def _innermost(error: Any) -> str:
    """The root cause of an unexpected error."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"
