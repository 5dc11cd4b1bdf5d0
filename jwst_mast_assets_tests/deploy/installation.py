"""An installation of several processes, started by the commands that `deploy/` and the systemd units give."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from jwst_mast_assets.cli.service import units
from jwst_mast_assets_tests.servers import free_port, quick_daemon, wait_until

REPOSITORY = {"repositoryLocationName": "jwst_mast_assets", "repositoryName": "__repository__"}

CODE = "jwst-mast-code.service"

LAUNCH_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
LOCATION = """{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


class Installation:
    """Processes that end with the test.

    Parameters
    ----------
    folder : Path
        For their output, one file each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ""

    def start(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a process, in a group of its own."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONWARNINGS": "ignore", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_units(self, workspace_text: str) -> None:
        """Start what the systemd units start, and wait until the code is loaded."""
        port, code_port = free_port(), free_port()
        quick = quick_daemon(self.folder / "quick_daemon")
        workspace = self.folder / "workspace.yaml"
        workspace.write_text(workspace_text.format(port=code_port))
        self.url = f"http://127.0.0.1:{port}"
        environment = self.folder / "environment"
        for name, text in units(sys.executable, environment, workspace, port, code_port, "json").items():
            command = next(line for line in text.splitlines() if line.startswith("ExecStart="))
            self.start(name, shlex.split(command.removeprefix("ExecStart=")), quick)
            if name == CODE:
                wait_until(lambda: "Started Dagster code server" in self.log(CODE), "the code is served")
        wait_until(self._loaded, "the page has loaded the code")

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer of Dagster's page to a GraphQL query."""
        reply = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=120).json()
        assert "errors" not in reply, reply
        return next(iter(reply["data"].values()))

    def backfill(self, keys: list[str]) -> str:
        """Launch a backfill of the job jwst_download as its page does; returns its id."""
        params = {
            "partitionNames": keys,
            "selector": {"partitionSetName": "jwst_download_partition_set", "repositorySelector": REPOSITORY},
        }
        answer = self.ask(LAUNCH_BACKFILL, params=params)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]

    def kill(self, name: str) -> None:
        """End a process and its children at once, as a power cut does."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()

    def _loaded(self) -> bool:
        with suppress(requests.RequestException):
            entries = self.ask(LOCATION)["locationEntries"]
            return bool(entries) and entries[0]["loadStatus"] == "LOADED"
        return False


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Processes until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    installed = Installation(folder)
    try:
        yield installed
    finally:
        for name in list(installed.processes):
            installed.kill(name)
