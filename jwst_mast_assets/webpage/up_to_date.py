"""A proposal's page, written only if something that it shows has changed."""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

from jwst_mast_assets.records import holdings
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.history import read_history
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.webpage.page import LAYOUT, Page, write_page


class UpToDate(NamedTuple):
    """A page that shows what is recorded now."""

    path: Path
    version: str
    """Changes when anything that the page shows does."""
    written: Page | None
    """None if the page was left as it was."""


def bring_up_to_date(snapshot: Snapshot, proposal: str, since: dt.datetime) -> UpToDate:
    """Write a proposal's page unless it shows just what is recorded.

    Parameters
    ----------
    snapshot : Snapshot
    proposal : str
        Five digits.
    since : datetime
        Aware; the earliest arrivals of files that the page of all proposals shows.

    Raises
    ------
    OutputError
        If a record cannot be read, or the page cannot be written.
    """
    config, store = snapshot.config, snapshot.store
    path = config.root / proposal / "index.html"
    marker = store.state / "pages" / f"{proposal}.txt"
    with store.locked(proposal):
        held = holdings.read_proposal(snapshot, proposal)
        version = f"{holdings.page_fingerprint(held, config)}.{LAYOUT}"
        made = marker.read_text(encoding="utf-8") if path.exists() and marker.exists() else None
        if made == version and not config.webpage_thumbnails_overwrite:
            return UpToDate(path, version, None)
        page = write_page(
            config,
            proposal,
            held.observations,
            held.files,
            held.reports.summary,
            disk=snapshot.disk,
            changes=held.changes,
            compared=Ledger(store).checked().get(proposal),
            history=read_history(store, proposal, since=since),
        )
        write_text(marker, version)
    return UpToDate(path, version, page)
