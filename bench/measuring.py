"""Whole processes, measured: seconds, peak memory, and the archive that they talk to."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PRIVATE = ("JWST", "MAST", "DAGSTER", "PYTHON", "VIRTUAL_ENV")
"""Beginnings of the variables that a measured process does not inherit."""


class Measured(NamedTuple):
    """What a process took."""

    seconds: float
    processor: float
    """Seconds of the processor, which depend less on what else the machine does."""
    megabytes: float
    """Peak resident memory."""
    printed: str


def run(command: Sequence[str], given: Mapping[str, str], statuses: Sequence[int] = (0,)) -> Measured:
    """Run a process to its end. Raises RuntimeError if its exit status is not one of `statuses`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)} | dict(given)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as answers:
        answers.write(b"y\n")
        answers.seek(0)
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdin=answers, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode not in statuses:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}:\n{printed[-3000:]}")
    return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed)


class ArchiveProcess:
    """An archive of bench/archive_process.py."""

    def __init__(self, url: str) -> None:
        self.url = url

    def be(self, delay: float = 0.0, rate: float | None = None) -> None:
        """Wait `delay` seconds before each answer, and send at most `rate` bytes a second on each connection."""
        self._control("DELETE", "faults")
        for endpoint in ("invoke", "columnsconfig", "download", "path_lookup") if delay or rate else ():
            self._control("POST", "faults", {"kind": "slow", "endpoint": endpoint, "seconds": delay, "rate": rate})

    def asked(self) -> Counter[str]:
        """The requests since the last call, by endpoint or service."""
        requests = self._control("GET", "requests")
        self._control("DELETE", "requests")
        return Counter(request["service"] or request["endpoint"] for request in requests)

    def _control(self, method: str, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_archive/{what}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)


@contextmanager
def archive_process(program: str, scale: float = 1.0) -> Iterator[ArchiveProcess]:
    """An archive with a program of bench/archive_process.py, in a process of its own."""
    command = [sys.executable, str(HERE / "archive_process.py"), program, str(scale)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield ArchiveProcess(process.stdout.readline().strip())
    finally:
        process.communicate()
