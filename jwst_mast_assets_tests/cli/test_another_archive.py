"""Another archive than the one that an output folder was filled from is refused on every way in."""

import datetime as dt
import os
from pathlib import Path

import dagster as dg
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.records.archive_identity import claim
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList
from jwst_mast_assets_tests.cli.test_command_line import DAY
from jwst_mast_assets_tests.defs.running import messages

REAL = "https://mast.stsci.edu"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(archive, command):
    """Checks a refusal: one sentence, nothing on disk changed, nothing asked of the archive that is set now."""
    claim(command.root, REAL)
    WatchList(TableStore(command.root)).add(["01138"])
    before = contents(command.root)

    def check(sentence: str) -> None:
        assert f"{command.root} holds files of {REAL}, but the archive is now {archive.url}" in sentence
        assert "unset MAST_SERVER" in sentence
        assert contents(command.root) == before
        assert archive.requests == []

    return check


@pytest.mark.parametrize("name", ["query", "download"])
def test_the_two_commands_refuse(command, refused, name):
    outcome = getattr(command, name)(*DAY)
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    refused(outcome.err)


@pytest.mark.parametrize("argv", [("proposals", "add", "1138"), ("serve", "--port", "0")])
def test_adding_a_proposal_and_starting_dagster_are_refused(refused, capsys, argv):
    assert main(argv) == 2
    refused(capsys.readouterr().err)


@pytest.fixture
def instance(command):
    with dg.DagsterInstance.get() as instance:
        register_proposals(instance, [1138])
        yield instance


@pytest.mark.parametrize("job", ["jwst_query", "jwst_download", "jwst_reprocessing"])
def test_runs_however_they_are_launched_fail_with_the_sentence(instance, refused, job):
    partition = {} if job == "jwst_reprocessing" else {"dagster/partition": "2022-04-10|01138"}
    result = build_defs().resolve_job_def(job).execute_in_process(
        instance=instance, raise_on_error=False, tags=partition
    )  # fmt: skip
    assert not result.success
    refused(messages(result)[0])


@pytest.mark.parametrize("asset", ["product_table", "downloaded_files"])
def test_one_asset_alone_fails_with_the_sentence(archive, command, instance, monkeypatch, asset):
    assert command.query(*DAY).status == 0
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    job = build_defs().resolve_job_def("jwst_download")
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={"dagster/partition": "2022-04-10|01138"},
        asset_selection=[dg.AssetKey(asset)],
    )
    assert messages(result)[0].startswith(f"The output folder {command.root} holds files of {archive.url}, but the ")
    assert command.data() == set()


@pytest.mark.parametrize("name", ["new_observations", "reprocessing_sensor"])
def test_ticks_of_sensors_are_skipped_with_the_sentence(instance, refused, name):
    instance.report_runless_asset_event(dg.AssetMaterialization("reprocessed_files"))
    repository = build_defs().get_repository_def()
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources=dict(build_defs().resources or {})
    ) as context:
        refused(repository.get_sensor_def(name).evaluate_tick(context).skip_message)


@pytest.mark.parametrize("name", ["daily_download", "daily_reprocessing"])
def test_ticks_of_schedules_are_skipped_with_the_sentence(instance, refused, name):
    repository = build_defs().get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        resources=dict(build_defs().resources or {}),
        scheduled_execution_time=dt.datetime.now(dt.timezone.utc),
    ) as context:
        refused(repository.get_schedule_def(name).evaluate_tick(context).skip_message)


def test_a_first_download_or_query_writes_down_the_archive(archive, command, monkeypatch):
    assert command.query(*DAY).status == 0
    monkeypatch.setenv("MAST_SERVER", archive.url + "/")
    assert command.query(*DAY).status == 0
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    assert f"holds files of {archive.url}" in command.download(*DAY).err


def test_a_folder_of_the_version_before_gets_the_archive_of_its_next_download_not_of_a_query(
    archive, command, monkeypatch
):
    note = command.root / ".jwst_mast_assets" / "archive.json"
    assert command.download(*DAY, "--sca", "a1").status == 0
    note.unlink()
    assert command.query(*DAY, "--sca", "a1").status == 0
    assert not note.exists()
    assert command.download(*DAY, "--sca", "a1").status == 0
    assert archive.url in note.read_text()
    assert os.environ["MAST_SERVER"] == archive.url
