"""When each thing that can change was last compared, per proposal."""

import datetime as dt
from collections.abc import Iterable

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.records.comparisons import last_look, read_compared
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.silent_services import read_silent
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.upkeep_notes import read_notes


def last_comparisons(store: TableStore, proposals: Iterable[str]) -> pd.DataFrame:
    """When the observations, products, checksums and files of some proposals were last compared.

    Parameters
    ----------
    store : TableStore
    proposals : iterable of str
        Five digits each.

    Returns
    -------
    DataFrame
        Columns of ``tables.FRESHNESS_TABLE``, one row per proposal; missing: never.
    """
    checked, scanned = Ledger(store).checked(), read_notes(store)["scanned"]
    looked, silent = last_look(store), read_silent(store).since
    named = read_compared(store)["productFilename"].str.extract(r"^jw(\d{5})")[0]
    compared = set(named.dropna())
    rows = [
        {
            "proposal": proposal,
            "observations": _newest(_last(store, "obs_table", proposal), checked.get(proposal)),
            "products": _newest(_last(store, "product_table", proposal)),
            "checksums": _newest(silent.get(proposal, looked)) if proposal in compared else None,
            "disk": _newest(scanned.get(proposal)),
        }
        for proposal in proposals
    ]
    return tables.conform(pd.DataFrame(rows, columns=list(tables.FRESHNESS_TABLE)), tables.FRESHNESS_TABLE)


def _last(store: TableStore, asset: str, proposal: str) -> str | None:
    """When the newest table of a proposal was written, ISO."""
    times = store.written(asset, proposal).values()
    return max(times).isoformat() if times else None


def _newest(*times: str | None) -> str | None:
    known = [dt.datetime.fromisoformat(time) for time in times if time]
    return f"{max(known):%Y-%m-%dT%H:%M:%S}" if known else None
