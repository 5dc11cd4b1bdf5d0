"""A clock that a bench turns, for simulations of months: what this process believes the time is.

It moves ``time.time`` and ``datetime.now`` for everything in the process, so also for Dagster's records of runs and
for an embedded archive in one of its threads. ``time.monotonic``, with which time-outs are measured, and the times of
files on disk stay real: begin with the present and go forwards, so that no file is younger than the clock says.
"""

import datetime as dt
from types import TracebackType

import time_machine


class TurnedClock:
    """The time, from a moment on; it also runs by itself, as fast as any clock.

    Parameters
    ----------
    start : datetime, optional
        Aware; default: now.

    Examples
    --------
    >>> with TurnedClock(dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)) as clock:
    ...     print(clock.advance(dt.timedelta(days=3)).date())
    2030-01-04
    """

    def __init__(self, start: dt.datetime | None = None) -> None:
        self._travel = time_machine.travel(start or dt.datetime.now(dt.timezone.utc), tick=True)

    def __enter__(self) -> "TurnedClock":
        self._traveller = self._travel.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._travel.stop()

    @property
    def now(self) -> dt.datetime:
        """What the time is."""
        return dt.datetime.now(dt.timezone.utc)

    def advance(self, by: dt.timedelta) -> dt.datetime:
        """Turn it on; returns what the time is then."""
        self._traveller.shift(by)
        return self.now

    def move_to(self, moment: dt.datetime) -> dt.datetime:
        """Turn it on to a moment, unless that has passed; returns what the time is then."""
        if moment > self.now:
            self._traveller.move_to(moment, tick=True)
        return self.now
