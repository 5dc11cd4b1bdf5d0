"""The sensor with more proposals than MAST can list in one tick."""

import datetime as dt
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import sensors
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.records import pace
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.pace import Pace, Rotation
from jwst_mast_assets.records.status import status
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets_tests.defs.running import watch_only

PROPOSALS = [f"{number:05d}" for number in range(3000, 3040)]
OBSERVATIONS = 25
SLACK = 5.0
"""Seconds that a slow machine may take for what a tick does besides waiting for MAST."""
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


@pytest.fixture(scope="module")
def many() -> Iterator[EmbeddedArchive]:
    """An archive with forty proposals of one day each."""
    importlib.import_module("astroquery.mast")  # takes a slow machine longer than the first tick has
    catalogue = Catalogue()
    template = Catalogue.default().observations[0]
    for proposal in PROPOSALS:
        for number in range(OBSERVATIONS):
            name = f"jw{proposal}001001_02101_{number + 1:05d}_nrca1"
            own = {"obsid": len(catalogue.observations) + 1, "obs_id": name, "proposal_id": proposal.lstrip("0")}
            catalogue.observations.append({**template, **own, "t_min": 60000.5 + number / 1000})
    with EmbeddedArchive(catalogue) as archive:
        yield archive


class Daemon:
    """Ticks of the sensor, a minute from one to the next, each with the cursor of the one before."""

    def __init__(self, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, root: Any) -> None:
        self.instance, self.ledger = instance, Ledger(TableStore(root))
        self.now, self.cursor = START, None
        self.seconds: list[float] = []
        monkeypatch.setattr(sensors, "utc_now", lambda: self.now)
        definitions = build_defs()
        self._repository = definitions.get_repository_def()
        (self._sensor,) = [sensor for sensor in definitions.sensors or [] if sensor.name == "new_observations"]
        self._resources = dict(definitions.resources or {})

    def tick(self) -> Any:
        begun = time.monotonic()
        with dg.build_sensor_context(
            instance=self.instance, repository_def=self._repository, resources=self._resources, cursor=self.cursor
        ) as context:
            result = self._sensor(context)
            self.cursor = context.cursor
        self.seconds.append(time.monotonic() - begun)
        self.now += dt.timedelta(minutes=1)
        return result

    def tick_until(self, condition: Callable[[], bool], limit: int = 60) -> int:
        """Tick at the pace of this machine until something is true; returns the number of ticks."""
        for ticks in range(limit):
            if condition():
                return ticks
            self.tick()
        raise AssertionError(f"not after {limit} ticks: {self.ledger.checked()}, {self.ledger.skipped()}")

    def all_checked(self, without: str = "") -> bool:
        """Whether all were compared, and the one that cannot be is named."""
        checked = sorted(self.ledger.checked()) == [proposal for proposal in PROPOSALS if proposal != without]
        return checked and (not without or any(note.startswith(without) for note in self.ledger.skipped()))


@pytest.fixture
def daemon(many, instance, tmp_path, monkeypatch) -> Daemon:
    """The sensor watches the forty; a tick has two seconds."""
    many.faults.clear()
    many.clear_requests()
    monkeypatch.setenv("MAST_SERVER", many.url)
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    monkeypatch.setattr(sensors, "TIME_LIMIT", 2.0)
    for name, value in {"TARGET_SECONDS": 0.3, "LEAST_ROWS": 1, "FIRST_GROUP": 2}.items():
        monkeypatch.setattr(pace, name, value)
    watch_only(tmp_path / "data", *PROPOSALS)
    return Daemon(instance, monkeypatch, tmp_path / "data")


def asked(archive) -> list[str]:
    """The proposals that the archive was asked about, in order, five digits each."""
    lists = [
        condition["values"]
        for request in archive.requests
        for condition in request.params["filters"]
        if condition["paramName"] == "proposal_id"
    ]
    return [value for values in lists for value in values if len(value) == 5]


