"""The tables for people: the original's three ASCII tables, and the same as ECSV for programs.

``.obs.txt``, ``.selprod.txt``, ``.summary.txt``, each with an ``.ecsv`` beside it that
``astropy.table.Table.read`` opens with types and units.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from jwst_mast_assets import __version__
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.observations import sort
from jwst_mast_assets.mast.selection import filetype_pattern
from jwst_mast_assets.records.files import write_ecsv, write_text

if TYPE_CHECKING:
    from astropy.table import Table

UNITS = ("byte", "s", "deg", "nm")
"""Units of columns that astropy knows."""

STAGES = ("uncal", "dark", "ramp", "trapsfilled", "rate", "rateints", "cal", "calints", "crf", "crfints")
STAGES += ("s2d", "s3d", "i2d", "x1d", "x1dints", "segm", "cat")
"""Suffixes in the order in which the pipeline makes them."""
LEFT_ALIGNED = ("obs_id", "outfilename", "dataURI", "productFilename")


class Reports(NamedTuple):
    """The original's three tables."""

    selprod: pd.DataFrame
    obs: pd.DataFrame
    summary: pd.DataFrame


def make_reports(observations: pd.DataFrame, products: pd.DataFrame, config: Config) -> Reports:
    """The tables of products, of observations with their counts, and the summary.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``: the products to list, one row per ``dataURI``.
    config : Config
        Columns and order.

    Returns
    -------
    Reports
        ``obs`` lists the observations that brought at least one of the products, ``summary`` counts per proposal
        and observation number; both have one column per file type.
    """
    products = sort(products, config.sortcols_productTable)
    counted = with_counts(observations, products)
    counted = sort(counted, config.sortcols_obsTable)
    filetypes = filetypes_in_order(products, config)
    return Reports(
        selprod=products[config.outcolumns_productTable],
        obs=counted[[*config.outcolumns_obsTable, *(f for f in filetypes if f not in config.outcolumns_obsTable)]],
        summary=sort(summarize(observations, products, filetypes), config.sortcols_summaryTable),
    )


def filetypes_in_order(products: pd.DataFrame, config: Config) -> list[str]:
    """The file types of some products: as ``filetypes`` lists them; those of one kind as the pipeline makes them."""
    patterns = [re.compile(filetype_pattern([wanted]) or "") for wanted in config.filetypes]

    def place(filetype: str) -> tuple[int, int, str]:
        asked = next((n for n, pattern in enumerate(patterns) if pattern.search(filetype)), len(patterns))
        stage = filetype.strip("_").partition(".")[0]
        return asked, STAGES.index(stage) if stage in STAGES else len(STAGES), filetype

    return sorted(products["filetype"].dropna().unique(), key=place)


