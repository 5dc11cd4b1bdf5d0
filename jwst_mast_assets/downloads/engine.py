"""A run: check the plan, fetch its files several at a time, and return a table of the results."""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads import backoff, filesystem, on_disk
from jwst_mast_assets.downloads.access import give_modes
from jwst_mast_assets.downloads.codes import FAILURES, Code, word
from jwst_mast_assets.downloads.fetch import Outcome, fetch
from jwst_mast_assets.downloads.partial import Stopped
from jwst_mast_assets.downloads.plan import Item, Plan, plan_download
from jwst_mast_assets.downloads.pools import threads
from jwst_mast_assets.downloads.sources import Source, sources
from jwst_mast_assets.downloads.transfer import Connection
from jwst_mast_assets.mast import layout, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.shared_limits import shared_limits

log = logging.getLogger("jwst_mast_assets.downloads")

EVENT_INTERVAL = 0.25
"""Seconds between two reports of progress."""

TIME_TO_STOP = 0.5
"""Seconds that an interruption leaves the threads to reach the end of a block; a stalled one is not waited for."""

NAMELESS = {"dl_code": int(Code.BAD_NAME), "dl_message": "MAST's table has no dataURI for it"}
"""The record of a selected file that cannot be requested."""


@dataclass(frozen=True)
class Event:
    """How far a run is: files and bytes (as MAST's table has their sizes) done and to do."""

    files_done: int
    files_total: int
    bytes_fetched: int
    bytes_total: int
    failed: int = 0


Progress = Callable[[Event], None]
"""Receives the progress of a download, a few times a second."""

Fetcher = Callable[[list[Item], Config, Archive, Progress | None], Mapping[str, Outcome]]
"""Fetches the files of a plan; returns what became of each, by dataURI."""


def download(
    products: pd.DataFrame,
    config: Config,
    archive: Archive,
    known: pd.DataFrame | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    fetcher: Fetcher | None = None,
) -> pd.DataFrame:
    """Download the selected files; each is verified before it gets its name.

    Parameters
    ----------
    products : DataFrame
        ``tables.PRODUCT_TABLE``; a dataURI may be in several rows and is fetched once.
    config : Config
        How to fetch, and how thoroughly to verify. With ``skipdownload`` nothing is fetched.
    archive : Archive
        MAST.
    known : DataFrame, optional
        ``tables.FILE_TABLE`` of earlier runs: saves hashing files that have not changed since.
    progress : callable, optional
        Called with an :class:`Event` a few times a second, in the caller's thread.
    plan : Plan, optional
        The result of :func:`plan_download` for the same products; made here if not given.
    fetcher : callable, optional
        Used instead of :func:`fetch_all`, for example to simulate downloads.

    Returns
    -------
    DataFrame
        ``tables.FILE_TABLE``: the rows that are selected, and those whose file is on disk. What went wrong with a
        file is in its ``dl_code``, ``dl_str`` and ``dl_message``.

    Raises
    ------
    ConfigError
        If more would be fetched than ``max_download_gb`` allows.
    OutputError
        If the output folder is not writable, or was moved meanwhile, or the disk has too little space.
    """
    plan = plan or plan_download(products, config, archive, known)
    if config.skipdownload:
        return _table(products, config, plan, {}, known)
    plan.check()
    outcomes: Mapping[str, Outcome] = {}
    if plan.to_fetch or (plan.items and not config.root.is_dir()):
        layout.make_folder(config.root)
    if plan.to_fetch:
        if archive.token:
            archive.whoami()
        place = filesystem.Place(config.root)
        outcomes = (fetcher or fetch_all)(plan.to_fetch, config, archive, progress)
        place.check()
    table = _table(products, config, plan, outcomes, known)
    give_modes(table, config, utc_now())
    return table


class _Run:
    """What the threads of a run share."""

    def __init__(self, config: Config, archive: Archive, items: list[Item]) -> None:
        self.config = config
        self.place = filesystem.Place(config.root)
        self.stop = threading.Event()
        self.disk_full = threading.Event()
        self._sources = sources(config, archive, [(item.uri, item.name) for item in items if not item.exclusive])
        self._paces = {source.name: backoff.SharedPause(self.stop) for source in self._sources}
        self._local = threading.local()
        self._connections: list[Connection] = []

    def one(self, item: Item) -> Outcome:
        """Fetch one file, in a thread of the pool."""
        if self.stop.is_set():
            raise Stopped
        if self.disk_full.is_set():
            return Outcome(Code.DISK_FULL, "not tried, as the disk is full")
        # Not a fault of the file: it would be fetched into an empty mount point, as if nothing were there.
        self.place.check()
        if not hasattr(self._local, "connections"):
            self._local.connections = [(source, self._connect(source)) for source in self._sources]
        try:
            outcome = fetch(item, self.config, self._local.connections)
        except Stopped:
            raise
        except Exception as error:
            # A bug that affects one file must not stop the others.
            log.exception("%s: unexpected fault", item.name)
            outcome = Outcome(Code.FAILED, f"unexpected fault ({type(error).__name__}); please report it")
        if outcome.code == Code.DISK_FULL and outcome.full:
            self.disk_full.set()
        return outcome

    def _connect(self, source: Source) -> Connection:
        session = source.session(self.config.download_timeout)
        session.stop = self.stop
        pace, limits = self._paces[source.name], shared_limits(self.config)
        counted = source.name == "mast"
        connection = Connection(source.label, session, pace, backoff.WAITS, self.stop, limits, counted)
        self._connections.append(connection)
        return connection

    @property
    def bytes_fetched(self) -> int:
        """Bytes received so far."""
        return sum(connection.fetched_in_all for connection in self._connections)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.session.close()


