"""Belongs here: materializing cells from the command line, in this process, into the user's instance."""

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import filelock

from jwst_mast_assets.defs.failures import FAILED_FILES, PERMANENT
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell

MERGE_GAP = 10
"""Days without data that a run spans rather than end: a run costs about as much as this many empty cells."""


class Result(NamedTuple):
    """What became of a run."""

    run_id: str
    success: bool
    messages: list[str]
    """Why it failed, a sentence each."""
    permanent: bool = False
    """Whether it would fail again as long as nothing is changed."""
    failed_files: int = 0
    """With how many failed files it came to its end."""


def open_instance() -> dg.DagsterInstance:
    """The instance of ``$DAGSTER_HOME``; where that is not set, one in ``~/.jwst_mast_assets``.

    A plain ``DagsterInstance.get()`` would forget everything at the end of the command.
    """
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(Path.home() / ".jwst_mast_assets"))).expanduser()
    try:
        prepare_home(home)
        os.environ["DAGSTER_HOME"] = str(home.resolve())
        # Dagster makes its databases at the first use, and not for two processes at once.
        with filelock.FileLock(home / "jwst_mast_assets.lock"):
            instance = dg.DagsterInstance.get()
            instance.get_runs(limit=1)
        return instance
    except OSError as error:
        raise JwstMastError(f"DAGSTER_HOME {home} cannot be used ({error.strerror})") from None


def prepare_home(home: Path) -> None:
    """Make a Dagster home that is not there yet, or empty: with limits, retries and no telemetry."""
    home.mkdir(parents=True, exist_ok=True)
    if not any(home.iterdir()):
        settings = resources.files("jwst_mast_assets").joinpath("dagster.yaml").read_text(encoding="utf-8")
        (home / "dagster.yaml").write_text(settings, encoding="utf-8")


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
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={
            "resources": {"jwst_config": {"config": dict(parameters)}},
            "loggers": {"console": {"config": {"log_level": log_level}}},
        },
        tags=range_tags,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
        **partition,
    )
    marks = [
        data.metadata
        for event in result.all_events
        if event.is_step_failure
        if (data := event.step_failure_data.user_failure_data)
    ]
    return Result(
        result.run_id,
        result.success,
        _failures(result),
        any(mark["failure"].value == PERMANENT for mark in marks if "failure" in mark),
        sum(int(str(mark[FAILED_FILES].value)) for mark in marks if FAILED_FILES in mark),
    )


def _failures(result: dg.ExecuteInProcessResult) -> list[str]:
    messages = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            messages.append(described or f"{event.step_key}: {_innermost(data.error)}")
    return messages


def _innermost(error: Any) -> str:
    """The last cause of an error that nobody foresaw."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"
