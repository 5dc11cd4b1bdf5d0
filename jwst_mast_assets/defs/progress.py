"""Progress of a download in a run's log."""

import time
from collections.abc import Callable

import dagster as dg

from jwst_mast_assets.downloads import Event
from jwst_mast_assets.mast.sizes import human_bytes

INTERVAL = 30.0
"""Seconds between two lines; each is a row of Dagster's database."""


class LoggedProgress:
    """Logs the progress of a download, at most every half minute, and passes each event on.

    Parameters
    ----------
    log : DagsterLogManager
    passed_on : callable
        Gets every event, at once.
    """

    def __init__(self, log: dg.DagsterLogManager, passed_on: Callable[[Event], None]) -> None:
        self._log = log
        self._passed_on = passed_on
        self._due = time.monotonic() + INTERVAL

    def __call__(self, event: Event) -> None:
        """Take an event of a download."""
        self._passed_on(event)
        if time.monotonic() >= self._due and event.files_done < event.files_total:
            failed = f", {event.failed} failed" if event.failed else ""
            size = f"{human_bytes(event.bytes_fetched)} of {human_bytes(event.bytes_total)}"
            self._log.info(f"fetched {event.files_done} of {event.files_total} files, {size}{failed}")
            self._due = time.monotonic() + INTERVAL
