"""A failure is permanent or transient: what a step says, what its run is marked with, and when it is tried again."""

import datetime as dt
import subprocess
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import attempts
from jwst_mast_assets.defs.failures import (
    FAILURE,
    LEAST_ROOM,
    NEEDS,
    Situation,
    Verdict,
    classify,
    classify_files,
    mended,
    setup_of,
    verdict_of,
)
from jwst_mast_assets.downloads import Code
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ArchiveUnavailable, ConfigError, NoRoom, OutputError
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets_tests.defs.running import DAY, QUIET, execute, messages, tick, watch_only

NAME = "jw01138004001_02101_00001_nrca1_uncal.fits"
HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def config_file(monkeypatch, tmp_path):
    """Three files of one proposal on the day that the tests look at."""
    path = tmp_path / "my.cfg"
    path.write_text("sca: [a1]\ndownload_retries: 0\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(path))
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(tmp_path / "data"))
    return path


@pytest.fixture
def instance(instance):
    instance.delete_dynamic_partition("proposal", "01410")
    return instance


class Watch:
    """The sensor and the runs that it requests, of one day, at whatever time."""

    def __init__(self, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.instance = instance
        self.now = dt.datetime.now(dt.timezone.utc)
        monkeypatch.setattr("jwst_mast_assets.defs.sensors.utc_now", lambda: self.now)
        # A run of this day alone.
        monkeypatch.setattr("jwst_mast_assets.defs.run_requests.MOST_DAYS", 1)

    def attempt(self, after: dt.timedelta = dt.timedelta(0)) -> Any:
        """What became of the day after some time: the run's result, or None where the sensor asked for none."""
        self.now += after
        found = tick(self.instance)
        requests = [] if isinstance(found, dg.SkipReason) else [r for r in found.run_requests if r.partition_key == DAY]
        for request in requests:
            return execute(self.instance, partition_key=request.partition_key, tags=dict(request.tags))
        return None

    def tags(self, result: Any) -> dict[str, str]:
        """Of a run, as they stand in the instance."""
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return dict(run.tags)


@pytest.fixture
def watch(archive, instance, monkeypatch, tmp_path) -> Watch:
    watch_only(tmp_path / "data", "01138")
    return Watch(instance, monkeypatch)


def test_a_transient_failure_is_tried_again_after_growing_waits(watch, archive):
    archive.faults.add(Fault("status", endpoint="download", match=NAME, status=503))
    first = watch.attempt()
    assert not first.success
    assert watch.tags(first)[FAILURE] == "transient"
    assert "dagster/max_retries" not in watch.tags(first)
    assert watch.attempt() is None
    second = watch.attempt(dt.timedelta(minutes=11))
    assert watch.tags(second)[attempts.ATTEMPT] == "2"
    assert watch.attempt(dt.timedelta(minutes=11)) is None
    archive.faults.clear()
    assert watch.attempt(dt.timedelta(minutes=30)).success
    assert watch.attempt(dt.timedelta(days=30)) is None


def test_a_permanent_failure_is_tried_again_only_when_the_configuration_changes(watch, config_file):
    config_file.write_text("sca: [a1]\nmax_download_gb: 0.000001\n")
    failed = watch.attempt()
    (message,) = messages(failed)
    assert "max_download_gb is 1e-06; raise it" in message
    tags = watch.tags(failed)
    assert tags[FAILURE] == "permanent"
    assert tags["dagster/max_retries"] == "0"
    for wait in (HOUR, dt.timedelta(days=7), dt.timedelta(days=365)):
        assert watch.attempt(wait) is None
    config_file.write_text("sca: [a1]\nmax_download_gb: 1\n")
    assert watch.attempt().success


def test_a_permanent_failure_is_tried_again_when_mast_has_something_new(
    own_archive, instance, monkeypatch, config_file, tmp_path
):
    watch_only(tmp_path / "data", "01138")
    watch = Watch(instance, monkeypatch)
    config_file.write_text("sca: [a1]\nmax_download_gb: 0.000001\n")
    assert not watch.attempt().success
    assert watch.attempt(HOUR) is None
    own_archive.add_observation(1138, 20, t_min=59679.9)
    assert watch.attempt() is not None


def test_the_tags_of_a_failed_run_of_the_version_before_are_understood():
    tags = {"jwst/failure": "permanent", "jwst/needs": "5000", "jwst/setup": "0123456789ab"}
    assert verdict_of(tags) == Verdict(True, "5000", "0123456789ab")


def test_a_full_disk_is_tried_again_when_there_is_room(watch, mounted, monkeypatch):
    folder = mounted("-t", "tmpfs", "-o", "size=300k", "tmpfs")
    monkeypatch.setenv("JWSTDOWNLOAD_OUTDIR", str(folder))
    watch_only(folder, "01138")
    assert watch.attempt() is None
    # The disk becomes full after the tick.
    monkeypatch.setattr("jwst_mast_assets.defs.run_requests.LEAST_ROOM", 0)
    failed = watch.attempt()
    assert "free some space" in messages(failed)[0]
    tags = watch.tags(failed)
    assert tags[FAILURE] == "permanent"
    assert int(tags[NEEDS]) > 300_000
    # The page hides what tells a person nothing.
    shown = {tag for tag in tags if tag.startswith("jwst/")}
    assert shown == {"jwst/failure", "jwst/reason", "jwst/cause", "jwst/attempt", "jwst/by", "jwst/outage"}
    assert watch.attempt(dt.timedelta(days=365)) is None
    subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True)
    assert watch.attempt().success


