"""Belongs here: what the UI shows of a table."""

from typing import Any

import dagster as dg
import pandas as pd

PREVIEW_ROWS = 15
"""Rows of a preview; metadata live in Dagster's database and are kept for ever."""


def preview(table: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows of a table as Markdown."""
    shown = table.head(PREVIEW_ROWS)
    cells = shown.astype(object).where(shown.notna(), "").astype(str).replace({r"\|": r"\\|", "\n": " "}, regex=True)
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (shown.columns, ["---"] * shown.shape[1])]
    lines += ["| " + " | ".join(row) + " |" for row in cells.to_numpy().tolist()]
    more = len(table) - len(shown)
    return dg.MetadataValue.md("\n".join(lines) + (f"\n\n... and {more} more" if more else ""))


def data_version(table: pd.DataFrame, columns: list[str]) -> dg.DataVersion:
    """A version that changes when the rows do, in whatever order they come."""
    rows = pd.util.hash_pandas_object(table[columns].astype("string"), index=False)
    return dg.DataVersion(f"{len(table)}-{int(rows.sum()) % 2**64:016x}")


def table_metadata(table: pd.DataFrame, columns: list[str]) -> dict[str, Any]:
    """Row count and preview of a table."""
    return {"dagster/row_count": len(table), "preview": preview(table[columns])}
