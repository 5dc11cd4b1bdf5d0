"""``jwst-mast demo``: the main job on the embedded archive, from nothing to files and a page."""

import datetime as dt
import shutil
import sys
from pathlib import Path

from jwst_mast_assets.cli.embedded import embedded_archive_in
from jwst_mast_assets.cli.runs import materialize, open_instance, ranges

PROPOSAL = "01138"

NOW = 60000.0
"""MJD that the archive's recent observations are placed before: always the same, so that a second demo finds
every file as it left it."""


def run_demo(folder: str) -> int:
    """Materialize proposal 1138 of the embedded archive into a folder and print the result.

    Parameters
    ----------
    folder : str
        Gets ``data/`` (files, tables, page) and ``dagster/`` (the instance).

    Returns
    -------
    int
        0 if all went well, else 1.
    """
    with embedded_archive_in(folder, NOW) as place:
        print(f"embedded archive at {place.url}")
        return _run(place.data)


def _run(data: Path) -> int:
    # Imported late: the definitions read the environment on import.
    from jwst_mast_assets.definitions import build_defs
    from jwst_mast_assets.defs.partitions import register_proposals
    from jwst_mast_assets.mast.config import Config
    from jwst_mast_assets.mast.discovery import cells_with_data, find_observations
    from jwst_mast_assets.records import holdings, reports
    from jwst_mast_assets.records.archive_identity import open_archive
    from jwst_mast_assets.records.snapshot import Snapshot

    parameters = {"filetypes": ["_uncal.fits", "_rate.jpg", "_cal.jpg", "_i2d.jpg"]}
    config = Config.from_mapping({**parameters, "propID": PROPOSAL, "all_dates": True})
    cells = cells_with_data(find_observations(open_archive(data), config, dt.datetime.now(dt.timezone.utc)))
    job = build_defs().resolve_job_def("jwst_download")
    run_ids = set()
    with open_instance() as instance:
        register_proposals(instance, [PROPOSAL])
        print(f"proposal {PROPOSAL} has data on {len(cells)} days: {', '.join(str(cell.day) for cell in cells)}")
        for first, last in ranges(cells):
            print(f"materializing {first.day} to {last.day} ...", flush=True)
            result = materialize(job, instance, first, last, parameters)
            run_ids.add(result.run_id)
            if not result.success:
                print("\n".join(["the run failed:", *result.messages]), file=sys.stderr)
                return 1
    known = holdings.read_proposal(Snapshot(config.merged({"outrootdir": str(data), "outsubdir": None})), PROPOSAL)
    width = shutil.get_terminal_size((160, 40)).columns
    for title, table in (
        ("Selected products", known.reports.selprod),
        ("Observations", known.reports.obs),
        ("Summary", known.reports.summary),
    ):
        print(f"\n### {title}")
        shown = table.drop(columns=[name for name in ("outfilename",) if name in table and width < 200]).head(20)
        print(reports.to_text(shown), end="")
        if len(table) > len(shown):
            print(f"... and {len(table) - len(shown)} more rows")
    fetched = known.files["run_id"].isin(run_ids)
    size = int(known.files.loc[fetched, "bytes_on_disk"].fillna(0).sum())
    print(f"\ndownloaded now: {fetched.sum()} files, {size / 1e6:.1f} MB; on disk: {len(known.files)} files in {data}")
    print(f"page: {data / PROPOSAL / 'index.html'}")
    return 0
