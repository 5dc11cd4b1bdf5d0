"""One line for each run that starts or ends, for the output of ``jwst-mast serve``."""

import datetime as dt
from collections.abc import Iterator, Mapping

import dagster as dg

from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.sizes import counted, human_bytes

STARTED = dg.DagsterRunStatus.STARTED
ENDED = {
    dg.DagsterRunStatus.SUCCESS: "done",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "canceled",
}
FROM_OUTSIDE = "This run has been marked as failed from outside the execution context."
"""What Dagster says of a run that it ended itself; why is in the engine's event before."""

PROCESS_ENDED = "Run execution process for "
"""In that event if the run's process ended without a word."""

WILL_RETRY = "dagster/will_retry"
"""The tag that Dagster gives to a run that failed, where it tries such runs again."""

KILLED = "its process ended (killed, or the machine ran out of memory)"

MOST_RUNS = 200
"""Number of runs checked at a time, the latest changes first."""


class RunWatch:
    """Reports what happened to the runs of an instance since the last call.

    Parameters
    ----------
    instance : DagsterInstance
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._since = utc_now()
        self._told: dict[str, dg.DagsterRunStatus] = {}

    def lines(self) -> Iterator[str]:
        """A line for each run that started or ended since the last call."""
        # An update may become visible a little after its time.
        after = self._since - dt.timedelta(seconds=30)
        records = self.instance.get_run_records(
            dg.RunsFilter(statuses=[STARTED, *ENDED], updated_after=after), limit=MOST_RUNS, order_by="update_timestamp"
        )
        for record in reversed(records):
            run = record.dagster_run
            self._since = max(self._since, record.update_timestamp.astimezone(dt.timezone.utc))
            if self._told.get(run.run_id) != run.status:
                self._told[run.run_id] = run.status
                yield self._line(record)

    def _line(self, record: dg.RunRecord) -> str:
        run = record.dagster_run
        what = f"{_target(run)} {cells_in_words(run.tags)}".rstrip()
        if run.status == STARTED:
            reason = run.tags.get("jwst/reason")
            return f"{what}: started{f' ({reason})' if reason else ''}"
        took = f" in {record.end_time - record.start_time:.0f} s" if record.end_time and record.start_time else ""
        more = self._reasons(run.run_id) if run.status == dg.DagsterRunStatus.FAILURE else self._fetched(run.run_id)
        return f"{what}: {ENDED[run.status]}{took}{more}"

    def _reasons(self, run_id: str) -> str:
        told = []
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
            failure = entry.dagster_event.step_failure_data if entry.dagster_event else None
            if failure and failure.user_failure_data and failure.user_failure_data.description:
                told.append(failure.user_failure_data.description)
            elif failure and failure.error:
                told.append(f"{entry.step_key}: {failure.error.message.strip()}")
        if told:
            return f": {'; '.join(dict.fromkeys(told))}"
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.PIPELINE_FAILURE):
            said = entry.dagster_event.message or "" if entry.dagster_event else ""
            told.append(self._reason_from_outside(run_id, entry.timestamp) if said == FROM_OUTSIDE else said)
        return f": {'; '.join(told)}" if told else ""

    def _reason_from_outside(self, run_id: str, failed_at: float) -> str:
        logged = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        events = [entry.dagster_event for entry in logged if entry.timestamp <= failed_at]
        said = [event.message for event in events if event and event.message]
        if not any(PROCESS_ENDED in message for message in said):
            return said[-1] if said else FROM_OUTSIDE
        # Read again: the tag comes just after the failure.
        run = self.instance.get_run_by_id(run_id)
        again = run is not None and run.tags.get(WILL_RETRY) == "true"
        return KILLED + ("; it is tried again" if again else "")

    def _fetched(self, run_id: str) -> str:
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.asset_materialization
            if event and event.asset_key.path[-1] == "downloaded_files" and "fetched" in event.metadata:
                counts = {name: value.value for name, value in event.metadata.items() if isinstance(value.value, int)}
                return f", {_fetched_in_words(counts)}"
        return ""


def _fetched_in_words(counts: Mapping[str, int]) -> str:
    """What a download brought, and why not more, from the counts that it reports."""
    told = []
    if number := counts["fetched"]:
        told.append(f"{counted(number, 'file')} fetched ({human_bytes(counts['bytes_fetched'])})")
    else:
        told.append("nothing to fetch" if counts.get("present") else "nothing fetched")
    for name, why in (("not_public", "exclusive"), ("waiting", "not provided by MAST yet")):
        if number := counts.get(name, 0):
            told.append(f"{counted(number, 'file')} {why}")
    return "; ".join(told)


def _target(run: dg.DagsterRun) -> str:
    """The job, or the assets where they were chosen without one: then Dagster's name for the job means nothing."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or "assets"


def cells_in_words(tags: Mapping[str, str]) -> str:
    """The proposals and days of a run: ``01138 2022-04-10``, ``01138 2022-04-10 to 2022-04-14``."""
    sides = [tags.get(f"dagster/asset_partition_range_{side}") for side in ("start", "end")]
    keys = [key for key in (sides if all(sides) else [tags.get("dagster/partition")]) if key]
    days = sorted({key.partition("|")[0] for key in keys})
    return f"{' '.join(sorted({key.partition('|')[2] for key in keys}))} {' to '.join(days)}".strip()
