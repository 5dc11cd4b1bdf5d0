"""The commands, called in this process."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jwst_mast_assets.cli.original import download_main, query_main
from jwst_mast_assets.embedded_archive import EmbeddedArchive


@dataclass
class Outcome:
    """What a call of a command came to."""

    status: int
    out: str
    err: str


@dataclass
class CommandLine:
    """Calls the commands with an output folder of the test's own."""

    root: Path
    capture: pytest.CaptureFixture[str]

    def download(self, *argv: str) -> Outcome:
        return self._call(download_main, argv)

    def query(self, *argv: str) -> Outcome:
        return self._call(query_main, argv)

    def files(self) -> set[str]:
        """Paths below the output folder of all that a person looks for there: data, pages, tables; no thumbnails."""
        found = {path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()}
        kinds = (".fits", ".jpg", ".html", ".txt", ".ecsv")
        return {
            str(path)
            for path in found
            if path.suffix in kinds and not path.parts[0].startswith(".") and not path.name.endswith(".TN.jpg")
        }

    def data(self) -> set[str]:
        """Names of the FITS files and JPEGs that are there."""
        return {Path(path).name for path in self.files() if path.endswith((".fits", ".jpg"))}

    def _call(self, main: Callable[[tuple[str, ...]], int], argv: tuple[str, ...]) -> Outcome:
        try:
            status = main(argv)
        except SystemExit as error:
            status = int(error.code or 0)
        captured = self.capture.readouterr()
        return Outcome(status, captured.out, captured.err)


@pytest.fixture(scope="session")
def todays_archive() -> Iterator[EmbeddedArchive]:
    """An archive with observations of the last hours and days, for look-backs; do not change its holdings."""
    with EmbeddedArchive() as archive:
        yield archive


@pytest.fixture
def today(todays_archive: EmbeddedArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedArchive]:
    """That archive, as $MAST_SERVER, without faults and with an empty request log."""
    todays_archive.faults.clear()
    todays_archive.clear_requests()
    monkeypatch.setenv("MAST_SERVER", todays_archive.url)
    yield todays_archive
    todays_archive.faults.clear()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The commands, with an instance and an output folder of the test's own and nobody to answer questions."""
    root, home = tmp_path / "data", tmp_path / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return CommandLine(root, capsys)
