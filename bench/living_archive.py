"""Whether the pipeline keeps up with an archive that lives, for a year of a clock that is turned.

    python bench/living_archive.py [--proposals 100] [--days 365] [--observations 6] [--step 60] [--faults 0.01]
                                   [--before 1] [--seed 1] [--folder FOLDER]
    python bench/living_archive.py --proposals 1000 --days 7 --observations 0.2 --before 0.2 --step 360

In the archive observations appear, some of them weeks late; files are added to them, exclusive ones are released,
dates and numbers are corrected, and twice everything is processed again, 25 proposals a day. One reply of a hundred
fails or is short, each week a file on disk is deleted and one is spoiled, and a run is killed. Sensors, schedules and
the sensors of runs are evaluated against a real Dagster instance, runs are carried out in this process, and the archive
answers over HTTP. Between two looks, `--step` minutes apart, the clock is turned. Exit status 1 if a file came later
than promised, or is not what the archive has at the end.
"""

import argparse
import datetime as dt
import gc
import hashlib
import http.server
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from living_year import Expected, Year
from sqlalchemy import event
from sqlalchemy.engine import Engine
from turned_clock import TurnedClock
from turned_daemon import TurnedDaemon, read_once

from jwst_mast_assets.defs.sensors import TICK
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault
from jwst_mast_assets.mast import listing, mashup
from jwst_mast_assets.records import relisting
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

REREAD_DAYS = 10
QUIET_DAYS = 1.3
"""At the end, without faults and events, so that what was promised within a day can arrive."""

