"""``jwst-mast serve``: Dagster's web page and daemon, and the pages of the output folder, until interrupted."""

import argparse
import contextlib
import datetime as dt
import json
import logging
import logging.handlers
import os
import re
import signal
import subprocess
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from jwst_mast_assets.cli.dagster_process import dagster_dev
from jwst_mast_assets.cli.messages import Messages
from jwst_mast_assets.cli.ports import address_of, free_port
from jwst_mast_assets.cli.predecessors import check_no_other_daemon, end_runs_of_old_location
from jwst_mast_assets.cli.run_lines import RunWatch
from jwst_mast_assets.cli.runs import dagster_home, home_in_use, open_instance, prepare_home
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import JwstMastError
from jwst_mast_assets.webpage.pages_server import PagesServer

START_TIMEOUT = 180
"""Seconds for the page to answer; half a minute is normal on a busy machine."""

LOOK = 1.0
"""Seconds between two checks of the runs."""

WORTH_KNOWING = re.compile(r"\w+ \w+ skipped: ((?:Skipped: |No proposal).*)", re.DOTALL)
"""Ticks that did nothing although there may be work."""

LAST_LINES = 20


def run_serve(arguments: argparse.Namespace) -> int:
    """``jwst-mast serve``; returns the exit status."""
    # The definitions read the environment when they are imported.
    from jwst_mast_assets.defs.daemon_config import check_folder_is_set
    from jwst_mast_assets.records.archive_identity import open_archive

    config = load_config()
    check_folder_is_set(config)
    open_archive(config.root)
    home = dagster_home()
    prepare_home(home)
    with home_in_use(home):
        _rebuild_if_lost(config, Messages("jwst-mast", arguments.log_format))
        return serve(config.root, Path.cwd(), arguments)


def _rebuild_if_lost(config: Config, messages: Messages) -> None:
    """Give a new Dagster home what the output folder has on record."""
    from jwst_mast_assets.defs.rebuild import is_blank, rebuild
    from jwst_mast_assets.records.store import TableStore

    store = TableStore.of(config)
    if not store.exists():
        return
    with open_instance() as instance:
        if is_blank(instance):
            messages.info("The Dagster home is new; what the output folder has on record is put into it ...")
            messages.info(str(rebuild(instance, store, config)))


def serve(root: Path, folder: Path, arguments: argparse.Namespace) -> int:
    """Serve until interrupted.

    Parameters
    ----------
    root : Path
        The output folder.
    folder : Path
        Where Dagster runs; relative paths in the config file begin there.
    arguments : Namespace
        ``host``, ``port``, ``pages_port``, ``verbose``, ``log_format``.

    Returns
    -------
    int
        0 if it was interrupted, 1 if Dagster ended by itself.

    Raises
    ------
    ConfigError
        If a port is taken or the host is not of this machine.
    JwstMastError
        If a Dagster daemon uses the home already.
    """
    from jwst_mast_assets.defs.lost_runs import end_lost_runs

    messages = Messages("jwst-mast", arguments.log_format)
    port = free_port(arguments.host, arguments.port, "--port")
    wanted, closed_too = arguments.pages_port, load_config().exclusive_mode is None
    if wanted is None:
        wanted = arguments.port + 1 if arguments.port else 0
    with (
        PagesServer(root, free_port("127.0.0.1", wanted, "--pages-port"), closed_too) as pages,
        open_instance() as instance,
        _ended_by_signals(),
    ):
        check_no_other_daemon(instance, messages.info)
        for sentence in end_runs_of_old_location(instance):
            messages.info(sentence)
        environment = {**os.environ, "JWST_PAGES_URL": pages.url, "JWST_PAGES_FOLDER": str(root)}
        messages.info("Starting Dagster, which takes about half a minute ...")
        with dagster_dev(dagster_home(), folder, arguments.host, port, environment) as process:
            log = Log(process, dagster_home() / "serve.log", messages, arguments.verbose)
            try:
                if not _answers(process, arguments.host, port):
                    return _ended_by_itself(process, log, messages)
                _report_addresses(messages, instance, root, arguments.host, port, pages.url, log.path)
                watch = RunWatch(instance)
                while process.poll() is None:
                    for line in watch.lines():
                        messages.event(line)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK)
                return _ended_by_itself(process, log, messages)
            except KeyboardInterrupt:
                messages.info("\nStopping Dagster ... (Ctrl-C again stops it at once)")
        # So that the next start need not find out whether this daemon is still there.
        instance.wipe_daemon_heartbeats()
        ended = end_lost_runs(
            instance, "jwst-mast serve was stopped; this run is retried when it starts again.", dt.timedelta()
        )
        more = f" {len(ended)} run(s) were interrupted; they resume at the next start." if ended else ""
        messages.info(f"Stopped.{more}")
    return 0


