"""What changes in MAST beside the bytes of files: days, numbers, names, lists. Each file stays once, where it is."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, living
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.tables import as_dicts
from jwst_mast_assets.records.history import diff, manifest_at, read_history
from jwst_mast_assets.records.holdings import read_proposal
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.defs.running import carry_out, execute, messages, reasons, watch_only

FIRST, SECOND = "jw03001001001_02101_00001_nrca1", "jw03001002001_02101_00001_nrca1"
DAY, NEXT_DAY = "2022-05-01|03001", "2022-05-02|03001"


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedArchive]:
    """Two observations of one day."""
    catalogue = Catalogue()
    for obsnum in (1, 2):
        catalogue.add_observation(3001, obsnum, 59700.1 + obsnum / 10, ["a1"], guide_stars=False)
    with EmbeddedArchive(catalogue) as archive:
        monkeypatch.setenv("MAST_SERVER", archive.url)
        yield archive


class Living:
    """The sensor and its runs over months, by a clock that is turned."""

    def __init__(self, instance: dg.DagsterInstance, root: Path, clock: time_machine.Traveller) -> None:
        self.instance, self.root, self.store, self.clock = instance, root, TableStore(root), clock
        self.cursor: str | None = None
        definitions = build_defs()
        self._repository = definitions.get_repository_def()
        (self._sensor,) = [sensor for sensor in definitions.sensors or [] if sensor.name == "new_observations"]
        self._resources = dict(definitions.resources or {})

    def wait(self, days: float) -> None:
        self.clock.shift(dt.timedelta(days=days))

    def tick(self) -> Any:
        """The next look."""
        self.wait(10 / 1440)
        with dg.build_sensor_context(
            instance=self.instance, repository_def=self._repository, resources=self._resources, cursor=self.cursor
        ) as context:
            result = self._sensor(context)
            self.cursor = context.cursor
        return result

    def look(self) -> dict[str, str]:
        """The next look, and its runs: why each day was requested."""
        result = self.tick()
        if isinstance(result, dg.SkipReason):
            return {}
        assert [sentence for run in carry_out(self.instance, result) for sentence in messages(run)] == []
        return reasons(result)

    def daily_check(self) -> None:
        """The daily comparison of all files with MAST."""
        assert execute(self.instance, "jwst_reprocessing").success

    def observations(self, proposal: str = "03001") -> Any:
        return read_proposal(Snapshot(load_config()), proposal).observations

    def status(self, *proposals: str) -> dict[str, Any]:
        (row,) = as_dicts(status(self.store, proposals or ["03001"], load_config(), utc_now()))
        return row

    def history(self, proposal: str = "03001") -> dict[str, list[str]]:
        events = read_history(self.store, proposal)
        return {str(name): list(rows["event"]) for name, rows in events.groupby("productFilename")}

    def words(self, proposal: str = "03001") -> dict[str, str]:
        """What the manifest says of each file."""
        held = manifest_at(read_history(self.store, proposal))
        return dict(zip(held["productFilename"], held["status"], strict=True))

    def files(self) -> dict[str, float]:
        return {path.name: path.stat().st_mtime_ns for path in self.root.rglob("*.fits")}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time, of this process and so of the archive and of Dagster's records."""
    with time_machine.travel(dt.datetime.now(dt.timezone.utc), tick=True) as clock:
        yield clock


