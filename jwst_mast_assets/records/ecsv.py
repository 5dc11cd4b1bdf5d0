"""Tables as ECSV, byte for byte as astropy writes them, without importing it: that would take as long as a listing."""

import re

import pandas as pd
import yaml

from jwst_mast_assets.mast import tables

DATATYPES = {"Int64": "int64", "Float64": "float64", "boolean": "bool"}
"""All others are ``string``."""

UNITS = ("byte", "s", "deg", "nm")
"""Units of columns that astropy knows."""

QUOTED = re.compile(r'[ "\r\n]|^$')
"""Texts that are written in quotation marks."""

OF_A_FILETYPE = tables.Column("Int64", "number of files of this type")
"""What the columns beside those of a schema hold."""


def to_ecsv(table: pd.DataFrame, schema: tables.Schema) -> str:
    """A table as ECSV, with types, units and descriptions.

    Parameters
    ----------
    table : DataFrame
    schema : Schema
        Columns beside its own count files.
    """
    described = [_described(name, schema.get(name, OF_A_FILETYPE)) for name in table.columns]
    header = ["%ECSV 1.0", "---", "datatype:", *described, "schema: astropy-2.0"]
    lines = [f"# {line}" for line in header]
    lines.append(" ".join(map(_quoted, table.columns)))
    lines += map(" ".join, zip(*(_texts(table[name], schema) for name in table.columns), strict=True))
    return "\n".join(lines) + "\n"


def _described(name: str, column: tables.Column) -> str:
    about = {
        "name": name,
        **({"unit": column.unit} if column.unit in UNITS else {}),
        "datatype": DATATYPES.get(column.dtype, "string"),
        "description": column.meaning,
    }
    return "- " + yaml.safe_dump(about, default_flow_style=True, sort_keys=False, width=10**9).strip()


def _texts(values: pd.Series, schema: tables.Schema) -> list[str]:
    dtype = schema.get(str(values.name), OF_A_FILETYPE).dtype
    kind = {"Int64": int, "Float64": float, "boolean": bool}.get(dtype, str)
    # A missing value is written as an empty text.
    return [
        '""' if missing else _quoted(str(kind(value)))
        for value, missing in zip(values.tolist(), values.isna().tolist(), strict=True)
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) else text
