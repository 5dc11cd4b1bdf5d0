"""One server: PostgreSQL, and the commands of the systemd units as processes."""

import dagster as dg

from jwst_mast_assets.cli.dagster_process import WORKSPACE_OF_SERVER
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets_tests.defs.conftest import DAY, watch_only
from jwst_mast_assets_tests.deploy.installation import installation
from jwst_mast_assets_tests.servers import wait_until


def test_the_units_carry_out_a_backfill_with_the_executor_that_the_environment_names(
    home, archive, tmp_path, monkeypatch
):
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(root))
    monkeypatch.setenv("JWST_EXECUTOR", "multiprocess")
    with installation(tmp_path / "processes") as installed, dg.DagsterInstance.get() as instance:
        register_proposals(instance, ["01138"])
        watch_only(root)
        installed.start_units(WORKSPACE_OF_SERVER)
        backfill = installed.backfill([DAY])

        def runs():
            return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill})))

        wait_until(lambda: runs() and all(run.is_finished for run in runs()), "the run ends", 600)
        (run,) = runs()
        events = [entry.dagster_event.event_type for entry in instance.all_logs(run.run_id) if entry.dagster_event]
        assert run.status == dg.DagsterRunStatus.SUCCESS, installed.log("jwst-mast-code.service")
        assert events.count(dg.DagsterEventType.STEP_WORKER_STARTED) >= 5
    files = sorted(root.glob("01138/**/*.fits"))
    assert len(files) == 30
    assert all(path.read_bytes() == archive.content(path.name) for path in files)
