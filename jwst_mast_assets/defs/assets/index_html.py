"""The asset of the page per proposal."""

import datetime as dt
import os
from pathlib import Path
from urllib.parse import quote

import dagster as dg

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import on_last_partition, partitioned_asset
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.defs.table_io import check_recorded
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.history import read_history
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.webpage.archive_page import PLOT_DAYS, write_archive_page
from jwst_mast_assets.webpage.page import LAYOUT, write_page


@partitioned_asset(
    kinds={"html"},
    deps=["downloaded_files", "summary_table"],
)
def index_html(context: dg.AssetExecutionContext, jwst_config: JwstConfig) -> dg.MaterializeResult:
    """A page per proposal over all its days so far, with thumbnails: `<outrootdir>/<outsubdir>/<PPPPP>/index.html`.

    Where nothing that the page shows has changed since it was made, it is left as it is. The page of all proposals is
    `<outrootdir>/<outsubdir>/index.html`.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        snapshot = jwst_config.snapshot()
        config, store = snapshot.config, snapshot.store
        cells = cells_of(context)
        check_recorded(store, "product_table", cells)
        compared = Ledger(store).checked()
        month_ago = utc_now() - dt.timedelta(days=PLOT_DAYS + 1)
        paths, versions, problems, unchanged = [], [], 0, 0
        for proposal in proposals_of(cells):
            with store.locked(proposal):
                held = holdings.read_proposal(snapshot, proposal)
                version = f"{holdings.page_fingerprint(held, config)}.{LAYOUT}"
                path = config.root / proposal / "index.html"
                marker = store.state / "pages" / f"{proposal}.txt"
                made = marker.read_text(encoding="utf-8") if path.exists() and marker.exists() else None
                if made == version and not config.webpage_thumbnails_overwrite:
                    unchanged += 1
                else:
                    page = write_page(
                        config,
                        proposal,
                        held.observations,
                        held.files,
                        held.reports.summary,
                        disk=snapshot.disk,
                        changes=held.changes,
                        compared=compared.get(proposal),
                        history=read_history(store, proposal, since=month_ago),
                    )
                    write_text(marker, version)
                    problems += len(page.problems)
                    for problem in page.problems:
                        context.log.warning(problem)
            paths.append(path)
            versions.append(version)
        overview = config.root / "index.html"
        if unchanged < len(paths) or not overview.exists():
            overview = write_archive_page(config.root)
        if overview is None:
            context.log.warning(
                f"{config.root / 'index.html'} was not made by this package and is left as it is: there is no page of "
                "all proposals; rename it to get one"
            )
        metadata = {
            "page": _address(paths[0]),
            **({"all_proposals": _address(overview)} if overview else {}),
            "pages": dg.MetadataValue.json([str(path) for path in paths]),
            "problems": problems,
            "unchanged": unchanged,
        }
        return dg.MaterializeResult(
            metadata=on_last_partition(context, metadata),
            data_version=dg.DataVersion("-".join(versions[:3])),
        )


def _address(page: Path) -> dg.UrlMetadataValue | dg.PathMetadataValue:
    """Where the page can be looked at: in a browser where ``jwst-mast serve`` serves its folder, else on disk.

    Browsers refuse a link from Dagster's page to a file.
    """
    served = os.environ.get("JWST_PAGES_URL"), os.environ.get("JWST_PAGES_FOLDER")
    if all(served) and page.is_relative_to(Path(str(served[1]))):
        return dg.MetadataValue.url(f"{served[0]}/{quote(str(page.relative_to(str(served[1]))))}")
    return dg.MetadataValue.path(str(page))
