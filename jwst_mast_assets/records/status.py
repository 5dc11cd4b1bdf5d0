"""The status of a proposal: what is on disk, what is missing and why, and when MAST was last asked."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.downloads.codes import codes_of
from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import layout, selection, tables
from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.file_states import ON_DISK, State
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.mast.tables import STATUS_TABLE
from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.comparisons import of_files_on_disk, read_compared
from jwst_mast_assets.records.file_states import file_states, without_relisted
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import sharing_a_file
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.reprocessing import read_changes
from jwst_mast_assets.records.store import PartitionTables, TableStore
from jwst_mast_assets.records.upkeep_notes import spoiled_now

RECORDED = ("obs_table", "product_table", "downloaded_files")
"""Assets whose tables say what is recorded of a proposal."""


def recorded_proposals(store: TableStore) -> list[str]:
    """The proposals for which a run has recorded products."""
    return sorted({cell.proposal for cell in store.cells("product_table")})


class Selected(NamedTuple):
    """What is selected of some proposals."""

    proposals: list[str]
    files: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``, one row per ``dataURI``."""
    observations: Mapping[str, int]
    """How many are wanted of each proposal, where any is."""
    unlisted: frozenset[str] = frozenset()
    """The dataURIs of those files that are on disk although MAST no longer lists them."""


def read_recorded(store: TableStore, proposal: str) -> PartitionTables:
    """The tables of a proposal; each is read once."""
    return PartitionTables(*(store.read_proposal(asset, proposal) for asset in RECORDED))


def read_together(store: TableStore, proposals: Iterable[str]) -> Iterator[tuple[list[str], PartitionTables]]:
    """The tables of proposals in groups, as a step on a table takes as long for one small proposal as for many.

    Proposals that share a file are in groups of their own, so that each file of a group is one proposal's.
    """
    for group, found in store.read_together(RECORDED, proposals):
        held = PartitionTables(*found)
        listed = pd.concat([held.products[["dataURI", "cell"]], held.files[["dataURI", "cell"]]])
        sharing = sharing_a_file(listed["dataURI"], owner(listed))
        if not sharing:
            yield group, held
            continue
        for part in [[one for one in group if one not in sharing], *([one] for one in group if one in sharing)]:
            if part:
                own = (table[owner(table).isin(part)].reset_index(drop=True) for table in held)
                yield part, PartitionTables(*own)


def owner(table: pd.DataFrame) -> pd.Series:
    """The proposal of each row of a table with ``cell``: five digits."""
    return table["cell"].str[-5:]


def read_selected(store: TableStore, proposal: str, config: Config, disk: Disk | None = None) -> pd.DataFrame:
    """The selected files of a proposal over all its days, and those fetched by earlier runs, with their state on disk.

    If the configuration selects something, that is the selection, whatever the last run selected; otherwise the
    selection of each day's last run counts.

    Returns
    -------
    DataFrame
        Columns of ``tables.FILE_TABLE``, one row per ``dataURI``.
    """
    return select([proposal], read_recorded(store, proposal), store, config, disk).files


def select(
    proposals: list[str],
    tables_of_proposals: PartitionTables,
    store: TableStore,
    config: Config,
    disk: Disk | None = None,
) -> Selected:
    """The same as :func:`read_selected`, from tables that were read already, and the number of observations."""
    observations, products, recorded = tables_of_proposals
    if config.model_fields_set.intersection(parameters_with(Role.SELECTS)):
        products = products.assign(selected=selected_by(config, products, observations))
    products = here(products, config)
    recorded = here(recorded, config)
    look = config.model_copy(update={"skip_check_if_outfile_exists": False})
    files = holdings.files_to_list(observations, products, recorded, look, disk=disk)
    # What the user has deleted on purpose is not missing either.
    files = files[~files["dataURI"].isin(list(Forgotten(store).read()))]
    there, listed = files["dl_code"].isin(codes_of(*ON_DISK)), files["dataURI"].isin(products["dataURI"])
    selected, excluded = tables.is_true(files["selected"]), selection.is_excluded(files["productFilename"], config)
    brought = files["dataURI"].isin(recorded.loc[recorded["bytes_on_disk"].notna(), "dataURI"])
    kept = there & (selected | brought)
    unlisted = frozenset(files.loc[kept & ~listed, "dataURI"])
    # What MAST no longer lists, or is no longer selected, is not missing: nothing is going to fetch it.
    files = files[kept | (selected & listed & ~excluded)].reset_index(drop=True)
    wanted = observations.drop_duplicates("obsid")
    wanted = owner(wanted[tables.is_true(wanted["wanted"])]).value_counts()
    return Selected(proposals, files, {str(one): int(n) for one, n in wanted.items()}, unlisted)


