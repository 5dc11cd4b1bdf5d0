"""MAST's replies as typed tables, and what is wrong with those that are not what was expected."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from jwst_mast_assets.mast.errors import SchemaError
from jwst_mast_assets.mast.lazily import Lazily
from jwst_mast_assets.mast.tables import Schema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    pd = Lazily("pandas")
    pa = Lazily("pyarrow")


def actual_names(wanted: Collection[str], fields: Collection[str]) -> dict[str, str]:
    """A reply's names of the wanted columns, in any case; missing ones are left out.

    The exact name takes precedence: products have ``obsID``, observations ``obsid``. An ambiguous name is ignored.
    """
    found = {name: name for name in wanted if name in fields}
    others: dict[str, list[str]] = {}
    for field in fields:
        if field not in found:
            others.setdefault(field.lower(), []).append(field)
    for name in wanted:
        if name not in found and len(alike := others.get(name.lower(), [])) == 1:
            found[name] = alike[0]
    return found


def typed_table(rows: list[dict[str, Any]], fields: set[str], schema: Schema, what: str) -> "pd.DataFrame":
    """Rows of a reply of MAST as a typed table.

    Parameters
    ----------
    rows : list of dict
        ``data`` of the reply; a missing value is None, or absent.
    fields : set of str
        Column names that the reply declares.
    schema : Schema
        What is expected. Columns that MAST sends beside it are left out.
    what : str
        What was asked for, for the message.

    Returns
    -------
    DataFrame
        All columns of the schema.

    Raises
    ------
    SchemaError
        If a required column is absent, or a column cannot be read as its type.
    """
    there = actual_names(schema, fields | (set(rows[0]) if rows else set()))
    missing = [name for name, column in schema.items() if column.required and name not in there]
    if missing and rows:
        raise SchemaError(
            f"MAST's reply of {what} does not have the column {', '.join(missing)}: MAST has renamed or removed it, "
            "or MAST_SERVER is another service; please report it"
        )
    wanted = list(dict.fromkeys(there.values()))
    sent = pd.DataFrame.from_records(rows, columns=wanted) if rows else pd.DataFrame(columns=wanted)
    columns = {}
    for name, column in schema.items():
        values = sent[there[name]] if name in there else pd.Series(None, index=sent.index, dtype=object)
        try:
            columns[name] = _typed(values, column.dtype)
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"MAST's reply of {what} has a {name} that is not a valid {column.dtype}: {error}"
            ) from None
    return pd.DataFrame(columns)


def _typed(values: "pd.Series", dtype: str) -> "pd.Series":
    if dtype == "string":
        try:
            return pd.Series(pa.array(values, pa.large_string(), from_pandas=True), index=values.index, dtype="string")
        except (pa.ArrowException, TypeError, UnicodeError):
            pass  # some value is not text, or not valid text
        # JSON can contain lone surrogates, which no file or database accepts.
        clean = [None if value is None else str(value).encode("utf-8", "replace").decode() for value in values]
        return pd.Series(clean, index=values.index, dtype="string")
    if dtype == "boolean":
        words = {"true": True, "false": False, "1": True, "0": False}
        return values.map(lambda value: words.get(str(value).strip().lower())).astype("boolean")
    # MAST sends numbers sometimes as numbers, sometimes as text, and "" or -999 for none. One bad value
    # spoils one row; a column of nothing else has changed its meaning.
    if values.dtype == object:
        values = values.mask(values == "")
    numbers = pd.to_numeric(values, errors="coerce").astype("Float64")
    if numbers.isna().all() and values.notna().any():
        raise ValueError(f"for example {values.dropna().iloc[0]!r}")
    numbers = numbers.mask(numbers == -999)
    return numbers.round().astype("Int64") if dtype == "Int64" else numbers
