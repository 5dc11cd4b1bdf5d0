"""What MAST has of a proposal, before it is watched: observations, selected files, bytes, and how much is to come."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ArchiveError
from jwst_mast_assets.mast.observations import describe_observations, unknown_programs
from jwst_mast_assets.mast.products import describe_products
from jwst_mast_assets.mast.sizes import counted, human_bytes
from jwst_mast_assets.records.store import TableStore

SAMPLE_SIZE = 100
"""At most this many observations have their files listed; for larger proposals the totals are estimates."""


class Survey(NamedTuple):
    """What MAST has of a proposal."""

    proposal: str
    observations: int = 0
    """With data; planned ones are not counted."""
    wanted: int = 0
    """Those that the configuration wants (instrument, mode, dates)."""
    files: int = 0
    """Selected ones."""
    bytes: int = 0
    bytes_to_fetch: int = 0
    """Of the selected files that are not on disk yet."""
    estimated: bool = False
    known: bool = True
    """Whether MAST has the program, be it only planned."""
    problem: str = ""
    """Why MAST did not answer."""

    def __str__(self) -> str:
        if not self.wanted:
            return f"{self.proposal}: {counted(self.observations, 'observation')}, none selected"
        about = "about " if self.estimated else ""
        text = f"{self.proposal}: {counted(self.wanted, 'observation')}, {about}{counted(self.files, 'file')}, "
        text += f"{human_bytes(self.bytes)} selected"
        if self.bytes_to_fetch < self.bytes:
            text += f" ({human_bytes(self.bytes_to_fetch)} of it to fetch)"
        return text


def survey(archive: Archive, config: Config, store: TableStore, proposals: Sequence[str]) -> list[Survey]:
    """What MAST has of some proposals, of all dates.

    Parameters
    ----------
    archive : Archive
    config : Config
        What selects.
    store : TableStore
        What is on disk already.
    proposals : sequence of str
        Five digits each.

    Returns
    -------
    list of Survey
        One for each; a proposal that is unknown to MAST, or only planned, has no observations, and one for which
        MAST did not answer has a ``problem``.

    Raises
    ------
    ArchiveError
        If MAST does not answer for any of them.
    """
    if not proposals:
        return []
    observations = describe_observations(archive.observations(proposals), config)
    failed = archive.failures["observations"]
    found = [
        Survey(proposal, problem=failed[proposal])
        if proposal in failed
        else _survey(archive, config, store, proposal, observations[observations["proposal_id"] == int(proposal)])
        for proposal in proposals
    ]
    if all(one.problem for one in found):
        raise ArchiveError(found[0].problem)
    return found


def _survey(archive: Archive, config: Config, store: TableStore, proposal: str, observations: pd.DataFrame) -> Survey:
    try:
        if observations.empty:
            return Survey(proposal, known=not unknown_programs(archive, [proposal]))
        return _surveyed(archive, config, store, proposal, observations)
    except ArchiveError as error:
        return Survey(proposal, problem=str(error))


def _surveyed(archive: Archive, config: Config, store: TableStore, proposal: str, observations: pd.DataFrame) -> Survey:
    wanted = observations[tables.is_true(observations["wanted"])]
    step = max(1, -(-len(wanted) // SAMPLE_SIZE))
    looked_at = wanted.iloc[::step]
    found = archive.products([int(obsid) for obsid in looked_at["obsid"]], config.batch_size)
    products = describe_products(found, looked_at, config).drop_duplicates("dataURI")
    chosen = products[tables.is_true(products["selected"])]
    look = config.model_copy(update={"skip_check_if_outfile_exists": False})
    state = downloads.state_on_disk(chosen, look, store.read_proposal("downloaded_files", proposal))["dl_code"]
    size = chosen["size"].fillna(0)
    scale = len(wanted) / len(looked_at) if len(looked_at) else 1
    absent = (state != downloads.Code.EXISTS).fillna(True).astype(bool)
    return Survey(
        proposal,
        len(observations),
        len(wanted),
        round(len(chosen) * scale),
        round(int(size.sum()) * scale),
        round(int(size[absent].sum()) * scale),
        estimated=step > 1,
    )
