"""What other processes and earlier versions left in a Dagster home, before ``jwst-mast serve`` starts there."""

import time
from collections.abc import Callable

import dagster as dg

from jwst_mast_assets.cli.runs import LOCATION
from jwst_mast_assets.mast.errors import JwstMastError

OLD_LOCATION = "jwst_mast_assets.definitions"
"""The code location's name where Dagster was started with ``-m jwst_mast_assets.definitions``."""

HEARTBEAT = 40.0
"""Seconds after which a daemon that has not shown itself is gone; it does so every 30."""

LOOK = 0.5


def check_no_other_daemon(instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
    """Check that no Dagster daemon uses a home already: two would request every run twice.

    Parameters
    ----------
    instance : DagsterInstance
    say : callable
        Receives a line if it has to wait for the answer.

    Raises
    ------
    JwstMastError
        If one does.
    """
    last = _last_heartbeat(instance)
    if time.time() - last > HEARTBEAT:
        return
    say("A Dagster daemon was using this home moments ago; checking for up to 40 s whether it still runs ...")
    while time.time() - last <= HEARTBEAT:
        time.sleep(LOOK)
        if _last_heartbeat(instance) != last:
            raise JwstMastError(
                f"dagster dev or dagster-daemon is running with the Dagster home {instance.root_directory}: two "
                "daemons would request every run twice; stop it first, or set DAGSTER_HOME to another folder"
            )


def end_runs_of_old_location(instance: dg.DagsterInstance) -> list[str]:
    """Cancel queued runs that name the code location as it was called before; returns a sentence if there were any.

    Dagster would keep them in the queue forever, as it no longer finds their location.
    """
    queued = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    old = [run for run in queued if _location(run) == OLD_LOCATION]
    for run in old:
        instance.report_run_canceled(
            run,
            message=f"It was queued for the code location {OLD_LOCATION}, which is called {LOCATION} now; the sensor "
            "requests it again if it is still needed.",
        )
    if not old:
        return []
    return [
        f"{len(old)} run(s) queued for the code location {OLD_LOCATION}, which is called {LOCATION} now, were "
        "canceled; the sensor requests again what is still needed."
    ]


def _last_heartbeat(instance: dg.DagsterInstance) -> float:
    return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=0.0)


def _location(run: dg.DagsterRun) -> str | None:
    origin = run.remote_job_origin
    return origin.repository_origin.code_location_origin.location_name if origin else None