def test_an_error_that_nobody_foresaw_is_transient(watch, monkeypatch):
    def broken(*_args: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("jwst_mast_assets.records.steps.query_products", broken)
        assert FAILURE not in watch.tags(watch.attempt())
    assert watch.attempt(HOUR).success


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ArchiveUnavailable("MAST is away"), Verdict(False, outage="mast")),
        (ConfigError("sca: unknown detector"), Verdict(True)),
        (OutputError("the folder cannot be written"), Verdict(True, "folder")),
        (NoRoom("only 5 kB are free", 7_000_000_000), Verdict(True, "7000000000", outage="disk")),
    ],
)
def test_each_error_has_its_class(error, verdict):
    assert classify(error) == verdict
    assert error.exit_status == (2 if verdict.permanent else 1)


def test_a_disk_that_is_full_while_a_table_is_written_waits_for_room(mounted):
    folder = mounted("-t", "tmpfs", "-o", "size=16k", "tmpfs")
    with pytest.raises(OutputError) as raised:
        write_text(folder / "table.txt", "x" * 100_000)
    assert classify(raised.value) == Verdict(True, str(LEAST_ROOM), outage="disk")


def test_files_that_failed_are_transient_unless_none_of_them_can_be_had_by_trying_again():
    def verdict(*codes: Code) -> Verdict:
        return classify_files(pd.DataFrame({"dl_code": list(codes), "size": 60_000_000}))

    assert not verdict(Code.NOT_FOUND, Code.BAD_NAME).permanent
    assert verdict(Code.BAD_NAME) == Verdict(True)
    assert verdict(Code.DISK_FULL, Code.DISK_FULL, Code.BAD_NAME) == Verdict(True, "120000000", outage="disk")


def test_what_a_permanent_failure_waits_for():
    now = Situation(setup_of(Config()), free=1000, writable=False)
    failed = Verdict(True, "", now.setup)
    assert not mended(failed, now)
    assert mended(failed, now._replace(setup="another"))
    assert mended(failed._replace(needs="1000"), now)
    assert not mended(failed._replace(needs="1001"), now)
    for needs, mend in (("folder", {"writable": True}),):
        assert not mended(failed._replace(needs=needs), now)
        assert mended(failed._replace(needs=needs), now._replace(**mend))


def test_another_token_or_archive_is_another_setup_and_shows_no_token(monkeypatch):
    setups = {setup_of(Config())}
    for name, value in (("MAST_API_TOKEN", "good-token"), ("MAST_SERVER", "http://127.0.0.1:9")):
        monkeypatch.setenv(name, value)
        setups.add(setup_of(Config()))
    assert len(setups) == 3
    assert all(len(setup) == 12 for setup in setups)


def test_a_run_that_is_executed_again_does_not_inherit_the_mark(watch, archive, config_file):
    config_file.write_text("sca: [a1]\nmax_download_gb: 0.000001\n")
    failed = watch.attempt()
    config_file.write_text("sca: [a1]\n")
    again = execute(watch.instance, tags={**watch.tags(failed), "dagster/partition": DAY})
    assert again.success
    assert watch.tags(again)[FAILURE] == ""


@pytest.mark.parametrize("asset", ["product_table", "downloaded_files", "summary_table", "index_html"])
def test_one_asset_alone_fails_where_what_it_reads_was_never_made(archive, instance, asset):
    result = materialize(instance, asset, **{"dagster/partition": DAY})
    assert not result.success
    (message,) = messages(result)
    needed = "obs_table" if asset in ("product_table", "summary_table") else "product_table"
    assert message == f"{needed} of {DAY} is missing: run the job jwst_download"
    run = instance.get_run_by_id(result.run_id)
    assert run.tags[FAILURE] == "permanent"
    assert not list(Config().root.rglob("*.html"))


def test_of_a_range_the_first_partitions_that_are_missing_are_named(archive, instance, runner):
    assert runner.run(
        "jwst_query", keys=("2022-04-12|01138", "2022-04-13|01138"), outrootdir=str(Config().root)
    ).success
    ends = {"dagster/asset_partition_range_start": DAY, "dagster/asset_partition_range_end": "2022-04-16|01138"}
    (message,) = messages(materialize(instance, "downloaded_files", **ends))
    assert message == (
        "product_table of 2022-04-10|01138, 2022-04-11|01138, 2022-04-14|01138 and 2 more is missing "
        "(5 of 7 partitions): run the job jwst_download"
    )


def materialize(instance, asset, **tags):
    """What materializing one asset in the web page does: a run of the job that Dagster has for that."""
    job = build_defs().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(asset)],
        tags=tags,
        raise_on_error=False,
        run_config=QUIET,
    )
