"""A backfill of sixty partitions while a command downloads from the same days, and what must be true afterwards."""

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus

from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.embedded_archive.exchange import most_at_once

PROPOSALS = ("01138", "01410")
DAYS = [*(f"2022-04-{day:02d}" for day in range(1, 31) if day != 12), "2022-05-01"]
KEYS = [f"{day}|{proposal}" for day in DAYS for proposal in PROPOSALS]
"""60 partitions; Dagster makes a run of each proposal's days without a gap."""

LIMIT = 4
DOWNLOAD = str(Path(sys.executable).parent / "jwst_download.py")


@contextmanager
def command_meanwhile() -> "Iterator[subprocess.Popen[str]]":
    """A command that downloads one of the days; killed at the end if it is still there."""
    command = subprocess.Popen(
        [DOWNLOAD, "--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T23:59:59", "--yes"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with command:
        try:
            yield command
        finally:
            command.kill()


def assert_every_file_once(archive: EmbeddedArchive, root: Path, in_flight: Collection[str] = ()) -> None:
    """All files are whole; only those that were under way when a worker was killed were requested twice."""
    requests = [each for each in archive.requests if each.endpoint == "download" and each.method == "GET"]
    files = sorted(root.glob("0*/**/*.fits"))
    assert {path.name for path in files} == {each.uri.rpartition("/")[2] for each in requests}
    assert len(files) > 60
    assert len(KEYS) == 60
    assert all(path.read_bytes() == archive.content(path.name) for path in files)
    assert not list(root.rglob("*.part"))
    uris = [each.uri for each in requests]
    assert {uri for uri in uris if uris.count(uri) > 1} <= set(in_flight)


def assert_few_at_once(archive: EmbeddedArchive, killed: float) -> None:
    """Several requests at a time but never too many, neither before a process was killed nor afterwards."""
    before = [each for each in archive.requests if each.time <= killed]
    after = [each for each in archive.requests if each.time > killed]
    assert 1 < max(most_at_once(before), most_at_once(after)) <= LIMIT


def runs_of(instance: dg.DagsterInstance, backfill_id: str) -> list[dg.DagsterRun]:
    """The runs of a backfill."""
    return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id})))


def is_complete(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    """Whether a backfill and all its runs have ended."""
    backfill = instance.get_backfill(backfill_id)
    assert backfill
    assert backfill.status != BulkActionStatus.FAILED, backfill.error
    return all(run.is_finished for run in runs_of(instance, backfill_id)) and backfill.status in (
        BulkActionStatus.COMPLETED_SUCCESS,
        BulkActionStatus.COMPLETED_FAILED,
        BulkActionStatus.COMPLETED,
    )