NO_RAW_OUTPUT = """
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""
"""Capturing what a step prints starts two processes each time, which take longer than the step."""

MOST_ROUNDS = 40
"""Ticks, a minute from one to the next, until nothing more is requested."""


def main() -> int:
    """Run and print."""
    arguments = options()
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="living_archive_"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return Simulation(folder, arguments).run()
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)


def options() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--days", type=float, default=365)
    parser.add_argument("--observations", type=float, default=6, help="of each proposal in that time")
    parser.add_argument("--before", type=float, default=1, help="share of proposals with an observation at the start")
    parser.add_argument("--step", type=float, default=60, help="minutes between two looks")
    parser.add_argument("--faults", type=float, default=0.01, help="share of replies that are short or fail")
    parser.add_argument("--kills", type=float, default=7, help="days between two killed runs; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="keep everything here")
    return parser.parse_args()


class Simulation:
    """One run of the bench."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.arguments = folder, arguments
        self.root = folder / "data"
        self.step = dt.timedelta(minutes=arguments.step)
        self.random = random.Random(arguments.seed + 1)
        self.catalogue = Catalogue()
        self.pending: list[Expected] = []
        self.delays: dict[str, list[float]] = {}
        self.late: list[str] = []
        self.queries: Counter[str] = Counter()
        self.kills = 0

    def run(self) -> int:
        """The whole time, and the judgement."""
        arguments, begun = self.arguments, time.monotonic()
        os.environ["DAGSTER_HOME"] = str(self.folder / "home")
        os.environ["JWSTDOWNLOAD_OUTDIR"] = str(self.root)
        os.environ["JWST_QUERY_CFGFILE"] = str(self.folder / "bench.cfg")
        for name in ("MAST_API_TOKEN", "JWST_EXECUTOR"):
            os.environ.pop(name, None)
        (self.folder / "home").mkdir()
        settings = (Path(__file__).parent.parent / "dagster.yaml").read_text(encoding="utf-8")
        (self.folder / "home" / "dagster.yaml").write_text(settings + NO_RAW_OUTPUT, encoding="utf-8")
        # What is asked again is asked at once: waiting tells nothing here.
        mashup.PAUSES, listing.PAUSES = (0.0, 0.0), (0.0, 0.0, 0.0)
        read_once()
        # Between two looks there would be that many ticks, each of which asks for some lists of products again.
        relisting.LISTS_PER_TICK *= max(1, round(self.step / dt.timedelta(seconds=TICK)))
        start = dt.datetime.now(dt.timezone.utc)
        (self.folder / "bench.cfg").write_text(
            f"filetypes: [uncal, cal.fits, cal.jpg]\nsensor_interval: {round(arguments.step * 60)}\n"
            f"reread_days: {REREAD_DAYS}\nfirst_day: {start.date() - dt.timedelta(days=310)}\n"
        )
        with TurnedClock(start) as clock, EmbeddedArchive(self.catalogue) as archive, receiver() as notices:
            os.environ["MAST_SERVER"] = archive.url
            self.clock, self.archive = clock, archive
            self.year = Year(
                self.catalogue,
                start,
                arguments.days,
                arguments.proposals,
                arguments.observations,
                self.step,
                arguments.seed,
                arguments.before,
            )
            watched = WatchList(TableStore(self.root))
            watched.start()
            watched.add(self.year.proposals)
            self.flaky = Flaky(archive, self.random)
            # Looking for garbage among a million objects takes longer than the work in between.
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            with dg.DagsterInstance.get() as instance:
                self.daemon = TurnedDaemon(instance, clock)
                self.live(start)
                wrong = self.wrong_files()
                self.report(notices, start, time.monotonic() - begun, wrong)
        return 1 if wrong or self.late or self.pending else 0

    def live(self, start: dt.datetime) -> None:
        """All days."""
        self.look(faults=0.0)
        end = start + dt.timedelta(days=self.arguments.days)
        quiet = end + dt.timedelta(days=QUIET_DAYS) + 4 * self.step
        next_damage = start + dt.timedelta(days=2)
        next_kill = start + dt.timedelta(days=self.arguments.kills / 2 or 10**6)
        told = start
        while self.clock.now < quiet:
            now = self.clock.move_to(self.clock.now + self.step)
            self.pending += self.year.happen_until(now)
            if now > next_damage and now < end - dt.timedelta(days=REREAD_DAYS):
                next_damage += dt.timedelta(days=7)
                self.damage(now)
            if now > next_kill and now < end:
                next_kill += dt.timedelta(days=self.arguments.kills)
                self.kills += 1
            self.look(self.arguments.faults if now < end else 0.0)
            self.judge()
            if now - told > dt.timedelta(days=max(1, self.arguments.days / 50)):
                told = now
                print(f"  day {(now - start).days}: {self.daemon.counts.total()} ticks and runs so far", flush=True)

    def look(self, faults: float) -> None:
        """The ticks of a moment and their runs, until nothing more is requested."""
        self.flaky.share = faults
        daemon = self.daemon
        for job, request in daemon.due_schedules():
            daemon.carry_out(job, request)
        daemon.tick("lost_runs")
        for _ in range(MOST_ROUNDS):
            requests = [*daemon.tick("new_observations"), *daemon.tick("reprocessing_sensor")]
            for request in requests:
                if self.kills and daemon.carry_out_and_kill(request, self.has_download_begun()):
                    self.kills -= 1
                    self.archive.faults.clear()
                else:
                    self.archive.faults.clear()
                    daemon.carry_out("jwst_download", request)
            if not requests:
                break
            self.clock.advance(dt.timedelta(minutes=1))
        daemon.tick("notices_to_send")
        self.queries.update(request.service or request.endpoint for request in self.archive.requests)
        self.archive.clear_requests()

    def has_download_begun(self) -> Any:
        """Says whether the archive has been asked for a file; it then takes its time."""
        self.archive.faults.add(Fault("slow", endpoint="download", seconds=20))
        before = len(self.archive.requests)
        return lambda: any(
            request.endpoint == "download" and request.method == "GET" for request in self.archive.requests[before:]
        )

    def damage(self, now: dt.datetime) -> None:
        """A file on disk is deleted, and another one is spoiled."""
        files = sorted(path for path in self.root.rglob("jw*.fits"))
        if len(files) < 2:
            return
        gone, spoiled = self.random.sample(files, 2)
        gone.unlink()
        found = spoiled.stat()
        content = bytearray(spoiled.read_bytes())
        content[-1] ^= 0xFF
        spoiled.write_bytes(content)
        os.utime(spoiled, ns=(found.st_atime_ns, found.st_mtime_ns))
        day = dt.timedelta(days=1)
        for kind, path, within in (("deleted", gone, day), ("spoiled", spoiled, (REREAD_DAYS + 1) * day)):
            self.pending.append(Expected(now + within + 4 * self.step, now, kind, [path.name]))

    def judge(self) -> None:
        """Which expectations are fulfilled, and which are too late."""
        left = []
        for expected in self.pending:
            if all(self.is_right(name) for name in expected.names):
                hours = (self.clock.now - expected.since) / dt.timedelta(hours=1)
                self.delays.setdefault(expected.kind, []).append(hours)
            elif self.clock.now > expected.by:
                wrong = next(name for name in expected.names if not self.is_right(name))
                self.late.append(f"{expected.kind} {wrong}, expected since {expected.since:%m-%d %H:%M}")
                print(f"  late at {self.clock.now:%m-%d %H:%M}: {self.late[-1]}", flush=True)
            else:
                left.append(expected)
        self.pending = left

    def place(self, name: str) -> Path:
        """Where a file belongs."""
        return self.root / name[2:7] / f"obsnum{int(name[7:10]):02d}" / name

    def is_right(self, name: str) -> bool:
        """Whether a file on disk is what the archive has."""
        try:
            return hashlib.md5(self.place(name).read_bytes()).hexdigest() == self.archive.md5(name)
        except OSError:
            return False

    def wrong_files(self) -> list[str]:
        """All files of which the disk does not have what the archive has."""
        return [name for name in self.year.files_of("jw") if not self.is_right(name)]

    def report(self, notices: list[int], start: dt.datetime, seconds: float, wrong: list[str]) -> None:
        """Print what came of it."""
        daemon, arguments = self.daemon, self.arguments
        files = list(self.year.files_of("jw"))
        days = (self.clock.now - start) / dt.timedelta(days=1)
        print(
            f"\n{arguments.proposals} proposals, {days:.0f} days, {len(self.catalogue.observations)} observations, "
            f"{len(files)} public files: {len(files) - len(wrong)} on disk as in the archive, {len(wrong)} not; "
            f"{len(self.late)} expectations fulfilled too late, {len(self.pending)} not yet; {seconds:.0f} s"
        )
        for name in wrong[:20]:
            print(f"  not as in the archive: {name}")
        print("\nhours until it was on disk:     number  median  longest")
        for kind, hours in sorted(self.delays.items()):
            print(f"  {kind:28} {len(hours):8} {sorted(hours)[len(hours) // 2]:7.1f} {max(hours):8.1f}")
        print(f"\nreplies that failed or were short: {self.flaky.hits} of {self.queries.total()} requests")
        for what, number in self.queries.most_common():
            print(f"  {number:8} {what}")
        print("\nDagster:")
        for what, number in sorted(daemon.counts.items()):
            took = f", {daemon.seconds[what]:.0f} s" if daemon.seconds[what] else ""
            print(f"  {number:8} {what}{took}")
        for why, number in daemon.why.most_common(12):
            print(f"  {number:8} failed: {why}")
        home, state = size_of(self.folder / "home"), size_of(self.root / ".jwst_mast_assets")
        runs = sum(number for what, number in daemon.counts.items() if what.startswith("runs of jwst_download"))
        print(
            f"  {home / 1e6:.1f} MB of records in DAGSTER_HOME ({home / max(1, runs) / 1e3:.0f} kB per download run), "
            f"{state / 1e6:.1f} MB in the output folder; {len(notices)} notices"
        )


