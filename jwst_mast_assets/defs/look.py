"""One look of the sensor at MAST: which proposals, what is due of them, and when the next one is."""

import datetime as dt
import hashlib
import json
import re
import time

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.attempts import under_way
from jwst_mast_assets.defs.failures import situation
from jwst_mast_assets.defs.partitions import check_grid, proposals, registered_proposals
from jwst_mast_assets.defs.run_requests import Requests, run_requests
from jwst_mast_assets.defs.watching import unusable_keys, watched_proposals
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.exclusions import excluded_observations
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.sizes import counted
from jwst_mast_assets.records.due_cells import DueCell, due_cells, emptied, fallen
from jwst_mast_assets.records.instrument_watch import InstrumentWatch
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.looking import look
from jwst_mast_assets.records.notices import notice_addresses, short_list
from jwst_mast_assets.records.outbox import Outbox
from jwst_mast_assets.records.pace import Rotation
from jwst_mast_assets.records.relisting import Relisting
from jwst_mast_assets.records.store import TableStore

MOST_REQUESTS = 50
"""Runs of the sensor that may be under way; the rest follow as these end."""

MOST_HELD = 4 * MOST_REQUESTS
"""Proposals that a cursor names; more are found again when their turn comes."""

MOST_EXCLUDED = 5
"""How many proposals are named for which the configuration excludes everything."""

MOST_EMPTIED = 5
"""Proposals of which MAST lists nothing any more that have a notice each."""

TickResult = dg.SensorResult | dg.SkipReason


