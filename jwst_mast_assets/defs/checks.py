"""The asset checks. They read the disk again, so they can audit an archive years later."""

import datetime as dt
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.defs.failures import Verdict, classify_files, failure, plain_failures, plain_failures_of
from jwst_mast_assets.defs.metadata import preview
from jwst_mast_assets.defs.partitions import cells_of
from jwst_mast_assets.defs.resources import JwstConfig
from jwst_mast_assets.defs.table_io import check_recorded
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.listing import OpenList
from jwst_mast_assets.mast.observations import NO_SUCH_PROGRAM
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.freshness import last_comparisons
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.listings import Listings

PRESENT, AGREE, OPEN = "all_selected_files_present", "sizes_and_checksums_agree", "contents_open"
ANSWERED, FRESH = "every_list_answered", "fresh"
MOST_CAUSES, MOST_NAMES = 5, 3
"""How many causes the sentence of a failed run gives, and how many files for each."""

FILES, PRODUCTS, OBSERVATIONS = (dg.AssetKey(name) for name in ("downloaded_files", "product_table", "obs_table"))


def all_selected_files_present(
    context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckResult]:
    """Check that every selected file is on disk; fail the run if a download failed."""
    with plain_failures(context):
        files = _files(context, jwst_config)
        selected = files[tables.is_true(files["selected"])]
        failures = selected[selected["dl_code"].isin(downloads.FAILURES)]
        # In a run that downloads, the folders as the download left them; a run of the check alone lists them again.
        look = jwst_config.checked().model_copy(update={"skip_check_if_outfile_exists": False})
        state = downloads.state_on_disk(selected, look, files, jwst_config.snapshot().disk)
        there = state["dl_code"] == downloads.Code.EXISTS
        missing = selected[~there.astype(bool) & ~selected["dl_code"].isin(downloads.AWAITED)]
    yield dg.AssetCheckResult(
        asset_key=FILES,
        check_name=PRESENT,
        passed=failures.empty and missing.empty,
        metadata={
            "selected": len(selected),
            "missing": len(missing),
            "waiting": preview(downloads.not_provided_yet(files)),
            "files": preview(missing[["productFilename", "dl_str", "dl_message"]]),
        },
    )
    # The page and the tables are made all the same, as they do not wait for this check; but the run fails.
    if len(failures):
        verdict = classify_files(failures)
        raise failure(context.instance, context.run.run_id, _sentence(failures), verdict, failed_files=len(failures))


def every_list_answered(
    context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckResult]:
    """Check that MAST listed the products of every observation; fail the run if not."""
    with plain_failures(context):
        failed = [problem for problem in Listings(jwst_config.store()).open(cells_of(context)) if problem.failed]
    named = [f"{problem.name}: {problem.why}" for problem in failed]
    yield dg.AssetCheckResult(
        asset_key=PRODUCTS,
        check_name=ANSWERED,
        passed=not failed,
        metadata={"failed": len(failed), "lists": named[:25]},
    )
    # The other observations' files are still downloaded, because they do not wait for this check.
    if failed:
        raise failure(context.instance, context.run.run_id, _unlisted(failed), Verdict(False), failed_files=len(failed))


def sizes_and_checksums_agree(
    context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckResult]:
    """Compare size and md5 of every file on disk with what was recorded."""
    if not _downloads(context):
        with plain_failures(context):
            yield _result(AGREE, downloads.audit(_files(context, jwst_config)))


