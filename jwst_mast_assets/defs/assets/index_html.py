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
from jwst_mast_assets.webpage.archive_page import PLOT_DAYS, write_archive_page
from jwst_mast_assets.webpage.up_to_date import bring_up_to_date


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
        config, cells = snapshot.config, cells_of(context)
        check_recorded(snapshot.store, "product_table", cells)
        month_ago = utc_now() - dt.timedelta(days=PLOT_DAYS + 1)
        pages = [bring_up_to_date(snapshot, proposal, month_ago) for proposal in proposals_of(cells)]
        written = [page.written for page in pages if page.written]
        problems = [problem for page in written for problem in page.problems]
        for problem in problems:
            context.log.warning(problem)
        overview = config.root / "index.html"
        if written or not overview.exists():
            overview = write_archive_page(config.root)
        if overview is None:
            context.log.warning(
                f"{config.root / 'index.html'} was not made by this package and is left as it is: there is no page of "
                "all proposals; rename it to get one"
            )
        metadata = {
            "page": _address(pages[0].path),
            **({"all_proposals": _address(overview)} if overview else {}),
            "pages": dg.MetadataValue.json([str(page.path) for page in pages]),
            "problems": len(problems),
            "unchanged": len(pages) - len(written),
        }
        return dg.MaterializeResult(
            metadata=on_last_partition(context, metadata),
            data_version=dg.DataVersion("-".join(page.version for page in pages[:3])),
        )


def _address(page: Path) -> dg.UrlMetadataValue | dg.PathMetadataValue:
    """Where the page can be looked at: in a browser where ``jwst-mast serve`` serves its folder, else on disk.

    Browsers refuse a link from Dagster's page to a file.
    """
    served = os.environ.get("JWST_PAGES_URL"), os.environ.get("JWST_PAGES_FOLDER")
    if all(served) and page.is_relative_to(Path(str(served[1]))):
        return dg.MetadataValue.url(f"{served[0]}/{quote(str(page.relative_to(str(served[1]))))}")
    return dg.MetadataValue.path(str(page))
