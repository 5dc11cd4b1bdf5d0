"""How often a command lists folders, reads tables, checks its configuration and asks MAST: the same on any machine."""

import gc
import math
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from jwst_mast_assets.cli.original import download_main
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast import adaptive
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.records import files, history, holdings, reprocessing, table_places

ONE_DAY = ["--propID", "1138", "--date_select", "2022-04-10T00:00:00", "2022-04-10T23:59:59"]
ONE_DAY += ["--filetypes", "_rate.jpg", "_uncal.fits", "--makewebpages", "--yes"]


class Operations:
    """What this process did while it was watched."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.listed: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()
        self.parquet_reads: list[str] = []
        self.configurations = self.reports = 0
        sys.addaudithook(self._note)

    def watch(self, root: Path | None) -> None:
        """Start again, for an output folder; None stops."""
        self.root = root
        self.listed.clear()
        self.opened.clear()
        self.parquet_reads.clear()
        self.configurations = self.reports = 0

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.root is None or event not in ("open", "os.listdir", "os.scandir"):
            return
        path = str(arguments[0])
        if path.startswith(f"{self.root}/") and "/." not in path:
            (self.opened if event == "open" else self.listed)[path.removeprefix(f"{self.root}/")] += 1


@pytest.fixture(scope="module")
def counter() -> Operations:
    """One for all tests: an audit hook stays for the life of the process."""
    return Operations()


@pytest.fixture
def operations(counter: Operations, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operations]:
    """Counts, without changing what is done."""

    def counted(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(path: Path, *rest: Any) -> Any:
            counter.parquet_reads.append("/".join(path.parts[-3:]))
            return read(path, *rest)

        return reading

    read = counted(files.read_parquet)
    for module in (history, reprocessing, table_places):
        monkeypatch.setattr(module, "read_parquet", read)
    make_reports = holdings.make_reports

    def made_reports(*arguments: Any) -> Any:
        counter.reports += 1
        return make_reports(*arguments)

    monkeypatch.setattr(holdings, "make_reports", made_reports)
    checked = Config.from_mapping.__func__  # pyright: ignore[reportFunctionMemberAccess]

    def from_mapping(cls: type[Config], *arguments: Any) -> Config:
        counter.configurations += 1
        return checked(cls, *arguments)

    monkeypatch.setattr(Config, "from_mapping", classmethod(from_mapping))
    yield counter
    counter.watch(None)


def run(operations: Operations, archive: EmbeddedArchive, root: Path) -> Counter[str]:
    """One command under watch; returns the requests that MAST got, by service or endpoint."""
    archive.clear_requests()
    operations.watch(root)
    assert download_main(ONE_DAY) == 0
    return Counter(request.service or request.endpoint for request in archive.requests)


def test_a_command_of_one_partition_does_each_thing_once(
    operations: Operations, archive: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    page = root / "01138" / "index.html"
    for first in (True, False):
        made = None if first else page.stat().st_mtime_ns
        asked = run(operations, archive, root)
        assert {"01138/obsnum04", "01138/obsnum05"} <= operations.listed.keys()
        assert operations.listed == dict.fromkeys(operations.listed, 1)
        # What the command itself wrote is not read again, except for the history, which the page of all proposals
        # needs; of an earlier one each table is read once.
        assert len(operations.parquet_reads) == len(set(operations.parquet_reads)) == (1 if first else 4)
        # That of the command, and the one of those who watch, which its ledger is for.
        assert operations.configurations == 2
        # Those of the call before and after its downloads, and those of the proposal for its tables and its page.
        assert operations.reports == 3
        assert asked["Mast.Caom.Filtered"] == asked["Mast.Jwst.Filtered.Nircam"] == 1
        batches = [request.params["obsid"] for request in archive.requests if request.service == "Mast.Caom.Products"]
        assert len(batches) == len(set(batches)) > 0
        assert asked["download"] == (60 if first else 0)
        with dg.DagsterInstance.get() as instance:
            # Nobody is asked in between, so listing and downloading are one run.
            assert instance.get_runs_count() == (1 if first else 2)
        if first:
            assert operations.opened["01138/obsnum05/jw01138005001_02101_00001_nrca1_uncal.fits"] == 1
    # The tables for people would be the same, and no file of the user's is read.
    assert not operations.opened
    assert page.stat().st_mtime_ns == made


def test_a_command_with_nothing_to_do_fetches_nothing_and_leaves_every_table_and_page(
    operations: Operations, archive: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    # The second run notes that the files were there already; from then on there is nothing new to say.
    for _ in range(2):
        run(operations, archive, root)
    before = written(root)
    asked = run(operations, archive, root)
    assert asked["download"] == 0
    assert set(operations.listed.values()) == {1}
    assert before == written(root)


def written(root: Path) -> dict[str, int]:
    """When each file was written, except the ledger's, which says when a run looked, and the locks."""
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and path.parent.name not in ("ledger", "locks", "limits")
    }


