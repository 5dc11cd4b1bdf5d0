"""Queued runs of one proposal, with the settings that a new Dagster home gets and those of larger installations."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.test_utils import create_run_for_test  # pyright: ignore[reportPrivateImportUsage]
from dagster._utils.tags import TagConcurrencyLimitsCounter

from jwst_mast_assets.defs.partitions import RANGE_END, RANGE_START, SINGLE_KEY
from jwst_mast_assets.defs.run_queue import TAG

REPOSITORY = Path(__file__).parents[2]
LOCATION = RegisteredCodeLocationOrigin("jwst_mast_assets")
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "jwst_download")
SETTINGS = ["jwst_mast_assets/dagster.yaml", "deploy/one-server/dagster.yaml", "deploy/workers/dagster.yaml"]
SETTINGS += ["deploy/kubernetes/values.yaml"]


def single(proposal):
    return {SINGLE_KEY: f"2022-04-10|{proposal}", f"{SINGLE_KEY}/proposal": proposal}


def of_range(proposal):
    """As in a backfill from a job's page, whose runs all name the backfill's first partition, too."""
    return {
        RANGE_START: f"2022-04-10|{proposal}",
        RANGE_END: f"2022-04-14|{proposal}",
        f"{SINGLE_KEY}/proposal": "00001",
    }


@pytest.fixture(params=SETTINGS)
def queue(request, tmp_path):
    """What queues a run and returns it; and whether a queued run has to wait for others that run."""
    settings = yaml.safe_load((REPOSITORY / request.param).read_text())
    if "dagsterDaemon" in settings:
        # The chart copies this into dagster.yaml.
        kept = {"run_coordinator": settings["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]}
    else:
        kept = {name: settings[name] for name in ("run_coordinator", "concurrency")}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=kept) as instance:

        def submit(tags):
            run = create_run_for_test(instance, job_name="jwst_download", tags=tags, remote_job_origin=ORIGIN)
            return instance.run_coordinator.submit_run(SubmitRunContext(run, None))  # pyright: ignore[reportArgumentType]

        def waits(run, running):
            config = instance.get_concurrency_config().run_queue_config
            assert config
            return TagConcurrencyLimitsCounter(config.tag_concurrency_limits, running).is_blocked(run)

        yield submit, waits


def test_the_second_run_of_a_proposal_waits_for_the_first_and_others_do_not(queue):
    submit, waits = queue
    for first in (single("01138"), of_range("01138")):
        running = [submit(first)]
        assert running[0].status == dg.DagsterRunStatus.QUEUED
        assert waits(submit(single("01138")), running)
        assert waits(submit(of_range("01138")), running)
        assert not waits(submit(single("01410")), running)
        assert not waits(submit(of_range("01410")), running)


def test_a_run_without_partitions_waits_for_none(queue):
    submit, waits = queue
    runs = [submit({}), submit({})]
    assert TAG not in runs[0].tags
    assert not waits(runs[1], runs[:1])
