"""How long to wait before retrying."""

import random
import threading
import time
from dataclasses import dataclass

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry


@dataclass(frozen=True)
class Waits:
    """Seconds to wait.

    Parameters
    ----------
    first : float
        Before the first repetition; each further one waits twice as long.
    longest : float
        At most, of those.
    longest_asked : float
        At most, if the server says how long (``Retry-After``).
    """

    first: float = 1.0
    longest: float = 60.0
    longest_asked: float = 300.0

    def before(self, repetition: int) -> float:
        """Seconds before a repetition, counted from 1; up to half of it is random."""
        return min(self.longest, self.first * 2 ** min(repetition - 1, 30)) * random.uniform(0.5, 1.0)


WAITS = Waits()
"""The default for downloads."""


class SharedPause:
    """When the server wants no requests: shared by all downloads of a run."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._not_before = 0.0

    def hold(self, seconds: float) -> None:
        """Send no requests for some seconds."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def wait(self) -> None:
        """Return when requests are allowed again, or when the run is stopped."""
        while (rest := self._not_before - time.monotonic()) > 0 and not self._stop.wait(rest):
            pass


def seconds_asked(retry_after: str | None, waits: Waits) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number, or an HTTP date); None if it has no valid value."""
    if not retry_after:
        return None
    try:
        return min(Retry().parse_retry_after(retry_after), waits.longest_asked)
    except (InvalidHeader, ValueError, OverflowError):
        return None
