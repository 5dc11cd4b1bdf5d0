"""What happens in an archive while time goes by: events, and by when each must have arrived on disk."""

import datetime as dt
import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from jwst_mast_assets.embedded_archive import Catalogue, living
from jwst_mast_assets.mast.dates import mjd_of

SIZES = {"uncal.fits": 8640, "cal.fits": 8640, "cal.jpg": 3000, "late_cal.fits": 8640}
SUFFIXES = ("uncal.fits", "cal.fits", "cal.jpg")
SELECTED = ("uncal.fits", "cal.fits", "cal.jpg")
WAVE = 25
"""Proposals that are processed again each day of a wave."""
RELISTED = ((30, 1.0), (180, 7.0), (10_000, 30.0))
"""Days between two lists of products, by age of the observation in days."""


@dataclass
class Expected:
    """Files that are to be on disk as the archive has them."""

    by: dt.datetime
    since: dt.datetime
    kind: str
    names: list[str]


@dataclass(order=True)
class Event:
    """Something that happens in the archive; it returns what is expected then."""

    at: dt.datetime
    number: int
    happen: Callable[[dt.datetime], list[Expected]] = field(compare=False)


class Year:
    """The events of an archive with some proposals.

    Parameters
    ----------
    catalogue : Catalogue
        Filled with what there is at the beginning.
    start : datetime
        Aware.
    days : float
        How long it is.
    proposals : int
    observations : float
        Of each proposal, on the average.
    step : timedelta
        Time between two looks.
    seed : int
    before : float
        The share of proposals that have an observation when it begins.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        start: dt.datetime,
        days: float,
        proposals: int,
        observations: float,
        step: dt.timedelta,
        seed: int,
        before: float = 1.0,
    ) -> None:
        self.catalogue, self.start, self.days, self.step = catalogue, start, days, step
        self.random = random.Random(seed)
        self.proposals = [f"{3001 + number:05d}" for number in range(proposals)]
        self._events: list[Event] = []
        self._number = 0
        self._obsnums = dict.fromkeys(self.proposals, 0)
        for proposal in self.proposals:
            if before == 1 or self.random.random() < before:
                self._begin(proposal)
            # One on most days of a campaign that lasts a few days, as with JWST.
            for _ in range(self._number_of(observations)):
                self._plan_observation(proposal)
        for number, share in enumerate((0.35, 0.7), start=1):
            self._plan_wave(number, start + dt.timedelta(days=days * share))

    def happen_until(self, now: dt.datetime) -> list[Expected]:
        """Have happen what is due; what is expected of it."""
        expected: list[Expected] = []
        while self._events and self._events[0].at <= now:
            expected += heapq.heappop(self._events).happen(now)
        return [each for each in expected if each.names]

    def _at(self, moment: dt.datetime, happen: Callable[[dt.datetime], list[Expected]]) -> None:
        if moment < self.start + dt.timedelta(days=self.days):
            self._number += 1
            heapq.heappush(self._events, Event(moment, self._number, happen))

    def _begin(self, proposal: str) -> None:
        """What is there before."""
        taken = mjd_of(self.start) - self.random.uniform(40, 300)
        self._add(proposal, taken, None)

    def _number_of(self, mean: float) -> int:
        if mean < 1:
            return int(self.random.random() < mean)
        return max(1, round(self.random.gauss(mean, mean / 3)))

    def _plan_observation(self, proposal: str) -> None:
        taken = self.start + dt.timedelta(days=self.random.uniform(0, self.days))
        late = self.random.random() < 0.1
        there = taken + dt.timedelta(days=self.random.uniform(5, 40) if late else self.random.uniform(0.1, 1.5))
        exclusive = self.random.random() < 0.3
        released = taken + dt.timedelta(days=self.random.uniform(0.1, 0.4) * self.days) if exclusive else None

        def appear(now: dt.datetime) -> list[Expected]:
            obsnum = self._add(proposal, mjd_of(taken), released)
            prefix = f"jw{proposal}{obsnum:03d}"
            if released is not None:
                self._at(released, lambda now: self._release(prefix, now))
                return []
            self._plan_changes(prefix, taken, now)
            return self._expected("late" if late else "new", prefix, now, 4 * self.step)

        self._at(there, appear)

    def _add(self, proposal: str, t_min: float, released: dt.datetime | None) -> int:
        self._obsnums[proposal] += 1
        obsnum = self._obsnums[proposal]
        rights = {"exclusive": True, "release": mjd_of(released)} if released else {}
        self.catalogue.add_observation(
            proposal, obsnum, t_min, ["a1"], suffixes=SUFFIXES, sizes=SIZES, guide_stars=False, **rights
        )
        return obsnum

    def _release(self, prefix: str, now: dt.datetime) -> list[Expected]:
        living.release_observation(self.catalogue, prefix, mjd_of(now))
        # They are asked for on the day after their release, as MAST keeps to its time only roughly.
        return self._expected("released", prefix, now, dt.timedelta(days=1) + 4 * self.step)

    def _plan_changes(self, prefix: str, taken: dt.datetime, now: dt.datetime) -> None:
        """What may happen to an observation later: another file, a corrected date, another number."""
        obs_id = f"{prefix}001_02101_00001_nrca1"
        dice = self.random.random()
        when = now + dt.timedelta(days=self.random.uniform(2, 60))
        if dice < 0.2:
            self._at(when, lambda now: self._add_file(obs_id, taken, now))
        elif dice < 0.25:
            self._at(when, lambda now: self._quietly(living.move_observation, obs_id, self.random.choice((-1.0, 1.0))))
        elif dice < 0.3:
            number = self.random.randrange(500_000_000, 900_000_000)
            self._at(when, lambda now: self._quietly(living.renumber_observation, obs_id, number))

    def _quietly(self, change: Callable[..., object], *arguments: object) -> list[Expected]:
        change(self.catalogue, *arguments)
        return []

    def _add_file(self, obs_id: str, taken: dt.datetime, now: dt.datetime) -> list[Expected]:
        name = f"{obs_id}_late_cal.fits"
        living.add_product(self.catalogue, f"{obs_id}_cal.fits", name)
        age = (now - taken).days + 2
        interval = next(days for limit, days in RELISTED if age <= limit)
        by = now + dt.timedelta(days=interval) + 4 * self.step
        return [Expected(by, now, "late product", [name])]

    def _plan_wave(self, number: int, begin: dt.datetime) -> None:
        """The whole archive is processed again; what that takes longer than the simulation does not happen."""
        for position, proposal in enumerate(self.proposals):
            begins = begin + dt.timedelta(days=position / WAVE)
            self._at(begins, lambda now, proposal=proposal: self._reprocess(number, proposal, now))

    def _reprocess(self, number: int, proposal: str, now: dt.datetime) -> list[Expected]:
        names = [name for name in self.catalogue.files if name.startswith(f"jw{proposal}") and "cal" in name]
        names = [name for name in names if not name.endswith("uncal.fits")]
        public = [name for name in self.files_of(f"jw{proposal}") if name in names]
        same_size = self.random.random() < 0.5
        self.catalogue.reprocess(names, f"1.{19 + number}.0", f"jwst_{1400 + number}.pmap", same_size)
        # Found at five in the morning.
        return [Expected(now + dt.timedelta(days=1, hours=1) + 4 * self.step, now, "reprocessed", public)]

    def _expected(self, kind: str, prefix: str, now: dt.datetime, within: dt.timedelta) -> list[Expected]:
        return [Expected(now + within, now, kind, list(self.files_of(prefix)))]

    def files_of(self, prefix: str) -> Iterator[str]:
        """The public files, of the kinds that are selected, whose names start so."""
        return (
            name
            for name, file in self.catalogue.files.items()
            if name.startswith(prefix) and name.endswith(SELECTED) and not file.exclusive
        )
