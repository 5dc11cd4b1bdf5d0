"""What the pipeline needs where it follows all of JWST: day after day of a clock that is turned, with free downloads.

    python bench/whole_archive.py [--proposals 1000] [--days 40] [--partitions 3] [--products 1200] [--ticks 3]
    JWST_POSTGRES_URL=postgresql://... python bench/whole_archive.py --days 5

So many proposals are watched; each day some of them, in turn, get observations with so many products. A whole day of
JWST, 57 GB and 10,000 files, is about 22 such partitions; a run with fewer is multiplied. Three processes keep their
memory apart: the archive, which answers over HTTP; this one, which evaluates the sensor and the schedules as Dagster's
daemon does; and one that carries out all runs with the real job, except that a download only makes a sparse file of the
size that MAST's table gives. Each day has the jobs of the schedules, the ticks until everything was requested, and as
many more as given.

Printed for each day: seconds per tick and per run, growth of Dagster's records and of those in the output folder,
memory of both processes; at the end growth per day early and late, and what a year adds up to. With `--trace` also the
places that hold more memory at the end than after the first days.
"""

import argparse
import datetime as dt
import gc
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from turned_clock import TurnedClock
from turned_daemon import TurnedDaemon

from jwst_mast_assets.downloads import Code, Outcome
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive

PARTITIONS_OF_A_DAY = 22
"""With 450 selected files each: 10,000 files."""

RAW = 65_000_000
"""Bytes of an uncal file: large enough that the archive computes no checksum. A day then has 70 GB."""

SMALL = 8640
"""Bytes of any other FITS file: the archive computes their checksums."""

MOST_TICKS = 90
"""A proposal is compared with MAST at least every hour."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=1000, help="watched")
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--partitions", type=int, default=3, help="proposals that get data each day")
    parser.add_argument("--products", type=int, default=1200, help="listed of each; about four tenths are selected")
    parser.add_argument("--ticks", type=int, default=3, help="more ticks each day, with nothing new")
    parser.add_argument("--minutes", type=float, default=10**6, help="begin no further day after this time")
    parser.add_argument("--trace", action="store_true", help="find what holds memory; slow")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="whole_archive_"))
    try:
        simulate(folder, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def simulate(folder: Path, arguments: argparse.Namespace) -> None:
    """All days."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    archive = processes.Process(target=serve, args=(its, arguments.products), daemon=True)
    archive.start()
    prepare(folder, ours.recv())
    from jwst_mast_assets.records.store import TableStore
    from jwst_mast_assets.records.watched import WatchList

    keys = [f"{1000 + number:05d}" for number in range(arguments.proposals)]
    watched = WatchList(TableStore(folder / "data"))
    watched.start()
    watched.add(keys)
    start, end = dt.datetime.now(dt.timezone.utc), time.monotonic() + 60 * arguments.minutes
    with (
        ProcessPoolExecutor(1, processes, Runs.start, (start.isoformat(), arguments.trace)) as runs,
        TurnedClock(start) as clock,
        dg.DagsterInstance.get() as instance,
    ):
        bench = Bench(instance, clock, runs, folder, arguments)
        for number in range(arguments.days):
            ours.send((keys[number * arguments.partitions % len(keys) :][: arguments.partitions], clock.now.date()))
            ours.recv()
            bench.day(number + 1)
            if time.monotonic() > end:
                break
            clock.move_to(start + dt.timedelta(days=number + 1))
        bench.report()
    archive.terminate()


def prepare(folder: Path, url: str) -> None:
    """The environment of all processes, and the Dagster home."""
    repository, home = Path(__file__).resolve().parents[1], folder / "home"
    os.environ |= {
        "MAST_SERVER": url,
        "DAGSTER_HOME": str(home),
        "JWSTDOWNLOAD_OUTDIR": str(folder / "data"),
        "JWST_QUERY_CFGFILE": str(folder / "bench.cfg"),
    }
    first_day = dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=1)
    # The content of the sparse files is not MAST's, so none is read again.
    (folder / "bench.cfg").write_text(f"filetypes: []\nverify: none\nreread_days: 0\nfirst_day: {first_day}\n")
    home.mkdir()
    in_postgresql = "JWST_POSTGRES_URL" in os.environ
    shutil.copy(repository / ("deploy/one-server/dagster.yaml" if in_postgresql else "dagster.yaml"), home)


