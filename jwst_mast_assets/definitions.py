"""The code location: assembles what is in ``defs/``, and nothing else."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from jwst_mast_assets.defs import lost_runs, notices, pruning, reprocessing, upkeep, watching
from jwst_mast_assets.defs.assets.downloaded_files import downloaded_files
from jwst_mast_assets.defs.assets.index_html import index_html
from jwst_mast_assets.defs.assets.obs_table import obs_table
from jwst_mast_assets.defs.assets.product_table import product_table
from jwst_mast_assets.defs.assets.summary_table import summary_table
from jwst_mast_assets.defs.checks import build_checks
from jwst_mast_assets.defs.executors import chosen_executor
from jwst_mast_assets.defs.home import warn_of_home
from jwst_mast_assets.defs.jobs import jobs
from jwst_mast_assets.defs.partitions import build_grid, on_grid
from jwst_mast_assets.defs.resources import build_resources
from jwst_mast_assets.defs.schedules import build_schedules
from jwst_mast_assets.defs.sensors import build_sensors
from jwst_mast_assets.mast.config import Config, load_config

# Arrow's own allocator keeps what each thread has once used: 20 MB more in a process that lists for weeks.
pa.set_memory_pool(pa.system_memory_pool())


def build_defs(config: Config | None = None, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Fresh definitions.

    Parameters
    ----------
    config : Config, optional
        The first day of the partitions, the sensor's interval and the defaults of the launchpad.
        Default: the YAML file in ``$JWST_QUERY_CFGFILE``.
    resource_overrides : mapping, optional
        Resources to use instead, by key.

    Raises
    ------
    ConfigError
        If the YAML file or $JWST_EXECUTOR cannot be used.
    """
    config = config or load_config()
    grid = build_grid(config.first_day)
    return dg.Definitions(
        assets=[
            *on_grid(grid, obs_table, product_table, downloaded_files, summary_table, index_html),
            *reprocessing.assets,
        ],
        asset_checks=build_checks(grid),
        jobs=[*jobs, *reprocessing.jobs, *upkeep.jobs, *watching.jobs, *pruning.jobs],
        schedules=[*build_schedules(config.first_day), *reprocessing.schedules, *upkeep.schedules, *pruning.schedules],
        sensors=[
            *build_sensors(config),
            *reprocessing.build_sensors(config.first_day),
            *notices.sensors,
            *lost_runs.sensors,
        ],
        resources=build_resources(config, resource_overrides),
        executor=chosen_executor(),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load the definitions with the configuration of the environment."""
    warn_of_home()
    return build_defs()
