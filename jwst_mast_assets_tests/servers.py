"""Servers from Debian's packages, on loopback and in a temporary folder, for tests of larger installations."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

POSTGRESQL = "PostgreSQL is not installed; get it with: apt-get install postgresql"
REDIS = "redis-server is not installed; get it with: apt-get install redis-server"


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database; the test is skipped where there is no PostgreSQL."""
    programs = _postgresql_programs()
    if programs is None:
        pytest.skip(POSTGRESQL)
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="jwst_postgresql_"))
    port = free_port()
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        _run([programs / "initdb", "-D", data, "-U", "jwst", "-A", "trust", "--no-sync"], user)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        options += " -c max_connections=300"
        _run([programs / "pg_ctl", "-D", data, "-w", "-t", "120", "-l", folder / "log", "-o", options, "start"], user)
        try:
            yield f"postgresql://jwst@127.0.0.1:{port}/postgres"
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """The address of an empty Redis; the test is skipped where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip(REDIS)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="jwst_redis_") as folder:
        server = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _answers(port), "redis-server answers")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 300.0) -> None:
    """Wait until a condition holds; time is generous, as the machine may be busy."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def quick_daemon(folder: Path) -> dict[str, str]:
    """Variables with which Dagster's daemon, started by any command, looks every few seconds, not every half minute.

    Dagster has no setting for this. Python runs a ``sitecustomize`` module that it finds before anything else.
    """
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(QUICK_DAEMON)
    return {"PYTHONPATH": str(folder), "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1"}


QUICK_DAEMON = """
import sys
if "dagster._daemon" in sys.orig_argv:
    from dagster._daemon import controller
    assert controller.DEFAULT_DAEMON_INTERVAL_SECONDS == 30
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 3
"""


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _postgresql_programs() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return folders[-1] if folders else None


def _run(command: list[str | Path], user: str | None) -> None:
    done = subprocess.run(
        command, user=user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr.decode()