def fetch_all(items: list[Item], config: Config, archive: Archive, progress: Progress | None) -> dict[str, Outcome]:
    """Fetch files from the archive, ``Nparallel`` at a time."""
    run = _Run(config, archive, items)
    total = sum(item.size or 0 for item in items)
    outcomes: dict[str, Outcome] = {}
    failed, due = 0, 0.0
    with threads(config.Nparallel, "download") as pool:
        futures: dict[Future[Outcome], str] = {pool.submit(run.one, item): item.uri for item in items}
        # `wait` for the next of many thousands looks at every one of them each time.
        ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        try:
            left = len(futures)
            while left:
                with suppress(queue.Empty):
                    future = ended.get(timeout=EVENT_INTERVAL)
                    left -= 1
                    outcomes[futures[future]] = outcome = future.result()
                    failed += outcome.code in FAILURES
                if progress and (not left or time.monotonic() >= due):
                    progress(Event(len(outcomes), len(items), run.bytes_fetched, total, failed))
                    due = time.monotonic() + EVENT_INTERVAL
        finally:
            # When interrupted, the threads stop at their next block and leave their partials for the next run.
            run.stop.set()
            wait([future for future in futures if not (future.done() or future.cancel())], TIME_TO_STOP)
            run.close()
            # Once for all files of a folder: it may wait for the disk.
            paths = {item.uri: item.path for item in items}
            for folder in {os.path.dirname(paths[uri]) for uri in outcomes}:
                filesystem.sync_folder(folder)
    return outcomes


def _table(
    products: pd.DataFrame,
    config: Config,
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    known: pd.DataFrame | None,
) -> pd.DataFrame:
    """``FILE_TABLE`` of the files that are selected or on disk, with their state now."""
    plan.disk.look_again(plan.items[uri].path for uri in outcomes)
    look = config.model_copy(update={"skip_check_if_outfile_exists": False})
    table = tables.conform(products, tables.FILE_TABLE)
    paths = table["outfilename"].mask(filesystem.bad_names(table["outfilename"], config.root).notna())
    table = table.assign(**on_disk.state_on_disk(products, look, known, plan.disk))
    table = table.assign(**plan.disk.table(paths)[["bytes_on_disk", "mtime"]])
    table = table.assign(**on_disk.recorded_of_same_file(table, known))
    table["bytes_fetched"] = table["bytes_fetched"].fillna(0)
    selected = tables.is_true(table["selected"])
    chosen = table.loc[selected, "dataURI"]
    rows = {uri: _row(plan.items[uri], outcomes.get(uri)) for uri in chosen.dropna().unique()}
    told = chosen.map(rows).map(lambda row: row if isinstance(row, dict) else NAMELESS)
    told = pd.DataFrame(told.tolist(), columns=RESULT_COLUMNS, index=chosen.index, dtype=object)
    told = told.assign(dl_str=told["dl_code"].map(word), bytes_fetched=told["bytes_fetched"].astype("Int64").fillna(0))
    told = tables.conform(told.where(told.notna(), None), {name: tables.FILE_TABLE[name] for name in RESULT_COLUMNS})
    for name in RESULT_COLUMNS:
        table.loc[selected, name] = told[name]
    kept = selected | table["bytes_on_disk"].notna()
    return tables.conform(table[kept], tables.FILE_TABLE)


RESULT_COLUMNS = ["dl_code", "dl_str", "dl_message", "bytes_fetched", *on_disk.RECORDED]
"""The result of the plan and the download for a selected file."""


def _row(item: Item, outcome: Outcome | None) -> dict[str, Any]:
    """The recorded columns of a selected file."""
    keywords = item.keywords
    row: dict[str, Any] = {"cal_ver": keywords.cal_ver, "crds_ctx": keywords.crds_ctx, "isStale": keywords.stale}
    origin: Mapping[str, str | None] = outcome.origin if outcome and outcome.origin else item.origin
    row |= {**origin, "checksum": keywords.checksum, "checksum_source": "mast" if keywords.checksum else None}
    if not keywords.checksum and origin.get("checksum_source") == "s3":
        row |= {"checksum": origin.get("checksum"), "checksum_source": "s3"}
    if outcome is None:
        return row | {"dl_code": int(item.code), "dl_message": item.message, "md5": item.md5, "verified": item.verified}
    row |= {"dl_code": int(outcome.code), "dl_message": outcome.message, "bytes_fetched": outcome.fetched}
    fresh = outcome.code in (Code.DOWNLOADED, Code.REPLACED, Code.EXISTS)
    return row | {
        "md5": outcome.md5 if fresh else item.md5,
        "verified": outcome.verified if fresh else item.verified,
    }