class Log:
    """Reads Dagster's output: everything goes to a file, and what is worth knowing to the screen.

    Parameters
    ----------
    process : Popen
        ``dagster dev`` with logs in JSON.
    path : Path
        The file.
    messages : Messages
        What is worth knowing goes there.
    verbose : bool
        Everything goes to the screen.
    """

    def __init__(self, process: "subprocess.Popen[str]", path: Path, messages: Messages, verbose: bool) -> None:
        self.path, self.messages = path, messages
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self._verbose = verbose
        self._told = ""
        self._file = logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=2, encoding="utf-8")
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all has been read."""
        self._thread.join(5)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._take(line.rstrip())
        self._file.close()

    def _take(self, line: str) -> None:
        level, logger, text = _parsed(line)
        shown = f"{level} {logger}: {text}" if level else text
        self._file.emit(logging.makeLogRecord({"msg": f"{dt.datetime.now():%Y-%m-%d %H:%M:%S} {shown}"}))
        self.last.append(shown)
        if self._verbose:
            self.messages.info(shown)
        elif level in ("ERROR", "CRITICAL"):
            self.messages.event(f"{text.strip().splitlines()[0]} (details: {self.path})", level="error")
        elif (match := WORTH_KNOWING.match(text)) and match[1] != self._told:
            self._told = match[1]
            self.messages.event(self._told)


def _parsed(line: str) -> tuple[str, str, str]:
    """Level, logger and text of a line; a line that is not Dagster's own has only text."""
    try:
        entry = json.loads(line)
        text = "\n".join(filter(None, [entry["event"], entry.get("exception")]))
        return entry["level"].upper(), entry["logger"], text
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", line


def _answers(process: "subprocess.Popen[str]", host: str, port: int) -> bool:
    """Wait for the page; False if Dagster ended before it answered."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(2 * START_TIMEOUT):
        try:
            with opener.open(f"{address_of(host, port)}/server_info", timeout=5):
                return True
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
                return False
    raise JwstMastError(f"Dagster's page did not answer within {START_TIMEOUT} s")


def _ended_by_itself(process: "subprocess.Popen[str]", log: Log, messages: Messages) -> int:
    log.finish()
    for line in log.last:
        messages.error(line)
    messages.error(f"Dagster stopped unexpectedly (status {process.wait()}); its output is in {log.path}")
    return 1


def _report_addresses(
    messages: Messages, instance: dg.DagsterInstance, root: Path, host: str, port: int, pages_url: str, log: Path
) -> None:
    from jwst_mast_assets.defs.watching import watched_proposals
    from jwst_mast_assets.records.store import TableStore

    known = watched_proposals(instance, TableStore(root), load_config())
    watched = " ".join(known) or f"none yet; add one with: {suggest('proposals add 1138')}"
    messages.info(f"Dagster's page: {address_of(host, port)}")
    if host not in ("127.0.0.1", "localhost", "::1"):
        messages.info("  Anyone who can reach this machine can use it: there is no password.")
    messages.info(
        f"Your pages:     {pages_url} (the folder {root})",
        f"Proposals:      {watched}",
        f"Dagster's log:  {log}",
        "Ctrl-C stops it.",
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Make the signals that end a process shut this one down cleanly."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
