"""The jobs that people and schedules launch."""

import dagster as dg

from jwst_mast_assets.defs.checks import FILES, PRESENT, audits

freshness = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("obs_table"), "fresh"))

jwst_query = dg.define_asset_job(
    "jwst_query",
    selection=dg.AssetSelection.assets("obs_table", "product_table", "summary_table") - freshness,
    description="Asks MAST for observations and products and writes the tables; downloads nothing.",
)

jwst_download = dg.define_asset_job(
    "jwst_download",
    selection=(
        dg.AssetSelection.assets("obs_table", "product_table", "downloaded_files", "summary_table", "index_html")
        - audits
        - freshness
    )
    | dg.AssetSelection.checks(dg.AssetCheckKey(FILES, PRESENT)),
    description="Asks MAST, downloads the selected files that are missing, writes tables and page.",
)

jwst_audit = dg.define_asset_job(
    "jwst_audit",
    selection=audits,
    description="Reads every downloaded file again and compares it with what was recorded; asks MAST nothing.",
)

jobs = [jwst_query, jwst_download, jwst_audit]