class Flaky:
    """Has a share of the archive's replies fail, or be short."""

    def __init__(self, archive: EmbeddedArchive, dice: random.Random) -> None:
        self.share, self.hits = 0.0, 0
        self._dice, self._select = dice, archive.faults.select
        archive.faults.select = self.select  # pyright: ignore[reportAttributeAccessIssue]

    def select(self, endpoint: str, subject: str, entry: Any = None) -> dict[str, Fault]:
        """What goes wrong with a request."""
        chosen = self._select(endpoint, subject, entry)
        if endpoint in ("invoke", "download") and not chosen and self._dice.random() < self.share:
            self.hits += 1
            fault = self._dice.choice(self.faults(endpoint, subject))
            chosen = {fault.kind: fault}
        return chosen

    def faults(self, endpoint: str, subject: str) -> list[Fault]:
        """What may go wrong."""
        if endpoint == "download":
            # MAST has no checksum of pictures: one changed byte in them can be noticed by nobody.
            corrupt = [Fault("corrupt", after_bytes=3000)] if subject.endswith(".fits") else []
            return [
                Fault("status", status=503),
                Fault("drop", after_bytes=2000),
                Fault("truncate", after_bytes=4000),
                *corrupt,
            ]
        return [
            Fault("status", endpoint="invoke", status=503),
            Fault("error"),
            Fault("short-list", rows=self._dice.randrange(3)),
            Fault("html", endpoint="invoke"),
        ]


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    """Spare Dagster's SQLite files a wait for the disk per event; a killed process loses nothing by it."""
    connection.execute("PRAGMA synchronous=OFF")


@contextmanager
def receiver() -> Iterator[list[int]]:
    """A web hook for notices; yields what has come."""
    received: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["JWST_NOTIFY_URLS"] = f"json://127.0.0.1:{server.server_port}/notices"
    yield received
    server.shutdown()


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
