"""Lists that fail or are short, from the answer to the end of the run and the next tick."""

import datetime as dt

import dagster as dg
import pytest

from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.records import steps
from jwst_mast_assets.records.due_cells import due_cells
from jwst_mast_assets.records.history import read_history
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.listings import GONE_AFTER, Listings
from jwst_mast_assets_tests.defs.running import DAY, execute, messages, watch_only

TODAY = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
CELL = Cell.from_key(DAY)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The output folder, as the environment names it; one detector is enough."""
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    (tmp_path / "my.cfg").write_text("sca: [a1]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    return tmp_path / "data"


@pytest.fixture
def clock(monkeypatch):
    """Sets the day of the runs to come."""

    def set_to(day):
        monkeypatch.setattr(steps, "utc_now", lambda: TODAY + dt.timedelta(days=day))

    return set_to


def checks(result):
    return {f"{each.asset_key.path[-1]}: {each.check_name}": each for each in result.get_asset_check_evaluations()}


def warnings(runner, result):
    return [entry.user_message for entry in runner.instance.all_logs(result.run_id) if entry.level == 30]


def an_observation(runner, detector="nrca1"):
    """A row of the table of observations."""
    table = runner.table("obs_table")
    return table[table["obs_id"].str.endswith(detector)].iloc[0]


def complete(runner):
    return Ledger(runner.store).recorded(["01138"], load_config()).entries[DAY].complete


def test_an_observation_that_cannot_be_listed_fails_the_run_but_costs_no_other_file(archive, runner):
    assert runner.run("jwst_query").success
    bad = an_observation(runner)
    archive.faults.add(Fault("error", match="Products", among=(str(bad["obsid"]),)))
    result = runner.run()
    (message,) = messages(result)
    assert bad["obs_id"] in message
    assert "Internal error in the service" in message
    assert not checks(result)["product_table: every_list_answered"].passed
    # What is on record of it is kept, and fetched with the others.
    assert len(runner.files()) == 3
    assert runner.table("product_table")["parent_obsid"].eq(bad["obsid"]).any()
    assert not complete(runner)
    archive.faults.clear()
    assert runner.run().success
    assert complete(runner)


def test_a_command_downloads_the_rest_and_says_what_could_not_be_listed(archive, runner, root, capsys):
    from jwst_mast_assets.cli.original import download_main

    assert runner.run("jwst_query").success
    bad = an_observation(runner)
    archive.faults.add(Fault("error", match="Products", among=(str(bad["obsid"]),)))
    assert download_main(("--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T23:59:59")) == 1
    output = capsys.readouterr()
    assert bad["obs_id"] in output.err
    assert len(runner.files()) == 3


def test_a_list_that_is_short_once_is_asked_for_again_and_believed(archive, runner):
    archive.faults.add(Fault("short-list", match="Products", rows=0, times=1))
    result = runner.run()
    assert messages(result) == []
    assert all(check.passed for check in checks(result).values())
    assert len(runner.files()) == 3


def test_products_that_are_suddenly_missing_are_kept_and_reported(archive, runner):
    assert runner.run().success
    before = runner.table("product_table")
    archive.faults.add(Fault("short-list", match="Products", rows=1))
    result = runner.run()
    assert result.success
    check = checks(result)["product_table: no_sudden_fall"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["before"].value == before["dataURI"].nunique() > check.metadata["now"].value
    assert set(runner.table("product_table")["dataURI"]) == set(before["dataURI"])
    assert any("its recorded products are kept" in warning for warning in warnings(runner, result))
    # It was asked for three times more, and the sensor will have it done again.
    asked = [request for request in archive.requests if request.service == "Mast.Caom.Products"]
    assert len({request.params["obsid"] for request in asked}) < len(asked)
    assert not complete(runner)


def test_a_file_is_gone_only_after_answers_on_several_days(own_archive, runner, clock):
    watch_only(runner.root, "01138")
    clock(0)
    assert runner.run().success
    products = runner.table("product_table")
    lost = products[products["selected"].fillna(False)].iloc[0]
    for row in list(own_archive.catalogue.products):
        if row["productFilename"] == lost["productFilename"]:
            own_archive.catalogue._products[row["parent_obsid"]].remove(row)

    def gone():
        assert execute(runner.instance, "jwst_reprocessing").success
        return read_history(runner.store, "01138")["event"].eq("gone").any()

    def is_listed(day, job="jwst_query"):
        clock(day)
        assert runner.run(job).success
        return runner.table("product_table")["dataURI"].eq(lost["dataURI"]).any()

    # Two answers on the first day count once.
    assert all(is_listed(day) for day in (1, *range(1, GONE_AFTER)))
    assert not gone()
    assert not is_listed(GONE_AFTER, "jwst_download")
    assert gone()
    assert (runner.root / "01138").exists()
    assert lost["productFilename"] in runner.files()
    result = runner.run()
    assert checks(result)["product_table: no_sudden_fall"].passed


def test_observations_that_are_suddenly_missing_stay_on_record(own_archive, runner, clock):
    clock(0)
    assert runner.run().success
    rows = own_archive.catalogue.observations
    everything = list(rows)
    rows[:] = [row for row in rows if not row["obs_id"].startswith("jw01138004")]
    for day in range(1, GONE_AFTER):
        clock(day)
        result = runner.run()
        assert result.success
        check = checks(result)["obs_table: no_sudden_fall"]
        assert (check.passed, check.metadata["before"].value, check.metadata["now"].value) == (False, 30, 10)
        assert len(runner.table("obs_table")) == 30
        assert len(runner.files()) == 3
    clock(GONE_AFTER)
    runner.run()
    assert len(runner.table("obs_table")) == 10
    rows[:] = everything
    clock(GONE_AFTER + 1)
    assert checks(runner.run())["obs_table: no_sudden_fall"].passed
    assert len(runner.table("obs_table")) == 30
    assert Listings(runner.store).gone("01138") == set()


def test_a_shorter_list_in_a_tick_is_reported_with_both_numbers(archive, runner):
    assert runner.run().success
    recorded = Ledger(runner.store).recorded(["01138"], load_config())
    observations = runner.table("obs_table")
    (due,) = due_cells(observations.iloc[:12], recorded, load_config(), TODAY)
    assert due.reason.startswith("only ")
    assert due_cells(observations.iloc[:0], recorded, load_config(), TODAY) == []


def test_a_refused_column_is_in_the_log_and_in_the_check(archive, runner):
    archive.faults.add(Fault("gone-column", match="Caom.Filtered", column="s_ra"))
    result = runner.run("jwst_query")
    assert result.success
    check = checks(result)["obs_table: columns_as_expected"]
    assert not check.passed
    assert (check.metadata["absent"].value, "s_ra" in str(check.metadata["refused"].value)) == (["s_ra"], True)
    assert len([warning for warning in warnings(runner, result) if "it has no s_ra" in warning]) == 1


def test_files_that_wait_for_a_token_are_requested_once_there_is_one(archive, runner, instance):
    instance.add_dynamic_partitions("proposal", ["09231"])
    observations = [row for row in archive.catalogue.observations if row["proposal_id"].lstrip("0") == "9231"]
    day = dt.date(1858, 11, 17) + dt.timedelta(days=int(observations[0]["t_min"]))
    key = f"{day}|09231"
    config = load_config().merged({"sca": []})
    assert runner.run(keys=key, sca=[]).success
    Ledger(runner.store).record(
        [Cell.from_key(key)], runner.table("obs_table", key), runner.table("downloaded_files", key), config, TODAY,
        with_token=False,
    )  # fmt: skip
    recorded = Ledger(runner.store).recorded(["09231"], config)
    long_ago = dt.datetime(2023, 9, 13, tzinfo=dt.timezone.utc)
    table = runner.table("obs_table", key)
    assert due_cells(table, recorded, config, long_ago) == []
    assert [due.reason for due in due_cells(table, recorded, config, long_ago, with_token=True)] == ["a token is set"]
