"""What the UI shows of a table."""

import base64
import os
import re
from collections.abc import Callable
from typing import Any

import dagster as dg
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.defs.partitions import RANGE_END, RANGE_START, keys_of_run
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.webpage.contact_sheet import contact_sheet

OWNERS = ["team:jwst_mast_assets"]
TAGS = {"telescope": "jwst", "archive": "mast"}

PREVIEW_ROWS = 15
"""Rows of a preview; metadata live in Dagster's database and are kept forever."""

PICTURES = ("_i2d.jpg", "_s2d.jpg", "_s3d.jpg", "_cal.jpg", "_rate.jpg", "_x1d.png")
"""What the picture of a run is made of."""

ROWS = "dagster/row_count"

FILE_ROWS = 25
"""Rows of a preview of files."""

MARKUP = re.compile(r"([\\`*\[\]<&|~])")
"""Characters that Markdown or HTML would interpret in a table's cell; underscores within a word are not interpreted."""


def partitioned_asset(**options: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """``dg.asset`` with what all assets with a partition per proposal and day have in common."""
    policy = dg.BackfillPolicy.single_run()
    return dg.asset(backfill_policy=policy, group_name="jwst", owners=OWNERS, tags=TAGS, code_version="1", **options)


def on_last_partition(
    context: dg.AssetExecutionContext, metadata: dict[str, Any], table: pd.DataFrame | None = None
) -> dict[str, Any]:
    """What the materialization of each partition of a run says.

    Dagster records one per partition, forever. In a run of a range only the last one shows what is said of the run as
    a whole; each of the others has the name of the last and, of some tables, the number of its own rows.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the asset; receives what belongs to single partitions.
    metadata : dict
        Of the whole run.
    table : DataFrame, optional
        Its rows, with their ``cell``.
    """
    tags = context.run.tags
    start, end = tags.get(RANGE_START), tags.get(RANGE_END)
    if not (start and end) or start == end:
        return metadata
    context.add_asset_metadata({**metadata, "range": f"{start} to {end}"}, partition_key=end)
    if table is None:
        return {"details_at": end}
    rows = table["cell"].value_counts()
    for key in keys_of_run(tags, context.instance):
        # Dagster lists the whole range each time: with all days of a proposal a minute, if each were named.
        if key in rows or key == end:
            context.add_asset_metadata({ROWS: int(rows.get(key, 0))}, partition_key=key)
    return {"details_at": end, ROWS: 0}


def preview(table: pd.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """The first rows of a table as Markdown; what its cells hold is shown as text, also where it looks like markup."""
    shown = table.head(rows)
    cells = shown.astype(object).where(shown.notna(), "").map(_cell_text)
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (shown.columns, ["---"] * shown.shape[1])]
    lines += ["| " + " | ".join(row) + " |" for row in cells.to_numpy().tolist()]
    more = len(table) - len(shown)
    return dg.MetadataValue.md("\n".join(lines) + (f"\n\n... and {more} more" if more else ""))


def _cell_text(value: Any) -> str:
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    return MARKUP.sub(r"\\\1", " ".join(text.split("\n")))


def files_preview(files: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The files of a run with their states by name, those that failed first.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``.
    """
    once = files.drop_duplicates("dataURI").sort_values("productFilename", kind="stable")
    failed = tables.is_true(once["selected"]) & once["dl_code"].isin(downloads.FAILURES)
    once = pd.concat([once[failed], once[~failed]], ignore_index=True)
    size = once["bytes_on_disk"].fillna(once["size"]).head(FILE_ROWS)
    table = pd.DataFrame(
        {
            "name": once["productFilename"],
            "size": pd.Series([human_bytes(None if pd.isna(value) else value) for value in size], dtype="string"),
            "state": once["dl_code"].map({code: meaning.state.value for code, meaning in downloads.CODES.items()}),
            "dl_str": once["dl_str"],
            "message": once["dl_message"],
        }
    )
    return preview(table, FILE_ROWS)


def images_of(files: pd.DataFrame) -> dict[str, Any]:
    """A run's pictures as one small picture, those of level 3 first; nothing where the run fetched none.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``.
    """
    once = files.drop_duplicates("dataURI")
    pictures = once[once["filetype"].isin(PICTURES) & once["bytes_on_disk"].notna() & once["outfilename"].notna()]
    if not pictures["dl_code"].isin(downloads.FETCHED).any():
        return {}  # a run that has nothing to do reads no file
    ordered = pictures.sort_values(["calib_level", "productFilename"], ascending=[False, True])
    sheet = contact_sheet(ordered["outfilename"].tolist())
    if sheet is None:
        return {}
    data = base64.b64encode(sheet).decode("ascii")
    return {"images": dg.MetadataValue.md(f"![{len(pictures)} images](data:image/jpeg;base64,{data})")}


def folder_of(files: pd.DataFrame) -> dict[str, Any]:
    """The folder that holds the files of a run; nothing where there are none on disk.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``.
    """
    there = files.loc[files["bytes_on_disk"].notna(), "outfilename"].dropna()
    if there.empty:
        return {}
    return {"folder": dg.MetadataValue.path(os.path.commonpath({os.path.dirname(name) for name in there}))}


def outcome(files: pd.DataFrame, seconds: float) -> dict[str, Any]:
    """What a run did to its files: a sentence, and counts that the UI can plot.

    Parameters
    ----------
    files : DataFrame
        ``tables.FILE_TABLE``.
    seconds : float
        How long it took.
    """
    totals = downloads.summary(files)
    totals.pop("failures")
    fetched, rate = human_bytes(totals["bytes_fetched"]), f"{human_bytes(totals['bytes_fetched'] / seconds)}/s"
    sentence = f"{totals['present']} of {totals['selected']} selected files are on disk"
    if totals["fetched"]:
        sentence += f"; {totals['fetched']} fetched now, {fetched} in {seconds:.1f} s ({rate})"
    for name, word in (("failed", "failed"), ("waiting", "waiting for release")):
        if totals[name]:
            sentence += f"; {totals[name]} {word}"
    sizes = {"size_on_disk": human_bytes(totals["bytes_on_disk"])}
    if totals["bytes_fetched"]:
        sizes |= {"size_fetched": fetched, "rate": rate}
    return {"outcome": sentence, **totals, **sizes, "seconds": round(seconds, 1)}


def data_version(table: pd.DataFrame, columns: list[str]) -> dg.DataVersion:
    """A version that changes when the rows do, regardless of their order."""
    rows = pd.util.hash_pandas_object(table[columns].astype("string"), index=False)
    return dg.DataVersion(f"{len(table)}-{int(rows.sum()) % 2**64:016x}")


def table_metadata(table: pd.DataFrame, columns: list[str]) -> dict[str, Any]:
    """Row count and preview of a table."""
    return {ROWS: len(table), "preview": preview(table[columns])}
