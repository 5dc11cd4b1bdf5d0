"""Dagster's records of old runs, after real runs on an instance on disk."""

import datetime as dt
from pathlib import Path

import dagster as dg

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs.pruning import prune
from jwst_mast_assets_tests.defs.running import DAY, execute

OTHER = "2022-04-14|01138"


def green(instance):
    """The partitions of downloaded_files that the page shows as materialized."""
    return instance.get_materialized_partitions(dg.AssetKey("downloaded_files"))


def now():
    return dt.datetime.now(dt.timezone.utc)


def traces(instance, run_id):
    """Files and folders of the Dagster home that are named for a run."""
    return [path for path in Path(instance.root_directory).rglob("*") if path.stem == run_id]


def test_old_runs_are_removed_except_the_last_of_each_partition(archive, runner):
    instance = runner.instance
    first, query = runner.run(sca=["a1"]), runner.run("jwst_query", sca=["a1"])
    other, again = runner.run(keys=OTHER, sca=["a1"]), runner.run(sca=["a1"])
    assert all(result.success for result in (first, query, other, again))
    assert traces(instance, first.run_id)
    files, before = runner.files(), green(instance)
    assert before == {DAY, OTHER}
    assert prune(instance, now() - dt.timedelta(days=1)) == (0, 0)
    assert prune(instance, now()) == (2, 2)
    assert {run.run_id for run in instance.get_runs()} == {other.run_id, again.run_id}
    assert not traces(instance, first.run_id) + traces(instance, query.run_id)
    assert green(instance) == before
    assert runner.files() == files
    # What is on disk is known from the output folder: nothing is fetched again.
    archive.clear_requests()
    assert runner.run(sca=["a1"]).success
    assert not [request for request in archive.requests if request.endpoint == "download"]


def test_a_run_that_has_not_ended_is_kept(instance):
    run = instance.create_run_for_job(build_defs().resolve_job_def("prune"))
    assert prune(instance, now()) == (0, 0)
    assert instance.has_run(run.run_id)


def test_the_job_says_what_it_removed(archive, runner):
    runner.run(sca=["a1"])
    result = execute(runner.instance, "prune")
    assert result.success
    said = [entry.user_message for entry in runner.instance.all_logs(result.run_id)]
    assert any(text.startswith("Removed 0 runs of before ") for text in said)
    assert runner.instance.get_runs_count() == 2