def selected_by(config: Config, products: pd.DataFrame, observations: pd.DataFrame) -> pd.Series:
    """Which products a configuration selects, whatever the last run selected; boolean, indexed as these."""
    by_obsid = observations.drop_duplicates("obsid").set_index("obsid")
    wanted = (
        products["parent_obsid"].map(selection.observation_is_wanted(by_obsid, config)).astype("boolean").fillna(True)
    )
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
    wanted: Collection[str],
    config: Config,
    now: dt.datetime,
    disk: Disk | None = None,
    selected: Iterable[Selected] | None = None,
) -> pd.DataFrame:
    """The status of some proposals.

    Parameters
    ----------
    store : TableStore
    wanted : collection of str
        Proposals, five digits.
    config : Config
        Where files are looked for, if the output folder was moved.
    now : datetime
        Aware.
    disk : Disk, optional
        The folders that have been listed so far.
    selected : iterable of Selected, optional
        What is selected of these proposals, where that is known.

    Returns
    -------
    DataFrame
        Columns of ``tables.STATUS_TABLE``, one row per proposal. ``files`` is the sum of the states.
    """
    disk = disk or Disk()
    if selected is None:
        selected = (select(group, held, store, config, disk) for group, held in read_together(store, wanted))
    changes, compared = read_changes(store), read_compared(store)
    counts = [
        _counts(part, _states(part, store, changes, config, now, disk), compared).assign(
            observations=[part.observations.get(proposal, 0) for proposal in part.proposals]
        )
        for part in selected
    ]
    table = pd.concat(counts).reindex(list(wanted)) if counts else pd.DataFrame()
    checked = Ledger(store).checked()
    to_come = Ledger(store).to_come(set(wanted), config)
    forgotten = Counter(entry.get("proposal") for entry in Forgotten(store).read().values())
    table = table.assign(
        proposal=list(wanted),
        forgotten=[forgotten[proposal] for proposal in wanted],
        days_to_come=[to_come[proposal] for proposal in wanted],
        last_checked=[_last_checked(store, proposal, checked.get(proposal)) for proposal in wanted],
    )
    return tables.conform(table.reset_index(drop=True), STATUS_TABLE)


def read_states(
    store: TableStore, proposals: Iterable[str], config: Config, now: dt.datetime, disk: Disk | None = None
) -> Iterator[pd.DataFrame]:
    """The selected files of some proposals as :func:`read_selected` has them, and what each is.

    Yields
    ------
    DataFrame
        Columns of ``tables.FILE_TABLE``, and ``state``: values of :class:`State`, as :func:`status` counts them.
    """
    disk, changes = disk or Disk(), read_changes(store)
    for group, held in read_together(store, proposals):
        selected = select(group, held, store, config, disk)
        yield selected.files.assign(state=_states(selected, store, changes, config, now, disk))


def _states(
    selected: Selected, store: TableStore, changes: pd.DataFrame, config: Config, now: dt.datetime, disk: Disk
) -> pd.Series:
    """What each selected file is."""
    files = selected.files
    changes = without_relisted(changes, selected.unlisted)
    state = file_states(files, changes, now, spoiled_now(store, files, disk))
    # Nothing is going to fetch another version of a file that is excluded.
    stale = state == State.STALE.value
    return state.mask(stale & selection.is_excluded(files["productFilename"], config), State.PRESENT.value)


def _counts(selected: Selected, state: pd.Series, compared: pd.DataFrame) -> pd.DataFrame:
    """What is counted of the files of each proposal; indexed by these."""
    files = selected.files
    on_disk = state.isin(ON_DISK)
    look = of_files_on_disk(compared, files)
    queued = tables.is_true(look["isStale"].astype("boolean").fillna(files["isStale"]))
    silent = look["productFilename"].notna() & look["compared_by"].isna()
    size = files["size"].fillna(0)
    counted = {
        "files": pd.Series(1, index=files.index),
        **{name.value: state == name for name in State},
        "queued": on_disk & queued,
        "not_comparable": on_disk & silent,
        "bytes": size.where(on_disk, 0),
        "bytes_to_come": size.mask(on_disk, 0),
    }
    numbers = pd.DataFrame({name: values.astype("int64") for name, values in counted.items()}, index=files.index)
    return numbers.groupby(owner(files)).sum().reindex(selected.proposals, fill_value=0)


def _last_checked(store: TableStore, proposal: str, compared: str | None) -> str | None:
    """When a run last asked for the observations, or the sensor compared its list, whichever was later."""
    times = [
        *store.written("obs_table", proposal).values(),
        *([dt.datetime.fromisoformat(compared)] if compared else []),
    ]
    return f"{max(times):%Y-%m-%dT%H:%M:%S}" if times else None
