"""Files without a checksum compared with MAST: by what its server says of them, by size, by their FITS sibling."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from jwst_mast_assets.downloads import Code, download, plan_download
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import comparisons, reprocessing
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.downloads.holdings import CAL, JPG, config_for, md5_of, products_for, small_catalogue

CELL = "2024-05-06|01138"
NOW = dt.datetime(2026, 1, 2, 5, tzinfo=dt.timezone.utc)


class Held:
    """Some files on disk, and looks at MAST one day after the other."""

    def __init__(self, embedded: EmbeddedArchive, root: Path, *names: str) -> None:
        self.embedded, self.config, self.store = embedded, config_for(root), TableStore(root)
        self.products = products_for(embedded, self.config, names).assign(cell=CELL)
        self.files = download(self.products, self.config, Archive(embedded.url))
        self.embedded.clear_requests()
        self.days = 0

    def look(self, files: pd.DataFrame | None = None) -> dict[str, str]:
        """Compare; the changed files by name, and by what it was seen."""
        self.days += 1
        found = comparisons.compare_with_mast(
            Archive(self.embedded.url),
            self.files if files is None else files,
            self.products,
            comparisons.read_compared(self.store),
            NOW + dt.timedelta(days=self.days),
        )
        comparisons.write_compared(self.store, found.compared)
        reprocessing.write_changes(self.store, found.changes)
        assert set(found.changes["kind"]) <= {"content"}
        return dict(zip(found.changes["productFilename"], found.changes["compared_by"], strict=True))

    @property
    def ways(self) -> dict[str, str | None]:
        table = comparisons.read_compared(self.store)
        return dict(
            zip(
                table["productFilename"],
                table["compared_by"].astype(object).where(table["compared_by"].notna(), None),
                strict=True,
            )
        )

    def update(self) -> dict[str, str]:
        """The run that the changes lead to: what became of each file."""
        archive = Archive(self.embedded.url)
        plan = plan_download(
            self.products, self.config, archive, self.files, outdated=reprocessing.outdated(self.store)
        )
        self.files = download(self.products, self.config, archive, self.files, plan=plan)
        return dict(zip(self.files["productFilename"], self.files["dl_str"], strict=True))

    def questions(self) -> list[str]:
        return [request.uri.rpartition("/")[2] for request in self.embedded.requests if request.method == "HEAD"]


@pytest.fixture
def embedded() -> Iterator[EmbeddedArchive]:
    with EmbeddedArchive(small_catalogue()) as archive:
        yield archive


def pool_of(embedded: EmbeddedArchive) -> str:
    return next(name for name in embedded.catalogue.files if name.endswith("_pool.csv"))


@pytest.fixture(params=["both", "etag", "last-modified"])
def signs(request: pytest.FixtureRequest, embedded: EmbeddedArchive) -> str:
    """What the server sends: ETag, Last-Modified, or both."""
    if request.param == "etag":
        embedded.faults.add(Fault("no-date"))
    if request.param == "last-modified":
        embedded.faults.add(Fault("etag"))
    return "etag" if request.param == "both" else request.param


def test_a_picture_and_a_pool_that_mast_made_again_are_noticed_and_fetched_once(
    signs: str, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    pool = pool_of(embedded)
    held = Held(embedded, tmp_path, CAL, JPG, pool)
    assert held.look() == {}
    assert held.ways == {CAL: "checksum", JPG: signs, pool: signs}
    embedded.reprocess([JPG, pool])
    assert held.look() == {JPG: signs, pool: signs}
    assert held.look() == {JPG: signs, pool: signs}
    assert held.update() == {CAL: "exists", JPG: "replaced", pool: "replaced"}
    assert md5_of(held.files.set_index("productFilename")["outfilename"][JPG]) == embedded.md5(JPG)
    assert held.look() == {}
    assert set(held.update().values()) == {"exists"}


def test_files_of_an_older_version_of_the_package_are_compared_by_the_date_on_disk(
    embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    held = Held(embedded, tmp_path, JPG)
    older = held.files.drop(columns=[*tables.ORIGIN_COLUMNS, "isStale"])
    assert held.look(older) == {}
    embedded.reprocess(JPG, when=held.files["mtime"].item() + 3600)
    assert held.look(older) == {JPG: "etag"}


def test_a_server_whose_etag_is_another_each_time_is_not_believed(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("etag", etag="changing"), Fault("no-date"))
    held = Held(embedded, tmp_path, JPG)
    assert held.look() == {}
    assert held.look() == {}


def test_without_signs_the_size_in_mast_s_list_tells(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    held = Held(embedded, tmp_path, JPG)
    embedded.faults.add(Fault("status", status=405, endpoint="download"))
    assert held.look() == {}
    assert held.ways == {JPG: "size"}
    held.products["size"] += 10
    assert held.look() == {JPG: "size"}


def test_without_signs_a_picture_follows_its_fits_file(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("etag"), Fault("no-date"))
    held = Held(embedded, tmp_path, CAL, JPG)
    embedded.reprocess(CAL)
    assert held.look() == {CAL: "checksum", JPG: "sibling"}
    # The picture's download fails at first: it stays outdated although its sibling is there.
    fault = embedded.faults.add(Fault("status", status=404, match=JPG))
    assert held.update() == {CAL: "replaced", JPG: "ERRORnotfound"}
    embedded.faults.remove(fault.id)
    assert held.update() == {CAL: "exists", JPG: "replaced"}
    assert held.look() == {}


def test_what_cannot_be_compared_is_said_not_to_be(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("status", status=405, endpoint="download", nth=2))
    held = Held(embedded, tmp_path, JPG)
    held.products["size"] = held.files["size"] = pd.Series([pd.NA], index=held.files.index, dtype="Int64")
    assert held.look() == {}
    assert held.ways == {JPG: None}
    assert comparisons.describe_ways(comparisons.read_compared(held.store)) == "1 not comparable"


def test_few_questions_a_look_the_doubtful_and_then_the_longest_waiting_first(
    embedded: EmbeddedArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "HEADS_PER_LOOK", 1)
    pool = pool_of(embedded)
    held = Held(embedded, tmp_path, CAL, JPG, pool)
    held.look()
    held.look()
    assert sorted(held.questions()) == sorted([JPG, pool])
    embedded.clear_requests()
    embedded.reprocess([CAL, JPG])
    assert held.look() == {CAL: "checksum", JPG: "etag"}
    assert held.look() == {CAL: "checksum", JPG: "etag"}
    assert held.questions() == [JPG, JPG, JPG, JPG]
    assert held.ways[pool] == "etag"


def test_a_server_that_does_not_answer_is_left_alone(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    held = Held(embedded, tmp_path, CAL, JPG)
    embedded.faults.add(Fault("status", status=503, endpoint="download"))
    assert held.look() == {}
    assert held.ways == {CAL: "checksum", JPG: "size"}


def test_status_counts_what_is_outdated_queued_and_not_comparable(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    held = Held(embedded, tmp_path, CAL, JPG)
    store_tables(held)
    embedded.catalogue.files[CAL].stale = True
    embedded.reprocess(JPG)
    held.look()
    row = status_of(held)
    assert (row["present"], row["stale"], row["queued"], row["not_comparable"]) == (1, 1, 1, 0)
    os.utime(held.files.set_index("productFilename")["outfilename"][JPG])
    embedded.faults.add(Fault("status", status=405, endpoint="download"))
    held.products["size"] = pd.Series(pd.NA, index=held.products.index, dtype="Int64")
    unsized = held.files[held.files["productFilename"] == JPG].assign(size=pd.NA, etag=pd.NA, last_modified=pd.NA)
    comparisons.write_compared(held.store, comparisons.read_compared(held.store).iloc[:0])
    held.look(unsized)
    assert status_of(held)["not_comparable"] == 1


def test_a_run_records_what_is_queued(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.catalogue.files[CAL].stale = True
    held = Held(embedded, tmp_path, CAL, JPG)
    store_tables(held)
    assert status_of(held)["queued"] == 1
    assert held.files.set_index("productFilename")["dl_code"].to_dict() == {CAL: Code.DOWNLOADED, JPG: Code.DOWNLOADED}


def store_tables(held: Held) -> None:
    """What a run leaves in the output folder."""
    cells = [Cell.from_key(CELL)]
    held.store.write("product_table", tables.conform(held.products, tables.PRODUCT_TABLE), cells)
    held.store.write("downloaded_files", held.files, cells)


def status_of(held: Held) -> dict:
    config = Config.from_mapping(held.config.model_dump(exclude_unset=True))
    return status(held.store, ["01138"], config, NOW).to_dict("records")[0]
