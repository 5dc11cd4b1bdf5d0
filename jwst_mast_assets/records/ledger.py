"""What is up to date: per cell and selection, the observations that a finished run has seen.

The sensor compares it with MAST's list. One JSON file per proposal, ``<root>/.jwst_mast_assets/ledger/<PPPPP>.json``::

    {"2022-04-10": {"<selection>": {"observations": "<fingerprint>", "number": 30, "complete": true,
                                    "release": null, "at": "2022-04-11T06:00:03+00:00",
                                    "wants_token": false}}}
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pandas as pd

from jwst_mast_assets.downloads import PRESENT, Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.selection import observation_is_wanted
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.pace import Pace
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

MEANING = 2
"""Raised where these parameters come to mean more files than before: what was complete is then looked at again. 2: file
types with hyphens, files without a type, modes as MAST has them, and level 3 of several observations."""

ENDINGS = ("fits", "jpg", "png", "ecsv", "json", "csv")
"""Values of ``filetypes`` that mean all files with an ending."""

MOST_SELECTIONS = 5
"""Selections remembered per cell."""


class Entry(NamedTuple):
    """What a finished run left of a cell."""

    observations: str
    """Fingerprint of the observations that it saw."""
    number: int
    """How many they were."""
    complete: bool
    """Whether every selected file is there, or not public yet; one that MAST calls public must be there."""
    release: float | None
    """MJD when the first of those not yet public becomes so."""
    at: str
    """When the run ended, ISO, UTC."""
    wants_token: bool = False
    """Whether files were left out because there was no token that MAST accepts."""
    waiting: int = 0
    """Public files that MAST did not give out yet; where these are all that is missing."""
    due: str = ""
    """Why files must be looked at again although the run had brought all: they vanished or were spoiled since."""
    due_since: str = ""
    """When that was found, ISO, UTC."""
    open_lists: bool = False
    """Whether MAST's lists of it were incomplete."""


def selection_fingerprint(config: Config) -> str:
    """Twelve hexadecimal digits that identify the values of the parameters that select and place files."""
    values = {name: getattr(config, name) for name in parameters_with(Role.SELECTS, Role.PLACES)}
    if not config.exclude:
        # It was not there when the first fingerprints were recorded.
        del values["exclude"]
    if config.obsmode or config.obsnums or any(kind in ENDINGS or "-" in kind for kind in config.filetypes):
        values["meaning"] = MEANING
    return _digest(json.dumps(values, sort_keys=True, default=str))


def fingerprints(observations: pd.DataFrame) -> dict[str, tuple[str, int]]:
    """Fingerprint and number of the wanted observations of each cell.

    Parameters
    ----------
    observations : DataFrame
        With ``cell``, ``wanted``, ``obsid``, ``t_min``, ``calib_level``, ``dataRights``, ``t_obs_release``.

    Returns
    -------
    dict
        Partition key to (fingerprint, number). A new observation, another start or another level changes it, and the
        end of exclusive access or another date for it.
    """
    wanted = observations[tables.is_true(observations["wanted"])].sort_values("obsid")
    lines: dict[str, list[str]] = {}
    columns = ["cell", "obsid", "t_min", "calib_level", "dataRights", "t_obs_release"]
    for cell, obsid, t_min, level, rights, release in wanted[columns].itertuples(index=False, name=None):
        exclusive = f" until {release}" if not pd.isna(rights) and rights != "PUBLIC" else ""
        lines.setdefault(cell, []).append(f"{obsid} {t_min:.6f} {level}{exclusive}")
    return {cell: (_digest("\n".join(rows)), len(rows)) for cell, rows in lines.items()}


class Recorded(NamedTuple):
    """What the ledger has of some proposals, for one selection."""

    entries: dict[str, Entry]
    """By partition key."""
    others: set[str]
    """Partition keys that are recorded for other selections only."""


