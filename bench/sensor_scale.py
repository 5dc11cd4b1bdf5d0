"""How the sensor looks after many proposals, and how quickly the page answers with their partitions.

    python bench/sensor_scale.py [--proposals 1000] [--observations 300] [--seconds 4] [--minutes 75]
                                 [--partitions 5000] [--ui-proposals 100]

Part one: an archive that needs so many seconds per 1,000 rows lists the observations of all proposals; all partitions
but ten are recorded as done. Ticks follow each other, each a minute later by the tick's clock, which is also moved on
where one takes longer; what the archive and a tick take is real time. Printed: after how many ticks all proposals were
compared, the longest tick, requests, bytes, memory; then the same for the time that follows. Part two: an instance
where so many proposals are registered over all days, with partitions materialized; the queries of the asset page.
"""

import argparse
import datetime as dt
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import dagster as dg

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault, mashup
from jwst_mast_assets.mast.partition_cells import Cell

FIRST = dt.date(2022, 7, 1)
DAYS = 5
"""Days with data of each proposal."""
PORT = 3988

PARTITION_HEALTH = """query { assetNodeOrError(assetKey: {path: ["downloaded_files"]}) { ... on AssetNode {
    assetPartitionStatuses { ... on MultiPartitionStatuses { ranges { primaryDimStartKey } } } } } }"""
PARTITION_STATS = """query { assetNodeOrError(assetKey: {path: ["downloaded_files"]}) { ... on AssetNode {
    partitionStats { numPartitions numMaterialized } } } }"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=5000)
    parser.add_argument("--observations", type=int, default=300, help="of each proposal")
    parser.add_argument("--seconds", type=float, default=4.0, help="that the archive needs per 1,000 rows")
    parser.add_argument("--minutes", type=float, default=75.0, help="of the ticks' clock")
    parser.add_argument("--ui-proposals", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["JWSTDOWNLOAD_OUTDIR"] = str(folder / "data")
        tick(folder, arguments)
        if arguments.ui_proposals:
            ui(folder, arguments)


def tick(folder: Path, arguments: argparse.Namespace) -> None:
    """Part one."""
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe()
    archive = context.Process(target=serve_observations, args=(child, arguments), daemon=True)
    archive.start()
    os.environ["MAST_SERVER"] = parent.recv()
    home = folder / "tick"
    home.mkdir()
    from jwst_mast_assets.definitions import build_defs
    from jwst_mast_assets.defs import sensors
    from jwst_mast_assets.defs.partitions import PROPOSAL
    from jwst_mast_assets.mast.config import load_config
    from jwst_mast_assets.records.ledger import Ledger
    from jwst_mast_assets.records.store import TableStore

    config, clock = load_config(), dt.datetime.now(dt.timezone.utc)
    cells = cells_of_bench(arguments)
    keys = sorted({cell.proposal for cell in cells})
    ledger = Ledger(TableStore(config.root))
    # In a process of its own: its memory is not the tick's.
    if (pid := os.fork()) == 0:
        record(keys, cells[10:], clock)
        os._exit(0)
    os.waitpid(pid, 0)
    parent.send("slow")
    parent.recv()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        instance.add_dynamic_partitions(PROPOSAL, keys)
        definitions = build_defs()
        (sensor,) = [found for found in definitions.sensors or [] if found.name == "new_observations"]
        repository = definitions.get_repository_def()
        print(f"before the first tick: {memory()} MB", flush=True)
        cursor, requested, lengths, gap = None, set(), [], 0.0
        start, since, last = clock, None, {}
        while since is None or (clock - start).total_seconds() < 60 * arguments.minutes:
            sensors.utc_now = lambda now=clock: now
            before = time.perf_counter()
            with dg.build_sensor_context(
                instance=instance,
                repository_def=repository,
                resources=dict(definitions.resources or {}),
                cursor=cursor,
            ) as tick_context:
                result = sensor(tick_context)
                cursor = tick_context.cursor
            lengths.append(time.perf_counter() - before)
            requested |= {request.partition_key for request in getattr(result, "run_requests", None) or []}
            checked = {key: dt.datetime.fromisoformat(at) for key, at in ledger.checked().items()}
            gap = max([gap, *((checked[key] - last[key]).total_seconds() for key in last)])
            last = checked
            number = len(lengths)
            if number <= 12 or number % 10 == 0:
                said = getattr(result, "skip_message", None) or f"{len(result.run_requests or [])} runs requested"
                told = f"{lengths[-1]:.1f} s, {memory()} MB, {len(last)} compared so far; {said[:90]}"
                print(f"  tick {number}: {told}", flush=True)
            clock += dt.timedelta(seconds=max(60, round(lengths[-1] + 0.5)))
            if since is None and len(last) == len(keys):
                since = clock
                parent.send("count")
                requests, sent = parent.recv()
                print(
                    f"all {len(keys)} proposals compared after {number} ticks: longest {max(lengths):.1f} s, "
                    f"{requests} requests, {sent / 1e6:.1f} MB, peak {memory()} MB",
                    flush=True,
                )
        parent.send("count")
        requests, sent = parent.recv()
        hours = (clock - since).total_seconds() / 3600
        assert requested == {cell.key for cell in cells[:10]}, requested
        gap = max(gap, *((clock - last[key]).total_seconds() for key in last))
        if hours > 0.1:
            daily = sent / hours * 24 / 1e9
            print(
                f"then {hours:.2f} h: {requests} requests, {sent / 1e6:.1f} MB ({daily:.2f} GB a day); "
                f"longest tick {max(lengths):.1f} s, median {sorted(lengths)[len(lengths) // 2]:.1f} s; "
                f"longest time between two comparisons {gap / 60:.1f} min; peak {memory()} MB"
            )
    archive.terminate()


def record(keys: list[str], cells: list[Cell], now: dt.datetime) -> None:
    """What an earlier day left: all these cells are done."""
    from jwst_mast_assets.mast import tables
    from jwst_mast_assets.mast.archive import Archive
    from jwst_mast_assets.mast.config import load_config
    from jwst_mast_assets.mast.discovery import list_observations
    from jwst_mast_assets.records.ledger import Ledger
    from jwst_mast_assets.records.store import TableStore
    from jwst_mast_assets.records.watched import WatchList

    config, nothing = load_config(), tables.empty(tables.FILE_TABLE)
    ledger = Ledger(TableStore(config.root))
    WatchList(ledger.store).add(keys)
    for start in range(0, len(keys), 50):
        some = keys[start : start + 50]
        listed = list_observations(Archive(), config, some, FIRST, now)
        for proposal in some:
            mine = [cell for cell in cells if cell.proposal == proposal]
            ledger.record(mine, listed[listed["proposal_id"] == int(proposal)], nothing, config, now)


def memory() -> int:
    """The most that this process has used, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def serve_observations(pipe, arguments: argparse.Namespace) -> None:
    """The archive, in a process of its own: its memory is not the tick's."""
    catalogue = Catalogue()
    catalogue.observations.extend(observations(arguments))
    # A search through all rows for each query is not what is measured.
    by_proposal: dict[str, list[dict]] = {}
    for row in catalogue.observations:
        by_proposal.setdefault(row["proposal_id"], []).append(row)
    answer, counted = mashup.answer, {"bytes": 0}

    def quick(asked, of, faults=None):
        some = Catalogue()
        (wanted,) = [each["values"] for each in asked["params"]["filters"] if each["paramName"] == "proposal_id"]
        some.observations = [row for key in wanted for row in by_proposal.get(key, ())]
        envelope = answer(asked, some, faults)
        counted["bytes"] += len(json.dumps(envelope, separators=(",", ":")))
        return envelope

    mashup.answer = quick
    with EmbeddedArchive(catalogue) as archive:
        pipe.send(archive.url)
        while True:
            if pipe.recv() == "slow":
                archive.faults.add(Fault("slow", endpoint="invoke", seconds_per_row=arguments.seconds / 1000))
            pipe.send((len(archive.requests), counted["bytes"]))
            archive.clear_requests()
            counted["bytes"] = 0


