"""Which files belong to a FITS file: previews, catalogs and the like, whose names start the same way."""

from collections.abc import Container

import pandas as pd


def stem(name: str) -> str:
    """The common part of the names of a FITS file and its companions: everything before the last underscore."""
    return name.rpartition("_")[0]


def sibling_stem(name: str, stems: Container[str]) -> str | None:
    """The longest of some stems that a file's name starts with, up to an underscore; None if there is none."""
    words = name.split("_")
    beginnings = ("_".join(words[:number]) for number in range(len(words) - 1, 0, -1))
    return next((beginning for beginning in beginnings if beginning in stems), None)


def companions_of(names: "pd.Series[str]", changed: pd.Series) -> "pd.Series[bool]":
    """Which files (not FITS files) are fetched again because the FITS file that they belong to has changed.

    Parameters
    ----------
    names : Series of string
    changed : Series of bool
        Whether MAST has another version of each file.
    """
    stems = {stem(name) for name in names[changed.fillna(False).astype(bool)].dropna()} - {""}
    again = [
        bool(stems) and pd.notna(name) and not name.endswith(".fits") and sibling_stem(name, stems) is not None
        for name in names
    ]
    return pd.Series(again, index=names.index, dtype=bool)
