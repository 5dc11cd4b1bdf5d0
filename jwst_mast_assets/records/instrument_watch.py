"""``watch: all``: whatever an instrument has observed lately, of all proposals."""

import datetime as dt
from collections.abc import Collection

import pandas as pd

from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.discovery import list_of_instrument
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.ledger import Ledger, Recorded
from jwst_mast_assets.records.watched import WatchList


def what_is_watched(config: Config) -> str:
    """For people, what ``watch: all`` adds to the proposals; empty without it."""
    if config.watch != "all":
        return ""
    instrument = config.instrument or "all instruments"
    days = "day" if config.lookbacktime == 1 else f"{config.lookbacktime:g} days"
    return f"everything from {instrument} in the last {days} (watch: all)"


class InstrumentWatch:
    """What one look at MAST takes of the instrument, without a gap to the look before.

    When that was, and which days it found that no run has listed yet, is in the ledger's ``instrument.json``: it
    survives a deleted Dagster home, and attempts that take longer than ``lookbacktime``.

    Parameters
    ----------
    config : Config
        ``watch``, ``instrument``, ``obsmode``, ``lookbacktime``.
    ledger : Ledger
    now : datetime
        Aware.
    """

    def __init__(self, config: Config, ledger: Ledger, now: dt.datetime) -> None:
        self.config, self.ledger, self.now = config, ledger, now
        self.is_on = config.watch == "all"
        self.found: set[str] = set()
        """Proposals found by this look that are not watched yet."""
        self._has_looked = False
        self._last, self._waiting = ledger.last_look_at_instrument() if self.is_on else (None, set())
        # Whole days, as each run fetches whole days.
        self._first_day = day_of_mjd(mjd_of(min(now, self._last or now)) - config.lookbacktime)
        self._chosen = set(WatchList(ledger.store).chosen(config)) if self.is_on else set()

    def is_due(self, least: dt.timedelta) -> bool:
        """Whether to look now, if `least` is to lie between two looks."""
        return self.is_on and not (self._last and dt.timedelta() < self.now - self._last < least)

    def look(self, archive: Archive, watched: list[str]) -> pd.DataFrame:
        """The observations of proposals that are not watched yet; as :func:`list_of_instrument`."""
        self._has_looked = True
        observations = list_of_instrument(archive, self.config, self._first_day, self.now)
        observations = observations[~observations["cell"].str[-5:].isin(watched)].reset_index(drop=True)
        self.found = set(observations["cell"].str[-5:])
        return observations

    def note(self, to_come: Collection[str], asked: Collection[str]) -> None:
        """Write down when it looked, and what waits.

        Parameters
        ----------
        to_come : collection of str
            The partition keys with something in MAST that no run has listed yet, of the proposals asked about.
        asked : collection of str
            These proposals; of others, what waited still does.
        """
        if not self.is_on:
            return
        waiting = {key for key in self._waiting if key[-5:] not in asked}
        waiting |= {key for key in to_come if key in self._waiting or Cell.from_key(key).day >= self._first_day}
        self.ledger.note_look_at_instrument(self.now if self._has_looked else self._last, waiting)

    def wants(self, cell: Cell, recorded: Recorded) -> bool:
        """Whether a day may be fetched: not one from before the first look, of a proposal that nobody chose."""
        known = cell.key in recorded.entries or cell.key in recorded.others or cell.key in self._waiting
        return not self.is_on or known or cell.proposal in self._chosen or cell.day >= self._first_day