def cells_of_bench(arguments: argparse.Namespace) -> list[Cell]:
    """Cells spread over three years."""
    return [
        Cell(FIRST + dt.timedelta(days=(number * 7 + day * 61) % 1000), f"{1000 + number:05d}")
        for number in range(arguments.proposals)
        for day in range(DAYS)
    ]


def observations(arguments: argparse.Namespace) -> list[dict]:
    """The CAOM rows of these cells, with numbers as long as MAST's."""
    template = dict(Catalogue.default().observations[0])
    rows = []
    for index, cell in enumerate(cells_of_bench(arguments)):
        mjd = (cell.day - dt.date(1858, 11, 17)).days
        for n in range(arguments.observations // DAYS):
            name = f"jw{cell.proposal}{index % DAYS + 1:03d}001_02101_{n + 1:05d}_nrca1"
            at = {"obsid": 80_000_000 + len(rows), "obs_id": name, "proposal_id": cell.proposal.lstrip("0")}
            start = round(mjd + 0.1234567 + n / 997, 11)
            at |= {"t_min": start, "t_max": start + 0.01, "t_obs_release": mjd + 365.625, "calib_level": 2}
            rows.append({**template, **at, "dataRights": "PUBLIC"})
    return rows


def ui(folder: Path, arguments: argparse.Namespace) -> None:
    """Part two."""
    from jwst_mast_assets.defs.partitions import PROPOSAL, build_grid
    from jwst_mast_assets.mast.config import load_config

    home = folder / "ui"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)
    keys = [f"{1000 + number:05d}" for number in range(arguments.ui_proposals)]
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(PROPOSAL, keys)
        for number in range(arguments.partitions):
            day = FIRST + dt.timedelta(days=number * 13 % 1000)
            key = dg.MultiPartitionKey({"day": str(day), "proposal": keys[number % len(keys)]})
            instance.report_runless_asset_event(dg.AssetMaterialization("downloaded_files", partition=key))
    n_days = build_grid(load_config().first_day).get_partitions_def_for_dimension("day").get_num_partitions()
    print(f"{len(keys)} proposals x {n_days} days = {len(keys) * n_days:,}, {arguments.partitions} materialized:")
    command = [
        str(Path(sys.executable).parent / "dagster-webserver"),
        "-m",
        "jwst_mast_assets.definitions",
        "-p",
        str(PORT),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server()
        for title, query in (("partition health", PARTITION_HEALTH), ("partition counts", PARTITION_STATS)):
            ask(query)
            start = time.perf_counter()
            ask(query)
            print(f"  {title:20} {time.perf_counter() - start:5.2f} s")
    finally:
        server.terminate()
        server.wait()


def ask(query: str) -> dict:
    """Reply of the web server."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as reply:
        answer = json.load(reply)
    assert not answer.get("errors"), answer
    return answer


def wait_for_server() -> None:
    """Until it answers."""
    for _ in range(120):
        try:
            ask("{ version }")
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the web server did not start")


if __name__ == "__main__":
    main()
