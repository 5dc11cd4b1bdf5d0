"""What the faults of the Mashup services do to a correct answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.files import DATA_URI_PREFIX
from jwst_mast_assets.embedded_archive.rows import Row


def tampered(content: dict[str, Any], faults: Mapping[str, Fault]) -> dict[str, Any]:
    """An envelope with the faults applied.

    Parameters
    ----------
    content : dict
        A complete envelope; it is changed.
    faults : dict of str to Fault
        By kind.

    Returns
    -------
    dict
    """
    rows = content["data"]
    if "wrong-size" in faults:
        for row in rows:
            if row.get("size") is not None:
                row["size"] += faults["wrong-size"].delta
    if "hostile-names" in faults:
        _give_hostile_names(rows, faults["hostile-names"].names)
    if "drop-column" in faults:
        _rename(content, faults["drop-column"].column, None)
    if "rename-column" in faults:
        _rename(content, faults["rename-column"].column, faults["rename-column"].new_name)
    if "fewer-rows" in faults:
        content["data"] = rows[: faults["fewer-rows"].rows]
        content["paging"]["rows"] = len(content["data"])
    return content


def _give_hostile_names(rows: list[Row], names: Sequence[str]) -> None:
    science = [row for row in rows if (row.get("productFilename") or "").endswith(".fits")]
    for row, name in zip(science, names, strict=False):
        row["dataURI"] = row["dataURI"] or DATA_URI_PREFIX + row["productFilename"]
        row["productFilename"] = name
    if len(science) > len(names):
        rows.append({**science[-1], "productFilename": science[-1]["productFilename"].upper()})


def _rename(content: dict[str, Any], column: str, new_name: str | None) -> None:
    content["fields"] = [
        {**field, "name": new_name or field["name"]} if field["name"] == column else field
        for field in content["fields"]
        if new_name or field["name"] != column
    ]
    for row in content["data"]:
        if column in row:
            value = row.pop(column)
            if new_name:
                row[new_name] = value
