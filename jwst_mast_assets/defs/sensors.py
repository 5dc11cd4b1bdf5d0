"""Belongs here: the sensor that has new, changed and released observations downloaded."""

import datetime as dt

import dagster as dg

from jwst_mast_assets.defs.attempts import ATTEMPT, CAUSE, REASON, next_attempt, tries_so_far, under_way
from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.failures import Situation, situation
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.partitions import check_grid, first_day, proposals, registered_proposals
from jwst_mast_assets.defs.resources import ArchiveResource
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.discovery import list_observations
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.records.due_cells import DueCell, due_cells
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
        description="Asks MAST for the observations of the registered proposals, and requests a run for each day that "
        "has new, changed or newly released ones, or whose files are still missing.",
    )
    def new_observations(
        context: dg.SensorEvaluationContext, archive: ArchiveResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Asks MAST for the observations of the registered proposals and requests a run for each day that has new,
        changed or newly released ones. It keeps no cursor: what is done stands in the output folder, what is under
        way and what failed in the runs themselves."""
        try:
            return _tick(context.instance, daemon_config(context.instance), archive.open_for_a_tick())
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")

    return [new_observations]


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def _tick(instance: dg.DagsterInstance, config: Config, archive: Archive) -> dg.SensorResult | dg.SkipReason:
    now = utc_now()
    registered = registered_proposals(instance)
    watched = sorted({*registered, *config.propID})
    if not watched and config.watch != "all":
        return dg.SkipReason(
            "No proposal is registered. Register some with: jwst-mast proposals add 1138, with propID in the config "
            "file, or set watch: all"
        )
    observations = list_observations(archive, config, watched, first_day(), now)
    found = sorted(set(observations["cell"].str[-5:])) if config.watch == "all" else []
    new = sorted({*watched, *found} - set(registered))
    if new:
        check_grid(len(registered) + len(new))
    ledger = Ledger(TableStore(config.root))
    recorded = ledger.recorded({*watched, *found}, config)
    wanted = due_cells(observations, recorded, config, now)
    requests = _requests(instance, wanted, now, situation(config, token_accepted=bool(archive.token)))
    if ledger.store.state.exists():
        ledger.note_checked(watched, now)
    if not requests and not new:
        waiting = f"; {len(wanted)} wait for runs under way or their next attempt" if wanted else ""
        return dg.SkipReason(f"Nothing new: {len(observations)} observations of {len(watched)} proposals{waiting}.")
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[proposals.build_add_request(new)] if new else []
    )


def _requests(
    instance: dg.DagsterInstance, wanted: list[DueCell], now: dt.datetime, around: Situation
) -> list[dg.RunRequest]:
    if not wanted:
        return []
    busy = under_way(instance)
    tries = tries_so_far(instance, jwst_download.name, sorted({item.cause for item in wanted}))
    requests = []
    for cell, reason, cause in wanted:
        if busy.runs + len(requests) >= MOST_REQUESTS:
            break
        attempt = next_attempt(tries.get((cell.key, cause)), now, around)
        if attempt is not None and cell.key not in busy.cells:
            requests.append(
                dg.RunRequest(
                    run_key=f"{cell.key}|{cause}|{attempt}",
                    partition_key=dg.MultiPartitionKey({"day": str(cell.day), "proposal": cell.proposal}),
                    tags={REASON: reason, CAUSE: cause, ATTEMPT: str(attempt)},
                )
            )
    return requests
