"""What Dagster's web page shows of a run and of the definitions."""

import re

import dagster as dg
import pandas as pd
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.defs import progress
from jwst_mast_assets.defs.metadata import files_preview, outcome
from jwst_mast_assets.defs.resources import NOT_IN_LAUNCHPAD, build_resources
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast.config import Config

NAME = "jw01138004001_02101_00001_nrca1_uncal.fits"


@pytest.fixture
def a_run(archive, runner, monkeypatch):
    """A run of three files one of which cannot be downloaded, that says every time how far it is."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    archive.faults.add(Fault("status", endpoint="download", match=NAME, status=404))
    archive.faults.add(Fault("slow", endpoint="download", match="jw01138005001", seconds=1))
    return runner.run(sca=["a1"], Nparallel=1)


def test_a_run_says_in_its_log_what_it_does_and_what_its_page_shows_is_short(a_run, instance, runner):
    logged = [
        (entry.level, entry.user_message)
        for entry in instance.all_logs(a_run.run_id)
        if not entry.is_dagster_event and entry.user_message
    ]
    sentences = [message for _, message in logged]
    assert {level for level, _ in logged} == {20}
    assert "30 observations in MAST on 1 day, 30 match the configuration" in sentences
    assert any(sentence.startswith("3 files to fetch, ") and sentence.endswith("kB") for sentence in sentences)
    assert any(
        re.fullmatch(r"fetched \d of 3 files, \d+ k?B of \d+ kB(, 1 failed)?", sentence) for sentence in sentences
    )
    assert any(sentence.startswith("2 of 3 selected files are on disk; 2 fetched now, ") for sentence in sentences)

    (event,) = a_run.asset_materializations_for_node("downloaded_files")
    files = event.metadata["files"].value.splitlines()
    assert files[0] == "| name | size | state | dl_str | message |"
    assert files[2].startswith(f"| {NAME} | ")
    assert "| ERRORnotfound | MAST answered with HTTP status 404 |" in files[2]
    assert [line.count("| downloaded |") for line in files[3:]] == [1, 1]
    for asset in ("obs_table", "product_table", "downloaded_files", "summary_table"):
        for found in a_run.asset_materializations_for_node(asset):
            for name, value in found.metadata.items():
                assert not str(value.value).startswith("file:"), (asset, name)
                assert not isinstance(value, dg.FloatMetadataValue) or len(str(value.value)) < 8, (asset, name)
    (event,) = a_run.asset_materializations_for_node("summary_table")
    assert f"`{runner.root}/01138/01138.summary.txt`" in event.metadata["tables"].value


def test_of_many_files_25_are_shown_and_those_that_failed_come_first():
    files = pd.DataFrame(
        {
            "dataURI": [f"mast:JWST/product/{number}" for number in range(40)],
            "productFilename": [f"file{number}.fits" for number in range(40)],
            "selected": True,
            "size": 83_886_080,
            "bytes_on_disk": pd.array([83_886_080] * 39 + [None], dtype="Int64"),
            "bytes_fetched": 83_886_080,
            "dl_code": [2] * 39 + [7],
            "dl_str": ["exists"] * 39 + ["ERRORdownload"],
            "dl_message": [None] * 39 + ["time-out"],
        }
    )
    lines = files_preview(files).value.splitlines()
    assert lines[2] == "| file39.fits | 83.9 MB | failed | ERRORdownload | time-out |"
    assert lines[3] == "| file0.fits | 83.9 MB | present | exists |  |"
    assert len([line for line in lines if line.startswith("| file")]) == 25
    assert lines[-1] == "... and 15 more"
    said = outcome(files, 14.23456)
    assert said["outcome"] == "39 of 40 selected files are on disk; 1 failed"
    assert (said["seconds"], said["rate"]) == (14.2, "236 MB/s")


def test_everything_says_what_it_is_for():
    repository = build_defs().get_repository_def()
    described = [
        *repository.sensor_defs,
        *repository.schedule_defs,
        *(job for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *(repository.asset_graph.get_check_spec(key) for key in repository.asset_graph.asset_check_keys),
    ]
    assert [one.name for one in described if not one.description] == []


def test_each_asset_has_an_owner_tags_and_a_group_and_says_why_most_of_its_partitions_are_grey():
    graph = build_defs().get_repository_def().asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners == ["team:jwst_mast_assets"]
        assert node.tags["telescope"] == "jwst"
        if node.is_partitioned:
            assert "Most partitions stay grey" in str(node.description)
            assert node.group_name == "jwst"


def test_reprocessed_files_is_shown_downstream_of_the_files_and_its_job_lists_no_partition(
    archive, instance, runner, monkeypatch
):
    graph = build_defs().get_repository_def().asset_graph
    node = graph.get(dg.AssetKey("reprocessed_files"))
    assert node.parent_keys == {dg.AssetKey("downloaded_files")}
    assert "Made by the job `jwst_reprocessing`" in str(node.description)

    def listed(*_args, **_kwargs):
        raise AssertionError("the whole grid is listed")

    monkeypatch.setattr(dg.MultiPartitionsDefinition, "get_partition_keys", listed)
    assert build_defs().resolve_job_def("jwst_reprocessing").execute_in_process(instance=instance).success


def test_what_a_partition_stands_for_is_not_in_the_launchpad_but_holds_from_the_config_file(tmp_path, monkeypatch):
    hidden = {"propID", "date_select", "lookbacktime", "all_dates", "token", "notify_urls", "first_day"}
    assert hidden | {"sensor_interval", "watch", "verbose", "makewebpages"} <= set(NOT_IN_LAUNCHPAD)
    resource = build_resources(Config.from_mapping({"date_select": "59679.5+", "sca": "a1", "token": "secret"}))[
        "jwst_config"
    ]
    assert set(type(resource).model_fields) == set(Config.model_fields) - set(NOT_IN_LAUNCHPAD)
    config = resource.checked()
    assert config.date_select == ["59679.5+"]
    assert config.sca == ["a1"]
    assert config.token is None
    assert "secret" not in repr(resource) + repr(type(resource).not_in_launchpad)
