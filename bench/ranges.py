"""Runs, seconds and records of Dagster for many proposals with a few days each: a run per day, and days in ranges.

    python bench/ranges.py [--proposals 60] [--days 5] [--spacing 2]

Runs are carried out in this process, one after the other; started by a daemon (`bench/at_once.py`) each costs about two
seconds more.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import dagster as dg

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import run_requests
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.embedded_archive.programs import Observation, Program
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

FIRST = 59700.3
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__)
    catalogue, proposals = many_proposals(arguments.proposals, arguments.days, arguments.spacing)
    with EmbeddedArchive(catalogue) as archive:
        os.environ["MAST_SERVER"] = archive.url
        for title, most in (("a run per day", 1), ("days in ranges", run_requests.MOST_DAYS)):
            run_requests.MOST_DAYS = most
            with tempfile.TemporaryDirectory() as folder:
                print(f"{title}: {measured(Path(folder), proposals)}", flush=True)


def options(description: str | None) -> argparse.Namespace:
    """How many proposals and days."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=60)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--spacing", type=int, default=2, help="days from one day with data to the next")
    return parser.parse_args()


def many_proposals(count: int, days: int, spacing: int) -> tuple[Catalogue, list[str]]:
    """Proposals with an observation on each of some days."""
    catalogue = Catalogue()
    numbers = range(5000, 5000 + count)
    for number in numbers:
        for n in range(days):
            day = FIRST + number % 90 + n * spacing
            catalogue.add(Observation(number, n + 1, day, ("nrca1",)), Program(number, "bench", "x"))
    return catalogue, [f"{number:05d}" for number in numbers]


def measured(folder: Path, proposals: list[str]) -> str:
    """Everything downloaded once."""
    os.environ["JWSTDOWNLOAD_OUTDIR"] = str(folder / "data")
    WatchList(TableStore(folder / "data")).add(proposals)
    home = folder / "home"
    home.mkdir()
    start, runs = time.perf_counter(), 0
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        empty = size_of(home)
        while requests := tick(instance):
            for request in requests:
                done = (
                    build_defs()
                    .resolve_job_def("jwst_download")
                    .execute_in_process(
                        instance=instance,
                        partition_key=request.partition_key,
                        tags=dict(request.tags),
                        run_config=QUIET,
                    )
                )
                assert done.success
                runs += 1
        seconds = time.perf_counter() - start
    observations = len(list((folder / "data").rglob("*_uncal.fits")))
    size = size_of(home) - empty
    return (
        f"{observations} observations in {runs} runs, {seconds:.0f} s; records of Dagster {size / 1e6:.1f} MB, "
        f"{size / runs / 1e3:.0f} kB per run, {size / observations / 1e3:.0f} kB per observation"
    )


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """The requests of a tick of the sensor."""
    definitions = build_defs()
    (sensor,) = [found for found in definitions.sensors or [] if found.name == "new_observations"]
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources=dict(definitions.resources or {})
    ) as context:
        result = sensor(context)
    if not isinstance(result, dg.SensorResult):
        return []
    for addition in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(addition.partitions_def_name, addition.partition_keys or [])
    return list(result.run_requests or [])


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
