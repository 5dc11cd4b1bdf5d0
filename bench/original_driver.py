"""Runs in the original's own environment: makes its tables for one command line after another.

Standard input holds JSON: the address of an archive and a list of command lines. The last line of standard output
is a JSON list with, for each, the three tables as lists of rows, or the error.
"""

import contextlib
import io
import json
import math
import sys

import pandas as pd
from astroquery.mast import Observations
from jwst_mast_query.jwst_download import download_mast  # pyright: ignore[reportMissingImports]


def main():
    job = json.load(sys.stdin)
    results = [outcome(job["url"], argv) for argv in job["command_lines"]]
    print(json.dumps(results))


def outcome(url, argv):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return {"tables": tables(url, argv)}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}", "printed": printed.getvalue()[-500:]}


def tables(url, argv):
    """What its script does up to the tables."""
    query = download_mast()
    for connection in (query.JwstObs._portal_api_connection, Observations._portal_api_connection):
        connection.MAST_REQUEST_URL = f"{url}/api/v0/invoke"
        connection.MAST_DOWNLOAD_URL = f"{url}/api/v0.1/Download/file"
        connection.COLUMNS_CONFIG_URL = f"{url}/portal/Mashup/Mashup.asmx/columnsconfig"
    query.get_arguments(query.define_options().parse_args(argv))
    query.set_outrootdir()
    query.mk_all_tables(showtables=False)
    if len(query.obsTable.t) == 0:
        return {"selprod": [], "obs": [], "summary": []}
    params = query.params
    products = query.productTable.t.loc[query.ix_selected_products]
    return {
        "selprod": rows(products, params["outcolumns_productTable"]),
        "obs": rows(query.obsTable.t.loc[query.ix_obs_sorted], params["outcolumns_obsTable"]),
        "summary": rows(query.summary.t.loc[query.ix_summary_sorted], list(query.summary.t.columns)),
    }


def rows(table, columns):
    return [{column: plain(row[column]) for column in columns} for _, row in table.iterrows()]


def plain(value):
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return getattr(value, "item", lambda: value)()


if __name__ == "__main__":
    main()
