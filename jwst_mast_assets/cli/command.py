"""Belongs here: what one call of ``jwst_query.py`` or ``jwst_download.py`` does, step by step."""

import datetime as dt
import shutil
import sys
from typing import Any

import dagster as dg

from jwst_mast_assets import downloads
from jwst_mast_assets.cli.progress import TqdmProgress
from jwst_mast_assets.cli.runs import Result, materialize, open_instance, ranges
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD
from jwst_mast_assets.defs.watching import adopt_registered
from jwst_mast_assets.mast import selection
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.mast.discovery import cells_with_data, find_observations
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.modes import mode_warnings
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records import holdings, reports
from jwst_mast_assets.records.archive_identity import open_archive
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

NOT_PASSED_ON = (*NOT_IN_LAUNCHPAD, "savetables")
"""Parameters that the session itself takes care of: the partitions stand for proposals and dates."""


class Command:
    """One call of a command.

    Parameters
    ----------
    config : Config
    assume_yes : bool
        Do not ask before downloading.
    watch : bool
        Have the proposals watched from now on.
    """

    def __init__(self, config: Config, assume_yes: bool = False, watch: bool = False) -> None:
        self.config = config
        self.assume_yes = assume_yes
        self.watch = watch
        self.now = dt.datetime.now(dt.timezone.utc)
        self.store = TableStore(config.root)
        self.archive = open_archive(config.root)

    def run(self, download: bool) -> int:
        """Ask, print, and download if wanted; returns the exit status.

        Raises
        ------
        JwstMastError
            If it cannot be done at all.
        """
        if self.watch and not self.config.propID:
            raise ConfigError("--watch: name the proposals to watch with --propID")
        if len(self.config.propID) > 1:
            print(
                f"{len(self.config.propID)} proposals: {', '.join(self.config.propID)} (observation numbers: --obsnums)"
            )
        if self.archive.token:
            self.archive.whoami()
            self._warn()
        found = find_observations(self.archive, self.config, self.now)
        self._warn()
        for warning in mode_warnings(self.config, found):
            print(f"WARNING: {warning}", file=sys.stderr)
        cells = cells_with_data(found)
        if not cells:
            self._say_nothing_found()
            return 0
        self._check_days(cells)
        make_folder(self.config.root)
        with open_instance() as instance:
            # Dagster needs the keys for a run; only --watch has proposals watched.
            adopt_registered(instance, self.store)
            register_proposals(instance, proposals_of(cells), self.config.first_day)
            if self.watch and (new := WatchList(self.store).add(proposals_of(cells))):
                print(f"watched from now on: {' '.join(new)}")
            results = self._materialize(instance, "jwst_query", cells, self._query_assets(download))
            if all(result.success or result.files_failed for result in results):
                self._print_tables(cells)
                if download:
                    return max(self._download(instance, cells), self._status(results))
            self._save_tables(cells)
        return self._status(results)

    def _warn(self) -> None:
        for sentence in self.archive.unsaid():
            print(f"WARNING: {sentence}", file=sys.stderr)

    def _query_assets(self, download: bool) -> list[str]:
        assets = ["obs_table", "product_table"]
        if not download:
            assets += ["summary_table", *(["index_html"] if self.config.makewebpages else [])]
        return assets

    def _download(self, instance: dg.DagsterInstance, cells: list[Cell]) -> int:
        if not self._confirmed(cells):
            return 0
        assets = ["downloaded_files", "summary_table", *(["index_html"] if self.config.makewebpages else [])]
        results = self._materialize(instance, "jwst_download", cells, assets)
        run_ids = [result.run_id for result in results]
        listed = self._reports(cells, run_ids)
        if not all(result.success or result.files_failed for result in results):
            print("\n### Download failed.")
            return self._status(results)
        print("\n### Downloaded Selected Products:")
        print(reports.to_text(listed.selprod), end="")
        self._save_tables(cells, run_ids)
        self._print_outcome(cells, run_ids)
        return self._status(results)

    def _materialize(
        self, instance: dg.DagsterInstance, job: str, cells: list[Cell], assets: list[str]
    ) -> list[Result]:
        progress = TqdmProgress()
        dates = {"date_select": self._dates(), "all_dates": False}
        definitions = build_defs(self.config.merged(dates), {"progress": progress})
        parameters: dict[str, Any] = {
            name: value
            for name, value in self.config.model_dump(exclude_unset=True).items()
            if name not in NOT_PASSED_ON
        }
        parameters["outrootdir"], parameters["outsubdir"] = str(self.config.root), None
        log_level = {0: "CRITICAL", 1: "CRITICAL", 2: "INFO"}.get(self.config.verbose, "DEBUG")
        results = []
        for first, last in ranges(cells):
            if self.config.verbose:
                print(f"{job}: proposal {first.proposal}, {first.day} to {last.day}", flush=True)
            with progress:
                results.append(
                    materialize(
                        definitions.resolve_job_def(job), instance, first, last, parameters, assets, log_level=log_level
                    )
                )
        return results

    def _dates(self) -> list[str]:
        lower, upper = selection.window(self.config, self.now)
        if lower is None:
            return [] if upper is None else [f"{upper!r}-"]
        return [f"{lower!r}+"] if upper is None else [repr(lower), repr(upper)]

    def _reports(self, cells: list[Cell], run_ids: list[str] | None = None) -> reports.Reports:
        observations, products, recorded = (
            self.store.read(asset, cells) for asset in ("obs_table", "product_table", "downloaded_files")
        )
        return holdings.run_reports(observations, products, recorded, self.config, run_ids or [])

    def _print_tables(self, cells: list[Cell]) -> None:
        listed = self._reports(cells)
        for title, table in (
            ("Selected Products", listed.selprod),
            ("Observations", listed.obs),
            ("Summary propID/obsnum", listed.summary),
        ):
            print(f"\n### {title}:")
            print(reports.to_text(table), end="")

    def _save_tables(self, cells: list[Cell], run_ids: list[str] | None = None) -> None:
        for path in holdings.save_run_reports(self._reports(cells, run_ids), self.config):
            if self.config.verbose:
                print(f"saved {path}")

    def _confirmed(self, cells: list[Cell]) -> bool:
        products = self.store.read("product_table", cells).drop_duplicates("dataURI")
        chosen = products[products["selected"].fillna(False).astype(bool)]
        look = self.config.model_copy(update={"skip_check_if_outfile_exists": False})
        state = downloads.state_on_disk(chosen, look, self.store.read("downloaded_files", cells))["dl_code"]
        there = (state == 2).fillna(False) & (not self.config.clobber)
        fetch = chosen[~there.astype(bool)]
        size = int(fetch["size"].fillna(0).sum())
        free = human_bytes(shutil.disk_usage(self.config.root).free)
        print(f"\n### Downloading {len(fetch)} files, {human_bytes(size)}; free in {self.config.root}: {free}")
        print(f"### {int(there.sum())} of {len(chosen)} selected files are there already")
        if self.assume_yes or not len(fetch) or not sys.stdin.isatty():
            return True
        answer = input("Do you want to continue and download these products [y/n]? ")
        if answer.strip().lower() not in ("y", "yes"):
            print("OK, stopping.")
            return False
        return True

    def _print_outcome(self, cells: list[Cell], run_ids: list[str]) -> None:
        files = self.store.read("downloaded_files", cells).drop_duplicates("dataURI")
        totals = downloads.summary(files[files["run_id"].isin(run_ids)])
        failed = downloads.failures(files[files["selected"].fillna(False).astype(bool)])
        waiting = downloads.waiting(files)
        fetched = human_bytes(totals["bytes_fetched"])
        awaited = f"; {len(waiting)} waiting" if len(waiting) else ""
        print(f"\n### Download complete: {totals['fetched']} files, {fetched} fetched; {len(failed)} failed{awaited}")
        for row in waiting.itertuples():
            print(f"waiting: {row.productFilename}: {row.dl_message or row.dl_str}")
        for row in failed.itertuples():
            print(f"{row.productFilename}: {row.dl_message or row.dl_str}", file=sys.stderr)
        noted = files[
            files["run_id"].isin(run_ids) & files["dl_message"].notna() & files["dl_code"].isin(downloads.PRESENT)
        ]
        for row in noted.itertuples():
            print(f"note: {row.productFilename}: {row.dl_message}")
        if self.config.makewebpages:
            for proposal in proposals_of(cells):
                print(f"page: {self.config.root / proposal / 'index.html'}")

    def _status(self, results: list[Result]) -> int:
        for message in dict.fromkeys(message for result in results for message in result.messages):
            print(message, file=sys.stderr)
        failed = self.archive.failures["observations"]
        for proposal, why in failed.items():
            print(f"proposal {proposal}: {why}", file=sys.stderr)
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

    def _say_nothing_found(self) -> None:
        lower, upper = selection.window(self.config, self.now)
        since = "" if lower is None else f" from {day_of_mjd(lower)}"
        until = "" if upper is None else f" until {day_of_mjd(upper)}"
        what = f"proposal {', '.join(self.config.propID)}" if self.config.propID else "any proposal"
        print(f"### No observations of {what} found{since}{until}.")
        if not self.config.propID:
            print("### Look further back with --lookbacktime DAYS or --date_select DATE+.")
            return
        everything = find_observations(self.archive, self.config.merged({"all_dates": True}), self.now)
        if everything.empty:
            print(f"### MAST has none of {what} at all{self._narrowed_by()}.")
            return
        dates = everything["date_min"].str[:10]
        print(
            f"### Outside these dates {what} has {len(everything)} observations, "
            f"from {dates.min()} to {dates.max()}; get them with --all_dates, or --date_select {dates.min()}+"
        )

    def _narrowed_by(self) -> str:
        named = [name for name in ("instrument", "obsmode") if getattr(self.config, name)]
        return f" with this {' and '.join(named)}" if named else ""
