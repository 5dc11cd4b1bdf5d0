"""Ctrl-C and SIGTERM: the first ends a command cleanly, the second at once."""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

CAUGHT = (signal.SIGINT, signal.SIGTERM)

PATIENCE = 1.0
"""Seconds that the second Ctrl-C waits for Dagster to record it, and that an interrupted command waits at its end for
threads that wait for the network."""


class Interrupts:
    """Turns the first signal into a ``KeyboardInterrupt`` and a canceled run; ends the process at the second.

    Dagster installs its own handlers while it runs a step, and treats a run whose process is interrupted as failed,
    unless it was marked as being canceled before. So a thread is notified of signals in addition to the handlers.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._run: tuple[dg.DagsterInstance, str] | None = None
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> int:
        """Exit status of a command that was interrupted: 130 after Ctrl-C."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self) -> "Interrupts":
        # Signals can only be handled there. One that is ignored, as in a script's background job, stays ignored.
        if threading.current_thread() is threading.main_thread():
            caught = [number for number in CAUGHT if signal.getsignal(number) != signal.SIG_IGN]
            self._handlers = {number: signal.signal(number, signal.default_int_handler) for number in caught}
            self._reader, self._writer = socket.socketpair()
            self._writer.setblocking(False)
            self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._thread = threading.Thread(target=self._watch, name="interrupts", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            signal.set_wakeup_fd(self._wakeup)
            self._writer.close()
            self._thread.join()
            self._reader.close()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            if self.received:
                # While the interpreter exits; otherwise Python would print its own traceback.
                atexit.register(signal.signal, signal.SIGINT, lambda _number, _frame: os._exit(self.status))
                # Python would wait for threads with a stalled connection until download_timeout.
                threading.Thread(target=self._end_soon, daemon=True).start()

    @contextlib.contextmanager
    def canceling(self, instance: "dg.DagsterInstance", run_id: str) -> Iterator[None]:
        """While a run is in progress: an interruption leaves it canceled, not failed or started.

        Raises
        ------
        KeyboardInterrupt
            At the end, if it was interrupted.
        """

        def mark(entry: "dg.EventLogEntry") -> None:
            event = entry.dagster_event
            if event and event.is_step_failure and event.step_failure_data.error_source.value == "INTERRUPT":
                _mark_canceling(instance, run_id)

        self._run = instance, run_id
        instance.add_event_listener(run_id, mark)
        try:
            yield
        finally:
            self._run = None
            if self.received:
                _mark_canceled(instance, run_id)
        if self.received:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        while numbers := self._reader.recv(16):
            for number in numbers:
                if number not in self._handlers:
                    continue
                if self.received:
                    self._end_at_once()
                self.received = signal.Signals(number)

    def _end_soon(self) -> None:
        time.sleep(PATIENCE)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(self.status)

    def _end_at_once(self) -> None:
        if self._run:
            marking = threading.Thread(target=_mark_canceled, args=self._run, daemon=True)
            marking.start()
            marking.join(PATIENCE)
        os._exit(self.status)


def _mark_canceling(instance: "dg.DagsterInstance", run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceling(run)


def _mark_canceled(instance: "dg.DagsterInstance", run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status.value not in ("SUCCESS", "CANCELED"):
        instance.report_run_canceled(run)
