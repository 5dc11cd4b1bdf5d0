"""The queue of runs, in which the second run of a proposal waits for the first."""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from jwst_mast_assets.defs.partitions import PROPOSAL, RANGE_START, SINGLE_KEY

TAG = "jwst/proposal"
"""Tag of a queued run, which ``tag_concurrency_limits`` in dagster.yaml names. Dagster's own tag of the proposal will
not do: all runs of a backfill from a job's page have that of its first partition (Dagster 1.13.27)."""


class ProposalQueue(QueuedRunCoordinator):
    """Dagster's queue, whose runs are tagged with their proposal (of several, the first)."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag a run and queue it."""
        run = context.dagster_run
        key = run.tags.get(RANGE_START) or run.tags.get(SINGLE_KEY) or ""
        proposal = key.partition("|")[2] or run.tags.get(f"{SINGLE_KEY}/{PROPOSAL}")
        if proposal:
            self._instance.add_run_tags(run.run_id, {TAG: proposal})
        return super().submit_run(context)
