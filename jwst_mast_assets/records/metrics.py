"""The status of the proposals for monitoring: text that Prometheus reads, and JSON."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.tables import STATUS_TABLE
from jwst_mast_assets.records.files import write_text
from jwst_mast_assets.records.store import TableStore

FILE = "metrics.prom"
"""Below the folder of records; the daily comparison writes it."""

GAUGES = {
    "jwst_observations": "observations",
    "jwst_bytes_on_disk": "bytes",
    "jwst_bytes_to_come": "bytes_to_come",
    "jwst_days_to_come": "days_to_come",
    "jwst_files_queued": "queued",
    "jwst_files_not_comparable": "not_comparable",
}
"""Metrics with one value per proposal, and their columns of ``tables.STATUS_TABLE``."""


def as_json(status: pd.DataFrame) -> str:
    """The status as a JSON list with an object per proposal, null where a value is missing.

    Parameters
    ----------
    status : DataFrame
        ``tables.STATUS_TABLE``.
    """
    return json.dumps(json.loads(status.to_json(orient="records")), indent=2)


def as_prometheus(status: pd.DataFrame) -> str:
    """The status in Prometheus's text format, for its node exporter's folder of text files.

    Parameters
    ----------
    status : DataFrame
        ``tables.STATUS_TABLE``.
    """
    rows = status.to_dict("records")
    lines = _head("jwst_files", "Selected files by their state on disk.")
    for row in rows:
        lines += [f'jwst_files{{proposal="{row["proposal"]}",state="{state}"}} {row[state.value]}' for state in State]
    for name, column in GAUGES.items():
        lines += _head(name, f"{STATUS_TABLE[column].meaning}.")
        lines += [f'{name}{{proposal="{row["proposal"]}"}} {row[column]}' for row in rows]
    name = "jwst_last_checked_timestamp_seconds"
    lines += _head(name, f"{STATUS_TABLE['last_checked'].meaning.split(',')[0]}, seconds since 1970.")
    for row in rows:
        if isinstance(row["last_checked"], str):
            when = dt.datetime.fromisoformat(row["last_checked"]).replace(tzinfo=dt.timezone.utc)
            lines.append(f'{name}{{proposal="{row["proposal"]}"}} {when.timestamp():.0f}')
    return "\n".join(lines) + "\n"


def write_metrics(store: TableStore, status: pd.DataFrame) -> Path:
    """Write the status for Prometheus's node exporter, in one step; returns where. Raises OutputError."""
    path = store.state / FILE
    write_text(path, as_prometheus(status))
    return path


def _head(name: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning[0].upper()}{meaning[1:]}", f"# TYPE {name} gauge"]
