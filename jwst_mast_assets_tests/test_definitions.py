"""What the code location holds, by name: a change here is a change for everybody who has bookmarks or scripts."""

import datetime as dt

import dagster as dg
import pytest

from jwst_mast_assets.definitions import build_defs
from jwst_mast_assets.mast.config import Config


def test_the_names_of_everything():
    definitions = build_defs()
    repository = definitions.get_repository_def()
    checks = {f"{key.asset_key.to_user_string()}: {key.name}" for key in repository.asset_graph.asset_check_keys}
    assert {
        "assets": sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()),
        "checks": sorted(checks),
        "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    } == {
        "assets": [
            "downloaded_files",
            "index_html",
            "obs_table",
            "product_table",
            "reprocessed_files",
            "summary_table",
        ],
        "checks": [
            "downloaded_files: all_selected_files_present",
            "downloaded_files: contents_open",
            "downloaded_files: sizes_and_checksums_agree",
            "obs_table: columns_as_expected",
            "obs_table: fresh",
            "obs_table: no_sudden_fall",
            "product_table: columns_as_expected",
            "product_table: every_list_answered",
            "product_table: no_sudden_fall",
        ],
        "jobs": [
            "jwst_audit",
            "jwst_download",
            "jwst_query",
            "jwst_reprocessing",
            "jwst_upkeep",
            "prune",
            "watch_proposals",
        ],
        "schedules": ["daily_download", "daily_reprocessing", "daily_upkeep", "weekly_prune"],
        "sensors": [
            "lost_runs",
            "new_observations",
            "notice_of_failure",
            "notice_of_new_data",
            "notice_of_token",
            "notices_to_send",
            "reprocessing_sensor",
        ],
    }


def test_every_asset_says_what_it_is():
    for key in build_defs().get_repository_def().asset_graph.get_all_asset_keys():
        node = build_defs().get_repository_def().asset_graph.get(key)
        assert node.description, key


@pytest.mark.parametrize("job", ["jwst_query", "jwst_download"])
def test_the_grid_begins_on_the_first_day_of_the_configuration_that_is_given(job):
    for first_day in (dt.date(2020, 5, 1), dt.date(2024, 2, 29)):
        definitions = build_defs(Config(first_day=first_day))
        grid = definitions.resolve_job_def(job).partitions_def
        assert isinstance(grid, dg.MultiPartitionsDefinition)
        assert grid.get_partitions_def_for_dimension("day").get_first_partition_key() == str(first_day)
        assets = {key for key in definitions.resolve_all_asset_keys() if key.path != ["reprocessed_files"]}
        assert {definitions.resolve_assets_def(key).partitions_def for key in assets} == {grid}
