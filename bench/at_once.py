"""Many proposals watched at once, with the real services: `jwst-mast serve`, its queue, and a process for each run.

    python bench/at_once.py [--proposals 60] [--days 5] [--spacing 2]

The first version, which had a run for each day, took 841 s for 300 days of 60 proposals (2 cores).
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from ranges import many_proposals, options

from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

FIRST_VERSION = 841 / 300
"""Seconds per day with data."""


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__)
    catalogue, proposals = many_proposals(arguments.proposals, arguments.days, arguments.spacing)
    days = arguments.proposals * arguments.days
    with EmbeddedArchive(catalogue) as archive, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        WatchList(TableStore(folder / "data")).add(proposals)
        with served(folder, archive.url):
            started = time.time()
            while len(list((folder / "data").rglob("*_uncal.fits"))) < days or not all_ended(folder / "home"):
                time.sleep(2)
            with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
                records = instance.get_run_records(dg.RunsFilter(job_name="jwst_download"))
    spans = [(record.start_time or 0.0, record.end_time or 0.0) for record in records]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    seconds = last - first
    print(
        f"{days} days of {arguments.proposals} proposals in {len(records)} runs: {seconds:.0f} s "
        f"({seconds / len(records):.1f} s per run; the first began {first - started:.0f} s after `jwst-mast serve`); "
        f"the first version {FIRST_VERSION * days:.0f} s, ratio {FIRST_VERSION * days / seconds:.1f}"
    )


@contextlib.contextmanager
def served(folder: Path, url: str) -> Iterator[None]:
    """`jwst-mast serve` for an output folder, in a home of its own."""
    ours = ("DAGSTER", "JWST", "MAST")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "HOME": str(folder / "user"),
        "DAGSTER_HOME": str(folder / "home"),
        "JWSTDOWNLOAD_OUTDIR": str(folder / "data"),
        "MAST_SERVER": url,
    }
    (folder / "user").mkdir()
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "jwst-mast"), "serve", "--port", "0", "--pages-port", "0"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


def all_ended(home: Path) -> bool:
    """Whether no run waits or runs."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return not instance.get_runs(
            dg.RunsFilter(
                statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
            )
        )


if __name__ == "__main__":
    main()
