"""The sensor that has new, changed and released observations downloaded."""

import datetime as dt

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.failures import situation
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import check_grid, proposals, registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.defs.run_requests import run_requests
from jwst_mast_assets.defs.watching import unusable_keys, watched_proposals
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import MJD_EPOCH
from jwst_mast_assets.mast.discovery import list_observations
from jwst_mast_assets.mast.errors import ConfigError, JwstMastError
from jwst_mast_assets.mast.exclusions import excluded_observations
from jwst_mast_assets.records.due_cells import due_cells, fallen
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore

MOST_REQUESTS = 50
"""Runs that one tick requests; the rest follow as these end."""


def build_sensors(config: Config) -> list[dg.SensorDefinition]:
    """The sensors, with the interval that the config file has."""

    @dg.sensor(
        name="new_observations",
        job=jwst_download,
        minimum_interval_seconds=config.sensor_interval,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks MAST for the observations of the watched proposals, and requests a run for each day that "
        "has new, changed or newly released ones, or whose files are still missing.",
    )
    def new_observations(
        context: dg.SensorEvaluationContext, archive: ArchiveResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Asks MAST for the observations of the watched proposals and requests a run for each day that has new,
        changed or newly released ones. It keeps no cursor: what is done stands in the output folder, what is under
        way and what failed in the runs themselves."""
        try:
            # The grid is that of the loaded code location, whatever the file says by now.
            current = daemon_config(context.instance).model_copy(update={"first_day": config.first_day})
            mast = archive.open_for_a_tick(current)
            result, skipped = _tick(context.instance, current, mast)
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")
        for sentence in (notes := [*mast.unsaid(), *skipped]):
            context.log.warning(sentence)
        if isinstance(result, dg.SkipReason):
            return dg.SkipReason(" ".join([result.skip_message or "", *(f"Note: {sentence}." for sentence in notes)]))
        return result

    return [new_observations]


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def _tick(
    instance: dg.DagsterInstance, config: Config, archive: Archive
) -> tuple[dg.SensorResult | dg.SkipReason, list[str]]:
    """The tick's result, and a sentence for each thing that it had to skip."""
    now = utc_now()
    ledger = Ledger(TableStore(config.root))
    watched = watched_proposals(instance, ledger.store, config)
    skipped = unusable_keys(instance)
    if not watched and config.watch != "all":
        reason = (
            f"No proposal is watched. Watch some with: {suggest('proposals add 1138')}, the job watch_proposals, "
            "propID in the config file, or watch: all."
        )
        return dg.SkipReason(reason), skipped
    # Of all dates: what lies outside the partitions is named.
    observations = list_observations(archive, config, watched, MJD_EPOCH.date(), now)
    failed = archive.failures["observations"]
    if failed:
        first, why = next(iter(failed.items()))
        archive.warn(f"MAST did not answer for {len(failed)} proposal(s), {first} among them: {why}")
    if archive.unusable_rows:
        skipped.append(f"{archive.unusable_rows} rows of MAST name no observation, proposal or day and are left out")
    found = sorted(set(observations["cell"].str[-5:])) if config.watch == "all" else []
    registered = registered_proposals(instance)
    new = sorted({*watched, *found} - set(registered))
    try:
        check_grid(len(registered) + len(new), config.first_day)
    except ConfigError as error:
        skipped.append(f"{', '.join(new)}: {error}")
        new = []
    recorded = ledger.recorded({*watched, *found}, config)
    due = due_cells(observations, recorded, config, now, with_token=archive.token is not None)
    asked = run_requests(instance, due, {*registered, *new}, config.first_day, now, situation(config), MOST_REQUESTS)
    skipped += asked.skipped
    if fell := [key for key in fallen(observations, recorded) if key[-5:] not in failed]:
        archive.warn(f"MAST lists fewer observations than before on {len(fell)} day(s), {fell[0]} among them")
    if ledger.store.state.exists():
        ledger.note_checked([proposal for proposal in watched if proposal not in failed], now)
        ledger.note_skipped(skipped)
    if not asked.runs and not new:
        waiting = f"; {asked.waiting} wait for runs under way or their next attempt" if asked.waiting else ""
        excluded = "".join(f" {sentence}." for sentence in _excluded(observations, config))
        reason = f"Nothing new: {len(observations)} observations of {len(watched)} proposals{waiting}.{excluded}"
        return dg.SkipReason(reason), skipped
    additions = [proposals.build_add_request(new)] if new else []
    return dg.SensorResult(run_requests=asked.runs, dynamic_partitions_requests=additions), skipped


def _excluded(observations: pd.DataFrame, config: Config) -> list[str]:
    """Which proposals have observations of which the configuration wants none; a few of them."""
    some = observations.groupby("proposal_id")["wanted"].any()
    none = [observations[observations["proposal_id"] == proposal] for proposal in some.index[~some.astype(bool)][:5]]
    return [sentence for rows in none if (sentence := excluded_observations(rows, config))]
