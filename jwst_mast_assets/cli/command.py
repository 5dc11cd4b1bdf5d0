"""What one call of ``jwst_query.py`` or ``jwst_download.py`` does, step by step."""

import contextlib
import datetime as dt
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.cli import screen
from jwst_mast_assets.cli.asking import Asking
from jwst_mast_assets.cli.interrupts import Interrupts
from jwst_mast_assets.cli.messages import Messages
from jwst_mast_assets.cli.nothing_found import nothing_found
from jwst_mast_assets.cli.outcome import say_outcome
from jwst_mast_assets.cli.progress import TqdmProgress
from jwst_mast_assets.cli.quick_events import batched_events, quick
from jwst_mast_assets.cli.runs import Result, materialize, open_instance, ranges
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.lost_runs import end_lost_runs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.defs.quick_sqlite import quick_sqlite
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD, known_config, opened
from jwst_mast_assets.defs.watching import adopt_registered
from jwst_mast_assets.mast import selection, tables
from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.dates import mjd_of
from jwst_mast_assets.mast.discovery import cells_with_data
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.exclusions import excluded_files, unmatched_values
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.mast.products import NO_PRODUCTS
from jwst_mast_assets.mast.sizes import counted, human_bytes
from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.listings import Listings, left_out
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.store import PartitionTables
from jwst_mast_assets.records.watched import WatchList

ASKING, DOWNLOADING, CHECKING = "Asking MAST for the files of", "Downloading files of", "Checking the files of"
"""What a command says it is doing, in front of a proposal."""

LISTED = ("obs_table", "product_table")
"""The assets that say what MAST has."""

FIRST_COLUMNS = ("outfilename", "proposal_id", "obsnum", "date_min", "date_start", "dl_str", "size", "filetype", "sca")
"""Columns of the tables that stay longest where the terminal is narrow."""

MOST_SHORT = 5
"""How many short lists are named."""