@pytest.fixture
def living_daemon(archive, instance, tmp_path, monkeypatch, clock) -> Living:
    """Both observations were downloaded."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "03001")
    daemon = Living(instance, tmp_path / "data", clock)
    daemon.look()
    assert len(daemon.files()) == 2
    archive.clear_requests()
    return daemon


def downloads(archive: EmbeddedArchive) -> list[str]:
    return [request.path for request in archive.requests if request.endpoint == "download" and request.method == "GET"]


def test_an_observation_whose_date_moved_stands_once_under_its_new_day_with_its_files_where_they_are(
    archive, living_daemon
):
    before = living_daemon.files()
    living.move_observation(archive.catalogue, FIRST, 1.0)
    assert NEXT_DAY in living_daemon.look()
    table = living_daemon.observations()
    assert dict(zip(table["obs_id"], table["cell"], strict=True)) == {FIRST: NEXT_DAY, SECOND: DAY}
    assert living_daemon.files() == before
    assert downloads(archive) == []
    state = living_daemon.status()
    assert (state["observations"], state["files"], state["present"]) == (2, 2, 2)
    assert set(map(tuple, living_daemon.history().values())) == {("downloaded",)}
    assert living_daemon.look() == {}
    assert "fewer" not in (living_daemon.tick().skip_message or "")


def test_a_stale_row_of_an_emptied_day_does_not_win(archive, living_daemon):
    for name in (FIRST, SECOND):
        living.move_observation(archive.catalogue, name, 1.0)
    living_daemon.look()
    assert list(living_daemon.observations()["cell"]) == [NEXT_DAY, NEXT_DAY]
    # And back: the newest answer is again the one that counts.
    for name in (FIRST, SECOND):
        living.move_observation(archive.catalogue, name, -1.0)
    living_daemon.look()
    assert list(living_daemon.observations()["cell"]) == [DAY, DAY]
    assert downloads(archive) == []
    assert living_daemon.look() == {}


def test_an_observation_that_gets_another_number_is_the_same_with_the_same_files(archive, living_daemon):
    before = living_daemon.files()
    living.renumber_observation(archive.catalogue, FIRST, 777_777)
    assert living_daemon.look() == {DAY: "observations changed"}
    table = living_daemon.observations()
    assert dict(zip(table["obs_id"], table["obsid"], strict=True))[FIRST] == 777_777
    assert len(table) == 2
    assert living_daemon.files() == before
    assert downloads(archive) == []
    assert set(map(tuple, living_daemon.history().values())) == {("downloaded",)}
    state = living_daemon.status()
    assert (state["observations"], state["files"], state["present"]) == (2, 2, 2)
    assert living_daemon.look() == {}


def test_the_files_of_a_renamed_observation_are_fetched_and_the_old_ones_kept_and_reported(
    archive, living_daemon, capsys
):
    renamed = living.rename_observation(archive.catalogue, FIRST, FIRST.replace("_02101_", "_04101_"))
    new, old = f"{FIRST.replace('_02101_', '_04101_')}_uncal.fits", f"{FIRST}_uncal.fits"
    assert new in renamed
    # The row is dated long ago, so its products are listed again once in thirty days.
    living_daemon.wait(31)
    assert living_daemon.look() == {DAY: "1 new file of known observations, 9 files no longer listed"}
    assert {new, old} <= living_daemon.files().keys()
    assert set(living_daemon.observations()["obs_id"]) == {FIRST.replace("_02101_", "_04101_"), SECOND}
    for _ in range(4):
        living_daemon.wait(31)
        living_daemon.look()
        living_daemon.daily_check()
    assert living_daemon.words()[old] == "gone"
    assert living_daemon.words()[new] == "present"
    state = living_daemon.status()
    assert (state["files"], state["present"], state["gone"], state["missing"]) == (3, 2, 1, 0)
    shown = _printed(capsys, "status", "--check", "--details")
    assert f"gone:\n  03001/obsnum01/{old}\n" in f"{shown}\n"
    assert (living_daemon.root / "03001" / "obsnum01" / old).exists()


def test_a_file_that_is_listed_again_after_it_was_gone_is_current_again(archive, living_daemon):
    name = f"{FIRST}_uncal.fits"
    rows = living.withdraw(archive.catalogue, [name])
    for _ in range(5):
        living_daemon.wait(31)
        living_daemon.look()
        living_daemon.daily_check()
    assert living_daemon.words()[name] == "gone"
    assert (living_daemon.status()["present"], living_daemon.status()["gone"]) == (1, 1)
    living.list_again(archive.catalogue, rows)
    living_daemon.wait(31)
    gone_until = utc_now()
    living_daemon.look()
    # The run has seen it; no daily check since.
    assert living_daemon.words()[name] == "present"
    assert (living_daemon.status()["present"], living_daemon.status()["gone"]) == (2, 0)
    assert living_daemon.history()[name][-1] == "current"
    assert diff(read_history(living_daemon.store, "03001"), gone_until, utc_now()).empty
    assert len(read_proposal(Snapshot(load_config()), "03001").changes) == 0
    assert downloads(archive) == []
    before = living_daemon.history()
    living_daemon.daily_check()
    assert living_daemon.words()[name] == "present"
    assert living_daemon.history() == before


def test_a_file_that_observations_of_two_days_list_is_news_for_neither_once_it_is_there(archive, living_daemon):
    catalogue, shared = archive.catalogue, "jw03001-c1001_t001_nircam_clear-f200w_uncal.fits"
    other = catalogue.add_observation(3001, 3, 59711.2, ["a1"], guide_stars=False)[0]
    living.add_product(catalogue, f"{FIRST}_uncal.fits", shared)
    (row,) = [row for rows in catalogue._products.values() for row in rows if row["productFilename"] == shared]
    catalogue._products[other].append({**row, "parent_obsid": other})
    living_daemon.look()
    living_daemon.wait(31)
    assert living_daemon.look() == {DAY: "1 new file of known observations"}
    assert [request.uri for request in archive.requests if request.endpoint == "download"].count(row["dataURI"]) == 1
    for _ in range(2):
        archive.clear_requests()
        living_daemon.wait(31)
        assert living_daemon.look() == {}
        assert [request for request in archive.requests if request.service == "Mast.Caom.Products"]
        living_daemon.daily_check()
        assert living_daemon.look() == {}
    assert living_daemon.status()["present"] == 4


def test_an_observation_that_vanishes_with_its_day_is_gone_in_the_end_and_its_files_stay(archive, living_daemon):
    archive.catalogue.add_observation(3001, 3, 59710.2, ["a1"], guide_stars=False)
    living_daemon.look()
    rows = archive.catalogue.observations
    rows[:] = [row for row in rows if row["obs_id"] not in (FIRST, SECOND)]
    assert living_daemon.look() == {DAY: "no observation listed any more"}
    for _ in range(12):
        living_daemon.wait(3)
        living_daemon.look()
    living_daemon.daily_check()
    assert set(living_daemon.observations()["obsnum"]) == {3}
    assert sorted(living_daemon.words().values()) == ["gone", "gone", "present"]
    assert len(living_daemon.files()) == 3
    assert living_daemon.look() == {}


def test_the_status_counts_the_days_that_mast_has_and_no_run_has_asked_for(archive, living_daemon):
    assert living_daemon.status()["days_to_come"] == 0
    archive.catalogue.add_observation(3001, 3, 59710.2, ["a1"], guide_stars=False)
    requested = living_daemon.tick()
    assert (living_daemon.status()["present"], living_daemon.status()["days_to_come"]) == (2, 1)
    living_daemon.wait(0.001)
    carry_out(living_daemon.instance, requested)
    assert (living_daemon.status()["present"], living_daemon.status()["days_to_come"]) == (3, 0)
    living.add_product(archive.catalogue, f"{FIRST}_uncal.fits", f"{FIRST}_extra_uncal.fits")
    living_daemon.wait(31)
    living_daemon.tick()
    assert living_daemon.status()["days_to_come"] == 1


def test_a_list_that_is_whole_again_is_the_reason_for_the_next_run(archive, living_daemon):
    rows = archive.catalogue.observations
    kept = list(rows)
    rows[:] = [row for row in rows if row["obs_id"] != FIRST]
    assert living_daemon.look() == {DAY: "only 1 of 2 observations listed"}
    rows[:] = kept
    living_daemon.wait(1)
    assert living_daemon.look() == {DAY: "MAST's lists were incomplete"}
    assert living_daemon.look() == {}


def test_a_new_file_is_fetched_at_once_if_anything_about_its_observation_changed(archive, living_daemon):
    late = f"{FIRST}_extra_uncal.fits"
    living.add_product(archive.catalogue, f"{FIRST}_uncal.fits", late)
    living.move_observation(archive.catalogue, FIRST, 0.001)
    assert living_daemon.look() == {DAY: "observations changed"}
    assert late in living_daemon.files()
    assert len(downloads(archive)) == 1


def test_a_new_file_of_level_3_alone_is_found(archive, instance, tmp_path, monkeypatch, clock):
    archive.catalogue.add_observation(3002, 1, 59710.2, ["a1"], listed="level3", guide_stars=False)
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    (tmp_path / "my.cfg").write_text("filetypes: [i2d, segm]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    like = next(name for name in archive.catalogue.files if name.startswith("jw03002") and "_t001_" in name and
                name.endswith("_i2d.fits"))  # fmt: skip
    late = like.replace("_i2d.fits", "_segm.fits")
    archive.catalogue.files.pop(late, None)
    living.withdraw(archive.catalogue, [late])
    watch_only(tmp_path / "data", "03002")
    daemon = Living(instance, tmp_path / "data", clock)
    daemon.look()
    living.add_product(archive.catalogue, like, late)
    daemon.wait(31)
    assert daemon.look() == {"2022-05-11|03002": "1 new file of known observations"}
    assert late in daemon.files()


def test_a_file_of_two_watched_proposals_is_fetched_once_and_stands_in_the_records_of_both(
    archive, instance, tmp_path, monkeypatch, clock
):
    archive.catalogue.add_observation(3002, 1, 59710.2, ["a1"], guide_stars=False)
    shared = f"{FIRST}_uncal.fits"
    products = archive.catalogue._products
    first = living.observation_of(archive.catalogue, FIRST)["obsid"]
    other = next(row["obsid"] for row in archive.catalogue.observations if row["obs_id"].startswith("jw03002"))
    rows = [row for row in products[first] if row["productFilename"] == shared]
    products[other] += [{**row, "parent_obsid": other} for row in rows]
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "03001", "03002")
    daemon = Living(instance, tmp_path / "data", clock)
    daemon.look()
    fetched = [request for request in archive.requests if request.endpoint == "download" and request.method == "GET"]
    assert [shared in f"{request.to_dict()}" for request in fetched].count(True) == 1
    assert [path.name for path in tmp_path.rglob("*.fits")].count(shared) == 1
    for proposal, number in (("03001", 2), ("03002", 2)):
        state = daemon.status(proposal)
        assert (state["files"], state["present"]) == (number, number), proposal
        assert daemon.words(proposal)[shared] == "present"
    daemon.daily_check()
    assert daemon.look() == {}


def test_a_proposal_that_is_no_longer_watched_keeps_its_files_and_gets_nothing_new(archive, living_daemon, capsys):
    archive.catalogue.add_observation(3002, 1, 59710.2, ["a1"], guide_stars=False)
    watch_only(living_daemon.root, "03002")
    living_daemon.look()
    before = living_daemon.files()
    assert len(before) == 3
    archive.clear_requests()
    archive.catalogue.add_observation(3001, 3, 59700.7, ["a1"], guide_stars=False)
    archive.catalogue.reprocess(lambda name: name.startswith("jw03001"))
    living_daemon.daily_check()
    living_daemon.wait(31)
    assert living_daemon.look() == {}
    assert living_daemon.files() == before
    assert downloads(archive) == []
    shown = _printed(capsys, "status")
    assert "recorded but not watched: 03001" in shown
    assert "status --all" in shown
    assert len(re.findall(r"^ *03001 +2 ", shown, re.MULTILINE)) == 0
    assert re.search(r"^ *03001 +2 +2 ", _printed(capsys, "status", "--all"), re.MULTILINE)


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    from jwst_mast_assets.cli.main import main

    capsys.readouterr()
    assert main(list(arguments)) == 0
    return capsys.readouterr().out
