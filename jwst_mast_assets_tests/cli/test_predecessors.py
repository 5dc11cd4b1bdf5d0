"""``jwst-mast serve`` on a home that another daemon uses, or that an earlier version left runs in."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.types import DaemonHeartbeat

from jwst_mast_assets.cli import predecessors
from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.runs import open_instance
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.mast.errors import JwstMastError


@pytest.fixture
def instance(tmp_path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as instance:
        yield instance


def beat(instance, age: float = 0.0) -> None:
    """What a daemon writes every 30 s."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - age, "SENSOR", "its id"))


@contextmanager
def daemon(instance) -> Iterator[None]:
    """A daemon that shows itself often."""
    ended = threading.Event()

    def live() -> None:
        while not ended.wait(0.2):
            beat(instance)

    beat(instance)
    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_daemon_that_somebody_started_by_hand_is_noticed_in_a_sentence(instance, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    with daemon(instance):
        assert main(["serve", "--port", "0"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("jwst-mast: dagster dev or dagster-daemon is running with the Dagster home ")
    assert "stop it first, or set DAGSTER_HOME to another folder" in captured.err
    assert captured.err.count("\n") == 1
    assert "Starting Dagster" not in captured.out


def test_a_daemon_that_ended_long_ago_or_without_a_word_does_not_stand_in_the_way(instance, monkeypatch):
    said: list[str] = []
    beat(instance, age=60)
    predecessors.check_no_other_daemon(instance, said.append)
    assert said == []
    # Killed moments ago.
    monkeypatch.setattr(predecessors, "HEARTBEAT", 1.0)
    beat(instance)
    predecessors.check_no_other_daemon(instance, said.append)
    assert len(said) == 1
    with daemon(instance), pytest.raises(JwstMastError):
        predecessors.check_no_other_daemon(instance, said.append)


def test_runs_queued_under_the_old_name_of_the_code_location_are_canceled_with_a_sentence(instance):
    runs = {name: queued(instance, name) for name in ("jwst_mast_assets.definitions", "jwst_mast_assets", "my_own")}
    (sentence,) = predecessors.end_runs_of_old_location(instance)
    assert sentence.startswith("1 run(s) queued for the code location jwst_mast_assets.definitions, which is called ")
    assert {name: status(instance, run_id) for name, run_id in runs.items()} == {
        "jwst_mast_assets.definitions": "CANCELED",
        "jwst_mast_assets": "QUEUED",
        "my_own": "QUEUED",
    }
    assert predecessors.end_runs_of_old_location(instance) == []


def queued(instance, location: str) -> str:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    run = instance.create_run_for_job(
        build_defs().resolve_job_def("jwst_reprocessing"),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(repository, "jwst_reprocessing"),
    )
    return run.run_id


def status(instance, run_id: str) -> str:
    return instance.get_run_by_id(run_id).status.value