def test_all_are_compared_in_turn_and_no_tick_takes_longer_than_its_time(many, daemon):
    many.faults.add(Fault("slow", endpoint="invoke", seconds_per_row=0.01))
    ticks = daemon.tick_until(lambda: len(daemon.ledger.checked()) > 0)
    assert len(daemon.ledger.checked()) < len(PROPOSALS)
    ticks += daemon.tick_until(daemon.all_checked)
    # Nobody is asked about twice before everybody was asked about once.
    assert sorted(asked(many)) == PROPOSALS
    assert max(daemon.seconds) < 2.0 + SLACK
    assert all(request.finished for request in many.requests)
    table = status(daemon.ledger.store, PROPOSALS, load_config(), daemon.now)
    assert table["last_checked"].notna().all()
    assert 1 < table["last_checked"].nunique() <= ticks


def test_those_compared_longest_ago_come_first(many, daemon):
    many.faults.add(Fault("slow", endpoint="invoke", seconds_per_row=0.01))
    recent, old = PROPOSALS[:37], PROPOSALS[37:]
    daemon.ledger.note_checked(recent, START - dt.timedelta(minutes=30))
    daemon.ledger.note_checked(old, START - dt.timedelta(hours=5))
    daemon.tick()
    assert asked(many)[:2] == old[:2]
    assert old[2] in asked(many)


def test_a_proposal_for_which_mast_fails_is_named_and_costs_the_others_nothing(many, daemon):
    many.faults.add(Fault("error", among=("3005",), message="Out of memory"))
    daemon.tick_until(lambda: daemon.all_checked(without="03005"))
    (note,) = [note for note in daemon.ledger.skipped() if "03005" in note]
    assert note.startswith("03005 could not be compared with MAST and is tried again in 10 min: ")
    assert "Out of memory" in note
    many.faults.clear()
    many.clear_requests()
    daemon.now += dt.timedelta(minutes=10)
    daemon.tick()
    assert "03005" in daemon.ledger.checked()
    assert not any("03005" in note for note in daemon.ledger.skipped())


def test_a_query_that_hangs_is_given_up_when_the_time_is_over_and_the_others_go_on(many, daemon):
    many.faults.add(Fault("slow", endpoint="invoke", among=("3007",), seconds=30))
    daemon.tick_until(lambda: daemon.all_checked(without="03007"))
    assert any(note.startswith("03007 could not be compared") for note in daemon.ledger.skipped())
    assert max(daemon.seconds) < 2.0 + SLACK


def test_without_mast_nobody_is_blamed_and_the_next_look_waits_for_its_time(many, daemon):
    many.faults.add(Fault("status", endpoint="invoke", status=503))
    assert "HTTP status 503" in daemon.tick().skip_message
    assert len(many.requests) < 10
    many.clear_requests()
    for _ in range(9):
        assert "Nothing is asked before" in daemon.tick().skip_message
    assert many.requests == []
    many.faults.clear()
    daemon.tick_until(daemon.all_checked)
    assert not any("could not be compared" in note for note in daemon.ledger.skipped())


def test_a_few_proposals_are_asked_about_once_per_interval_and_a_new_one_at_the_next_tick(many, daemon):
    watch_only(daemon.ledger.store.root, *PROPOSALS[:2])
    for _ in range(21):
        daemon.tick()
    assert len(many.requests) == 3
    many.clear_requests()
    watch_only(daemon.ledger.store.root, *PROPOSALS[:3])
    daemon.tick()
    assert asked(many) == [PROPOSALS[2]]


def begin(instance: dg.DagsterInstance, result: Any) -> list[dg.DagsterRun]:
    """Start the runs that a tick requests; none of them does anything."""
    job = build_defs().resolve_job_def("jwst_download")
    started = dg.DagsterRunStatus.STARTED
    return [
        instance.create_run_for_job(job, tags={"dagster/partition": each.partition_key, **each.tags}, status=started)
        for each in result.run_requests
    ]


def test_what_there_was_no_room_for_follows_as_runs_end_and_only_that_is_asked_about(
    many, daemon, instance, monkeypatch
):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 4)
    watch_only(daemon.ledger.store.root, *PROPOSALS[:10])
    runs = begin(instance, daemon.tick())
    assert len(runs) == 4
    many.clear_requests()
    assert "more days of 6 proposals follow as runs end" in daemon.tick().skip_message
    instance.report_run_canceled(runs[0])
    assert "6 proposals" in daemon.tick().skip_message  # one place is not worth a query
    assert many.requests == []
    instance.report_run_canceled(runs[1])
    runs += begin(instance, daemon.tick())
    assert len(runs) == 6
    proposals = [run.tags["dagster/partition"][-5:] for run in runs]
    assert sorted(asked(many)) == sorted(proposals[4:])
    assert len(set(proposals)) == 6
    # The next look at the others keeps its time.
    daemon.now = START + dt.timedelta(minutes=10)
    many.clear_requests()
    daemon.tick()
    assert {*PROPOSALS[:10]} - {*proposals[4:]} <= {*asked(many)}