def contents_open(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> Iterator[dg.AssetCheckResult]:
    """Open every file on disk to its end."""
    if not _downloads(context):
        with plain_failures(context):
            # Without an md5 to compare with, the audit opens the file.
            yield _result(OPEN, downloads.audit(_files(context, jwst_config).assign(md5=None)))


@dg.asset_check(
    asset="obs_table",
    name=FRESH,
    description="Every watched proposal was compared with MAST in the last freshness_hours.",
)
def obs_table_is_fresh(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> dg.AssetCheckResult:
    """Check when each watched proposal was last compared with MAST."""
    with plain_failures(context):
        stale, metadata = _not_compared(context.instance, jwst_config)
    return dg.AssetCheckResult(passed=not stale, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


@dg.op(out=dg.Out(dg.Nothing))
def look_at_freshness(
    context: dg.OpExecutionContext, jwst_config: JwstConfig
) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
    """Evaluates the check `fresh` of `obs_table` in a job that is made of ops."""
    with plain_failures_of(context.instance, context.run_id):
        stale, metadata = _not_compared(context.instance, jwst_config)
    yield dg.AssetCheckEvaluation(
        OBSERVATIONS, FRESH, passed=not stale, metadata=metadata, severity=dg.AssetCheckSeverity.WARN
    )
    yield dg.Output(None)


def _not_compared(instance: dg.DagsterInstance, jwst_config: JwstConfig) -> tuple[list[str], dict[str, Any]]:
    """The watched proposals that were not compared with MAST lately, and what the page shows of the check."""
    config, store = jwst_config.checked(), jwst_config.store()
    checked = Ledger(store).checked()
    limit = utc_now() - dt.timedelta(hours=config.freshness_hours)
    watched = watched_proposals(instance, store, config)
    stale = [
        proposal
        for proposal in watched
        if proposal not in checked or dt.datetime.fromisoformat(checked[proposal]) < limit
    ]
    return stale, {
        "not_compared": stale,
        "freshness_hours": config.freshness_hours,
        "last_compared": preview(last_comparisons(store, watched)),
    }


def _files(context: dg.AssetCheckExecutionContext, jwst_config: JwstConfig) -> pd.DataFrame:
    """The recorded files of the run's cells, once each.

    Raises
    ------
    NothingRecorded
        If nothing was ever downloaded of any of them: there is nothing to check.
    """
    store, cells = jwst_config.store(), cells_of(context)
    if len(absent := store.missing("downloaded_files", cells)) == len(cells):
        check_recorded(store, "downloaded_files", cells)
    if absent:
        context.log.warning(f"{len(absent)} of {len(cells)} days were never downloaded and are not checked")
    return store.read("downloaded_files", cells).drop_duplicates("dataURI")


def _downloads(context: dg.AssetCheckExecutionContext) -> bool:
    """Whether the run also materializes the files: "Materialize" in the page always includes an asset's checks."""
    return FILES in (context.run.asset_selection or ())


def _result(check_name: str, audited: pd.DataFrame) -> dg.AssetCheckResult:
    bad = audited[~audited["ok"]]
    return dg.AssetCheckResult(
        asset_key=FILES,
        check_name=check_name,
        passed=bad.empty,
        metadata={"files": len(audited), "bad": len(bad), "what": preview(bad[["outfilename", "problem"]])},
    )


def _unlisted(failed: Sequence[OpenList]) -> str:
    """A sentence about the lists that MAST did not answer, and one about the programs that it does not know."""
    unknown = list(dict.fromkeys(problem.name for problem in failed if problem.why == NO_SUCH_PROGRAM))
    others = [f"{problem.name}: {problem.why}" for problem in failed if problem.why != NO_SUCH_PROGRAM]
    sentences = [f"{name}: {NO_SUCH_PROGRAM}" for name in unknown]
    if others:
        more = f"; and {len(others) - 10} more" if len(others) > 10 else ""
        sentences.append(
            f"MAST did not list the products of {len(others)} observation(s), of which the recorded ones are kept: "
            f"{'; '.join(others[:10])}{more}"
        )
    return "; ".join(sentences)


def _sentence(failures: pd.DataFrame) -> str:
    """One sentence that names files and why, each cause once: during an outage it is the same for all."""
    causes = [
        (str(why), sorted(map(str, rows["productFilename"])))
        for why, rows in failures.groupby(failures["dl_message"].fillna(failures["dl_str"]), sort=False)
    ]
    told = []
    for why, names in causes[:MOST_CAUSES]:
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        told.append(f"{', '.join(names[:MOST_NAMES])}{more}: {why}")
    if rest := sum(len(names) for _, names in causes[MOST_CAUSES:]):
        told.append(f"and {rest} more")
    return f"{counted(len(failures), 'selected file')} could not be downloaded: {'; '.join(told)}"


def build_checks(grid: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks; those of files and products are partitioned like the assets."""

    def check(name: str, asset: dg.AssetKey, description: str) -> dg.AssetCheckSpec:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=grid)

    answered = check(
        ANSWERED,
        PRODUCTS,
        "MAST answered for every observation; otherwise the recorded products are kept and the run fails.",
    )
    present = check(
        PRESENT,
        FILES,
        "Every selected file that MAST provides is on disk. If not, the run fails.",
    )
    agree = check(
        AGREE,
        FILES,
        "Every file on disk has the size and the md5 that were recorded: nothing has been altered since. Skipped in a "
        "run that downloads, which verifies what it fetches.",
    )
    opens = check(
        OPEN,
        FILES,
        "Every file on disk opens to its end: FITS to the last HDU, pictures, JSON, tables. Skipped in a run that "
        "downloads, which verifies what it fetches.",
    )
    return [
        dg.multi_asset_check(specs=[answered])(every_list_answered),
        dg.multi_asset_check(specs=[present])(all_selected_files_present),
        dg.multi_asset_check(specs=[agree], can_subset=True)(sizes_and_checksums_agree),
        dg.multi_asset_check(specs=[opens], can_subset=True)(contents_open),
        obs_table_is_fresh,
    ]


audits = dg.AssetSelection.checks(
    dg.AssetCheckKey(FILES, PRESENT), dg.AssetCheckKey(FILES, AGREE), dg.AssetCheckKey(FILES, OPEN)
)
"""The checks of the job that reads every file again."""
