"""Days of one proposal share a run: which do, in which order, and what a run that fails leaves behind."""

import datetime as dt
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts, run_requests
from jwst_mast_assets.defs.metadata import on_last_partition
from jwst_mast_assets.defs.partitions import build_grid
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records.due_cells import DueCell
from jwst_mast_assets_tests.defs.running import DAY, carry_out, days_of, reasons, tick, watch_only

NOW = dt.datetime(2023, 1, 1, tzinfo=dt.timezone.utc)
FIRST = dt.date(2022, 1, 1)


def due(proposal: str, *days: int, cause: str = "cause", observations: int = 1) -> list[DueCell]:
    return [
        DueCell(Cell(FIRST + dt.timedelta(days=day), proposal), "1 new observation", cause, observations)
        for day in days
    ]


def requested(instance, wanted: list[DueCell], **options: Any) -> list[list[int]]:
    """The days of each requested run, counted from the first."""
    asked = run_requests.run_requests(instance, wanted, {"01138", "01410", "02731"}, FIRST, NOW, **options)
    keys = [days_of(request) for request in asked.runs]
    return [sorted((Cell.from_key(key).day - FIRST).days for key in some) for some in keys]


def proposals(instance, wanted: list[DueCell], **options: Any) -> list[str]:
    asked = run_requests.run_requests(instance, wanted, {"01138", "01410", "02731"}, FIRST, NOW, **options)
    return [days_of(request)[0][-5:] for request in asked.runs]


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("ranges"))) as instance:
        yield instance


def test_days_near_each_other_share_a_run_and_others_do_not(instance):
    assert requested(instance, due("01138", 1, 2, 5, 9, 14, 40)) == [[40], [14], [1, 2, 5, 9]]


def test_a_number_that_several_days_share_does_not_look_like_their_sum(instance):
    def told(*wanted: DueCell) -> str:
        (request,) = run_requests.run_requests(instance, wanted, {"01138"}, FIRST, NOW).runs
        return request.tags[attempts.REASON]

    one, two, three = due("01138", 1, 2, 3)
    assert told(one, two) == "2 days: 1 new observation on each"
    assert told(one, two, three._replace(reason="observations changed")) == (
        "3 days: observations changed; 1 new observation on each of 2"
    )
    changed = [each._replace(reason="observations changed") for each in (one, two)]
    assert told(*changed) == "2 days: observations changed"


def test_a_range_does_not_cross_a_day_that_is_done_but_one_without_data(instance):
    done = {Cell(FIRST + dt.timedelta(days=3), "01138").key}
    assert requested(instance, due("01138", 1, 5, 7)) == [[1, 5, 7]]
    assert requested(instance, due("01138", 1, 5, 7), with_data=done) == [[5, 7], [1]]


def test_a_run_has_at_most_so_many_days_and_observations(instance):
    days = list(range(250))
    assert [len(some) for some in requested(instance, due("01138", *days))] == [100, 100, 50]
    assert requested(instance, due("01138", 1, 2, 3, observations=600)) == [[3], [2], [1]]
    assert max(requested(instance, due("01138", *days))[0]) == 249, "the newest first"


def test_proposals_take_turns_so_that_none_starves(instance):
    wanted = [*due("01138", 300, 200, 100), *due("01410", 50, 20), *due("02731", 10)]
    assert proposals(instance, wanted) == ["01138", "01410", "02731", "01138", "01410", "01138"]
    assert proposals(instance, wanted, most=3) == ["01138", "01410", "02731"]


def test_the_tags_of_a_hundred_days_stay_short_enough_for_an_index(instance):
    wanted = [each._replace(cause="0123456789ab") for each in due("01138", *range(0, 300, 3))]
    (request,) = run_requests.run_requests(instance, wanted, {"01138"}, FIRST, NOW).runs
    assert len(days_of(request)) == 100
    assert max(map(len, request.tags.values())) < 2000


def test_runs_of_others_take_nothing_from_a_sensors_share(tmp_path):
    wanted = due("01138", 1)
    job = build_defs().resolve_job_def("jwst_download")
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        for day in range(10, 13):
            by_hand = {"dagster/partition": f"2022-02-{day}|01410"}
            instance.create_run_for_job(job, tags=by_hand, status=dg.DagsterRunStatus.STARTED)
        assert requested(instance, wanted, most=1) == [[1]]
        (request,) = run_requests.run_requests(instance, due("01410", 5), {"01410"}, FIRST, NOW).runs
        tags = {**request.tags, "dagster/partition": "2022-01-06|01410"}
        instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert requested(instance, wanted, most=1) == []
        assert requested(instance, wanted, most=1, by="reprocessed") == [[1]]


@pytest.fixture
def watched(archive, tmp_path, monkeypatch):
    (tmp_path / "my.cfg").write_text("sca: [a1]\ndate_select: ['2022-04-01', '2022-05-01']\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    watch_only(tmp_path / "data", "01138")
    return tmp_path / "data"


def test_of_a_range_that_fails_only_the_rest_is_due_and_waits_for_its_next_attempt(
    archive, watched, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    home.mkdir()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        instance.add_dynamic_partitions("proposal", ["01138"])
        archive.faults.add(Fault("status", endpoint="download", match="jw01138004001_02101_00001_nrca1", status=404))
        result = tick(instance)
        assert len(result.run_requests) == 1
        assert set(reasons(result)) == {DAY, "2022-04-11|01138", "2022-04-14|01138"}
        (run,) = carry_out(instance, result)
        assert not run.success
        waiting = tick(instance)
        assert isinstance(waiting, dg.SkipReason)
        assert "1 wait for" in (waiting.skip_message or "")
        archive.faults.clear()
        monkeypatch.setattr(attempts, "FIRST_WAIT", dt.timedelta(0))
        again = tick(instance)
        assert reasons(again) == {DAY: "files missing"}
        assert again.run_requests[0].tags[attempts.ATTEMPT] == "2"
        (run,) = carry_out(instance, again)
        assert run.success
        assert isinstance(tick(instance), dg.SkipReason)


def test_days_without_rows_cost_a_range_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str | None] = []
    add = dg.AssetExecutionContext.add_asset_metadata

    def added(context: dg.AssetExecutionContext, metadata: Any, **where: Any) -> None:
        named.append(where["partition_key"])
        add(context, metadata, **where)

    monkeypatch.setattr(dg.AssetExecutionContext, "add_asset_metadata", added)
    first, last, observed = "2023-01-01|01138", "2023-02-28|01138", "2023-02-10|01138"

    @dg.asset(partitions_def=build_grid(dt.date(2023, 1, 1)))
    def observations(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(
            metadata=on_last_partition(context, {"dagster/row_count": 2}, pd.DataFrame({"cell": [observed] * 2}))
        )

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("proposal", ["01138"])
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        made = dg.materialize([observations], instance=instance, tags=tags).asset_materializations_for_node(
            "observations"
        )
    assert named == [last, observed, last]
    rows = {one.partition: one.metadata["dagster/row_count"].value for one in made}
    assert len(rows) == 59
    assert {key: count for key, count in rows.items() if count} == {observed: 2}
