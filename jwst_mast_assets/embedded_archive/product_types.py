"""What MAST says in the product table about a file, by its name."""

import re
from dataclasses import dataclass

_DESCRIPTIONS = {
    "uncal": "exposure (L1b): Uncalibrated 4D exposure data",
    "ramp": "exposure (L2a): 4D corrected ramp data",
    "rate": "exposure (L2a): 2D count rate averaged over integrations",
    "rateints": "exposure (L2a): 3D countrate per integration",
    "cal": "exposure (L2b): 2D calibrated exposure average over integrations",
    "calints": "exposure (L2b): 3D calibrated exposure per integration",
    "crf": "exposure (L2c): 2D Calibrated data averaged over integrations",
    "i2d": "exposure/target (L2b/L3): rectified 2D image",
    "s2d": "exposure/target (L2b/L3): 2D image of spectrum avg integrations",
    "x1d": "exposure/target (L2b/L3): 1D extracted spectrum",
    "x1dints": "exposure/target (L2b/L3): 1D extracted spectrum per integration",
    "cat": "target (L3) : source catalog",
    "segm": "target (L3) : segmentation map",
    "whtlt": "target   (L3) : spectroscopic white-light curve",
    "phot": "source/target (L3) : photometry catalog",
    "masterbg1d": "target (L3) : 1D master background spectrum",
    "mbsub": "exposure (L2b): master background-subtracted exposure",
    "ami-oi": "target (L3) : aperture masking interferometry observables",
    "aminorm-oi": "target (L3) : normalized aperture masking interferometry observables",
    "psf-ami-oi": "target (L3) : aperture masking interferometry observables of the PSF reference",
    "amimulti-oi": "exposure (L3): aperture masking interferometry observables per integration",
    "asn": "source/target (L3) : association generator",
    "pool": "source/target (L3) : association pool",
    "msa": "MSA metadata",
}
_GUIDE_STARS = {
    "acq1": "FGS1 guide star acquisition",
    "acq2": "FGS2 guide star acquisition",
    "track": "FGS guide star track",
    "fg": "FGS guide star fine guide",
    "id": "FGS guide star identification",
}
_GUIDE_STAR_NAME = re.compile(r"_gs-([a-z0-9]+)_")


@dataclass(frozen=True)
class ProductType:
    """Four columns of the product table.

    Parameters
    ----------
    product_type : str
        ``SCIENCE``, ``PREVIEW``, ``INFO`` or ``AUXILIARY``.
    subgroup, description : str
    calib_level : int
        Of a file of an exposure; files of level-3 products are all 3.
    """

    product_type: str
    subgroup: str
    description: str
    calib_level: int


def describe(filename: str) -> ProductType:
    """The `ProductType` of a file name."""
    stem, _, extension = filename.lower().rpartition(".")
    suffix = stem.rpartition("_")[2]
    level = 1 if suffix in ("uncal", "stream", "msa") else 2
    guide_star = _GUIDE_STAR_NAME.search(filename)
    if guide_star:
        kind = guide_star[1]
        return ProductType("AUXILIARY", f"GS-{kind.upper()}", _GUIDE_STARS.get(kind, "FGS"), level)
    if extension in ("jpg", "png"):
        return ProductType("PREVIEW", "", "Preview-Full", level)
    description = _DESCRIPTIONS.get(suffix, suffix)
    if suffix in ("asn", "pool"):
        return ProductType("INFO", suffix.upper(), description, level)
    if suffix in ("ramp", "msa"):
        return ProductType("AUXILIARY", suffix.upper(), description, level)
    subgroup = f"ANNNN_{suffix.upper()}" if suffix.startswith("crf") else suffix.upper()
    return ProductType("SCIENCE", subgroup, description, level)
