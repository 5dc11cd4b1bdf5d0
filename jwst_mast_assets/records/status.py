"""The status of a proposal: what is on disk, what is missing and why, and when MAST was last asked."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import layout, selection, tables
from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.file_states import ON_DISK, State
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.mast.tables import STATUS_TABLE
from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.comparisons import of_files_on_disk, read_compared
from jwst_mast_assets.records.file_states import file_states
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.reprocessing import read_changes
from jwst_mast_assets.records.store import PartitionTables, TableStore
from jwst_mast_assets.records.upkeep_notes import spoiled_now


def recorded_proposals(store: TableStore) -> list[str]:
    """The proposals for which a run has recorded products."""
    return sorted({cell.proposal for cell in store.cells("product_table")})


class Selected(NamedTuple):
    """What is selected of a proposal."""

    files: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``, one row per ``dataURI``."""
    observations: int
    """How many are wanted."""


def read_recorded(store: TableStore, proposal: str) -> PartitionTables:
    """The tables of a proposal; each is read once."""
    return PartitionTables(
        store.read_proposal("obs_table", proposal),
        store.read_proposal("product_table", proposal),
        store.read_proposal("downloaded_files", proposal),
    )


def read_selected(store: TableStore, proposal: str, config: Config, disk: Disk | None = None) -> pd.DataFrame:
    """The selected files of a proposal over all its days, and those fetched by earlier runs, with their state on disk.

    If the configuration selects something, that is the selection, whatever the last run selected; otherwise the
    selection of each day's last run counts.

    Returns
    -------
    DataFrame
        Columns of ``tables.FILE_TABLE``, one row per ``dataURI``.
    """
    return select(read_recorded(store, proposal), store, config, disk).files


def select(
    tables_of_proposal: PartitionTables, store: TableStore, config: Config, disk: Disk | None = None
) -> Selected:
    """The same as :func:`read_selected`, from tables that were read already, and the number of observations."""
    observations, products, recorded = tables_of_proposal
    if config.model_fields_set.intersection(parameters_with(Role.SELECTS)):
        products = products.assign(selected=_selected(products, observations, config))
    products = here(products, config)
    recorded = here(recorded, config)
    look = config.model_copy(update={"skip_check_if_outfile_exists": False})
    files = holdings.files_to_list(observations, products, recorded, look, disk=disk)
    # What the user has deleted on purpose is not missing either.
    files = files[~files["dataURI"].isin(list(Forgotten(store).read()))]
    # What MAST no longer lists is neither missing nor stale: there is nothing to fetch.
    brought = files["dataURI"].isin(recorded.loc[recorded["bytes_on_disk"].notna(), "dataURI"])
    listed = (tables.is_true(files["selected"]) | brought) & files["dataURI"].isin(products["dataURI"])
    wanted = observations.drop_duplicates("obsid")["wanted"]
    return Selected(files[listed].reset_index(drop=True), int(tables.is_true(wanted).sum()))


def _selected(products: pd.DataFrame, observations: pd.DataFrame, config: Config) -> pd.Series:
    by_obsid = observations.drop_duplicates("obsid").set_index("obsid")
    wanted = products["parent_obsid"].map(selection.observation_is_wanted(by_obsid, config)).fillna(True)
    return selection.product_is_selected(products, config) & wanted


def here(files: pd.DataFrame, config: Config) -> pd.DataFrame:
    """A table with the files' present paths, even if the output folder was moved."""
    path, root = files["outfilename"], str(config.root)
    inside = tables.is_true(path.str.startswith(f"{root}/"))
    if (inside | path.isna()).all():
        return files
    computed = layout.outfilenames(files, config)
    return files.assign(outfilename=path.where(inside, _moved(path, computed, root)))


def _moved(paths: pd.Series, computed: pd.Series, root: str) -> pd.Series:
    """Paths below an earlier output folder as they are below the present one.

    Most are where the layout puts them, which gives the earlier folder away. A file that several observations list
    stays where it was put first.
    """
    below = computed.str.removeprefix(root)
    pairs = [(path, end) for path, end in zip(paths, below, strict=True) if pd.notna(path) and pd.notna(end)]
    earlier = sorted({path.removesuffix(end) for path, end in pairs if path.endswith(end)}, key=len, reverse=True)

    def now(path: str) -> str | None:
        return next((root + path.removeprefix(old) for old in earlier if path.startswith(f"{old}/")), None)

    known = {path: now(path) for path in paths.dropna().unique()}
    return paths.map(known).astype("string").fillna(computed)


def status(
    store: TableStore,
    wanted: Iterable[str],
    config: Config,
    now: dt.datetime,
    disk: Disk | None = None,
    selected: Mapping[str, Selected] | None = None,
) -> pd.DataFrame:
    """The status of some proposals.

    Parameters
    ----------
    store : TableStore
    wanted : iterable of str
        Proposals, five digits.
    config : Config
        Where files are looked for, if the output folder was moved.
    now : datetime
        Aware.
    disk : Disk, optional
        The folders that have been listed so far.
    selected : mapping, optional
        What is selected of each proposal, where that is known.

    Returns
    -------
    DataFrame
        Columns of ``tables.STATUS_TABLE``, one row per proposal. ``files`` is the sum of the states.
    """
    disk = disk or Disk()
    checked, changes, compared = Ledger(store).checked(), read_changes(store), read_compared(store)
    rows = [
        {
            **_counts(of_proposal.files, changes, compared, spoiled_now(store, of_proposal.files, disk), now),
            "proposal": proposal,
            "observations": of_proposal.observations,
            "forgotten": Forgotten(store).number(proposal),
            "last_checked": _last_checked(store, proposal, checked.get(proposal)),
        }
        for proposal in wanted
        for known in [(selected or {}).get(proposal)]
        for of_proposal in [known or select(read_recorded(store, proposal), store, config, disk)]
    ]
    return tables.conform(pd.DataFrame(rows, columns=list(STATUS_TABLE)), STATUS_TABLE)


def _counts(
    files: pd.DataFrame, changes: pd.DataFrame, compared: pd.DataFrame, spoiled: Collection[str], now: dt.datetime
) -> dict[str, int]:
    state = file_states(files, changes, now, spoiled)
    on_disk = state.isin(ON_DISK)
    look = of_files_on_disk(compared, files)
    queued = tables.is_true(look["isStale"].astype("boolean").fillna(files["isStale"]))
    silent = look["productFilename"].notna() & look["compared_by"].isna()
    size = files["size"].fillna(0)
    return {
        "files": len(files),
        **{name.value: int((state == name).sum()) for name in State},
        "queued": int((on_disk & queued).sum()),
        "not_comparable": int((on_disk & silent).sum()),
        "bytes": int(size[on_disk].sum()),
        "bytes_to_come": int(size[~on_disk].sum()),
    }


def _last_checked(store: TableStore, proposal: str, compared: str | None) -> str | None:
    """When a run last asked for the observations, or the sensor compared its list, whichever was later."""
    times = [
        *store.written("obs_table", proposal).values(),
        *([dt.datetime.fromisoformat(compared)] if compared else []),
    ]
    return f"{max(times):%Y-%m-%dT%H:%M:%S}" if times else None