def serve(pipe: Connection, products: int) -> None:
    """The archive, in a process of its own: observations of a day appear when told."""
    catalogue = Catalogue()
    with EmbeddedArchive(catalogue) as archive:
        pipe.send(archive.url)
        while True:
            proposals, day = pipe.recv()
            for proposal in proposals:
                add(catalogue, int(proposal), day, products)
            archive.clear_requests()
            pipe.send(len(catalogue.observations))


def add(catalogue: Catalogue, proposal: int, day: dt.date, products: int) -> None:
    """The observations that a proposal gets on a day."""
    obsnum, listed, start = 1, 0, (day - dt.date(1858, 11, 17)).days
    sizes = {name: SMALL for name in SUFFIXES if name.endswith("fits")} | {"uncal.fits": RAW}
    while listed < products:
        moment = start + 0.02 + obsnum / 2000
        obsids = catalogue.add_observation(
            proposal, obsnum, moment, ("a1", "a2", "b1", "b2"), suffixes=SUFFIXES, sizes=sizes
        )
        listed += len(catalogue.products_of(obsids))
        obsnum += 1


SUFFIXES = ("uncal.fits", "rate.fits", "cal.fits", "i2d.fits", "uncal.jpg", "rate.jpg", "cal.jpg", "i2d.jpg")


def sparse_files(items: list[Any], *_: object) -> Mapping[str, Outcome]:
    """What a download leaves, at no cost; nothing may be fetched twice."""
    for folder in {os.path.dirname(item.path) for item in items}:
        os.makedirs(folder, exist_ok=True)
    for item in items:
        with open(item.path, "xb") as file:
            file.truncate(item.size or SMALL)
        # The file system's clock is not turned.
        os.utime(item.path, (time.time(), time.time()))
    return {
        item.uri: Outcome(Code.DOWNLOADED, verified="none", md5=item.keywords.checksum, origin={}) for item in items
    }


class Runs:
    """The process that carries out the runs, one after the other."""

    daemon: TurnedDaemon
    tracing: Any = None

    @classmethod
    def start(cls, moment: str, trace: bool) -> None:
        """Called once in that process."""
        clock = TurnedClock(dt.datetime.fromisoformat(moment)).__enter__()
        instance = dg.DagsterInstance.get()
        cls.daemon = TurnedDaemon(instance, clock, {"fetcher": dg.ResourceDefinition.hardcoded_resource(sparse_files)})
        if trace:
            tracemalloc.start(8)

    @classmethod
    def carry_out(cls, moment: str, job: str, request: dict[str, Any]) -> dict[str, Any]:
        """A run: seconds, and the memory of this process afterwards."""
        cls.daemon.clock.move_to(dt.datetime.fromisoformat(moment))
        began, processor = time.perf_counter(), time.process_time()
        cls.daemon.carry_out(job, dg.RunRequest(**request))
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
        bad = [what for what in cls.daemon.counts if what.startswith("runs of") and not what.endswith("SUCCESS")]
        assert not bad, (bad, cls.daemon.why)
        return {"job": job, "seconds": seconds, "processor": processor, "memory": memory(), "peak": peak()}

    @classmethod
    def snapshot(cls) -> tracemalloc.Snapshot:
        """What holds memory now."""
        gc.collect()
        return tracemalloc.take_snapshot()


