"""What looks for reprocessed files every day, and requests the downloads that replace them."""

import datetime as dt

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.assets.reprocessed_files import make_reprocessed_files, reprocessed_files
from jwst_mast_assets.defs.attempts import REASON
from jwst_mast_assets.defs.checks import look_at_freshness
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.daily import DONE, daily_with_repeats, done_or_under_way
from jwst_mast_assets.defs.failures import situation
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.defs.run_requests import Requests, run_requests
from jwst_mast_assets.defs.watching import watched_proposals
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.reprocessing import changes_by_cell, describe_changes, fingerprint, read_changes
from jwst_mast_assets.records.silent_services import read_silent
from jwst_mast_assets.records.store import TableStore

START_HOUR = 5
"""Of the day (UTC) at which all files are compared."""

MOST_REPLACEMENTS = 20
"""Runs that one tick requests; the rest follow as these end. MAST reprocesses everything at once."""


@dg.job(
    description="Compares all files on disk with MAST's checksums and versions, and shows each proposal's status; "
    "downloads nothing. It makes the asset reprocessed_files.",
)
def jwst_reprocessing() -> None:
    """The comparison, and whether every proposal was compared lately."""
    make_reprocessed_files()
    look_at_freshness()


@dg.schedule(
    name="daily_reprocessing",
    job=jwst_reprocessing,
    cron_schedule=daily_with_repeats(START_HOUR),
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each morning (UTC) all files on disk are compared with what MAST has now; again the same day if that "
    "failed.",
)
def daily_reprocessing(
    context: dg.ScheduleEvaluationContext, archive: ArchiveResource
) -> dg.RunRequest | dg.SkipReason:
    """Requests the comparison of all files on disk with MAST."""
    try:
        root = daemon_config(context.instance).root
        archive.check(root)
    except JwstMastError as error:
        return dg.SkipReason(f"Skipped: {error}")
    now = context.scheduled_execution_time
    reason = done_or_under_way(context.instance, jwst_reprocessing.name, START_HOUR, now)
    silent = read_silent(TableStore(root))
    if reason == DONE and silent.is_due(now):
        # Done for the others; of these instruments nothing was compared.
        return dg.RunRequest(tags={REASON: f"no answer from the keyword service of {', '.join(silent.services)}"})
    return dg.SkipReason(reason) if reason else dg.RunRequest()


def build_sensors(first_day: dt.date) -> list[dg.SensorDefinition]:
    """The sensors, for partitions from a first day on."""

    @dg.sensor(
        job=jwst_download,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a download of each day that has reprocessed files, as reprocessed_files lists them.",
    )
    def reprocessing_sensor(
        context: dg.SensorEvaluationContext, archive: ArchiveResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Requests a download of each proposal and day that has reprocessed files, as `reprocessed_files` lists them.

        It keeps no cursor: the records say which files are still stale, the runs what is under way or failed.
        """
        latest = context.instance.get_latest_materialization_event(dg.AssetKey("reprocessed_files"))
        if latest is None:
            return dg.SkipReason("reprocessed_files has not been made yet; the job jwst_reprocessing makes it.")
        try:
            config = daemon_config(context.instance)
            archive.check(config.root)
            asked, stale = _requests(context.instance, config, first_day, utc_now())
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")
        for sentence in asked.skipped:
            context.log.warning(sentence)
        if not asked.runs:
            reason = (
                f"{counted(stale, 'reprocessed file')} {'is' if stale == 1 else 'are'} still stale; {_when(asked)}."
                if asked.waiting
                else "Every change that the configuration selects was fetched, or is no longer a change."
            )
            return dg.SkipReason(" ".join([reason, *(f"Note: {sentence}." for sentence in asked.skipped)]))
        return dg.SensorResult(run_requests=asked.runs)

    return [reprocessing_sensor]


def _when(asked: Requests) -> str:
    """When they are tried next."""
    waits = f"{counted(asked.waiting, 'day')} {'waits' if asked.waiting == 1 else 'wait'}"
    if asked.next_attempt is None:
        return f"{waits} for a run under way, or for something to change after the last attempt"
    return f"{waits} for a run under way or the next attempt, at {asked.next_attempt:%Y-%m-%d %H:%M} (UTC)"


def _requests(
    instance: dg.DagsterInstance, config: Config, first_day: dt.date, now: dt.datetime
) -> tuple[Requests, int]:
    """What to request, and how many files of watched proposals are still stale."""
    store = TableStore.of(config)
    watched = set(watched_proposals(instance, store, config))
    changed = {Cell.from_key(key): changes for key, changes in changes_by_cell(read_changes(store)).items()}
    stale = {
        cell: left
        for cell, changes in changed.items()
        if cell.proposal in watched and len(left := _still_stale(store, cell, changes))
    }
    # The cause is that of all changes of the day, so that what a run fetched of them does not count as another one.
    wanted = [
        DueCell(cell, describe_changes(left), fingerprint(changed[cell]), len(left)) for cell, left in stale.items()
    ]
    recorded = Ledger(store).recorded({cell.proposal for cell in stale}, config)
    asked = run_requests(
        instance,
        wanted,
        registered_proposals(instance),
        first_day,
        now,
        situation(config),
        MOST_REPLACEMENTS,
        by="reprocessed",
        store=store,
        with_data={key for key, entry in recorded.entries.items() if entry.number},
    )
    return asked, sum(map(len, stale.values()))


def _still_stale(store: TableStore, cell: Cell, changes: pd.DataFrame) -> pd.DataFrame:
    """The changes of selected files whose record is still as it was when they were found."""
    files = store.read("downloaded_files", [cell])
    files = files[tables.is_true(files["selected"])].drop_duplicates("dataURI", keep="last")
    recorded = files.set_index("dataURI")
    now = changes["dataURI"].map(recorded["md5"].fillna(recorded["checksum"])).astype("string")
    same = tables.is_true(now == changes["old_md5"]) | (now.isna() & changes["old_md5"].isna())
    # For a file that was compared by what the server says about it, its time shows whether it was fetched since.
    mtime = changes["dataURI"].map(recorded["mtime"]).astype("Float64")
    same &= (mtime == changes["old_mtime"]).fillna(True) | changes["old_mtime"].isna()
    return changes[same.astype(bool) & changes["dataURI"].isin(recorded.index)]


assets = [reprocessed_files]
jobs = [jwst_reprocessing]
schedules = [daily_reprocessing]
