"""How long a tick of the sensor takes with many proposals, and how quickly the UI answers with their partitions.

    python bench/sensor_scale.py [--proposals 1000] [--partitions 5000] [--observations 100000] [--ui-proposals 100]

Part one: an archive lists the observations of all proposals; all partitions but ten are recorded as done; a tick must
find those ten. Printed: seconds, queries, and the limit (10 s). Part two: an instance where so many proposals are
registered over all days since the first, with the partitions materialized; the questions that the asset page asks.
"""

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import dagster as dg

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast.partition_cells import Cell

FIRST = dt.date(2022, 7, 1)
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
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--ui-proposals", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["JWSTDOWNLOAD_OUTDIR"] = str(folder / "data")
        tick(folder, arguments)
        ui(folder, arguments)


def tick(folder: Path, arguments: argparse.Namespace) -> None:
    """Part one."""
    cells, rows = observations(arguments)
    catalogue = Catalogue()
    catalogue.observations.extend(rows)
    home = folder / "tick"
    home.mkdir()
    with EmbeddedArchive(catalogue) as archive, dg.instance_for_test(temp_dir=str(home)) as instance:
        os.environ["MAST_SERVER"] = archive.url
        from jwst_mast_assets.definitions import build_defs
        from jwst_mast_assets.defs.partitions import PROPOSAL
        from jwst_mast_assets.mast import tables
        from jwst_mast_assets.mast.archive import Archive
        from jwst_mast_assets.mast.config import load_config
        from jwst_mast_assets.mast.discovery import list_observations
        from jwst_mast_assets.records.ledger import Ledger
        from jwst_mast_assets.records.store import TableStore
        from jwst_mast_assets.records.watched import WatchList

        config, now = load_config(), dt.datetime.now(dt.timezone.utc)
        keys = sorted({cell.proposal for cell in cells})
        instance.add_dynamic_partitions(PROPOSAL, keys)
        listed = list_observations(Archive(), config, keys, FIRST, now)
        WatchList(TableStore(config.root)).add(keys)
        done = set(cells[10:])
        ledger, nothing = Ledger(TableStore(config.root)), tables.empty(tables.FILE_TABLE)
        for proposal, part in listed.groupby(listed["cell"].str[-5:]):
            ledger.record([cell for cell in done if cell.proposal == proposal], part, nothing, config, now)
        definitions = build_defs()
        (sensor,) = [found for found in definitions.sensors or [] if found.name == "new_observations"]
        context = dg.build_sensor_context(
            instance=instance,
            repository_def=definitions.get_repository_def(),
            resources=dict(definitions.resources or {}),
        )
        archive.clear_requests()
        start = time.perf_counter()
        result = sensor(context)
        taken = time.perf_counter() - start
        assert isinstance(result, dg.SensorResult), result
        requested = len(result.run_requests or [])
        assert requested == 10, requested
        print(
            f"{len(keys)} proposals, {len(cells)} partitions with {len(rows)} observations: a tick takes {taken:.1f} s "
            f"({taken / 10:.2f} of the limit of 10 s), {len(archive.requests)} requests, cursor {context.cursor!r}"
        )


def observations(arguments: argparse.Namespace) -> tuple[list[Cell], list[dict]]:
    """Cells spread over three years, and their CAOM rows."""
    per_proposal = arguments.partitions // arguments.proposals
    per_cell = max(arguments.observations // arguments.partitions, 1)
    template = dict(Catalogue.default().observations[0])
    cells, rows = [], []
    for number in range(arguments.proposals):
        proposal = f"{1000 + number:05d}"
        for day in range(per_proposal):
            cell = Cell(FIRST + dt.timedelta(days=(number * 7 + day * 61) % 1000), proposal)
            cells.append(cell)
            mjd = (cell.day - dt.date(1858, 11, 17)).days
            for n in range(per_cell):
                name = f"jw{proposal}{day + 1:03d}001_02101_{n + 1:05d}_nrca1"
                at = {"obsid": 10_000_000 + len(rows), "obs_id": name, "proposal_id": str(1000 + number)}
                rows.append({**template, **at, "t_min": mjd + 0.5 + n / 1000, "t_max": mjd + 0.6, "calib_level": 2})
    return cells, rows


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
