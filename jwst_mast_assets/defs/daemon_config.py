"""The configuration of the sensors and schedules, outside any run."""

import dagster as dg

from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ConfigError, OutputError
from jwst_mast_assets.records.store import TableStore


def daemon_config(instance: dg.DagsterInstance) -> Config:
    """The config file as it is now, for unattended work.

    It is read at every tick, just as every run reads it at its start: a resource would still have its contents from
    when Dagster loaded the code location.

    Raises
    ------
    ConfigError
        If the file is bad, no output folder is set, or the tables are another folder's.
    TablesUnreachable
        If the tables are in a bucket that cannot be reached.
    OutputError
        If the output folder that was used last is not there, or empty: its disk is not mounted.
    """
    config = load_config()
    check_folder_is_set(config)
    store = TableStore.of(config)
    store.check()
    last = instance.get_latest_materialization_event(dg.AssetKey("downloaded_files"))
    if last is not None and last.asset_materialization is not None and not store.exists():
        path = last.asset_materialization.metadata.get("path")
        if path is not None and str(path.value) == store.where("downloaded_files"):
            raise OutputError(
                f"The output folder {config.root} has lost its contents; is its disk mounted? To start over in an "
                f"empty folder, create the folder {store.folder}"
            )
    return config


def check_folder_is_set(config: Config) -> None:
    """Check that an output folder is set: otherwise it would be wherever the program happens to run.

    Raises
    ------
    ConfigError
        If not.
    """
    if not config.outrootdir and not config.environment_root:
        raise ConfigError("No output folder is set: give outrootdir in the config file, or $JWSTDOWNLOAD_OUTDIR")
