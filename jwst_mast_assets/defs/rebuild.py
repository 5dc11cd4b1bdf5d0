"""A Dagster home rebuilt from an output folder, after the old one was deleted or for a second machine."""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg
import pandas as pd

from jwst_mast_assets.defs.partitions import register_proposals, registered_proposals
from jwst_mast_assets.downloads import FAILURES
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.records.instrument_watch import what_is_watched
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

TABLES = ("obs_table", "product_table", "downloaded_files", "summary_table")
PAGE = "index_html"
REBUILT = "from the records in the output folder; the Dagster home had none of it"


class Rebuilt(NamedTuple):
    """What a Dagster home was given."""

    proposals: list[str]
    """New partition keys."""
    watched: list[str]
    """What is watched: the proposals (of a folder of the version before, all that it has records of), an instrument."""
    materializations: int

    def __str__(self) -> str:
        return (
            f"{self.materializations} materializations of {len(self.proposals)} new partition key(s) rebuilt from the "
            f"output folder; watched: {' '.join(self.watched) or 'none'}"
        )


def is_blank(instance: dg.DagsterInstance) -> bool:
    """Whether nothing was ever downloaded with a Dagster home."""
    assets = [dg.AssetKey(name) for name in TABLES]
    return all(instance.get_latest_materialization_event(key) is None for key in assets)


def rebuild(instance: dg.DagsterInstance, store: TableStore, config: Config) -> Rebuilt:
    """Give a Dagster home what the output folder has on record and the home does not.

    Attempts need no rebuilding: where the home has no runs, those in the folder count, see
    :mod:`jwst_mast_assets.records.attempts`.

    Parameters
    ----------
    instance : DagsterInstance
    store : TableStore
    config : Config
        ``first_day``.

    Raises
    ------
    ConfigError
        If the recorded proposals are too many for Dagster.
    OutputError
        If a record cannot be read.
    """
    if WatchList(store).is_of_the_version_before:
        # That version watched every proposal that was a partition key, and the keys are gone.
        WatchList(store).start(registered_proposals(instance) or Ledger(store).proposals())
    recorded = store.cells("obs_table")
    today = utc_now().date()
    cells = [cell for cell in recorded if config.first_day <= cell.day <= today]
    watched = Ledger(store).watched(config)
    new = register_proposals(instance, [*proposals_of(cells), *watched], config.first_day)
    count = 0
    for name in (*TABLES, PAGE):
        known = instance.get_materialized_partitions(dg.AssetKey(name))
        for event in _materializations(store, config, name, [cell for cell in cells if cell.key not in known]):
            instance.report_runless_asset_event(event)
            count += 1
    chosen = WatchList(store).chosen(config)
    return Rebuilt(new, [*chosen, *filter(None, [what_is_watched(config)])], count)


def _materializations(
    store: TableStore, config: Config, name: str, cells: list[Cell]
) -> Iterator[dg.AssetMaterialization]:
    """The materializations of an asset that the folder proves, for some cells."""
    # A page is made after its day's downloads.
    asset = "downloaded_files" if name == PAGE else name
    for proposal in proposals_of(cells):
        page = config.root / proposal / "index.html"
        if name == PAGE and not page.exists():
            continue
        written, table = store.written(asset, proposal), store.read_proposal(asset, proposal)
        # Green means done: a day with files that failed is left to its next run.
        failed = _failed(table) if asset == "downloaded_files" else set()
        number = table["cell"].value_counts()
        for cell in cells:
            if cell.proposal != proposal or cell not in written or cell.key in failed:
                continue
            rows = {} if name == PAGE else {"dagster/row_count": int(number.get(cell.key, 0))}
            yield dg.AssetMaterialization(
                name,
                partition=dg.MultiPartitionKey({"day": str(cell.day), "proposal": proposal}),
                metadata={
                    "rebuilt": REBUILT,
                    "recorded": dg.MetadataValue.timestamp(written[cell]),
                    "path": dg.MetadataValue.path(str(page) if name == PAGE else store.where(name)),
                    **rows,
                },
            )


def _failed(files: pd.DataFrame) -> set[str]:
    """The partition keys with files that failed."""
    return set(files.loc[tables.is_true(files["selected"]) & files["dl_code"].isin(FAILURES), "cell"])
