"""Belongs here: the jobs that people and schedules launch."""

import dagster as dg

jwst_query = dg.define_asset_job(
    "jwst_query",
    selection=dg.AssetSelection.assets("obs_table", "product_table", "summary_table").without_checks(),
    description="Asks MAST for observations and products and writes the tables; downloads nothing.",
    executor_def=dg.in_process_executor,
)

jwst_download = dg.define_asset_job(
    "jwst_download",
    selection=dg.AssetSelection.assets(
        "obs_table", "product_table", "downloaded_files", "summary_table", "index_html"
    ).without_checks()
    | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("downloaded_files"), "all_selected_files_present")),
    description="Asks MAST, downloads the selected files that are missing, writes tables and page.",
    executor_def=dg.in_process_executor,
)

jobs = [jwst_query, jwst_download]
