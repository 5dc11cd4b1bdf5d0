"""Which programs and observations the default archive holds.

Everything has a fixed date except what is placed relative to `now`, so that a look-back of one to three days
finds something in programs 1138, 1409, 1410 and 9231.
"""

from typing import Any

from jwst_mast_assets.embedded_archive.programs import HOUR, Candidate, Declared, Observation, Planned, Program

NIRCAM_SHORT = ("nrca1", "nrca2", "nrca3", "nrca4", "nrcb1", "nrcb2", "nrcb3", "nrcb4")
NIRCAM_ALL = (*NIRCAM_SHORT, "nrcalong", "nrcblong")

PROGRAMS = {
    program.number: program
    for program in (
        Program(743, "LRE NIRCam Rehearsal", "Hilbert, Bryan", "ENG"),
        Program(1138, "NIRCam FGS Alignment and Focal Plane Geometry", "Rest, Armin", "COM"),
        Program(1409, "Telescope Wavefront Maintenance", "Lallo, Matthew", "COM", padded=True),
        Program(1410, "Guider Check-out with NIRCam", "Rest, Armin", "COM"),
        Program(2221, "Star Formation along the Galactic Dust Ridge: The Brick and Cloud C", "Ginsburg, Adam"),
        Program(2609, "Searching for the Alpha-Abundance Bimodality in the M31 Disk", "Nidever, David"),
        Program(2731, "JWST Early Release Observation 5", "Pontoppidan, Klaus M.", "DD", padded=True),
        Program(2734, "JWST Early Release Observation 8", "Pontoppidan, Klaus M.", "DD"),
        Program(5224, "Mirage or Miracle?", "Oesch, Pascal"),
        Program(9231, "A Program with Exclusive Access", "Newman, Ada"),
        Program(12782, "A Program with Five Digits", "Okoye, Chidi"),
    )
}

SPECTRUM_SUFFIXES = (
    "uncal.fits", "uncal.jpg", "rate.fits", "rate.jpg", "cal.fits", "cal.jpg", "s2d.fits", "s2d.jpg", "x1d.fits",
    "x1d.png",
)  # fmt: skip
SERIES_SUFFIXES = (
    "uncal.fits", "uncal.jpg", "ramp.fits", "rate.fits", "rateints.fits", "rateints.jpg", "calints.fits",
    "calints.jpg", "x1dints.fits",
)  # fmt: skip
CUBE_SUFFIXES = ("uncal.fits", "uncal.jpg", "rate.fits", "rate.jpg", "cal.fits", "cal.jpg", "x1d.fits", "x1d.png")


def default_observations(now: float) -> list[Declared]:
    """Everything in the default archive.

    Parameters
    ----------
    now : float
        MJD; observations described as recent end before it.

    Returns
    -------
    list of Observation, Candidate or Planned
    """
    return [
        *_program_1138(now),
        *_program_1409(now),
        *_program_1410(now),
        *_program_743(),
        *_program_2731(),
        *_spectroscopy(),
        *_others(now),
    ]


def _program_1138(now: float) -> list[Declared]:
    return [
        Observation(1138, 4, 59679.4101, NIRCAM_ALL, exposures=2),
        Observation(1138, 5, 59679.6123, NIRCAM_ALL),
        Observation(1138, 7, 59680.1204, ("nrca1", "nrca3", "nrcalong"), exposures=2, filter="F200W"),
        Observation(1138, 8, 59680.5502, NIRCAM_SHORT, listed="both", activity="0310b", filter="F090W"),
        Observation(1138, 9, 59683.0307, NIRCAM_ALL, instrument_name="NIRCAM"),
        Observation(1138, 4, now - 3 * HOUR, ("nrca1", "nrca2", "nrcblong"), visit=2),
        Observation(1138, 5, now - 5 * HOUR, ("nrca1", "nrca2"), visit=2),
        Observation(1138, 7, now - 8 * HOUR, ("nrca1",), visit=2),
    ]


def _program_1409(now: float) -> list[Declared]:
    wavefront: dict[str, Any] = {"target": "HD-84800", "filter": "F212N", "pupil": "WLP8", "ra": 147.3, "dec": 30.4}
    return [
        Observation(1409, 3, 59630.2201, ("nrca3", "nrcb4"), **wavefront),
        Observation(1409, 103, 59691.9031, ("nrca3", "nrcb4"), exposures=2, **wavefront),
        Observation(1409, 104, 59692.1, ("nrca3",), **wavefront),
        Observation(1409, 3, now - 30 * HOUR, ("nrca3", "nrcb4"), visit=2, **wavefront),
        Observation(1409, 103, now - 16 * HOUR, ("nrca3",), visit=2, **wavefront),
        Observation(1409, 110, now - 20 * HOUR, ("nrca3",), **wavefront),
    ]


