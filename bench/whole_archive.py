"""What the pipeline needs where it follows all of JWST: one day after the other, with downloads that cost nothing.

    python bench/whole_archive.py [--proposals 1000] [--days 2] [--partitions 20] [--products 1200]

So many proposals are watched; each day so many of them get observations with so many products: the defaults are about
10,000 files a day. The sensor asks an archive over HTTP and requests runs; the real job carries them out in this
process, but a download only makes a sparse file of the size that MAST's table gives (57 GB a day take no space).
Printed for each day: seconds per tick and per run, growth of the Dagster home and of the records in the output folder,
memory; at the end what a year of such days adds up to.
"""

import argparse
import datetime as dt
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from jwst_mast_assets.downloads import Code, engine
from jwst_mast_assets.downloads.fetch import Outcome
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BYTES_PER_FILE = 5_700_000
MOST_TICKS = 90


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=1000, help="watched")
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=20, help="proposals that get data each day")
    parser.add_argument("--products", type=int, default=1200, help="listed of each; about four tenths are selected")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="whole_archive_"))
    try:
        simulate(folder, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def simulate(folder: Path, arguments: argparse.Namespace) -> None:
    """All days."""
    root, home = folder / "data", folder / "home"
    os.environ |= {"JWSTDOWNLOAD_OUTDIR": str(root), "JWST_QUERY_CFGFILE": str(folder / "bench.cfg")}
    first = dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=arguments.days)
    (folder / "bench.cfg").write_text(f"filetypes: []\nverify: none\nfirst_day: {first}\n")
    home.mkdir()
    catalogue = Catalogue()
    with EmbeddedArchive(catalogue) as archive:
        os.environ["MAST_SERVER"] = archive.url
        from jwst_mast_assets.definitions import build_defs
        from jwst_mast_assets.defs.partitions import register_proposals
        from jwst_mast_assets.records.store import TableStore
        from jwst_mast_assets.records.watched import WatchList

        engine._fetch_all = sparse_files
        keys = [f"{1000 + number:05d}" for number in range(arguments.proposals)]
        watched = WatchList(TableStore(root))
        watched.start()
        watched.add(keys)
        with dg.instance_for_test(temp_dir=str(home)) as instance:
            register_proposals(instance, keys)
            definitions = build_defs()
            bench = Bench(instance, definitions, root, home)
            for number in range(arguments.days):
                begin(catalogue, first + dt.timedelta(days=number), keys, number, arguments)
                archive.clear_requests()
                bench.day(number + 1, arguments.partitions)
            bench.year()


def begin(catalogue: Catalogue, day: dt.date, keys: list[str], number: int, arguments: argparse.Namespace) -> None:
    """Observations of a day appear."""
    start = (day - dt.date(1858, 11, 17)).days
    for index in range(arguments.partitions):
        proposal, before = int(keys[(number * arguments.partitions + index) % len(keys)]), len(catalogue.products)
        obsnum = 1
        while len(catalogue.products) - before < arguments.products:
            moment = start + 0.1 + obsnum / 500
            catalogue.add_observation(proposal, obsnum, moment, ("a1", "a2", "b1", "b2"))
            obsnum += 1


def sparse_files(items: list[Any], *_: object) -> Mapping[str, Outcome]:
    """What a download leaves, at no cost."""
    for folder in {os.path.dirname(item.path) for item in items}:
        os.makedirs(folder, exist_ok=True)
    for item in items:
        with open(item.path, "xb") as file:
            file.truncate(item.size or BYTES_PER_FILE)
    return {item.uri: Outcome(Code.DOWNLOADED, verified="none", md5="0" * 32, origin={}) for item in items}


class Bench:
    """What is measured of the days so far."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions, root: Path, home: Path) -> None:
        self.instance, self.definitions, self.root, self.home = instance, definitions, root, home
        self.repository = definitions.get_repository_def()
        (self.sensor,) = [found for found in definitions.sensors or [] if found.name == "new_observations"]
        self.job = definitions.resolve_job_def("jwst_download")
        self.cursor: str | None = None
        self.start = dt.datetime.now(dt.timezone.utc)
        from jwst_mast_assets.defs import sensors

        self.sensors = sensors
        self.days: list[dict[str, float]] = []

    def day(self, number: int, expected: int) -> None:
        """The ticks of a day until all runs have been requested, and these runs; the tick's clock is turned."""
        before = self.sizes()
        ticks: list[float] = []
        runs: list[float] = []
        clock, requests = self.start + dt.timedelta(days=number - 1), [None]
        # A proposal is compared at least every hour.
        while requests or (len(runs) < expected and len(ticks) < MOST_TICKS):
            clock += dt.timedelta(minutes=1)
            self.sensors.utc_now = lambda now=clock: now
            began = time.perf_counter()
            requests = self.tick()
            ticks.append(time.perf_counter() - began)
            for request in requests:
                began = time.perf_counter()
                result = self.job.execute_in_process(
                    instance=self.instance,
                    partition_key=request.partition_key,
                    tags=dict(request.tags),
                    run_config=QUIET,
                    raise_on_error=False,
                )
                runs.append(time.perf_counter() - began)
                assert result.success, [event.message for event in result.all_events if event.is_failure]
        after = self.sizes()
        found = {name: after[name] - before[name] for name in after}
        found |= {"tick": statistics.median(ticks), "longest tick": max(ticks), "ticks": len(ticks)}
        found |= {"run": statistics.median(runs), "runs": len(runs), "memory": memory()}
        self.days.append(found)
        print(
            f"day {number}: {found['files']:.0f} files in {len(runs)} runs of {found['run']:.1f} s; "
            f"{len(ticks)} ticks, median {found['tick']:.1f} s, longest {max(ticks):.1f} s; "
            f"home +{found['home'] / 1e6:.1f} MB, records +{found['records'] / 1e6:.2f} MB, "
            f"pages and tables +{found['pages'] / 1e6:.1f} MB; peak memory {memory()} MB",
            flush=True,
        )

    def tick(self) -> list[dg.RunRequest]:
        """One look of the sensor."""
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self.repository,
            resources=dict(self.definitions.resources or {}),
            cursor=self.cursor,
        ) as context:
            result: Any = self.sensor(context)
            self.cursor = context.cursor
        return list(getattr(result, "run_requests", None) or [])

    def sizes(self) -> dict[str, float]:
        """Bytes on disk, and files that were downloaded."""
        records = pages = files = 0
        for path in self.root.rglob("*"):
            if not path.is_file():
                continue
            if ".jwst_mast_assets" in path.parts:
                records += path.stat().st_size
            elif path.name.startswith("jw"):
                files += 1
            else:
                pages += path.stat().st_size
        home = sum(path.stat().st_size for path in self.home.rglob("*") if path.is_file())
        return {"home": home, "records": records, "pages": pages, "files": files}

    def year(self) -> None:
        """What days like the last one add up to."""
        last = self.days[-1]
        print(
            f"a year of days like the last one: {365 * last['runs']:,.0f} runs, {365 * last['files']:,.0f} files, home "
            f"{365 * last['home'] / 1e9:.1f} GB, records {365 * last['records'] / 1e9:.2f} GB; "
            "as each run is the last of its partition, pruning removes only the output of their steps"
        )


def memory() -> int:
    """The most that this process has used, with its archive, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


if __name__ == "__main__":
    main()