@pytest.mark.parametrize(("observations", "most"), [(8, 1), (100, 8), (400, 16)])
def test_a_listing_takes_few_requests_for_many_observations(
    observations: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is.
    monkeypatch.setattr(adaptive, "FEW_SECONDS", math.inf)
    catalogue = Catalogue()
    settings = {"listed": "exposures", "guide_stars": False, "suffixes": ("uncal.fits",)}
    obsids = catalogue.add_observation(1138, 1, 60000.0, ("a1",), exposures=observations, **settings)
    with EmbeddedArchive(catalogue) as mast:
        found = Archive(mast.url).products(obsids)
        batches = [len(request.params["obsid"].split(",")) for request in mast.requests]
    assert found["parent_obsid"].unique().tolist() == obsids
    assert sum(batches) == observations
    assert batches[0] <= adaptive.FIRST_SIZE
    assert len(batches) <= most


def test_products_that_were_requested_ahead_are_handed_out_once() -> None:
    catalogue = Catalogue()
    obsids = catalogue.add_observation(1138, 1, 60000.0, ("a1",), exposures=4, listed="exposures")
    with EmbeddedArchive(catalogue) as mast:
        archive = Archive(mast.url)
        archive.request_products(obsids)
        parts = [archive.products(obsids[:1]), archive.products(obsids[1:])]
        assert [part["parent_obsid"].unique().tolist() for part in parts] == [obsids[:1], obsids[1:]]
        assert len(mast.requests) == 1
        # Who asks again doubts the first answer.
        assert archive.products(obsids[:1])["dataURI"].tolist() == parts[0]["dataURI"].tolist()
        assert len(mast.requests) == 2


def test_mast_is_asked_before_dagster_is_imported() -> None:
    program = "import sys, jwst_mast_assets.cli.asking; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_answer_of_mast_leaves_the_memory_as_soon_as_its_table_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[weakref.ref[requests.Response]] = []
    send = requests.Session.send

    def sent(session: requests.Session, *arguments: Any, **options: Any) -> requests.Response:
        response = send(session, *arguments, **options)
        answers.append(weakref.ref(response))
        return response

    monkeypatch.setattr(requests.Session, "send", sent)
    catalogue = Catalogue()
    obsids = catalogue.add_observation(1138, 1, 60000.0, ("a1",), exposures=4, listed="exposures")
    with EmbeddedArchive(catalogue) as mast:
        gc.disable()
        try:
            assert len(Archive(mast.url, max_queries=1).products(obsids))
            assert [answer() for answer in answers] == [None] * len(answers) != []
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("jwst_mast_assets.cli.main:main", ["--help"]),
        ("jwst_mast_assets.cli.main:main", ["--version"]),
        ("jwst_mast_assets.cli.main:main", ["stauts"]),
        ("jwst_mast_assets.cli.original:download_main", ["--help"]),
        ("jwst_mast_assets.cli.original:download_main", ["--sac", "a1"]),
        ("jwst_mast_assets.cli.original:query_main", ["--version"]),
    ],
)
def test_help_and_usage_errors_import_no_large_library(module: str, arguments: list[str]) -> None:
    assert imported(module, arguments) & {*HEAVY, "pandas", "pyarrow", "requests"} == set()


@pytest.mark.parametrize("command", ["status", "calendar"])
def test_looking_at_the_records_imports_neither_dagster_nor_astronomy(command: str, tmp_path: Path) -> None:
    assert imported("jwst_mast_assets.cli.main:main", [command, "--outrootdir", str(tmp_path)]) & HEAVY == set()


HEAVY = {"dagster", "sqlalchemy", "astropy", "astroquery"}


def imported(function: str, arguments: list[str]) -> set[str]:
    """The top-level modules that a command has imported when it ends, in a process of its own."""
    module, name = function.split(":")
    program = (
        f"import atexit, sys; atexit.register(lambda: print('MODULES', *{{m.split('.')[0] for m in sys.modules}})); "
        f"from {module} import {name}; {name}({arguments!r})"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return set(result.stdout.rpartition("MODULES ")[2].split())
