"""Runs without Dagster, for the Python API and for `jwst-mast adopt`: the steps of the assets, and the same tables."""

from collections.abc import Callable

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.records.holdings import write_files
from jwst_mast_assets.records.steps import Choose, Steps, ToFetch


def list_files(steps: Steps, choose: Choose | None = None) -> pd.DataFrame:
    """List the observations and products of some cells, and store both tables.

    Returns
    -------
    DataFrame
        Columns of ``tables.PRODUCT_TABLE``. The parameters, and the errors raised, are those of :class:`Steps`.
    """
    listed, _ = steps.list_observations()
    steps.store.write("obs_table", listed.table, steps.cells)
    products = steps.list_products(listed.table, choose).table
    steps.store.write("product_table", products, steps.cells)
    return products


def fetch_files(
    steps: Steps,
    to_fetch: ToFetch,
    progress: Callable[[downloads.Event], None] | None = None,
    record_as_current: bool = True,
) -> pd.DataFrame:
    """:meth:`Steps.fetch`, whose table is stored."""
    files = steps.fetch(to_fetch, progress, record_as_current)
    write_files(steps.store, files, steps.cells)
    return files