class Look:
    """A tick of the sensor.

    Parameters
    ----------
    instance : DagsterInstance
    config : Config
    interval : float
        Seconds between two looks at the same proposal, if they are few.
    cursor : str or None
        Of the tick before. Without one MAST is asked about every proposal.
    now : datetime
        Aware.
    """

    def __init__(
        self, instance: dg.DagsterInstance, config: Config, interval: float, cursor: str | None, now: dt.datetime
    ) -> None:
        self.instance, self.config, self.interval, self.now = instance, config, interval, now
        self.ledger = Ledger(TableStore.of(config))
        self.watched = watched_proposals(instance, self.ledger.store, config)
        self.before = _read(cursor)
        self.next = now
        held = self.before.get("held", "").split()
        self.held = [proposal for proposal in held if proposal in self.watched or config.watch == "all"]
        """Proposals with days for which there was no room among the runs under way."""
        marked = self.ledger.marked()
        self.marked = max(marked.values(), default="")
        """When something was last marked to be fetched again, ISO, UTC."""
        last = self.before.get("marked", "")
        self.asked_first = [name for name in self.watched if marked.get(name, "") > last]
        """Proposals that do not wait for the next look: those just marked, and held ones for which there is room."""
        self.changed: dict[Cell, DueCell] = {}
        """Days whose observations have changed, or that were not completed."""
        self.listed_again: dict[Cell, DueCell] = {}
        """Days of which MAST has other files than a download has on record."""
        self.with_data: set[str] = set()
        self.fell: list[str] = []
        self.emptied: dict[str, int] = {}
        self.excluded: list[str] = []
        self.instrument = InstrumentWatch(config, self.ledger, now)

    @property
    def cursor(self) -> str:
        """For the next tick."""
        known = {"next": iso_second(self.next), "watched": self._digest(), "marked": self.marked}
        if self.held:
            known["held"] = " ".join(self.held[:MOST_HELD])
        return json.dumps(known)

    def waits(self) -> str | None:
        """Why nothing is asked in this tick."""
        if self.held:
            room = MOST_REQUESTS - under_way(self.instance).requested_by.get("", 0)
            # Not for each run that ends: a look costs MAST a query.
            if room >= MOST_REQUESTS / 2:
                self.asked_first = list(dict.fromkeys([*self.asked_first, *self.held[:room]]))
        due = _moment(self.before.get("next"))
        if due is None or self.before.get("watched") != self._digest():
            return None
        # A clock that was ahead must not hold up the next look.
        if self.now >= due - self._slack() or due - self.now > 2 * self._interval():
            return None
        self.next = due
        if self.asked_first:
            return None
        waiting = f"; more days of {counted(len(self.held), 'proposal')} follow as runs end" if self.held else ""
        return f"Nothing is asked before {due:%H:%M:%S} (UTC){waiting}."

    def postpone(self) -> str:
        """The cursor after MAST did not answer at all."""
        self.held = []
        self.next = self.now + dt.timedelta(seconds=self.interval)
        return self.cursor

    def take(self, archive: Archive, end: float) -> tuple[TickResult, list[str]]:
        """Ask MAST until a time, of ``time.monotonic``.

        Returns
        -------
        SensorResult or SkipReason
        list of str
            A sentence for each thing that had to be skipped.
        """
        if not self.watched and self.config.watch != "all":
            self.next = self.now + dt.timedelta(seconds=self.interval)
            reason = (
                f"No proposal is watched. Watch some with: {suggest('proposals add 1138')}, the job watch_proposals, "
                "propID in the config file, or watch: all."
            )
            return dg.SkipReason(reason), unusable_keys(self.instance)
        pace = self.ledger.pace()
        rotation = Rotation(
            pace, self.watched, self.ledger.asked(), self.now, self.interval, not self.before, self.asked_first
        )
        with_token = archive.token is not None
        relisting = Relisting(self.ledger, self.now)

        def handle(group: list[str], observations: pd.DataFrame) -> set[str]:
            recorded = self.ledger.recorded(group, self.config)
            due = due_cells(observations, recorded, self.config, self.now, with_token)
            changed = [item for item in due if self.instrument.wants(item.cell, recorded)]
            listed_again = relisting.consider(observations, recorded)
            self.changed |= {item.cell: item for item in changed}
            self.listed_again |= {item.cell: item for item in listed_again}
            due = [*changed, *listed_again]
            of_due = observations["proposal_id"].isin({int(item.cell.proposal) for item in due})
            self.with_data.update(observations.loc[of_due, "cell"])
            self.fell += fallen(observations, recorded)
            self.emptied |= emptied(observations, recorded)
            self._note_excluded(observations)
            return {item.cell.proposal for item in due}

        number = 0
        if self.instrument.is_due(self._interval() - self._slack()):
            observations = self.instrument.look(archive, self.watched)
            handle(sorted(self.instrument.found), observations)
            number = len(observations)
        try:
            number += look(archive, self.config, rotation, end - time.monotonic(), handle)
        finally:
            rotation.finish()
            if self.ledger.store.state.exists():
                self.ledger.note_pace(pace)
        if self.ledger.store.state.exists():
            self.ledger.note_checked(rotation.asked, self.now, self.emptied)
            if not rotation.left:
                new = relisting.ask(archive, self.config, lambda: end - time.monotonic())
                self.listed_again |= {item.cell: item for item in new}
            relisting.save()
            # Days outside the partitions are named in the tick; they are not to come.
            days = (self.config.first_day, self.now.date())
            to_come = [item.cell.key for item in self._due() if item.unlisted and days[0] <= item.cell.day <= days[1]]
            asked = {*rotation.asked, *self.instrument.found}
            self.ledger.note_to_come(to_come, asked, {*self.watched, *asked}, self.now)
            self.instrument.note(to_come, asked)
        self._set_next(rotation)
        return self._result(archive, rotation, number)

    def _set_next(self, rotation: Rotation) -> None:
        many = rotation.interval > self.interval
        if rotation.left or many:
            self.next = self.now
        elif self.next <= self.now:
            self.next = self.now + self._interval()

    def _result(self, archive: Archive, rotation: Rotation, number: int) -> tuple[TickResult, list[str]]:
        skipped = unusable_keys(self.instance)
        minutes = max(1, round(rotation.interval / 60))
        skipped += [
            f"{proposal} could not be compared with MAST and is tried again in {minutes} min: {trouble.why}"
            for proposal, trouble in sorted(rotation.pace.troubles.items())
        ]
        if archive.unusable_rows:
            rows = counted(archive.unusable_rows, "row")
            skipped.append(f"left out, as they name no observation, proposal or day: {rows} of MAST's list")
        if self.fell:
            archive.warn(
                f"MAST lists fewer observations than before on {len(self.fell)} day(s), {self.fell[0]} among them"
            )
        self._note_emptied()
        asked, new = self._requests(skipped)
        skipped += asked.skipped
        done = {*rotation.asked, *rotation.failed, *self.instrument.found}
        earlier = [proposal for proposal in self.held if proposal not in done]
        self.held = list(dict.fromkeys([*earlier, *asked.held]))
        if self.ledger.store.state.exists():
            self.ledger.note_skipped([*self._still_said(rotation), *skipped])
        if asked.runs or new:
            additions = [proposals.build_add_request(new)] if new else []
            return dg.SensorResult(run_requests=asked.runs, dynamic_partitions_requests=additions), skipped
        soon = asked.waiting - asked.stuck
        waiting = f"; {soon} wait for runs under way or their next attempt" if soon else ""
        if asked.stuck:
            waiting += f"; {counted(asked.stuck, 'day')} will not be tried again until what failed there changes"
        rest = f"; {rotation.left} more follow in the next tick" if rotation.left else ""
        excluded = "".join(f" {sentence}." for sentence in self.excluded)
        done = len(rotation.asked) + len(self.instrument.found)
        return dg.SkipReason(
            f"Nothing new: {number} observations of {done} proposals{waiting}{rest}.{excluded}"
        ), skipped

    def _due(self) -> list[DueCell]:
        """What is due, each day once, for all its reasons."""
        both = self.changed.keys() & self.listed_again.keys()
        together = {cell: self.changed[cell].joined(self.listed_again[cell]) for cell in both}
        return list({**self.changed, **self.listed_again, **together}.values())

    def _requests(self, skipped: list[str]) -> tuple[Requests, list[str]]:
        """The runs to request, newest day first, and the proposals to register for them."""
        registered = registered_proposals(self.instance)
        new = sorted({*self.watched, *self.instrument.found} - set(registered))
        try:
            check_grid(len(registered) + len(new), self.config.first_day)
        except ConfigError as error:
            skipped.append(f"{', '.join(new)}: {error}")
            new = []
        due = sorted(self._due(), key=lambda item: item.cell, reverse=True)
        known, first_day = {*registered, *new}, self.config.first_day
        asked = run_requests(
            self.instance,
            due,
            known,
            first_day,
            self.now,
            situation(self.config),
            MOST_REQUESTS,
            store=self.ledger.store,
            with_data=self.with_data,
        )
        return asked, new

    def _note_emptied(self) -> None:
        """Have it reported that MAST lists nothing at all of proposals that have data."""
        if not self.emptied or not notice_addresses().urls or not self.ledger.store.state.exists():
            return
        told = {key: [f"0 of {number} observations of {key} listed"] for key, number in self.emptied.items()}
        if len(told) > MOST_EMPTIED:
            # One notice, not one each: MAST is more likely to have lost them all.
            lists = [sentence for sentences in told.values() for sentence in sentences]
            notices = {"": short_list(sorted(told), lists[:MOST_EMPTIED])}
        else:
            notices = {key: short_list([key], sentences) for key, sentences in told.items()}
        Outbox(self.ledger.store).note_short(notices, self.now)

    def _still_said(self, rotation: Rotation) -> list[str]:
        """What earlier ticks skipped of proposals that this one did not ask about."""
        others = set(self.watched) - set(rotation.asked) - rotation.pace.troubles.keys()
        return [said for said in self.ledger.skipped() if others & set(re.findall(r"\b\d{5}\b", said))]

    def _note_excluded(self, observations: pd.DataFrame) -> None:
        some = observations.groupby("proposal_id")["wanted"].any()
        for proposal in some.index[~some.astype(bool)][: MOST_EXCLUDED - len(self.excluded)]:
            if sentence := excluded_observations(observations[observations["proposal_id"] == proposal], self.config):
                self.excluded.append(sentence)

    def _interval(self) -> dt.timedelta:
        return dt.timedelta(seconds=self.interval)

    def _slack(self) -> dt.timedelta:
        # A tick that comes a moment early must not make the next look a tick late.
        return dt.timedelta(seconds=min(30, self.interval / 4))

    def _digest(self) -> str:
        return hashlib.sha256(" ".join([self.config.watch, *self.watched]).encode()).hexdigest()[:12]


def _read(cursor: str | None) -> dict[str, str]:
    try:
        known = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in known.items()} if isinstance(known, dict) else {}


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