class Ledger:
    """The ledger of one output folder."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.folder = store.state / "ledger"

    def record(
        self,
        cells: Collection[Cell],
        observations: pd.DataFrame,
        files: pd.DataFrame,
        config: Config,
        now: dt.datetime,
        open_cells: Collection[str] = (),
        with_token: bool = True,
    ) -> None:
        """Write down what a run has brought up to date.

        Parameters
        ----------
        cells : collection of Cell
            The run's cells; one without wanted observations is recorded as such.
        observations : DataFrame
            Columns of ``tables.OBS_TABLE``.
        files : DataFrame
            Columns of ``tables.FILE_TABLE``.
        config : Config
        now : datetime
            Aware.
        open_cells : collection of str
            Partition keys of cells of which MAST's lists are not complete, whatever files are there.
        with_token : bool
            Whether the run had a token that MAST accepts.
        """
        found = fingerprints(observations)
        selected = files[tables.is_true(files["selected"])]
        exclusive, waiting = selected["dl_code"] == Code.EXCLUSIVE, selected["dl_code"] == Code.WAITING
        missing = set(selected.loc[~selected["dl_code"].isin(PRESENT) & ~exclusive & ~waiting, "cell"])
        missing |= set(open_cells)
        awaited = selected.loc[waiting & ~selected["cell"].isin(missing), "cell"].value_counts()
        wants_token = set() if with_token else set(selected.loc[exclusive, "cell"])
        releases = selected[exclusive].groupby("cell")["t_obs_release"].min()
        selection = selection_fingerprint(config)
        for proposal in {cell.proposal for cell in cells}:
            with self._editing(proposal) as known:
                for cell in cells:
                    if cell.proposal == proposal:
                        fingerprint, number = found.get(cell.key, ("", 0))
                        release = releases.get(cell.key)
                        entry = Entry(
                            fingerprint,
                            number,
                            cell.key not in missing and cell.key not in awaited,
                            None if release is None or pd.isna(release) else float(release),
                            iso_second(now),
                            cell.key in wants_token,
                            int(awaited.get(cell.key, 0)),
                            open_lists=cell.key in open_cells,
                        )
                        known[str(cell.day)] = _newest({**known.get(str(cell.day), {}), selection: entry._asdict()})

    def mark_due(
        self, reasons: Mapping[str, str], config: Config, now: dt.datetime, at_once: bool = False
    ) -> list[str]:
        """Have cells that are done requested again.

        Parameters
        ----------
        reasons : mapping
            Partition key to a short reason. A cell that is not done, or that no run of this selection has seen, is
            due anyway and stays as it is.
        config : Config
        now : datetime
            Aware.
        at_once : bool
            Also mark those that are not done, for another cause: the attempts made so far do not count for it.

        Returns
        -------
        list of str
            The cells that were marked.
        """
        selection = selection_fingerprint(config)
        marked = []
        for proposal in sorted({key[-5:] for key in reasons}):
            with self._editing(proposal) as known:
                for key in sorted(key for key in reasons if key.endswith(f"|{proposal}")):
                    entry = known.get(key[:-6], {}).get(selection)
                    if entry and (at_once or entry["complete"]):
                        since = iso_second(now)
                        entry |= {"complete": False, "due": reasons[key], "due_since": since}
                        marked.append(key)
        if marked:
            self._write(
                "marked.json", {**self.marked(), **dict.fromkeys((key[-5:] for key in marked), iso_second(now))}
            )
        return marked

    def marked(self) -> dict[str, str]:
        """When :meth:`mark_due` last marked something of each proposal, ISO, UTC."""
        return self._read("marked.json")

    def correct(self, cells: Collection[Cell], observations: pd.DataFrame, config: Config) -> None:
        """Have the last runs of some cells have seen other observations than they did: some stand under other days now.

        Parameters
        ----------
        cells : collection of Cell
        observations : DataFrame
            Columns of ``tables.OBS_TABLE``: what is left under these cells.
        config : Config
            Of the selection.
        """
        wanted = observation_is_wanted(observations, config)
        found, selection = fingerprints(observations.assign(wanted=wanted)), selection_fingerprint(config)
        for proposal in {cell.proposal for cell in cells}:
            with self._editing(proposal) as known:
                for cell in cells:
                    entry = known.get(str(cell.day), {}).get(selection)
                    if cell.proposal == proposal and entry:
                        entry["observations"], entry["number"] = found.get(cell.key, ("", 0))
                        entry["complete"] |= not entry["number"]

    def recorded(self, proposals: Iterable[str], config: Config) -> Recorded:
        """What is recorded of some proposals under a configuration's selection, and which days only under others."""
        selection = selection_fingerprint(config)
        entries: dict[str, Entry] = {}
        others: set[str] = set()
        for proposal in proposals:
            for day, selections in self._read(f"{proposal}.json").items():
                if selection in selections:
                    entries[f"{day}|{proposal}"] = Entry(**selections[selection])
                else:
                    others.add(f"{day}|{proposal}")
        return Recorded(entries, others)

    def proposals(self) -> list[str]:
        """The proposals of which something is recorded, sorted."""
        return sorted(path.stem for path in self.folder.glob("?????.json") if path.stem.isdigit())

    def watched(self, config: Config) -> list[str]:
        """The proposals to look after: the chosen ones, and with ``watch: all`` those recorded here or to come.

        Raises
        ------
        OutputError
            If the list of watched proposals is damaged.
        """
        chosen = WatchList(self.store).chosen(config)
        if config.watch != "all":
            return chosen
        _, waiting = self.last_look_at_instrument()
        return sorted({*chosen, *self.proposals(), *(key[-5:] for key in waiting)})

    def note_checked(self, proposals: Collection[str], now: dt.datetime, doubted: Collection[str] = ()) -> None:
        """Write down that MAST was asked for the lists of some proposals just now.

        Parameters
        ----------
        proposals : collection of str
        now : datetime
            Aware.
        doubted : collection of str
            Those of them whose list is not believed, so that it counts as no comparison.
        """
        before, checked = self._read("doubted.json"), self.checked()
        others = {proposal: at for proposal, at in before.items() if proposal not in proposals}
        after = {**others, **{proposal: checked.get(proposal, "") for proposal in sorted(doubted)}}
        if after != before:
            self._write("doubted.json", after)
        self._write("checked.json", {**self.asked(), **dict.fromkeys(proposals, iso_second(now))})

    def asked(self) -> dict[str, str]:
        """When MAST was last asked for the list of each proposal, ISO, UTC."""
        return self._read("checked.json")

    def checked(self) -> dict[str, str]:
        """When MAST's list of each proposal was last compared, ISO, UTC."""
        return {proposal: at for proposal, at in {**self.asked(), **self._read("doubted.json")}.items() if at}

    def note_to_come(
        self, keys: Collection[str], asked: Collection[str], watched: Collection[str], now: dt.datetime
    ) -> None:
        """Write down which cells have something in MAST that no run has listed yet.

        Parameters
        ----------
        keys : collection of str
            The partition keys of these cells.
        asked : collection of str
            The proposals that were compared just now; of other watched ones the earlier notes stay.
        watched : collection of str
        now : datetime
            Aware: when MAST was asked.
        """
        before = self._read("to_come.json")
        kept = {key: at for key, at in before.items() if key[-5:] in watched and key[-5:] not in asked}
        after = {**kept, **dict.fromkeys(sorted(keys), iso_second(now))}
        if after != before:
            self._write("to_come.json", after)

    def to_come(self, proposals: Collection[str], config: Config) -> Counter[str]:
        """How many days of each proposal have something in MAST that no run of this selection has listed yet."""
        noted = self._read("to_come.json")
        entries = self.recorded(sorted({key[-5:] for key in noted} & set(proposals)), config).entries
        return Counter(
            key[-5:]
            for key, at in noted.items()
            if key[-5:] in proposals and (key not in entries or entries[key].at < at)
        )

    def pace(self) -> Pace:
        """What is known of MAST's speed."""
        return Pace.from_json(self._read("pace.json"))

    def note_pace(self, pace: Pace) -> None:
        """Write down what is known of MAST's speed."""
        self._write("pace.json", pace.to_json())

    def relisted(self) -> dict[str, Any]:
        """When the products of known observations were listed again; see :mod:`jwst_mast_assets.records.relisting`."""
        return self._read("relisted.json")

    def note_relisted(self, content: dict[str, Any]) -> None:
        """Write that down."""
        self._write("relisted.json", content)

    def last_look_at_instrument(self) -> tuple[dt.datetime | None, set[str]]:
        """When ``watch: all`` last asked for all of the instrument (aware), and which partition keys wait for a run."""
        noted = self._read("instrument.json")
        waiting = {str(key) for key in noted.get("waiting") or []}
        try:
            at = dt.datetime.fromisoformat(str(noted.get("at")))
        except ValueError:
            return None, waiting
        return at if at.tzinfo else None, waiting

    def note_look_at_instrument(self, at: dt.datetime | None, waiting: Collection[str]) -> None:
        """Write that down."""
        after = {"at": iso_second(at) if at else "", "waiting": sorted(waiting)}
        if after != self._read("instrument.json"):
            self._write("instrument.json", after)

    def note_skipped(self, sentences: list[str]) -> None:
        """Write down what the sensor had to skip just now, for :meth:`skipped`."""
        if sentences != self.skipped():
            self._write("skipped.json", {"skipped": sentences})

    def skipped(self) -> list[str]:
        """What the sensor skipped when it last looked, a sentence each."""
        return [str(sentence) for sentence in self._read("skipped.json").get("skipped") or []]

    def _write(self, name: str, content: dict[str, Any]) -> None:
        if not self.folder.exists():
            # They start together: a ledger without a list of watched proposals is one of the version before.
            WatchList(self.store).start()
        write_json(self.folder / name, content)

    @contextmanager
    def _editing(self, proposal: str) -> Iterator[dict[str, dict[str, dict[str, Any]]]]:
        """What is recorded of a proposal, which no other process changes meanwhile; written at the end of the block."""
        with self.store.locked(proposal):
            known = self._read(f"{proposal}.json")
            yield known
            self._write(f"{proposal}.json", known)

    def _read(self, name: str) -> dict[str, Any]:
        # If it is lost, that costs a second look but no data.
        return read_json(self.folder / name)


def _newest(selections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest few: every look back from the command line is a selection of its own."""
    by_age = sorted(selections.items(), key=lambda item: item[1]["at"], reverse=True)
    return dict(by_age[:MOST_SELECTIONS])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
