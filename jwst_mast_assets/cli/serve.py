"""``jwst-mast serve``: Dagster's web page and daemon, and the pages of the output folder, until interrupted."""

import argparse
import ast
import contextlib
import datetime as dt
import itertools
import json
import logging
import logging.handlers
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from jwst_mast_assets.cli.code_watch import CodeWatch, local_opener
from jwst_mast_assets.cli.dagster_process import dagster_dev
from jwst_mast_assets.cli.messages import Messages
from jwst_mast_assets.cli.ports import address_of, free_port
from jwst_mast_assets.cli.predecessors import check_no_other_daemon, end_runs_of_old_location
from jwst_mast_assets.cli.run_lines import RunWatch
from jwst_mast_assets.cli.runs import dagster_home, home_in_use, open_instance, prepare_home, records_in_use
from jwst_mast_assets.cli.screen import ignore_closed_pipe
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

ENDED = re.compile(r"dagster-(webserver|daemon) process shut down unexpectedly with return code (-?\d+)")
"""What ``dagster dev`` says when it ends because one of its processes has ended."""

NAMES = {"webserver": "web server", "daemon": "daemon"}

FROM_A_RUN = re.compile(r"[-\d]+ [:\d]+ \S+ - dagster - ")
"""The beginning of a line that a run prints."""

SAYS_NOTHING = re.compile(r"An unexpected exception has occurred|Sensor tick caught an error")
"""Errors that another sentence reports: that of the end, and Dagster's next one, which names the sensor."""


def run_serve(arguments: argparse.Namespace) -> int:
    """``jwst-mast serve``; returns the exit status."""
    # The definitions read the environment when they are imported.
    from jwst_mast_assets.defs.daemon_config import check_folder_is_set
    from jwst_mast_assets.records.archive_identity import open_archive
    from jwst_mast_assets.records.store import TableStore

    config = load_config()
    check_folder_is_set(config)
    open_archive(config.root)
    home = dagster_home()
    prepare_home(home)
    with home_in_use(home), records_in_use(TableStore(config.root).state):
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
        0 if it was interrupted, 128 and the number of the signal that ended it, 1 if Dagster ended by itself.

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
        _ended_by_signals() as received,
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
                runs, code = RunWatch(instance), CodeWatch(address_of(arguments.host, port))
                while process.poll() is None:
                    for line in itertools.chain(runs.lines(), code.lines()):
                        messages.event(line)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK)
                return _ended_by_itself(process, log, messages)
            except KeyboardInterrupt:
                with _without_terminal():
                    messages.info("\nStopping Dagster ... (Ctrl-C again stops it at once)")
        # So that the next start need not find out whether this daemon is still there.
        instance.wipe_daemon_heartbeats()
        ended = end_lost_runs(
            instance, "jwst-mast serve was stopped; this run is retried when it starts again.", dt.timedelta()
        )
        more = f" {len(ended)} run(s) were interrupted; they resume at the next start." if ended else ""
        with _without_terminal():
            messages.info(f"Stopped.{more}")
        return 128 + received[0] if received else 0


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

    Attributes
    ----------
    last : deque of str
        Of the last lines those that may say why Dagster ended.
    ended : tuple, optional
        Which of Dagster's processes ended by itself, and its status.
    """

    def __init__(self, process: "subprocess.Popen[str]", path: Path, messages: Messages, verbose: bool) -> None:
        self.path, self.messages = path, messages
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.ended: tuple[str, int] | None = None
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
        if match := ENDED.search(text):
            self.ended = NAMES[match[1]], int(match[2])
        says_nothing = level in ("DEBUG", "INFO") or FROM_A_RUN.match(text) or SAYS_NOTHING.match(text)
        self.last.append("" if says_nothing else shown)
        if self._verbose:
            self.messages.info(shown)
        elif level in ("ERROR", "CRITICAL") and not says_nothing:
            what = ": ".join(text.strip().splitlines()[:2])
            self.messages.event(f"{what} (details: {self.path})", level="error")
        elif (match := WORTH_KNOWING.match(text)) and match[1] != self._told:
            self._told = match[1]
            self.messages.event(self._told)


def _parsed(line: str) -> tuple[str, str, str]:
    """Level, logger and text of a line; a line that is not Dagster's own has only text.

    An exception's text is in the lines after the first; Dagster logs no traceback as JSON.
    """
    try:
        entry = json.loads(line)
        text = "\n".join(filter(None, [entry["event"], _text_of_exception(entry.get("exc_info"))]))
        return entry["level"].upper(), entry["logger"], text
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", line


def _text_of_exception(info: object) -> str:
    """What an exception says, of which Dagster logs the representation: ``Exception('...')``."""
    if not isinstance(info, list) or len(info) < 2:
        return ""
    shown = str(info[1])
    match = re.fullmatch(r"\w+\((.+)\)", shown, re.DOTALL)
    try:
        said = ast.literal_eval(match[1]) if match else shown
        return str(said[0] if isinstance(said, tuple) else said).strip()
    except (ValueError, SyntaxError):
        return shown


def _answers(process: "subprocess.Popen[str]", host: str, port: int) -> bool:
    """Wait for the page; False if Dagster ended before it answered."""
    opener = local_opener()
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
    status = process.wait()
    log.finish()
    for line in filter(None, log.last):
        messages.error(line)
    # Its own status tells nothing then: it ends itself and all that it started by a signal.
    what = f"its {log.ended[0]} ended, status {log.ended[1]}" if log.ended else f"status {status}"
    messages.error(f"Dagster stopped unexpectedly ({what}); its output is in {log.path}")
    return 1


def _report_addresses(
    messages: Messages, instance: dg.DagsterInstance, root: Path, host: str, port: int, pages_url: str, log: Path
) -> None:
    from jwst_mast_assets.defs.watching import adopt_registered
    from jwst_mast_assets.records.instrument_watch import what_is_watched
    from jwst_mast_assets.records.store import TableStore
    from jwst_mast_assets.records.watched import WatchList

    config = load_config()
    adopt_registered(instance, store := TableStore(root))
    known = " ".join(WatchList(store).chosen(config))
    watched = " and ".join(filter(None, [known, what_is_watched(config)]))
    watched = watched or f"none yet; add one with: {suggest('proposals add 1138')}"
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
def _without_terminal() -> Iterator[None]:
    """Go on if the terminal is gone, as it is after most SIGHUPs."""
    try:
        yield
    except OSError:
        ignore_closed_pipe()


@contextmanager
def _ended_by_signals() -> Iterator[list[int]]:
    """Make the signals that end a process act as Ctrl-C; those that came are in the list.

    A signal that is ignored stays ignored: SIGHUP, under ``nohup``.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    caught = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in caught}
    try:
        yield received
    except KeyboardInterrupt:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
