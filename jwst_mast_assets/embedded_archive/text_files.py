"""Products that are text: associations, pools and catalogues."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jwst_mast_assets.embedded_archive.pictures import seeded_generator

Products = Sequence[tuple[str, Sequence[str]]]

_POOL_COLUMNS = ("filename", "program", "obs_num", "visit", "detector", "instrume", "filter", "pupil", "exp_type")


def association(name: str, header: Mapping[str, Any], rule: str, products: Products) -> str:
    """The text of an ``_asn.json`` file.

    Parameters
    ----------
    name : str
        File name; the pool's name is taken from it.
    header : dict
        Header keywords of one of the members.
    rule : str
        E.g. ``Asn_Lv2Image``.
    products : list of (str, list of str)
        Name of each product and the file names of its members.

    Returns
    -------
    str
    """
    program, stamp = name[2:7], name.split("_")[1]
    content = {
        "asn_type": name.rsplit("_", 3)[-3],
        "asn_rule": rule,
        "version_id": stamp,
        "code_version": header.get("CAL_VER"),
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "constraints": f"DMSAttrConstraint({{'name': 'program', 'value': '{int(program)}'}})",
        "asn_id": name.split("_")[0].split("-")[-1],
        "asn_pool": f"jw{program}_{stamp}_pool.csv",
        "target": header.get("TARGPROP"),
        "products": [
            {"name": product, "members": [_member(member) for member in members]} for product, members in products
        ],
    }
    return json.dumps(content, indent=4) + "\n"


def pool(headers: Iterable[Mapping[str, Any]]) -> str:
    """The text of a ``_pool.csv`` file: one line for each exposure, separated by bars as in the real ones."""
    lines = ["|".join(_POOL_COLUMNS)]
    for header in headers:
        keywords = ("FILENAME", "PROGRAM", "OBSERVTN", "VISIT", "DETECTOR", "INSTRUME", "FILTER", "PUPIL", "EXP_TYPE")
        lines.append("|".join(str(header.get(keyword) or "NULL").lower() for keyword in keywords))
    return "\n".join(lines) + "\n"


def source_catalogue(name: str, header: Mapping[str, Any], rows: int = 60) -> str:
    """The text of a ``_cat.ecsv`` or ``_whtlt.ecsv`` file, which `astropy.table.Table` reads."""
    random = seeded_generator(name)
    lines = [
        "# %ECSV 1.0",
        "# ---",
        "# datatype:",
        "# - {name: label, datatype: int64}",
        "# - {name: xcentroid, unit: pix, datatype: float64}",
        "# - {name: ycentroid, unit: pix, datatype: float64}",
        "# - {name: aper_total_abmag, datatype: float64}",
        f"# meta: {{calibration_software_version: {header.get('CAL_VER')}, instrument: {header.get('INSTRUME')}}}",
        "# schema: astropy-2.0",
        "label xcentroid ycentroid aper_total_abmag",
    ]
    for label, (x, y, magnitude) in enumerate(random.uniform(0, 1, (rows, 3)), start=1):
        lines.append(f"{label} {x * 2048:.4f} {y * 2048:.4f} {18 + 9 * magnitude:.4f}")
    return "\n".join(lines) + "\n"


def fitted(text: str, size: int) -> bytes:
    """The text as exactly `size` bytes, with spaces and a last new line, or cut where it is too long."""
    content = text.encode()
    if len(content) >= size:
        return content[:size]
    return content[:-1].ljust(size - 1) + b"\n"


def _member(filename: str) -> dict[str, str]:
    return {"expname": filename, "exptype": "science"}
