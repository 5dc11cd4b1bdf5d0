"""The asset checks: what they find on a disk that time has been at."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets_tests.defs.running import (
    CHECKS_OF_A_DOWNLOAD,
    CHECKS_OF_A_QUERY,
    checks_evaluated,
    messages,
    watch_only,
)


def checks(result, but=("product_table",)):
    """The checks of a run by name; those of products have the names of those of observations."""
    return {
        evaluation.check_name: evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key.path[-1] not in but
    }


@pytest.fixture
def a_file(archive, runner):
    """One of the files that a run has brought."""
    assert runner.run(sca=["a1"]).success
    return Path(runner.table("downloaded_files")["outfilename"].iloc[0])


def test_materializing_the_asset_runs_its_check_but_no_audit_of_what_was_just_verified(archive, runner, a_file):
    # As the page's Materialize and its backfills: the asset with every check it has.
    result = (
        build_defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=runner.instance,
            asset_selection=[dg.AssetKey("downloaded_files")],
            partition_key=dg.MultiPartitionKey({"day": "2022-04-10", "proposal": "01138"}),
            run_config={"resources": {"jwst_config": {"config": {"outrootdir": str(runner.root), "sca": ["a1"]}}}},
        )
    )
    assert set(checks(result)) == {"all_selected_files_present"}


def test_a_launched_job_runs_its_own_checks_and_no_others(archive, runner):
    query, download = runner.run("jwst_query", sca=["a1"]), runner.run("jwst_download", sca=["a1"])
    assert checks_evaluated(runner.instance, query.run_id) == CHECKS_OF_A_QUERY
    assert checks_evaluated(runner.instance, download.run_id) == CHECKS_OF_A_DOWNLOAD


def test_the_audit_asks_mast_nothing_and_finds_a_flipped_bit_and_a_truncated_and_a_missing_file(
    archive, runner, a_file
):
    archive.clear_requests()
    found = checks(runner.run("jwst_audit"))
    assert {name: check.passed for name, check in found.items()} == {
        "all_selected_files_present": True,
        "sizes_and_checksums_agree": True,
        "contents_open": True,
    }
    whole = a_file.read_bytes()
    a_file.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    found = checks(runner.run("jwst_audit"))
    assert not found["sizes_and_checksums_agree"].passed
    assert a_file.name in str(found["sizes_and_checksums_agree"].metadata["what"].value)
    a_file.write_bytes(whole[:-100])
    found = checks(runner.run("jwst_audit"))
    assert not found["sizes_and_checksums_agree"].passed
    assert not found["contents_open"].passed
    a_file.unlink()
    assert not checks(runner.run("jwst_audit"))["all_selected_files_present"].passed
    assert archive.requests == []


def test_a_column_that_mast_dropped_is_reported(archive, runner):
    archive.faults.add(Fault("drop-column", match="Caom.Filtered", column="dataRights"))
    result = runner.run("jwst_query")
    assert result.success
    check = checks(result)["columns_as_expected"]
    assert not check.passed
    assert "dataRights" in str(check.metadata["absent"].value)


def test_a_needed_column_that_mast_renamed_fails_loudly(archive, runner):
    archive.faults.add(Fault("rename-column", match="Caom.Filtered", column="obsid", new_name="obs_key"))
    result = runner.run("jwst_query")
    (message,) = messages(result)
    assert "does not have the column obsid" in message
    assert not runner.root.exists()


def test_a_sudden_drop_in_observations_is_reported(own_archive, runner):
    assert checks(runner.run("jwst_query"))["no_sudden_fall"].passed
    rows = own_archive.catalogue.observations
    rows[:] = [row for row in rows if not row["obs_id"].startswith("jw01138004")]
    check = checks(runner.run("jwst_query"))["no_sudden_fall"]
    assert (check.metadata["before"].value, check.metadata["now"].value) == (30, 10)
    assert not check.passed


def test_rows_cut_off_without_an_error_are_noticed(archive, runner):
    archive.faults.add(Fault("fewer-rows", match="Caom.Filtered", rows=7))
    (message,) = messages(runner.run("jwst_query"))
    assert "sent only 7 of 30 observations" in message


def test_the_daily_job_says_how_each_proposal_stands_and_whether_it_is_fresh(archive, runner, a_file):
    watch_only(runner.root, "01138", "01410")
    job = build_defs().resolve_job_def("jwst_reprocessing")
    config = {"resources": {"jwst_config": {"config": {"outrootdir": str(runner.root)}}}}
    result = job.execute_in_process(instance=runner.instance, run_config=config)
    (event,) = result.asset_materializations_for_node("reprocessed_files")
    assert "| 01138 |" in str(event.metadata["status"].value)
    assert "calendar" in event.metadata
    assert not checks(result)["fresh"].passed
    Ledger(runner.store).note_checked(["01138", "01410"], dt.datetime.now(dt.timezone.utc))
    assert checks(job.execute_in_process(instance=runner.instance, run_config=config))["fresh"].passed


def test_an_audit_of_a_day_that_was_never_downloaded_fails_and_says_so(archive, runner):
    told = messages(runner.run("jwst_audit"))
    assert set(told) == {"downloaded_files of 2022-04-10|01138 is missing: run the job jwst_download"}
    assert len(told) == 3