class Bench:
    """What is measured of the days so far."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        clock: TurnedClock,
        runs: ProcessPoolExecutor,
        folder: Path,
        arguments: argparse.Namespace,
    ) -> None:
        self.instance, self.clock, self.runs, self.arguments = instance, clock, runs, arguments
        self.root, self.home = folder / "data", folder / "home"
        self.daemon = TurnedDaemon(instance, clock)
        self.days: list[dict[str, float]] = []
        self.traces: list[tuple[str, tracemalloc.Snapshot]] = []
        if arguments.trace:
            tracemalloc.start(8)

    def day(self, number: int) -> None:
        """The schedules of a day, ticks a minute apart until all runs have been requested, and the runs."""
        before, ticks, done = self.sizes(), [], []
        for job, request in self.daemon.due_schedules():
            done.append(self.carry_out(job, request))
        quiet = 0
        while quiet < self.arguments.ticks and len(ticks) < MOST_TICKS:
            began = time.perf_counter()
            requests = self.daemon.tick("new_observations")
            ticks.append(time.perf_counter() - began)
            done += [self.carry_out("jwst_download", request) for request in requests]
            found = sum(run["job"] == "jwst_download" for run in done) >= self.arguments.partitions
            quiet = 0 if requests or not found else quiet + 1
            self.clock.advance(dt.timedelta(minutes=1))
        after = self.sizes()
        downloads = [run["seconds"] for run in done if run["job"] == "jwst_download"]
        others = {run["job"]: round(run["seconds"], 1) for run in done if run["job"] != "jwst_download"}
        day = {name: after[name] - before[name] for name in after}
        day |= {"ticks": len(ticks), "tick": statistics.median(ticks), "longest": max(ticks), "runs": len(downloads)}
        day |= {"run": statistics.median(downloads), "processor": statistics.median(run["processor"] for run in done)}
        day |= {"ticking": memory(), "running": done[-1]["memory"], "peak": done[-1]["peak"]}
        self.days.append(day)
        print(
            json.dumps({"day": number, **{name: round(value, 2) for name, value in day.items()}, **others}), flush=True
        )
        if self.arguments.trace and number in (5, self.arguments.days):
            gc.collect()
            self.traces += [("ticks", tracemalloc.take_snapshot()), ("runs", self.runs.submit(Runs.snapshot).result())]

    def carry_out(self, job: str, request: dg.RunRequest) -> dict[str, Any]:
        """A run, in the process of runs."""
        some = {"partition_key": request.partition_key, "tags": dict(request.tags), "run_config": request.run_config}
        return self.runs.submit(Runs.carry_out, self.clock.now.isoformat(), job, some).result()

    def sizes(self) -> dict[str, float]:
        """Bytes of Dagster's records, of those in the output folder, of pages and tables; files that were fetched."""
        found = {"home": float(size_of(self.home)), "records": 0.0, "pages": 0.0, "files": 0.0, "gigabytes": 0.0}
        if url := os.environ.get("JWST_POSTGRES_URL"):
            engine = sqlalchemy.create_engine(url)
            with engine.connect() as connection:
                size = connection.execute(sqlalchemy.text("SELECT pg_database_size(current_database())")).scalar_one()
            engine.dispose()
            found["home"] += size
        for folder, _, names in os.walk(self.root):
            kept = ".jwst_mast_assets" in folder
            for name in names:
                size = os.stat(os.path.join(folder, name)).st_size
                if kept:
                    found["records"] += size
                elif name.startswith("jw") and not name.endswith("html"):
                    found["files"] += 1
                    found["gigabytes"] += size / 1e9
                else:
                    found["pages"] += size
        return found

    def report(self) -> None:
        """Growth early and late, and what days like these add up to."""
        quarter = max(1, len(self.days) // 4)
        early, late = self.days[1 : 1 + quarter] or self.days, self.days[-quarter:]
        factor = PARTITIONS_OF_A_DAY / self.arguments.partitions

        def mean(days: list[dict[str, float]], name: str) -> float:
            return statistics.mean(day[name] for day in days)

        print(f"\n{len(self.days)} days; means of {len(early)} days from the second on, and of the last {len(late)}:")
        for name, unit in (("tick", "s"), ("run", "s"), ("processor", "s"), ("ticking", "MB"), ("running", "MB")):
            print(f"  {name:10} {mean(early, name):8.2f} {mean(late, name):8.2f} {unit}")
        for name in ("home", "records", "pages"):
            year = mean(late, name) * 365 * factor / 1e9
            print(
                f"  {name:10} {mean(early, name) / 1e6:8.2f} {mean(late, name) / 1e6:8.2f} MB a day; "
                f"a year of {PARTITIONS_OF_A_DAY} such partitions a day: {year:.1f} GB"
            )
        for (process, before), (_, after) in zip(self.traces[:2], self.traces[2:], strict=True):
            print(f"\nmemory that the process of {process} holds now and did not hold after five days:")
            for difference in after.compare_to(before, "traceback")[:12]:
                print(f"  {difference.size_diff / 1e3:9.1f} kB in {difference.count_diff} blocks")
                for line in difference.traceback.format(limit=8):
                    print(f"    {line.strip()}")


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def memory() -> int:
    """What this process holds now, MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def peak() -> int:
    """The most that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


if __name__ == "__main__":
    sys.exit(main())
