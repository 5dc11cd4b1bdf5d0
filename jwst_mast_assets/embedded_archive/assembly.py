"""From the declaration of an observation to its members and their files.

An observation consists of members, one for each exposure, segment and detector.  The files of a member carry
its ``obsID``; a product list is the files of all members of the observation asked for, so that what members
share (guide stars, the pool) comes up once for each of them, as in MAST.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jwst_mast_assets.embedded_archive import fits_files, text_files
from jwst_mast_assets.embedded_archive.files import ProductFile
from jwst_mast_assets.embedded_archive.identifiers import mjd_to_datetime, mjd_to_unix, stable_id
from jwst_mast_assets.embedded_archive.programs import Observation, Program

Header = dict[str, Any]

VISIT = len("jw01138005001")


class Files(dict[str, ProductFile]):
    """Files by name; those of a visit are found without a look at all others."""

    def __init__(self) -> None:
        super().__init__()
        self._of_visit: dict[str, list[str]] = {}

    def __setitem__(self, name: str, file: ProductFile) -> None:
        """Add or replace a file."""
        if name not in self:
            self._of_visit.setdefault(name[:VISIT], []).append(name)
        super().__setitem__(name, file)

    def of_visit(self, visit: str) -> list[ProductFile]:
        """The files of a visit, ``jw01138005001``."""
        return [self[name] for name in self._of_visit.get(visit, ()) if name in self]

    def visits(self) -> Collection[str]:
        """The visits that have files, and the beginnings of other names."""
        return self._of_visit.keys()


_GUIDE_STAR_FILES = (
    "gs-acq1_{0}_uncal", "gs-acq1_{0}_stream", "gs-acq1_{0}_cal", "gs-acq2_{1}_uncal", "gs-acq2_{1}_stream",
    "gs-acq2_{1}_cal", "gs-track_{2}_uncal", "gs-track_{2}_stream", "gs-track_{2}_cal", "gs-fg_{3}_uncal",
    "gs-fg_{3}_stream", "gs-fg_{3}_cal", "gs-id_1_image_uncal", "gs-id_1_image_cal", "gs-id_1_stacked_uncal",
    "gs-id_1_stacked_cal", "gs-id_1_stream",
)  # fmt: skip
_JPEG_SIZES = {"thumb": 6_000, "i2d": 48_000, "s2d": 40_000}


@dataclass
class Member:
    """The files of one exposure of one detector, or of one level-3 product.

    Parameters
    ----------
    obs_id : str
    obsid : int
    header : dict
        FITS keywords of its files.
    files : list of ProductFile
        Its own files and those it shares with other members.
    """

    obs_id: str
    obsid: int
    header: Header
    files: list[ProductFile] = field(default_factory=list)


def members_of(observation: Observation, program: Program, files: Files) -> list[Member]:
    """The exposures of an observation with their files.

    Parameters
    ----------
    observation : Observation
    program : Program
    files : dict of str to ProductFile
        Files made so far, by name; new ones are added, those of other members shared.

    Returns
    -------
    list of Member
    """
    segments = range(1, observation.segments + 1) if observation.segments else (0,)
    members = []
    for exposure in range(1, observation.exposures + 1):
        for segment in segments:
            for detector in observation.detectors:
                members.append(_member(observation, program, exposure, segment, detector, files))
    stamp = f"{mjd_to_datetime(observation.processed):%Y%m%dt%H%M%S}"
    pool = _pool(program, stamp, [member.header for member in members], observation, files)
    shared = _guide_stars(observation, program, files) if observation.guide_stars else []
    members[0].files += [_product(name, members[0].header, observation, files) for name in observation.more_files]
    for number, member in enumerate(members, start=1):
        rule, kind = ("Asn_Lv2Image", "image2") if "i2d.fits" in observation.suffixes else ("Asn_Lv2Spec", "spec2")
        sequence = f"{observation.activity[:2]}{number:03d}"
        name = f"jw{program.number:05d}-o{observation.obsnum:03d}_{stamp}_{kind}_{sequence}_asn.json"
        inputs = [(member.obs_id, [f"{member.obs_id}_rate.fits"])]
        member.files += [_association(name, rule, inputs, member.header, observation, files), pool, *shared]
    return members


def level3_members(observation: Observation, program: Program, members: Sequence[Member], files: Files) -> list[Member]:
    """The level-3 products of an observation: one, or one for each source.

    Parameters
    ----------
    observation : Observation
    program : Program
    members : list of Member
        Its exposures, which get the files of level 2c that only a level-3 product makes.
    files : dict of str to ProductFile

    Returns
    -------
    list of Member
    """
    instrument = observation.instrument_name.split("/")[0].lower()
    elements = optical_elements(observation)
    targets = [f"s{source:09d}" if isinstance(source, int) else source for source in observation.sources]
    targets = targets or [observation.target_number]
    prefix = f"jw{program.number:05d}-o{observation.obsnum:03d}"
    if "i2d.fits" in observation.level3_suffixes:
        add_level2c(members, f"o{observation.obsnum:03d}", observation, files)
    names = [f"{prefix}_{target}_{instrument}_{elements}" for target in targets]
    return [level3_member(name, observation, program, members, files) for name in names]


def optical_elements(observation: Observation) -> str:
    """Filter and pupil as in level-3 names; an open pupil comes first: ``clear-f090w``, ``f444w-f470n``."""
    elements = (observation.filter, observation.pupil)
    if observation.pupil == "CLEAR":
        elements = elements[::-1]
    return "-".join(element.lower() for element in elements if element)


def level3_member(
    obs_id: str, observation: Observation, program: Program, members: Sequence[Member], files: Files
) -> Member:
    """One level-3 product made of `members`; `observation` says with which setting."""
    header = {**members[0].header, "DETECTOR": None, "EXPOSURE": None, "DATE-END": members[-1].header["DATE-END"]}
    member = Member(obs_id, observation.obsids.get(obs_id, stable_id(obs_id)), header)
    for suffix in observation.level3_suffixes:
        member.files.append(_product(f"{obs_id}_{suffix}", header, observation, files, side=128))
    stamp = f"{mjd_to_datetime(observation.processed + 0.2):%Y%m%dt%H%M%S}"
    rule, kind = ("Asn_Lv3Image", "image3") if "i2d.fits" in observation.level3_suffixes else ("Asn_Lv3Spec", "spec3")
    number = 1 + stable_id(obs_id) % 999
    name = f"{obs_id.split('_')[0]}_{stamp}_{kind}_{number:05d}_asn.json"
    inputs = [(obs_id, [f"{m.obs_id}_cal.fits" for m in members])]
    member.files.append(_association(name, rule, inputs, header, observation, files))
    member.files.append(_pool(program, stamp, [m.header for m in members], observation, files))
    return member


def add_level2c(members: Sequence[Member], association_candidate: str, observation: Observation, files: Files) -> None:
    """Give each exposure its ``_o001_crf.fits`` or ``_c1006_crf.fits``."""
    for member in members:
        name = f"{member.obs_id}_{association_candidate}_crf.fits"
        member.files.append(_product(name, member.header, observation, files))


def _member(
    observation: Observation, program: Program, exposure: int, segment: int, detector: str, files: Files
) -> Member:
    activity = f"jw{program.number:05d}{observation.obsnum:03d}{observation.visit:03d}_{observation.activity}"
    obs_id = f"{activity}_{exposure:05d}" + (f"-seg{segment:03d}" if segment else "") + f"_{detector}"
    order = (exposure - 1) * max(observation.segments, 1) + max(segment - 1, 0)
    start = observation.start + order * observation.cadence / 86400
    header = _header(observation, program, exposure, detector, start)
    member = Member(obs_id, observation.obsids.get(obs_id, stable_id(obs_id)), header)
    for suffix in observation.suffixes:
        member.files.append(_product(f"{obs_id}_{suffix}", header, observation, files))
    return member


def _header(observation: Observation, program: Program, exposure: int, detector: str, start: float) -> Header:
    end = start + observation.exposure_time / 86400
    guider = detector.startswith("guider")
    imaging = "i2d.fits" in observation.suffixes or guider
    return {
        "INSTRUME": "FGS" if guider else observation.instrument_name.split("/")[0],
        "DETECTOR": detector.upper(),
        "PROGRAM": f"{program.number:05d}",
        "OBSERVTN": f"{observation.obsnum:03d}",
        "VISIT": f"{observation.visit:03d}",
        "VISITGRP": observation.activity[:2],
        "ACT_ID": observation.activity[3:],
        "EXPOSURE": exposure,
        "TARGPROP": observation.target,
        "TARG_RA": observation.ra,
        "TARG_DEC": observation.dec,
        "FILTER": _filter(observation.filter, detector) or None,
        "PUPIL": observation.pupil or None,
        "EXP_TYPE": observation.exposure_type,
        "TEMPLATE": observation.template,
        "TITLE": program.title,
        "PI_NAME": program.pi,
        "CATEGORY": program.category,
        "READPATT": "FGS60" if guider else "BRIGHT1",
        "NINTS": 1,
        "NGROUPS": 5,
        "NFRAMES": 1,
        "DATE-BEG": f"{mjd_to_datetime(start):%Y-%m-%dT%H:%M:%S.%f}"[:-3],
        "DATE-END": f"{mjd_to_datetime(end):%Y-%m-%dT%H:%M:%S.%f}"[:-3],
        "EFFINTTM": observation.exposure_time,
        "EFFEXPTM": observation.exposure_time,
        "t_min": start,
        "t_max": end,
        "dataproduct_type": "image" if imaging else "spectrum",
    }


def _filter(name: str, detector: str) -> str:
    # the long-wave channel cannot be behind a short-wave filter
    return "F277W" if detector in ("nrcalong", "nrcblong") and name[1:4].isdigit() and int(name[1:4]) < 240 else name


def _product(name: str, header: Header, observation: Observation, files: Files, side: int = 96) -> ProductFile:
    if name in files:
        return files[name]
    suffix, _, extension = name.rpartition("_")[2].partition(".")
    file_type = name.rpartition("_")[2]
    layout, text = None, None
    if file_type in observation.sizes:
        size = observation.sizes[file_type]
    elif extension.lower() == "fits":
        layout = fits_files.layout_for(suffix, header["NGROUPS"], header["NINTS"], side)
        size = fits_files.layout_size(layout)
    elif extension == "ecsv":
        text = _catalogue_text(name, header)
        size = len(text())
    else:
        size = _JPEG_SIZES.get(suffix, 30_000) + stable_id(name) % 4_000
    file = ProductFile(name, size, header, layout, name.rpartition("_")[0], text)
    return _register(file, observation, files)


def _catalogue_text(name: str, header: Header) -> Callable[[], str]:
    return lambda: text_files.source_catalogue(name, header)


def _association(
    name: str, rule: str, inputs: text_files.Products, header: Header, observation: Observation, files: Files
) -> ProductFile:
    if name in files:
        return files[name]

    def text() -> str:
        return text_files.association(name, header, rule, inputs)

    return _register(ProductFile(name, len(text()), header, text=text), observation, files)


def _pool(
    program: Program, stamp: str, headers: Sequence[Header], observation: Observation, files: Files
) -> ProductFile:
    name = f"jw{program.number:05d}_{stamp}_pool.csv"
    if name in files:
        return files[name]

    def text() -> str:
        return text_files.pool(headers)

    return _register(ProductFile(name, len(text()), headers[0], text=text), observation, files)


def _guide_stars(observation: Observation, program: Program, files: Files) -> list[ProductFile]:
    visit = f"jw{program.number:05d}{observation.obsnum:03d}{observation.visit:03d}"
    start = mjd_to_datetime(observation.start)
    stamps = [f"{start - timedelta(seconds=before):%Y%j%H%M%S}" for before in (420, 400, 300, 120)]
    header = _header(observation, program, 1, "guider1", observation.start)
    header["EXP_TYPE"] = "FGS_FINEGUIDE"
    shared = [file for file in files.of_visit(visit) if file.name.startswith(f"{visit}_gs-")]
    if shared:
        return shared
    for template in _GUIDE_STAR_FILES:
        name = f"{visit}_{template.format(*stamps)}.fits"
        bitpix = -32 if name.endswith("_cal.fits") else 16
        layout = (fits_files.Extension("SCI", bitpix, (1, 1, 80, 80) if bitpix == 16 else (80, 80)),)
        file = ProductFile(name, fits_files.layout_size(layout), header, layout, visit)
        shared.append(_register(file, observation, files))
    return shared


def _register(file: ProductFile, observation: Observation, files: Files) -> ProductFile:
    file.exclusive = observation.exclusive
    file.release = observation.public_from
    file.ingested = round(mjd_to_unix(observation.processed), 3)
    files[file.name] = file
    return file
