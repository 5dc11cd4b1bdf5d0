"""The steps of a run without Dagster, for notebooks and for `jwst-mast adopt`: the same records, in the same order."""

import datetime as dt
import uuid
from collections.abc import Callable, Collection

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import load_config
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.mast.observations import query_observations
from jwst_mast_assets.mast.partition_cells import Cell, proposals_of
from jwst_mast_assets.mast.products import query_products
from jwst_mast_assets.records import holdings, reprocessing
from jwst_mast_assets.records.archive_identity import claim
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import record_fetches
from jwst_mast_assets.records.ledger import Ledger, selection_fingerprint
from jwst_mast_assets.records.listings import Listings
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.status import here
from jwst_mast_assets.records.upkeep_notes import spoiled_files

Choose = Callable[[pd.DataFrame], pd.DataFrame]
"""Takes a product table and returns it with another selection."""


class PlainRun:
    """A run over some cells.

    Parameters
    ----------
    snapshot : Snapshot
        The configuration and the output folder.
    archive : Archive
    cells : collection of Cell
    """

    def __init__(self, snapshot: Snapshot, archive: Archive, cells: Collection[Cell]) -> None:
        self.snapshot, self.archive, self.cells = snapshot, archive, sorted(cells)
        self.run_id = str(uuid.uuid4())
        self.products = tables.empty(tables.PRODUCT_TABLE)
        self.known = tables.empty(tables.FILE_TABLE)

    def list(self, choose: Choose | None = None) -> pd.DataFrame:
        """Ask MAST for the observations and products of the cells and record them.

        Parameters
        ----------
        choose : callable, optional
            Replaces the selection of the configuration.

        Returns
        -------
        DataFrame
            Columns of ``tables.PRODUCT_TABLE``.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        OutputError
            If the output folder cannot be written.
        """
        config, store, now = self.snapshot.config, self.snapshot.store, dt.datetime.now(dt.timezone.utc)
        listings = Listings(store)
        known = store.read("obs_table", self.cells)
        listing = query_observations(self.archive, config, self.cells, known)
        make_folder(store.root)
        claim(store.root, self.archive.server)
        observations = listings.settle("obs_table", self.cells, listing, known, now)
        store.write("obs_table", observations, self.cells)

        known = store.read("product_table", self.cells)
        listing = query_products(self.archive, config, observations, known)
        self.known = here(store.read("downloaded_files", self.cells), config)
        on_disk = self.known.loc[self.known["bytes_on_disk"].notna(), known.columns]
        recorded = pd.concat([part for part in (known, on_disk) if len(part)] or [known], ignore_index=True)
        products = listings.settle("product_table", self.cells, listing, recorded, now)
        files = [self.snapshot.recorded_files(proposal) for proposal in proposals_of(self.cells)]
        files = pd.concat([part for part in files if len(part)] or files[:1], ignore_index=True)
        products = products.assign(outfilename=holdings.one_place_each(products, here(files, config)))
        if choose is not None:
            products = choose(products)
        products = products.assign(**downloads.state_on_disk(products, config, disk=self.snapshot.disk))
        self.products = Forgotten(store).left_out(products)
        store.write("product_table", self.products, self.cells)
        return self.products

    def plan(self) -> downloads.Plan:
        """What is to be fetched of the listed products, and why."""
        store = self.snapshot.store
        return downloads.plan_download(
            self.products,
            self.snapshot.config,
            self.archive,
            self.known,
            self.snapshot.disk,
            reprocessing.outdated(store),
            spoiled_files(store),
        )

    def fetch(
        self,
        plan: downloads.Plan,
        progress: Callable[[downloads.Event], None] | None = None,
        record_as_current: bool = True,
    ) -> pd.DataFrame:
        """Fetch the files of a plan (none with ``skipdownload``) and record what is on disk now.

        Parameters
        ----------
        plan : Plan
        progress : callable, optional
            Receives a :class:`downloads.Event` a few times a second.
        record_as_current : bool
            Whether the ledger may note that the cells are up to date; it does so only for the selection of the
            config file.

        Returns
        -------
        DataFrame
            Columns of ``tables.FILE_TABLE``: the files of the cells that are selected or on disk.

        Raises
        ------
        ConfigError, OutputError
            As :func:`downloads.download`.
        """
        config, store = self.snapshot.config, self.snapshot.store
        files = downloads.download(self.products, config, self.archive, self.known, progress, plan)
        files = holdings.carry_over(files, self.known, self.products, config, self.run_id, self.snapshot.disk)
        now = dt.datetime.now(dt.timezone.utc)
        record_fetches(store, files, self.known, self.run_id, now)
        if record_as_current and selection_fingerprint(config) == selection_fingerprint(load_config()):
            doubtful = {problem.cell for problem in Listings(store).open(self.cells)}
            observations = store.read("obs_table", self.cells)
            with_token = self.archive.token is not None
            Ledger(store).record(self.cells, observations, files, config, now, doubtful, with_token)
        store.write("downloaded_files", files, self.cells)
        return files