def test_a_proposal_that_waits_for_room_is_forgotten_when_it_is_no_longer_watched(many, daemon, instance, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 1)
    watch_only(daemon.ledger.store.root, *PROPOSALS[:2])
    (run,) = begin(instance, daemon.tick())
    left = run.tags["dagster/partition"][-5:]
    watch_only(daemon.ledger.store.root, left)
    many.clear_requests()
    instance.report_run_canceled(run)
    daemon.tick()
    daemon.now += dt.timedelta(minutes=10)
    daemon.tick()
    assert {*asked(many)} == {left}


def test_without_mast_what_waits_for_room_is_not_asked_about_in_every_tick(many, daemon, instance, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 1)
    watch_only(daemon.ledger.store.root, *PROPOSALS[:2])
    (run,) = begin(instance, daemon.tick())
    instance.report_run_canceled(run)
    many.faults.add(Fault("status", endpoint="invoke", status=503))
    assert "HTTP status 503" in daemon.tick().skip_message
    many.clear_requests()
    for _ in range(9):
        assert "Nothing is asked before" in daemon.tick().skip_message
    assert many.requests == []


def test_a_proposal_that_waits_for_room_and_fails_is_not_asked_about_in_every_tick(many, daemon, instance, monkeypatch):
    monkeypatch.setattr("jwst_mast_assets.defs.look.MOST_REQUESTS", 2)
    watch_only(daemon.ledger.store.root, *PROPOSALS[:4])
    runs = begin(instance, daemon.tick())
    (failing, other) = sorted({*PROPOSALS[:4]} - {run.tags["dagster/partition"][-5:] for run in runs})
    for run in runs:
        instance.report_run_canceled(run)
    many.faults.add(Fault("error", among=(failing.lstrip("0"),), message="Out of memory"))
    (run,) = begin(instance, daemon.tick())
    assert run.tags["dagster/partition"].endswith(other)
    assert any(note.startswith(failing) for note in daemon.ledger.skipped())
    many.clear_requests()
    assert "Nothing is asked before" in daemon.tick().skip_message
    assert many.requests == []


def test_a_thousand_proposals_share_the_bytes_of_a_day_and_wait_no_hour():
    watched = [f"{number:05d}" for number in range(1000)]
    known = Pace(seconds=80.0, seconds_of_rows=20_000.0, bytes_per_row=130.0, rows=dict.fromkeys(watched, 300))
    assert known.rows_at_once == 2000
    wait = known.interval(watched, 600)
    assert 3000 < wait < 3600
    assert known.rows_of(watched) * known.bytes_per_row * 86_400 / wait < 0.97e9
    assert Pace(seconds=1.0, seconds_of_rows=60.0, bytes_per_row=130.0).interval(watched[:1], 600) == 600
    # In each minute about the sixtieth part of them, those compared longest ago.
    checked = {key: (START - dt.timedelta(seconds=3 * n)).isoformat() for n, key in enumerate(watched, start=20)}
    rotation = Rotation(known, watched, checked, START, 600)
    assert 15 < rotation.left < 25
    assert rotation.take(40.0)[0] == watched[-1]


def test_what_was_learned_survives_and_damage_costs_only_that(tmp_path):
    ledger = Ledger(TableStore(tmp_path))
    learned = Pace()
    learned.learn({"01138": 61}, 1.5, 8000)
    rotation = Rotation(learned, ["01138", "02731"], {}, START, 600)
    group = rotation.take(40)
    rotation.failed_with(group, "no answer")
    rotation.finish()
    ledger.note_pace(learned)
    assert ledger.pace() == learned
    assert ledger.pace().suspects == [["01138"], ["02731"]]
    for text in ("[]", '{"rows": 3}', '{"pages": 1}', "not JSON"):
        (ledger.folder / "pace.json").write_text(text)
        assert ledger.pace() == Pace()
