"""Rows of the observations' and the products' tables."""

import math
from collections.abc import Sequence
from typing import Any

from jwst_mast_assets.embedded_archive.assembly import Member
from jwst_mast_assets.embedded_archive.files import DATA_URI_PREFIX, ProductFile
from jwst_mast_assets.embedded_archive.identifiers import stable_id
from jwst_mast_assets.embedded_archive.product_types import describe
from jwst_mast_assets.embedded_archive.programs import Observation, Planned, Program

Row = dict[str, Any]

_PLACES = {
    f"nrc{module}{number}": (side * (0.0245 + x * 0.0095), y * 0.0095, 0.009)
    for module, side in (("a", 1), ("b", -1))
    for number, (x, y) in {1: (-1, -1), 2: (-1, 1), 3: (1, -1), 4: (1, 1)}.items()
} | {"nrcalong": (0.0245, 0.0, 0.0182), "nrcblong": (-0.0245, 0.0, 0.0182)}
"""Where NIRCam's detectors are, east and north of the target, and half their side; degrees."""


def product_row(file: ProductFile, member: Member, parent_obsid: int, proposal_id: str) -> Row:
    """A row of ``Mast.Caom.Products``.

    Parameters
    ----------
    file : ProductFile
    member : Member
        Whose file it is.
    parent_obsid : int
        The observation asked for.
    proposal_id : str

    Returns
    -------
    dict
    """
    kind = describe(file.name)
    own = member.obsid == parent_obsid
    level3 = "-" in member.obs_id.split("_")[0]
    calib_level = 3 if level3 else kind.calib_level
    recommended = own and calib_level > 1 and kind.product_type in ("SCIENCE", "INFO")
    return {
        "obsID": member.obsid,
        "obs_collection": "JWST",
        "dataproduct_type": member.header["dataproduct_type"],
        "obs_id": member.obs_id,
        "description": kind.description,
        "type": "D" if level3 else "S",
        "dataURI": DATA_URI_PREFIX + file.name,
        "productType": kind.product_type,
        "productGroupDescription": "Minimum Recommended Products" if recommended else "",
        "productSubGroupDescription": kind.subgroup,
        "productDocumentationURL": "",
        "project": "CALJWST",
        "prvversion": file.cal_ver if calib_level > 1 else "",
        "proposal_id": proposal_id,
        "productFilename": file.name,
        "size": file.size,
        "parent_obsid": parent_obsid,
        "dataRights": "EXCLUSIVE_ACCESS" if file.exclusive else "PUBLIC",
        "calib_level": calib_level,
        "filters": ";".join(e for e in (member.header["FILTER"], member.header["PUPIL"]) if e),
    }


def observation_row(
    member: Member, observation: Observation, program: Program, calib_level: int, members: Sequence[Member]
) -> Row:
    """A row of ``Mast.Caom.Filtered``; its times span `members`."""
    ra, dec = observation.ra, observation.dec
    region = " ".join(_footprint(ra, dec, m) for m in (members if calib_level == 3 else [member]))
    names = [file.name for file in member.files]
    image = next((n for n in names if n.endswith(("i2d.jpg", "cal.jpg", "s2d.jpg", "uncal.jpg"))), None)
    data = next((n for n in names if n.endswith(("i2d.fits", "cal.fits", "x1dints.fits", "uncal.fits"))), None)
    end = max(m.header["t_max"] for m in members)
    return {
        "intentType": "science",
        "obs_collection": "JWST",
        "provenance_name": "CALJWST",
        "instrument_name": observation.instrument_name,
        "project": "JWST",
        "filters": ";".join(e for e in (observation.filter, observation.pupil) if e),
        "wavelength_region": "INFRARED",
        "target_name": observation.target,
        "target_classification": "",
        "obs_id": member.obs_id,
        "s_ra": ra,
        "s_dec": dec,
        "dataproduct_type": member.header["dataproduct_type"],
        "proposal_pi": program.pi,
        "calib_level": calib_level,
        "t_min": min(m.header["t_min"] for m in members),
        "t_max": end,
        "t_exptime": observation.exposure_time * (len(members) if calib_level == 3 else 1),
        "em_min": 600.0,
        "em_max": 5300.0,
        "obs_title": program.title,
        "t_obs_release": observation.public_from,
        "proposal_id": program.proposal_id,
        "proposal_type": program.category,
        "sequence_number": None,
        "s_region": region,
        "jpegURL": DATA_URI_PREFIX + image if image else "",
        "dataURL": DATA_URI_PREFIX + data if data else "",
        "dataRights": "EXCLUSIVE_ACCESS" if observation.exclusive else "PUBLIC",
        "mtFlag": False,
        "srcDen": None,
        "obsid": member.obsid,
        "objID": member.obsid * 2 + 1,
    }


def _footprint(ra: float, dec: float, member: Member) -> str:
    """The square of a detector at its place in the focal plane, moved from exposure to exposure."""
    detector, exposure = str(member.header["DETECTOR"] or "").lower(), int(member.header["EXPOSURE"] or 1)
    east, north, half = _PLACES.get(detector, (0.0, 0.0, 0.018))
    east, north = east + 0.004 * ((exposure - 1) % 2), north + 0.003 * ((exposure - 1) // 2)
    stretch = math.cos(math.radians(dec))
    corners = [(x, y) for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
    turn = math.radians(25)
    placed = [
        (
            (east + x) * math.cos(turn) - (north + y) * math.sin(turn),
            (east + x) * math.sin(turn) + (north + y) * math.cos(turn),
        )
        for x, y in corners
    ]
    return "POLYGON " + " ".join(f"{ra + x / stretch:.9f} {dec + y:.9f}" for x, y in placed)


def planned_rows(planned: Planned, program: Program) -> list[Row]:
    """Rows of exposures that are only planned."""
    instrument = planned.instrument_name.split("/")[0].lower()
    rows = []
    for number in range(1, planned.count + 1):
        obs_id = f"jw{program.number:05d}{planned.obsnum:03d}001_xx{100 + number}_{number:05d}_{instrument}"
        obsid = stable_id(obs_id)
        rows.append(
            {
                "intentType": "science",
                "obs_collection": "JWST",
                "provenance_name": "APT",
                "instrument_name": planned.instrument_name,
                "project": "JWST",
                "filters": planned.filter,
                "wavelength_region": "Infrared",
                "target_name": planned.target,
                "target_classification": "",
                "obs_id": obs_id,
                "s_ra": planned.ra,
                "s_dec": planned.dec,
                "dataproduct_type": "image" if instrument == "nircam" else "spectrum",
                "proposal_pi": program.pi,
                "calib_level": -1,
                "t_exptime": 145.889,
                "em_min": 600.0,
                "em_max": 5000.0,
                "obs_title": program.title,
                "proposal_id": program.proposal_id,
                "sequence_number": number,
                "jpegURL": "",
                "dataURL": "",
                "dataRights": "PUBLIC",
                "mtFlag": False,
                "obsid": obsid,
                "objID": obsid * 2 + 1,
            }
        )
    return rows
