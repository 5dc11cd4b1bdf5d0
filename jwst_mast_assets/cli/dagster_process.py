"""``dagster dev`` as a child process that never outlives the command that started it.

Run as a module it is that child: ``python -m dagster``, which is interrupted when its standard input ends. The system
ends that with the parent, however the parent died. Its code server and the runs under way end with it.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 60.0
"""Seconds for Dagster to stop its services; a few are normal, more on a busy machine."""

TIME_TO_END = 2.0
"""Seconds for whatever is left then, such as runs in progress, to end."""

WORKSPACE = """load_from:
  - python_module:
      module_name: jwst_mast_assets.definitions
      location_name: jwst_mast_assets
"""

WORKSPACE_OF_SERVER = """load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: jwst_mast_assets
"""
"""Where a code server of its own has the code."""


@contextmanager
def dagster_dev(
    home: Path, folder: Path, host: str, port: int, environment: dict[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """``dagster dev`` on a home; its output can be read from the process, which ends with the block.

    Parameters
    ----------
    home : Path
    folder : Path
        Where it runs. A file `.env` there adds to its environment.
    host : str
    port : int
        Of the web page.
    environment : dict
        Of Dagster and of all runs that it starts.
    """
    workspace = home / "jwst_mast_assets_workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    command = [sys.executable, "-u", "-m", __name__, "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    process = subprocess.Popen(
        [*command, "--log-format", "json"],
        cwd=folder,
        env={**environment, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C goes only to the command, which ends the child cleanly.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        if process.stdin:
            process.stdin.close()
        process.wait(PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        # A second Ctrl-C, or Dagster hangs.
        pass
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _interrupt_when_the_parent_is_gone() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Act as ``python -m dagster`` with the arguments given, for as long as the parent lives."""
    # A script's background job ignores Ctrl-C, and so would this and all that it starts. But here SIGINT comes from
    # the thread, and Dagster also ends at SIGTERM only where it would at SIGINT. A handler is not inherited; not to
    # ignore is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_when_the_parent_is_gone, daemon=True).start()
    try:
        runpy.run_module("dagster", run_name="__main__", alter_sys=True)
    finally:
        # The code server waits for runs in progress, and they wait for MAST; they are restarted next time.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        time.sleep(TIME_TO_END)
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