def _program_1410(now: float) -> list[Declared]:
    # FGS data cannot be found under the instrument name FGS.  The published example lists these guider exposures
    # with the instrument left at nircam, hence the plain name.
    guider: dict[str, Any] = {
        "instrument_name": "NIRCAM",
        "exposure_type": "FGS_IMAGE",
        "template": "FGS External Calibration",
    }
    rows = [
        (1, 59623 + 82712.378 / 86400, 71672220),
        (3, 59624 + 73378.543 / 86400, 71673298),
        (14, 59624 + 74066.670 / 86400, 71673297),
    ]
    return [
        *(
            Observation(
                1410,
                obsnum,
                start,
                ("guider1",),
                filter="",
                pupil="",
                suffixes=("uncal.fits", "uncal.jpg", "cal.fits", "cal.jpg"),
                obsids={f"jw01410{obsnum:03d}001_02101_00001_guider1": obsid},
                **guider,
            )
            for obsnum, start, obsid in rows
        ),
        Observation(1410, 15, 59624.9011, ("nrca1", "nrca2", "nrca3", "nrcb1"), filter="F115W"),
        Observation(1410, 16, now - 52 * HOUR, ("nrca1", "nrca2", "nrca3", "nrcalong"), filter="F115W"),
    ]


def _program_743() -> list[Declared]:
    rehearsal: dict[str, Any] = {
        "instrument_name": "NIRCAM",
        "target": "LRE-FIELD",
        "ra": 12.5,
        "dec": -32.0,
        "guide_stars": False,
    }
    starts = [(1, 59429.9000), (2, 59437.40), (3, 59437.75), (4, 59438.10), (5, 59438.65), (6, 59438.90)]
    return [
        Observation(743, obsnum, start, ("nrca1", "nrcb1"), suffixes=("uncal.fits", "uncal.jpg"), **rehearsal)
        for obsnum, start in starts
    ]


def _program_2731() -> list[Declared]:
    nebula: dict[str, Any] = {
        "target": "NGC-3324",
        "ra": 159.2137,
        "dec": -58.6191,
        "listed": "level3",
        "target_number": "t017",
    }
    miri: dict[str, Any] = {
        "instrument_name": "MIRI/IMAGE",
        "exposure_type": "MIR_IMAGE",
        "template": "MIRI Imaging",
        "pupil": "",
    }
    return [
        Observation(2731, 1, 59733.6210, NIRCAM_SHORT, exposures=4, filter="F090W", **nebula),
        Observation(
            2731, 1, 59733.6801, ("nrcalong", "nrcblong"), exposures=4, activity="04101", filter="F444W",
            pupil="F470N", **nebula,
        ),
        # continues past midnight
        Observation(2731, 2, 59741.9905, ("mirimage",), exposures=6, filter="F770W", **miri, **nebula),
        Observation(2731, 3, 59734.0401, NIRCAM_SHORT, exposures=2, filter="F090W", **nebula),
        Candidate(2731, 1006, (1, 3), "F090W"),
    ]  # fmt: skip


def _spectroscopy() -> list[Declared]:
    return [
        Observation(
            2734, 2, 59751.1588, ("nis",), segments=3, instrument_name="NIRISS", filter="CLEAR", pupil="GR700XD",
            target="WASP-96", ra=1.0464, dec=-47.3606, exposure_type="NIS_SOSS", activity="04101", listed="both",
            template="NIRISS Single-Object Slitless Spectroscopy", target_number="t002", suffixes=SERIES_SUFFIXES,
            level3_suffixes=("x1dints.fits", "whtlt.ecsv"), cadence=7200.0,
        ),
        Observation(
            5224, 4, 60781.1337, ("nrs1", "nrs2"), exposures=3, instrument_name="NIRSPEC/MSA", filter="CLEAR",
            pupil="PRISM", target="COSMOS", ra=150.115, dec=2.2173, exposure_type="NRS_MSASPEC", activity="03101",
            template="NIRSpec MultiObject Spectroscopy", sources=(277193, 277031), suffixes=SPECTRUM_SUFFIXES,
            level3_suffixes=("cal.fits", "crf.fits", "s2d.fits", "s2d.jpg", "x1d.fits", "x1d.png"), listed="level3",
        ),
        Observation(
            2609, 3, 59800.31, ("mirifulong", "mirifushort"), instrument_name="MIRI/IFU", filter="", pupil="",
            target="M31-DISK", ra=10.9, dec=41.2, exposure_type="MIR_MRS",
            template="MIRI Medium Resolution Spectroscopy",
            suffixes=CUBE_SUFFIXES,
        ),
    ]  # fmt: skip


def _others(now: float) -> list[Declared]:
    new: dict[str, Any] = {"target": "ABELL-2744", "ra": 3.5875, "dec": -30.3972}
    return [
        Observation(9231, 1, now - 26 * HOUR, ("nrca1", "nrca2"), exclusive=True, release=now + 364, **new),
        Observation(9231, 2, now - 400, ("nrca1", "nrca2"), release=now - 35, **new),
        Observation(12782, 1, 61130.25, ("nrca1", "nrcb1"), **new),
        Observation(
            12782, 2, 61131.5, ("nis",), instrument_name="NIRISS/IMAGE", exposure_type="NIS_IMAGE",
            template="NIRISS Imaging", **new,
        ),
        Planned(2609, 10, 2, "NIRSPEC/MSA", "NGC6791-NEWCATALOG-GAIAEDR3", "F100LP/G140H", 290.21948, 37.76623),
        Planned(2221, 1, 3, "NIRCAM/IMAGE", "BRICK", "F182M", 266.53, -28.71),
    ]  # fmt: skip
