"""Programs with the unusual things in MAST: odd names, modes younger than lists of modes, candidates of several.

They are not in the default archive; `Catalogue.unusual` has them.
"""

from typing import Any

from jwst_mast_assets.embedded_archive.programs import Candidate, Observation


def unusual_observations() -> "list[Observation | Candidate]":
    """Programs 1101 (names), 80001 (modes) and 80002 (level 3 only under a candidate).

    Returns
    -------
    list of Observation or Candidate
    """
    return [*_names(), *_modes(), *_background()]


def _names():
    """Program 1101: file types with hyphens, sources of every kind, and names that follow no scheme."""
    return [
        Observation(
            1101, 1, 59710.25, ("nis",), instrument_name="NIRISS/AMI", filter="F480M", pupil="NRM", target="AB-DOR",
            exposure_type="NIS_AMI", template="NIRISS Aperture Masking Interferometry", listed="level3",
            suffixes=("uncal.fits", "cal.fits", "calints.fits", "amimulti-oi.fits", "ami-oi.fits"),
            level3_suffixes=("ami-oi.fits", "aminorm-oi.fits", "psf-ami-oi.fits", "amimulti-oi.fits"),
        ),
        Observation(
            1101, 2, 59711.25, ("nrca3",), exposures=2, filter="F212N", pupil="WLP8", target="HD-84406",
            exposure_type="NRC_IMAGE", listed="level3", suffixes=("uncal.fits", "cal.fits"),
            level3_suffixes=("wfscmb-04.fits", "wfscmb-04.jpg", "wfscmb-05.fits", "wfscmb-05.jpg"),
        ),
        Observation(
            1101, 3, 59712.25, ("nrs1",), instrument_name="NIRSPEC/MSA", filter="F290LP", pupil="G395M",
            target="GOODS-S", exposure_type="NRS_MSASPEC", template="NIRSpec MultiObject Spectroscopy",
            listed="level3", sources=(277193, "b000000021", "v000000042", "t002-s000000001"),
            suffixes=("uncal.fits", "cal.fits", "mbsub.fits"),
            level3_suffixes=("x1d.fits", "masterbg1d.fits", "whtlt.ecsv", "phot.ecsv"),
        ),
        Observation(
            1101, 4, 59713.25, ("nrcb1",), suffixes=("uncal.fits", "cal.fits", "cal.jpg"), guide_stars=False,
            more_files=(
                "jw01101004001_02101_00001_nrcb1.fits", "jw01101004001_02101_00001-seg001_nrcb1.jpg",
                "jw01101004001_02101_00001_nrcb1_RATE.FITS", "jw01101004001_02101_00001_nrcb1_ramp.fits.gz",
                "spectrum.fits", "preview.JPG", "notes-2022.txt", "README",
            ),
        ),
    ]  # fmt: skip


def _modes():
    """Program 80001: modes that are younger than lists of modes, and one that is not invented yet."""
    plain: dict[str, Any] = {"suffixes": ("uncal.fits", "cal.fits"), "guide_stars": False}
    return [
        Observation(80001, 1, 59720.25, ("mirimage",), instrument_name="MIRI/WFSS", **plain),
        Observation(80001, 2, 59720.35, ("nrs1",), instrument_name="NIRSPEC/IMAGE", **plain),
        Observation(80001, 3, 59720.45, ("guider2",), instrument_name="FGS/FGS2", **plain),
        Observation(80001, 4, 59720.55, ("nrca1",), instrument_name="NIRCAM/LORES", **plain),
        Observation(80001, 5, 59720.65, ("nrca1",), instrument_name="NIRCAM/IMAGE", **plain),
        Observation(80001, 6, 59720.75, ("nrca1",), instrument_name="NIRCAM", **plain),
        Observation(80001, 7, 59720.85, ("mirimage",), instrument_name="MIRI", **plain),
    ]


def _background():
    """Program 80002: level 3 only under a candidate, whose members have no rows of their own."""
    sky: dict[str, Any] = {"suffixes": ("uncal.fits", "cal.fits"), "listed": "candidate", "filter": "F200W"}
    return [
        *(Observation(80002, obsnum, 59730.25 + obsnum / 100, ("nrca1", "nrca2"), **sky) for obsnum in (3, 4, 5)),
        Observation(80002, 6, 59730.5, ("nrca1",), suffixes=("uncal.fits", "cal.fits")),
        Candidate(80002, 1006, (3, 4, 5), "F200W"),
    ]
