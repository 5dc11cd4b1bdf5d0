"""Belongs here: the asset checks. They re-read the disk, so that they also audit an archive years later."""

from collections.abc import Iterator

import dagster as dg

from jwst_mast_assets.defs.metadata import preview
from jwst_mast_assets.defs.partitions import cells_of, grid
from jwst_mast_assets.defs.resources import JwstConfig, said_plainly
from jwst_mast_assets.mast import downloads


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "all_selected_files_present",
            asset="downloaded_files",
            description="Every selected file is on disk; those not yet public are not asked for. Fails the run if not.",
            partitions_def=grid,
        )
    ]
)
def all_selected_files_present(
    context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckResult]:
    with said_plainly():
        files = jwst_config.store().read("downloaded_files", cells_of(context)).drop_duplicates("dataURI")
        selected = files[files["selected"].fillna(False).astype(bool)]
        failures = selected[selected["dl_code"].isin(downloads.FAILURES)]
        there = downloads.state_on_disk(selected, jwst_config.checked(), files)["dl_code"] == downloads.Code.EXISTS
        missing = selected[~there.astype(bool) & (selected["dl_code"] != downloads.Code.EXCLUSIVE)]
    yield dg.AssetCheckResult(
        asset_key="downloaded_files",
        check_name="all_selected_files_present",
        passed=failures.empty and missing.empty,
        metadata={
            "selected": len(selected),
            "missing": len(missing),
            "files": preview(missing[["productFilename", "dl_str", "dl_message"]]),
        },
    )
    # The page and the tables are made all the same, as they do not wait for this check; but the run is not green.
    if len(failures):
        named = "; ".join(
            f"{row.productFilename}: {row.dl_message or row.dl_str}" for row in failures.head(10).itertuples()
        )
        more = f"; and {len(failures) - 10} more" if len(failures) > 10 else ""
        raise dg.Failure(f"{len(failures)} selected file(s) could not be had: {named}{more}", allow_retries=False)


asset_checks = [all_selected_files_present]
