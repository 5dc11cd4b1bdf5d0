"""Regular expressions on whole columns, by Arrow: Python would call a function for each row.

Its expressions (RE2) know neither looking ahead nor back.
"""

import re
from typing import TYPE_CHECKING, Any

from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    pd = Lazily("pandas")
    pa = Lazily("pyarrow")

# Its functions are made when it is imported, so that type checkers do not know them.
pc: Any = Lazily("pyarrow.compute")


def extract(texts: "pd.Series", *patterns: str, ignore_case: bool = False) -> "pd.Series":
    """The only group of the first of some patterns that is found in each text.

    Parameters
    ----------
    texts : Series of str
    *patterns : str
        Each with one group, written ``(...)``; all others are ``(?:...)``.
    ignore_case : bool

    Returns
    -------
    Series of string
        Missing where no pattern is found, or the group is empty.

    Examples
    --------
    >>> extract(pd.Series(["a1", "b", None]), r"([0-9])").tolist()
    ['1', <NA>, <NA>]
    """
    array = _array(texts)
    found = pa.nulls(len(array), array.type)
    for pattern in patterns:
        named = re.sub(r"(?<!\\)\((?!\?)", "(?P<found>", pattern, count=1)
        group = pc.struct_field(pc.extract_regex(array, f"(?i){named}" if ignore_case else named), "found")
        found = pc.coalesce(found, pc.if_else(pc.equal(group, ""), None, group))
    return pd.Series(found, index=texts.index, name=texts.name, dtype="string")


def found(texts: "pd.Series", pattern: str, ignore_case: bool = False) -> "pd.Series[bool]":
    """Whether a pattern is found in each text; not in a missing one. A Series of bool."""
    array = pc.match_substring_regex(_array(texts), pattern, ignore_case=ignore_case)
    return pd.Series(pc.fill_null(array, False).to_numpy(zero_copy_only=False), index=texts.index, dtype=bool)


def _array(texts: "pd.Series") -> "pa.Array":
    return pa.array(texts.astype("string").array, pa.large_string(), from_pandas=True)
