"""Belongs here: the asset of the page per proposal."""

import dagster as dg

from jwst_mast_assets.defs.failures import plain_failures
from jwst_mast_assets.defs.metadata import OWNERS, TAGS
from jwst_mast_assets.defs.partitions import cells_of, grid
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.defs.table_io import check_recorded
from jwst_mast_assets.mast.partition_cells import proposals_of
from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.webpage.page import write_page


@dg.asset(
    partitions_def=grid,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="jwst",
    owners=OWNERS,
    tags=TAGS,
    kinds={"html"},
    code_version="1",
    deps=["downloaded_files", "summary_table"],
)
def index_html(context: dg.AssetExecutionContext, jwst_config: JwstConfig) -> dg.MaterializeResult:
    """A page per proposal over all its days so far, with thumbnails: `<outrootdir>/<outsubdir>/<PPPPP>/index.html`.

    Where nothing that the page shows has changed since it was made, it is left as it is.

    Most partitions stay grey, as JWST observes for a proposal on few days: only days with data are ever materialized.
    """
    with plain_failures(context):
        config, store = jwst_config.checked(), jwst_config.store()
        cells = cells_of(context)
        check_recorded(store, "product_table", cells)
        paths, versions, problems, unchanged = [], [], 0, 0
        for proposal in proposals_of(cells):
            with store.locked(proposal):
                known = holdings.read_proposal(store, proposal, config)
                version = holdings.page_fingerprint(known, config)
                path = config.root / proposal / "index.html"
                marker = store.state / "pages" / f"{proposal}.txt"
                made = marker.read_text(encoding="utf-8") if path.exists() and marker.exists() else None
                if made == version and not config.webpage_thumbnails_overwrite:
                    unchanged += 1
                else:
                    page = write_page(config, proposal, known.observations, known.files, known.reports.summary)
                    write_text(marker, version)
                    problems += len(page.problems)
                    for problem in page.problems:
                        context.log.warning(problem)
            paths.append(path)
            versions.append(version)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.url(paths[0].as_uri()),
                "pages": dg.MetadataValue.json([str(path) for path in paths]),
                "problems": problems,
                "unchanged": unchanged,
            },
            data_version=dg.DataVersion("-".join(versions[:3])),
        )
