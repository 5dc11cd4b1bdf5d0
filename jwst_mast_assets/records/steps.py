"""The steps of a run, from MAST's lists to the records of what is on disk.

Dagster's assets take them and store their tables; :mod:`jwst_mast_assets.records.plain_runs` does so without Dagster.
"""

import uuid
from collections.abc import Callable, Collection
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.listing import Listing
from jwst_mast_assets.mast.observations import query_observations
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.mast.products import query_products
from jwst_mast_assets.records import holdings, reprocessing
from jwst_mast_assets.records.archive_identity import claim
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import record_fetches
from jwst_mast_assets.records.ledger import Ledger, selection_fingerprint
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.moved import move_to_new_days
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.status import here
from jwst_mast_assets.records.upkeep_notes import spoiled_files

Choose = Callable[[pd.DataFrame], pd.DataFrame]
"""Takes a product table and returns it with another selection."""


class Listed(NamedTuple):
    """What MAST has of the cells of a run."""

    table: pd.DataFrame
    """To be stored."""
    listing: Listing
    """MAST's answer."""
    known: pd.DataFrame
    """What was recorded before."""


class ToFetch(NamedTuple):
    """What a run is going to fetch."""

    products: pd.DataFrame
    """Columns of ``tables.PRODUCT_TABLE``; no forgotten file is selected."""
    known: pd.DataFrame
    """Columns of ``tables.FILE_TABLE``: what earlier runs recorded of the same cells."""
    plan: downloads.Plan


class Steps:
    """The steps of a run over some cells.

    Parameters
    ----------
    snapshot : Snapshot
        The configuration and the output folder.
    archive : Archive
    cells : collection of Cell
    run_id : str, optional
        Recorded with the files that the run fetches; a new one if not given.
    """

    def __init__(self, snapshot: Snapshot, archive: Archive, cells: Collection[Cell], run_id: str = "") -> None:
        self.snapshot, self.archive, self.cells = snapshot, archive, sorted(cells)
        self.run_id = run_id or str(uuid.uuid4())
        self.config, self.store = snapshot.config, snapshot.store

    def list_observations(self) -> tuple[Listed, list[str]]:
        """Ask MAST for the observations.

        Returns
        -------
        listed : Listed
            Columns of ``tables.OBS_TABLE``.
        moved : list of str
            Partition keys of days from which observations were moved, because MAST has corrected their date.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        OutputError
            If the output folder cannot be written.
        """
        known = self.store.read("obs_table", self.cells)
        listing = query_observations(self.archive, self.config, self.cells, known)
        # Only now, so that a run that cannot ask MAST leaves no trace; and here, so that no later step finds it out.
        make_folder(self.store.root)
        if not self.store.exists():
            claim(self.store.root, self.archive.server)
        table = Listings(self.store).settle("obs_table", self.cells, listing, known, utc_now())
        listed = table[table["obsid"].isin(list(listing.listed))]
        moved = move_to_new_days(self.store, listed, proposals_of(self.cells), self.config)
        return Listed(table, listing, known), moved

    def list_products(self, observations: pd.DataFrame, choose: Choose | None = None) -> Listed:
        """Ask MAST for the products.

        Parameters
        ----------
        observations : DataFrame
            Columns of ``tables.OBS_TABLE``.
        choose : callable, optional
            Replaces the selection of the configuration.

        Returns
        -------
        Listed
            Columns of ``tables.PRODUCT_TABLE``.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        OutputError
            If the output folder cannot be read or written.
        """
        known = self.store.read("product_table", self.cells)
        listing = query_products(self.archive, self.config, observations, known)
        files = self.store.read("downloaded_files", self.cells)
        # A file on disk counts as recorded also where an earlier version has taken it off the list at once.
        on_disk = files.loc[files["bytes_on_disk"].notna(), known.columns]
        recorded = pd.concat([known, on_disk], ignore_index=True)
        table = Listings(self.store).settle("product_table", self.cells, listing, recorded, utc_now())
        of_all_days = [self.snapshot.recorded_files(proposal) for proposal in proposals_of(self.cells)]
        places = here(pd.concat(of_all_days, ignore_index=True), self.config)
        table = table.assign(outfilename=holdings.one_place_each(table, places))
        if choose is not None:
            table = choose(table)
        table = table.assign(**downloads.state_on_disk(table, self.config, disk=self.snapshot.disk))
        return Listed(Forgotten(self.store).left_out(table), listing, known)

    def plan(self, products: pd.DataFrame) -> ToFetch:
        """What is to be fetched of the listed products, and why.

        Parameters
        ----------
        products : DataFrame
            Columns of ``tables.PRODUCT_TABLE``.

        Raises
        ------
        OutputError
            If a record in the output folder cannot be read.
        """
        known = here(self.store.read("downloaded_files", self.cells), self.config)
        products = Forgotten(self.store).left_out(products)
        outdated, spoiled = reprocessing.outdated(self.store), spoiled_files(self.store)
        disk = self.snapshot.disk
        plan = downloads.plan_download(products, self.config, self.archive, known, disk, outdated, spoiled)
        return ToFetch(products, known, plan)

    def fetch(
        self,
        to_fetch: ToFetch,
        progress: downloads.Progress | None = None,
        record_as_current: bool = True,
        fetcher: downloads.Fetcher | None = None,
    ) -> pd.DataFrame:
        """Fetch the files of a plan (none with ``skipdownload``) and record what was done.

        Parameters
        ----------
        to_fetch : ToFetch
        progress : callable, optional
            Receives a :class:`downloads.Event` a few times a second.
        record_as_current : bool
            Whether the ledger may note that the cells are up to date; it does so only for the selection of the
            config file.
        fetcher : callable, optional
            Used instead of :func:`downloads.fetch_all`.

        Returns
        -------
        DataFrame
            Columns of ``tables.FILE_TABLE``: the files of the cells that are selected or on disk.

        Raises
        ------
        ConfigError, OutputError
            As :func:`downloads.download`.
        """
        products, known, plan = to_fetch
        claim(self.store.root, self.archive.server)
        files = downloads.download(products, self.config, self.archive, known, progress, plan, fetcher)
        theirs = files.loc[files["dl_message"] == downloads.FETCHED_BY_ANOTHER, "dataURI"]
        files = holdings.carry_over(files, known, products, self.config, self.run_id, self.snapshot.disk)
        now = utc_now()
        # The run that fetched a file records it; if that run dies before, the next one adopts the file.
        own = files[~files["dataURI"].isin(theirs)]
        record_fetches(self.store, own, known, self.run_id, now)
        # The ledger is for those who watch with the config file; a run with another selection is not theirs.
        if record_as_current and selection_fingerprint(self.config) == selection_fingerprint(load_config()):
            doubtful = {problem.cell for problem in Listings(self.store).open(self.cells)}
            observations = self.store.read("obs_table", self.cells)
            with_token = self.archive.token is not None
            Ledger(self.store).record(self.cells, observations, files, self.config, now, doubtful, with_token)
        return files