def with_counts(observations: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The observations that brought products, with the number of files of each type in a column of its name.

    An observation without a number of its own (a level-3 candidate of several) takes that of its products if
    they agree on one, as in the original; ``obsnums`` has all of them.
    """
    counts = products.groupby(["parent_obsid", "filetype"]).size().unstack(fill_value=0).astype("Int64")
    counts.columns.name = None
    table = observations.drop_duplicates("obsid").merge(counts, left_on="obsid", right_index=True, how="inner")
    numbers = products.dropna(subset=["obsnum"]).groupby("parent_obsid")["obsnum"].agg(["min", "max"])
    agreed = numbers.loc[numbers["min"] == numbers["max"], "min"]
    several = products.dropna(subset=["obsnums"]).drop_duplicates("parent_obsid").set_index("parent_obsid")["obsnums"]
    return table.assign(
        obsnum=table["obsnum"].fillna(table["obsid"].map(agreed).astype("Int64")),
        obsnums=table["obsid"].map(several).astype("string"),
    )


def summarize(
    observations: pd.DataFrame, products: pd.DataFrame, filetypes: list[str], by: Sequence[str] = ()
) -> pd.DataFrame:
    """Per proposal and observation number: files of each type, first date.

    The files of an observation count under its number; those of a level-3 candidate of several under each of the
    numbers of its members. It started with the first of them, so its date is used only if there is no other.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    products : DataFrame
        Columns of ``tables.PRODUCT_TABLE``: those to count.
    filetypes : list of str
        The count columns.
    by : sequence of str
        Columns of the products to count separately by, which come first.

    Returns
    -------
    DataFrame
        ``proposal_id``, ``obsnum``, one Int64 column per file type, ``date_start`` (ISO, UTC).
    """
    parents = observations.drop_duplicates("obsid").set_index("obsid")
    products = products[products["parent_obsid"].isin(parents.index)]
    parent, own = products["parent_obsid"], products["obsnum"].astype("string")
    of_parent = parent.map(parents["obsnum"]).astype("string")
    started = parent.map(parents["date_min"]).astype("string")
    counted = pd.DataFrame(
        {
            "proposal_id": parent.map(parents["proposal_id"]).astype("Int64"),
            "obsnum": of_parent.fillna(products["obsnums"]).fillna(own),
            "date_start": started.where(of_parent.notna()),
            "of_several": started,
            "filetype": products["filetype"],
            **{name: products[name] for name in by},
        }
    )
    counted["obsnum"] = counted["obsnum"].str.split(",")
    counted = counted.explode("obsnum", ignore_index=True)
    counted["obsnum"] = counted["obsnum"].astype("Int64")
    key = [*by, "proposal_id", "obsnum"]
    counts = counted.groupby([*key, "filetype"], dropna=False, sort=True).size().unstack(fill_value=0)
    counts = counts.reindex(columns=filetypes, fill_value=0).astype("Int64")
    counts.columns.name = None
    first = counted.groupby(key, dropna=False, sort=True)[["date_start", "of_several"]].min()
    return counts.join(first["date_start"].fillna(first["of_several"])).reset_index()


def to_text(table: pd.DataFrame) -> str:
    """A table as aligned text, names to the left, missing values as NaN, as the original prints it."""
    if table.empty:
        return " ".join(table.columns) + "\n"
    shown = table.astype(object).where(table.notna(), "NaN").map(_number)
    for column in shown.columns:
        text = shown[column].astype(str)
        width = max(text.str.len().max(), len(str(column)))
        shown[column] = text.str.ljust(width) if column in LEFT_ALIGNED else text.str.rjust(width)
    header = [
        column.ljust(len(value)) if column in LEFT_ALIGNED else column.rjust(len(value))
        for column, value in zip(shown.columns, shown.iloc[0], strict=True)
    ]
    lines = [header, *shown.to_numpy().tolist()]
    return "\n".join(" ".join(line).rstrip() for line in lines) + "\n"


def _number(value: object) -> object:
    """Fractions with six digits: a tenth of a second in MJD, and as in the original."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def to_astropy(table: pd.DataFrame, schema: tables.Schema) -> "Table":
    """A table as astropy's, with types, units and descriptions."""
    from astropy.table import Column, MaskedColumn, Table

    result = Table()
    for name in table.columns:
        described = schema.get(name, tables.Column("Int64", "number of files of this type"))
        series = table[name]
        missing = series.isna().to_numpy()
        if described.dtype == "string":
            data = series.fillna("").astype(str).to_numpy(dtype=str)
        else:
            kind = {"Int64": "int64", "Float64": "float64", "boolean": "bool"}[described.dtype]
            data = series.astype("object").where(~missing, 0).to_numpy().astype(kind)
        about = {"description": described.meaning, "unit": described.unit if described.unit in UNITS else None}
        result[name] = MaskedColumn(data, mask=missing, **about) if missing.any() else Column(data, **about)
    return result


def write_reports(reports: Reports, folder: Path, basename: str, note: Path | None = None) -> list[Path]:
    """Write the three tables as text and as ECSV.

    Parameters
    ----------
    reports : Reports
    folder : Path
    basename : str
    note : Path, optional
        Where to note what was written. If nothing has changed since, in the tables and on disk, nothing is written.

    Returns
    -------
    list of Path
        ``<basename>.selprod.txt``, ``.selprod.ecsv``, and so on.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    schemas = {
        "selprod": tables.FILE_TABLE,
        "obs": tables.OBS_REPORT,
        "summary": {**tables.SUMMARY_FIXED},
    }
    paths = [folder / f"{basename}.{kind}.{suffix}" for kind in schemas for suffix in ("txt", "ecsv")]
    content = _fingerprint(reports) if note else ""
    if note and note.is_file() and note.read_text(encoding="utf-8") == _noted(content, paths):
        return paths
    for kind, table in reports._asdict().items():
        write_text(folder / f"{basename}.{kind}.txt", to_text(table))
        write_ecsv(folder / f"{basename}.{kind}.ecsv", to_astropy(table, schemas[kind]))
    if note:
        write_text(note, _noted(content, paths))
    return paths


def _fingerprint(reports: Reports) -> str:
    """Hexadecimal digits that change when any of the tables, or the program that writes them, does."""
    parts = [__version__]
    for table in reports:
        parts += [repr(table.dtypes.to_dict()), *map(str, pd.util.hash_pandas_object(table, index=False))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _noted(content: str, paths: Sequence[Path]) -> str:
    """What is noted about files: their content, and how they are on disk, as somebody may edit or remove them."""
    found = [path.stat() for path in paths if path.is_file()]
    return "\n".join([content, *(f"{one.st_size} {one.st_mtime_ns}" for one in found)])