class Command:
    """One call of a command.

    Parameters
    ----------
    asking : Asking
        What it has asked MAST already.
    interrupts : Interrupts
        What ends it in good order.
    messages : Messages
        How it reports.
    assume_yes : bool
        Do not ask before downloading.
    watch : bool
        Have the proposals watched from now on.
    """

    def __init__(
        self,
        asking: Asking,
        interrupts: Interrupts,
        messages: Messages,
        assume_yes: bool = False,
        watch: bool = False,
    ) -> None:
        self.config = asking.config
        self.interrupts, self.messages, self._say = interrupts, messages, messages.info
        self.assume_yes = assume_yes
        self.watch = watch
        self.asking, self.archive, self.now = asking, asking.archive, asking.now
        self.snapshot = Snapshot(self._run_config())
        self.store = self.snapshot.store
        self.token_given = bool(self.archive.token)
        self._unanswered: dict[str, str] = {}
        self._warned: set[str] = set()
        self._to_download: list[Cell] = []

    def run(self, download: bool) -> int:
        """Ask, print, and download if wanted; returns the exit status.

        Raises
        ------
        JwstMastError
            If it cannot be done at all.
        KeyboardInterrupt
            If it was interrupted; see :meth:`interruption`.
        """
        self.store.check()
        if len(self.config.propID) > 1:
            numbers = ", ".join(self.config.propID)
            self._say(f"{len(self.config.propID)} proposals: {numbers} (to choose observations, use --obsnums)")
        found, warnings = self.asking.observations()
        self._unanswered = dict(self.archive.failures["observations"])
        self._warned = set(warnings)
        for warning in warnings:
            self.messages.warning(warning)
        for warning in mode_warnings(self.config, found):
            self.messages.warning(warning)
        cells = cells_with_data(found)
        answered = [key for key in self.config.propID if key not in self._unanswered]
        doubts = left_out(self.store, found, answered or proposals_of(cells), self.config, self.now)
        for warning in doubts:
            self.messages.warning(warning)
        absent = sorted(set(answered) - set(proposals_of(cells)))
        if doubts and not cells:
            # Nothing can be said about what MAST has; another call may get the whole list.
            self._say("### Nothing was done, because MAST's list leaves out what is on record; try again later.")
            return 1
        if absent or not cells:
            for line in nothing_found(self.archive, self.config, self.now, absent or self.config.propID):
                self._say(line)
        if not cells:
            return 0
        self._check_days(cells)
        proposals = ", ".join(proposals_of(cells))
        self._say(f"{counted(len(found), 'observation')} of {proposals}, {_between([cell.day for cell in cells])}")
        make_folder(self.config.root)
        with quick_sqlite(), batched_events(), open_instance(quick) as instance:
            # Dagster needs the keys for a run; only --watch has proposals watched.
            adopt_registered(instance, self.store)
            register_proposals(instance, proposals_of(cells), self.config.first_day)
            end_lost_runs(instance, "Its process is gone; noticed by the next command.")
            if self.watch and (new := WatchList(self.store).add(proposals_of(cells))):
                self._say(f"watched from now on: {' '.join(new)}")
            if download and self._asks_nobody() and len(ranges(cells)) == 1:
                return self._list_and_download(instance, cells)
            assets = LISTED if download else [*LISTED, *self._shown_assets()]
            results = self._materialize(instance, "jwst_query", cells, assets, ASKING)
            recorded = self._read(cells)
            if not _completed(results):
                self._save_tables(recorded)
                return self._status(results)
            selected = self._print_listed(cells, recorded)
            if download and selected:
                return max(self._download(instance, cells, recorded), self._status(results))
            self._save_tables(recorded)
            if not download:
                self._say_where(cells)
        return self._status(results)

    def _list_and_download(self, instance: dg.DagsterInstance, cells: list[Cell]) -> int:
        """List and download in one run, as nobody is asked in between."""
        selected: list[bool] = []

        def listed() -> None:
            recorded = self._read(cells)
            selected.append(self._print_listed(cells, recorded))
            if selected[0]:
                to_fetch = self._to_fetch(recorded)
                self._announce(to_fetch)
                self._to_download = cells
                self._say(_heading(DOWNLOADING if len(to_fetch) else CHECKING, cells))

        assets = [*LISTED, "downloaded_files", *self._shown_assets()]
        results = self._materialize(instance, "jwst_download", cells, assets, ASKING, listed)
        if selected and selected[0]:
            return self._outcome(cells, results)
        self._save_tables(self._read(cells))
        return self._status(results)

    def _run_config(self) -> Config:
        """The configuration of the runs: what the launchpad cannot set is left out, as the command sees to it."""
        own = {name: Config.model_fields[name].get_default() for name in parameters_with(Role.WHOLE_CALL)}
        place = {"outrootdir": str(self.config.root), "outsubdir": None}
        dates = {"date_select": self._dates(), "all_dates": False}
        return self.config.model_copy(update={**own, **place, **dates})

    def interruption(self) -> str:
        """What is done when the command was interrupted, and how to go on."""
        done = ""
        if self._to_download:
            self.snapshot.list_again()
            chosen, code = self._on_disk(self._read(self._to_download))
            done = f"; {int((code == downloads.Code.EXISTS).sum())} of {len(chosen)} files are complete"
        return f"Interrupted{done}. Run the same command again to resume."

    def _shown_assets(self) -> list[str]:
        return ["summary_table", *(["index_html"] if self.config.makewebpages else [])]

    def _asks_nobody(self) -> bool:
        return self.assume_yes or not sys.stdin.isatty()

    def _download(self, instance: dg.DagsterInstance, cells: list[Cell], recorded: PartitionTables) -> int:
        to_fetch = self._to_fetch(recorded)
        if not self._confirmed(to_fetch):
            return 0
        self._to_download = cells
        step = DOWNLOADING if len(to_fetch) else CHECKING
        assets = ["downloaded_files", *self._shown_assets()]
        return self._outcome(cells, self._materialize(instance, "jwst_download", cells, assets, step))

    def _outcome(self, cells: list[Cell], results: list[Result]) -> int:
        """Print what became of the files; returns the exit status."""
        run_ids = [result.run_id for result in results]
        if not _completed(results):
            self._say("\n### Download failed.")
            return self._status(results)
        recorded = self._read(cells)
        self._save_tables(recorded, run_ids)
        say_outcome(self.messages, recorded.files, run_ids, self.token_given, every_note=bool(self.config.verbose))
        self._say_where(cells)
        return self._status(results, files_named=True)

    def _materialize(
        self,
        instance: dg.DagsterInstance,
        job: str,
        cells: list[Cell],
        assets: Sequence[str],
        step: str,
        listed: Callable[[], None] | None = None,
    ) -> list[Result]:
        """Materialize assets, each range of cells in a run; `listed` is called when the products are listed."""
        progress = TqdmProgress(shown=not (self.messages.quiet or self.messages.as_json))
        config = self.snapshot.config
        resources = {
            "progress": progress,
            "jwst_config": known_config(self.snapshot),
            "archive": opened(self.archive),
        }
        definitions = build_defs(config, resources)
        parameters: dict[str, Any] = {
            name: value
            for name, value in config.model_dump(exclude_unset=True).items()
            if name not in (*NOT_IN_LAUNCHPAD, *parameters_with(Role.WHOLE_CALL))
        }
        log_level = {0: "CRITICAL", 1: "CRITICAL", 2: "INFO"}.get(self.config.verbose, "DEBUG")
        results = []
        told = set()
        for first, last in ranges(cells):
            if first.proposal not in told:
                told.add(first.proposal)
                self._say(_heading(step, [cell for cell in cells if cell.proposal == first.proposal]))
            run_id = str(uuid.uuid4())
            with progress, self.interrupts.canceling(instance, run_id), _after(LISTED[-1], instance, run_id, listed):
                results.append(
                    materialize(
                        definitions.resolve_job_def(job),
                        instance,
                        first,
                        last,
                        parameters,
                        assets,
                        log_level=log_level,
                        run_id=run_id,
                    )
                )
        for warning in self.archive.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.messages.warning(warning)
        return results

    def _dates(self) -> list[str]:
        lower, upper = selection.window(self.config, self.now)
        if lower is None:
            return [] if upper is None else [f"{upper!r}-"]
        return [f"{lower!r}+"] if upper is None else [repr(lower), repr(upper)]

    def _read(self, cells: list[Cell]) -> PartitionTables:
        return PartitionTables(
            *(self.store.read(asset, cells) for asset in ("obs_table", "product_table", "downloaded_files"))
        )

    def _print_listed(self, cells: list[Cell], recorded: PartitionTables) -> bool:
        """Print what was listed; returns whether anything is selected."""
        short = [problem for problem in Listings(self.store).open(cells) if not problem.failed]
        for problem in short[:MOST_SHORT]:
            kept = "" if problem.why == NO_PRODUCTS else "; what is on record is kept"
            self.messages.warning(f"{problem.name}: {problem.why}{kept}")
        if len(short) > MOST_SHORT:
            self.messages.warning(f"{len(short) - MOST_SHORT} more of MAST's lists are short")
        for sentence in unmatched_values(recorded.products, self.config):
            self.messages.warning(sentence)
        if excluded := excluded_files(recorded.products, recorded.observations, self.config):
            self._say(f"### Nothing is selected: {excluded}.")
            return False
        self._print_tables(recorded)
        return True

    def _print_tables(self, recorded: PartitionTables) -> None:
        listed = holdings.run_reports(*recorded, self.config, [], self.snapshot.disk)
        for title, table in (
            ("Selected Products", listed.selprod),
            ("Observations", listed.obs),
            ("Summary propID/obsnum", listed.summary),
        ):
            if len(table) > screen.MOST_ROWS and not self.config.verbose:
                self.messages.table(title, [f"{len(table)} rows (-v prints them)"])
                continue
            if "outfilename" in table:
                folder = f"{self.config.root}/"
                table = table.assign(outfilename=table["outfilename"].str.removeprefix(folder))
            self.messages.table(title, screen.as_lines(table, screen.width_of_screen(), FIRST_COLUMNS))

    def _save_tables(self, recorded: PartitionTables, run_ids: Sequence[str] = ()) -> None:
        if self.config.savetables:
            listed = holdings.run_reports(*recorded, self.config, run_ids, self.snapshot.disk)
            text = [path for path in holdings.save_run_reports(listed, self.config) if path.suffix == ".txt"]
            self._say(f"tables of this call: {', '.join(map(str, text))}")

    def _say_where(self, cells: list[Cell]) -> None:
        for proposal in proposals_of(cells):
            folder = self.config.root / proposal
            self._say(f"tables: {folder}/{proposal}.summary.txt, .obs.txt, .selprod.txt")
            if self.config.makewebpages:
                self._say(f"page: {folder / 'index.html'}")

    def _on_disk(self, recorded: PartitionTables) -> tuple[pd.DataFrame, pd.Series]:
        """The selected products, and the ``dl_code`` of their files."""
        # A file is selected if any of the days that list it selects it.
        products = recorded.products
        chosen = products[tables.is_true(products["selected"])].drop_duplicates("dataURI")
        look = self.config.model_copy(update={"skip_check_if_outfile_exists": False})
        return chosen, downloads.state_on_disk(chosen, look, recorded.files, self.snapshot.disk)["dl_code"]

    def _to_fetch(self, recorded: PartitionTables) -> pd.DataFrame:
        """The selected products that will be requested, as far as is known without MAST's checksums."""
        chosen, code = self._on_disk(recorded)
        again = downloads.companions_of(chosen["productFilename"], code == downloads.Code.BAD_SIZE)
        there = tables.is_true(code == downloads.Code.EXISTS) & ~again
        missing = chosen[~(there & (not self.config.clobber))]
        if self.archive.token:
            return missing
        exclusive = (missing["dataRights"] == "EXCLUSIVE_ACCESS") & (missing["t_obs_release"] > mjd_of(self.now))
        return missing[~tables.is_true(exclusive)]

    def _announce(self, fetch: pd.DataFrame) -> None:
        if len(fetch):
            size = human_bytes(int(fetch["size"].fillna(0).sum()))
            free = human_bytes(shutil.disk_usage(self.config.root).free)
            self._say(f"\n### Downloading {counted(len(fetch), 'file')}, {size}; free in {self.config.root}: {free}")

    def _confirmed(self, fetch: pd.DataFrame) -> bool:
        self._announce(fetch)
        if fetch.empty or self._asks_nobody():
            return True
        answer = input("Do you want to continue and download these products [y/n]? ")
        # That may have been hours ago.
        self.snapshot.list_again()
        if answer.strip().lower() not in ("y", "yes"):
            self._say("OK, stopping.")
            return False
        return True

    def _status(self, results: list[Result], files_named: bool = False) -> int:
        """The exit status; says why it is not 0, but of files that were named before."""
        told = [message for result in results for message in result.messages]
        if files_named:
            told += [message for result in results if not result.files_failed for message in result.of_files]
        else:
            told += [message for result in results for message in result.of_files]
        for message in dict.fromkeys(told):
            self.messages.error(message)
        failed = self._unanswered
        for proposal, why in failed.items():
            self.messages.error(f"proposal {proposal}: {why}")
        if all(result.success for result in results):
            return 1 if failed else 0
        return 2 if any(result.permanent and not result.files_failed for result in results) else 1

    def _check_days(self, cells: list[Cell]) -> None:
        first_day = self.config.first_day
        early = [cell for cell in cells if cell.day < first_day]
        if early:
            raise ConfigError(
                f"first_day: there are observations on {early[0].day}, before the first partition, {first_day}; "
                "set an earlier first_day in the config file, or a later date_select"
            )


def _completed(results: Sequence[Result]) -> bool:
    """Whether runs did all they could; some files may have failed."""
    return all(result.success or result.files_failed for result in results)


@contextlib.contextmanager
def _after(asset: str, instance: dg.DagsterInstance, run_id: str, do: Callable[[], None] | None) -> Iterator[None]:
    """Call a function when an asset of a run has been made; what it raises is raised when the run has ended."""
    raised: list[Exception] = []

    def heard(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if do and event and event.is_step_success and event.step_key == asset:
            try:
                do()
            except Exception as error:
                raised.append(error)

    instance.add_event_listener(run_id, heard)
    yield
    if raised:
        raise raised[0]


def _heading(step: str, cells: Sequence[Cell]) -> str:
    """What is being done, of which proposal and days."""
    return f"{step} {cells[0].proposal}, {_between([cell.day for cell in cells])}"


def _between(days: Sequence[dt.date]) -> str:
    """A day, or the first and the last of several."""
    return str(days[0]) if min(days) == max(days) else f"{min(days)} to {max(days)}"
