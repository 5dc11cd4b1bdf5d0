"""The sensor that has new, changed and released observations downloaded."""

import datetime as dt
import time

import dagster as dg

from jwst_mast_assets.defs.daemon_config import daemon_config
from jwst_mast_assets.defs.jobs import jwst_download
from jwst_mast_assets.defs.look import Look
from jwst_mast_assets.defs.resources import TIME_LIMIT, ArchiveResource, current_token
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.records.outbox import Outbox
from jwst_mast_assets.records.store import TableStore

TICK = 60
"""Seconds between two ticks; most have nothing to ask."""


def build_sensors(config: Config) -> list[dg.SensorDefinition]:
    """The sensors, with the interval that the config file has."""

    @dg.sensor(
        name="new_observations",
        job=jwst_download,
        minimum_interval_seconds=min(TICK, config.sensor_interval),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks MAST, every sensor_interval, for the observations of the watched proposals, and requests a "
        "run for each day that has new, changed or newly released ones, or whose files are still missing. Of many "
        "proposals each tick asks for some.",
    )
    def new_observations(
        context: dg.SensorEvaluationContext, archive: ArchiveResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Request a run for each day that has new, changed or newly released observations.

        The cursor only says when it looks next: the ledger in the output folder records what is done, and the runs
        show what is under way and what failed.
        """
        end = time.monotonic() + TIME_LIMIT
        try:
            # The grid is that of the loaded code location, whatever the file says by now.
            current = daemon_config(context.instance).model_copy(update={"first_day": config.first_day})
            look = Look(context.instance, current, config.sensor_interval, context.cursor, utc_now())
            if waits := look.waits():
                return dg.SkipReason(waits)
            mast = archive.open_for_a_tick(current)
            note_token(look.ledger.store, mast, look.now)
            try:
                result, skipped = look.take(mast, end)
            except JwstMastError:
                context.update_cursor(look.postpone())
                raise
        except JwstMastError as error:
            return dg.SkipReason(f"Skipped: {error}")
        context.update_cursor(look.cursor)
        for sentence in (notes := [*mast.unsaid(), *skipped]):
            context.log.warning(sentence)
        if isinstance(result, dg.SkipReason):
            return dg.SkipReason(" ".join([result.skip_message or "", *(f"Note: {sentence}." for sentence in notes)]))
        return result

    return [new_observations]


def note_token(store: TableStore, archive: Archive, now: dt.datetime) -> None:
    """Have it reported, once, that MAST does not accept the token, and that it does again."""
    anonymous = archive.whoami().anonymous if current_token() else True
    # Without an answer nothing is known about it.
    if store.state.exists() and anonymous is not None:
        Outbox(store).note_token(not anonymous if current_token() else None, now)
