"""What a command asks MAST at its start, in a thread: the answers arrive while Dagster is imported and prepared."""

import math
import threading
from concurrent.futures import Future

import pandas as pd

from jwst_mast_assets.mast import selection
from jwst_mast_assets.mast.archive import OBS_COLUMNS
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of, utc_now
from jwst_mast_assets.mast.discovery import find_observations
from jwst_mast_assets.mast.shared_limits import shared_limits
from jwst_mast_assets.records.archive_identity import open_archive


class Asking:
    """The first questions of one command.

    Parameters
    ----------
    config : Config

    Attributes
    ----------
    archive : Archive
    now : datetime
        When the command began.

    Raises
    ------
    WrongArchive
        If the output folder was filled from another archive.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.now = utc_now()
        self.archive = open_archive(config.root, limits=shared_limits(config))
        self.archive.max_queries = config.max_queries
        self._found: Future[tuple[pd.DataFrame, list[str]]] = Future()
        # A daemon, so that an interrupted command does not wait for MAST's answer.
        threading.Thread(target=self._ask, name="asking", daemon=True).start()

    def observations(self) -> tuple[pd.DataFrame, list[str]]:
        """The observations that the command is about, and the archive's warnings so far; waits for MAST.

        Raises
        ------
        JwstMastError
            If MAST does not answer at all, or the configuration cannot be used.
        """
        return self._found.result()

    def _ask(self) -> None:
        try:
            if self.archive.token:
                self.archive.whoami()
            found = self._observations()
            warnings = self.archive.unsaid()
            if len(found):
                self.archive.request_products([int(obsid) for obsid in found["obsid"]], self.config.batch_size)
            self._found.set_result((found, warnings))
        except BaseException as error:  # raised again in the thread that waits for the answer
            self._found.set_exception(error)

    def _observations(self) -> pd.DataFrame:
        """Of named proposals all of the command's days are asked for, as its runs want them."""
        if self.config.propID:
            columns = (*OBS_COLUMNS, *self.config.mastcolumns_obsTable)
            lower, upper = selection.window(self.config, self.now)
            last = mjd_of(self.now) + 1 if upper is None else upper
            span = None if lower is upper is None else (math.floor(lower or 0.0), math.floor(last) + 1.0)
            self.archive.remember_observations(self.config.propID, span, columns)
        return find_observations(self.archive, self.config, self.now)
