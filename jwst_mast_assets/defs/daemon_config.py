"""The configuration of the sensors and schedules, outside any run, and what must be true of the output folder."""

import dagster as dg

from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ConfigError, OutputError
from jwst_mast_assets.records.store import TableStore, put_back


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
    check_not_lost(instance, store)
    return config


def check_not_lost(instance: dg.DagsterInstance, store: TableStore) -> None:
    """Check that the output folder still has the records of what Dagster's last run has put there.

    Raises
    ------
    OutputError
        If it has none any more: its disk is not mounted, and must not be filled again at the mount point.
    """
    if store.exists():
        return
    last = instance.get_latest_materialization_event(dg.AssetKey("downloaded_files"))
    path = last.asset_materialization.metadata.get("path") if last and last.asset_materialization else None
    if path is None or str(path.value) != store.where("downloaded_files"):
        return
    if store.has_other_files():
        raise OutputError(f"{store.root} has files, but their records ({store.state}) are gone; {put_back(store)}")
    raise OutputError(
        f"The output folder {store.root} has lost its contents; is its disk mounted? To start over in an empty folder, "
        f"create the folder {store.folder}"
    )


def check_folder_is_set(config: Config) -> None:
    """Check that an output folder is set: otherwise it would be wherever the program happens to run.

    Raises
    ------
    ConfigError
        If not.
    """
    if not config.outrootdir and not config.environment_root:
        raise ConfigError("No output folder is set: give outrootdir in the config file, or $JWSTDOWNLOAD_OUTDIR")
