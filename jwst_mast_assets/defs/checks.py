"""Belongs here: the asset checks. They re-read the disk, so that they also audit an archive years later."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.defs.failures import classify_files, failure, plain_failures
from jwst_mast_assets.defs.metadata import preview
from jwst_mast_assets.defs.partitions import cells_of, grid, registered_proposals
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.records.ledger import Ledger

PRESENT, AGREE, OPEN = "all_selected_files_present", "sizes_and_checksums_agree", "contents_open"
FILES = dg.AssetKey("downloaded_files")


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            PRESENT,
            asset=FILES,
            description="Every selected file is on disk; those MAST does not give out yet may be missing. "
            "Fails the run if not.",
            partitions_def=grid,
        )
    ]
)
def all_selected_files_present(
    context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckResult]:
    with plain_failures(context):
        files = _files(context, jwst_config)
        selected = files[files["selected"].fillna(False).astype(bool)]
        failures = selected[selected["dl_code"].isin(downloads.FAILURES)]
        there = downloads.state_on_disk(selected, jwst_config.checked(), files)["dl_code"] == downloads.Code.EXISTS
        missing = selected[~there.astype(bool) & ~selected["dl_code"].isin(downloads.AWAITED)]
    yield dg.AssetCheckResult(
        asset_key=FILES,
        check_name=PRESENT,
        passed=failures.empty and missing.empty,
        metadata={
            "selected": len(selected),
            "missing": len(missing),
            "waiting": preview(downloads.waiting(files)),
            "files": preview(missing[["productFilename", "dl_str", "dl_message"]]),
        },
    )
    # The page and the tables are made all the same, as they do not wait for this check; but the run is not green.
    if len(failures):
        verdict = classify_files(failures)
        raise failure(context.instance, context.run.run_id, _sentence(failures), verdict, failed_files=len(failures))


@dg.asset_check(
    asset=FILES,
    name=AGREE,
    description="Every file on disk has the size and the md5 that were recorded: nothing has been altered since.",
    partitions_def=grid,
)
def sizes_and_checksums_agree(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> dg.AssetCheckResult:
    with plain_failures(context):
        return _result(downloads.audit(_files(context, jwst_config)))


@dg.asset_check(
    asset=FILES,
    name=OPEN,
    description="Every file on disk opens to its end: FITS to the last HDU, pictures, JSON, tables.",
    partitions_def=grid,
)
def contents_open(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> dg.AssetCheckResult:
    with plain_failures(context):
        # Without an md5 to compare with, the audit opens the file.
        return _result(downloads.audit(_files(context, jwst_config).assign(md5=None)))


@dg.asset_check(
    asset="obs_table",
    name="fresh",
    description="Every registered proposal was compared with MAST in the last freshness_hours.",
)
def obs_table_is_fresh(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> dg.AssetCheckResult:
    with plain_failures(context):
        config = jwst_config.checked()
        checked = Ledger(jwst_config.store()).checked()
        limit = dt.datetime.now(dt.timezone.utc) - dt.timedelta(hours=config.freshness_hours)
        stale = [
            proposal
            for proposal in registered_proposals(context.instance)
            if proposal not in checked or dt.datetime.fromisoformat(checked[proposal]) < limit
        ]
        return dg.AssetCheckResult(
            passed=not stale,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"not_compared": stale, "freshness_hours": config.freshness_hours},
        )


def _files(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> pd.DataFrame:
    """What is recorded of the files of the run's cells, once each."""
    return jwst_config.store().read("downloaded_files", cells_of(context)).drop_duplicates("dataURI")


def _result(audited: pd.DataFrame) -> dg.AssetCheckResult:
    bad = audited[~audited["ok"]]
    return dg.AssetCheckResult(
        passed=bad.empty,
        metadata={"files": len(audited), "bad": len(bad), "what": preview(bad[["outfilename", "problem"]])},
    )


def _sentence(failures: pd.DataFrame) -> str:
    """One sentence that names the files and why."""
    named = "; ".join(
        f"{row.productFilename}: {row.dl_message or row.dl_str}" for row in failures.head(10).itertuples()
    )
    more = f"; and {len(failures) - 10} more" if len(failures) > 10 else ""
    return f"{len(failures)} selected file(s) could not be downloaded: {named}{more}"


asset_checks = [all_selected_files_present, sizes_and_checksums_agree, contents_open, obs_table_is_fresh]

audits = dg.AssetSelection.checks(
    dg.AssetCheckKey(FILES, PRESENT), dg.AssetCheckKey(FILES, AGREE), dg.AssetCheckKey(FILES, OPEN)
)
"""What reads every file again."""
