"""Tables saved from MAST as CSV, read back with the types that MAST gives them."""

import csv
import os
from collections.abc import Iterable, Mapping
from typing import Any

from jwst_mast_assets.embedded_archive import columns
from jwst_mast_assets.embedded_archive.identifiers import mjd_to_datetime
from jwst_mast_assets.embedded_archive.rows import Row


def read_rows(path: str | os.PathLike[str], column_types: Mapping[str, str], integers: Iterable[str]) -> list[Row]:
    """Rows of a CSV table with the types of a service's columns.

    Parameters
    ----------
    path : path
    column_types : dict
        Column name to Mashup type.
    integers : sequence of str
        Identifiers, declared as strings, that are numbers in MAST's replies.

    Returns
    -------
    list of dict
    """
    types = {**column_types, **dict.fromkeys(integers, "int")}
    with open(path, newline="", encoding="utf-8") as stream:
        return [
            {name: columns.convert_text(text, types.get(name, "string")) for name, text in row.items()}
            for row in csv.DictReader(stream)
        ]


def header_of(name: str, product: Row, row: Row) -> dict[str, Any]:
    """FITS keywords of a file in a saved product table, from its keyword row (which may be empty) and its name."""
    instrument = row.get("instrume") or _instrument_of(product["obs_id"], name)
    header = {"INSTRUME": instrument, "DETECTOR": row.get("detector"), "PROGRAM": name[2:7]}
    if name[7:13].isdigit():
        header.update(OBSERVTN=name[7:10], VISIT=name[10:13])
    for keyword in ("exp_type", "filter", "pupil", "readpatt", "nints", "ngroups", "nframes", "effinttm", "effexptm"):
        header[keyword.upper()] = row.get(keyword)
    header.update(TARG_RA=row.get("targ_ra"), TARG_DEC=row.get("targ_dec"), TARGPROP=row.get("targprop"))
    for keyword, column in (("DATE-BEG", "expstart"), ("DATE-END", "expend")):
        if row.get(column):
            header[keyword] = f"{mjd_to_datetime(row[column]):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
    header.update(t_min=row.get("expstart"), t_max=row.get("expend"))
    return header


def _instrument_of(obs_id: str, name: str) -> str | None:
    if "_gs-" in name:
        return "FGS"
    if name.endswith("_msa.fits"):
        return "NIRSPEC"
    marks = {"_nis": "NIRISS", "niriss": "NIRISS", "_nrs": "NIRSPEC", "nirspec": "NIRSPEC", "_mir": "MIRI"}
    marks |= {"miri": "MIRI", "_nrc": "NIRCAM", "nircam": "NIRCAM", "guider": "FGS"}
    return next((instrument for mark, instrument in marks.items() if mark in obs_id), None)
