"""What the instrument-keyword service knows about FITS files: checksum, software version, reference context."""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import GUIDE_STARS, Archive
from jwst_mast_assets.mast.names import GUIDE_STAR

FILES_PER_QUERY = 500

INSTRUMENT_OF_DETECTOR = {"nrc": "nircam", "nrs": "nirspec", "nis": "niriss", "mir": "miri", "gui": "fgs"}
"""The instrument of a detector, by its first letters."""

DETECTOR = re.compile(r"_(nrc|nrs|nis|mir|gui)[a-z0-9]*_")
MD5 = re.compile(r"[0-9a-fA-F]{32}")
NAMED = re.compile(r"_(nircam|nirspec|niriss|miri|fgs)_")


class Keywords(NamedTuple):
    """What the service says about one file; None if unknown."""

    checksum: str | None = None
    cal_ver: str | None = None
    crds_ctx: str | None = None
    stale: bool | None = None
    """Queued for reprocessing."""


UNKNOWN = Keywords()
"""For files that the service does not have."""


def instrument_of(name: str) -> str | None:
    """The service that has a FITS file's keywords: an instrument (``nircam``, ...) or ``GUIDE_STARS``.

    None for other files and unknown names.
    """
    if not name.endswith(".fits"):
        return None
    if GUIDE_STAR in name:
        return GUIDE_STARS
    if name.endswith("_msa.fits"):
        return "nirspec"  # one for all detectors, so the name has none
    if match := NAMED.search(name):
        return match[1]
    match = DETECTOR.search(name)
    return INSTRUMENT_OF_DETECTOR[match[1]] if match else None


def ask_keywords(names: Iterable[str], archive: Archive) -> dict[str, Keywords]:
    """Keywords of files by name, in few queries.

    Files for which the service fails are left out, in ``archive.failures["nircam keywords"]`` and so on, and named in
    ``archive.warnings``.

    Raises
    ------
    ArchiveError
        If the service does not answer at all.
    """
    wanted: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        if instrument := instrument_of(name):
            wanted[instrument].append(name)
    found: dict[str, Keywords] = {}
    for instrument, files in wanted.items():
        ask = functools.partial(_ask_names, archive, instrument)
        for table in archive.in_parts(f"{instrument} keywords", files, ask, FILES_PER_QUERY):
            found |= keywords_of(table)
        failed = {name: why for name, why in archive.failures[f"{instrument} keywords"].items() if name in set(files)}
        if failed:
            first, why = next(iter(failed.items()))
            archive.warn(
                f"MAST's {instrument} keywords of {len(failed)} file(s) could not be requested, {first} among them "
                f"({why}); without them checksums and versions are not compared"
            )
    return found


def _ask_names(archive: Archive, instrument: str, files: Sequence[str]) -> pd.DataFrame:
    return archive.keywords(instrument, [{"paramName": "filename", "values": list(files)}])


def keywords_of(table: pd.DataFrame) -> dict[str, Keywords]:
    """A reply of the service by file name; if a file has rows from several ingests, the last one counts."""
    stamps = table["ingestCompletionDate"].str.extract(r"(\d+)")[0].astype("Float64")
    table = table.assign(stamp=stamps).sort_values("stamp", na_position="first", kind="stable")
    columns = ["filename", "checksum", "cal_ver", "crds_ctx", "isStale"]
    rows = tables.plain(table[columns]).itertuples(index=False, name=None)
    return {name: Keywords(valid_checksum(checksum), *versions) for name, checksum, *versions in rows}


def valid_checksum(value: object) -> str | None:
    """A lower-case md5; None for anything else."""
    return value.lower() if isinstance(value, str) and MD5.fullmatch(value) else None
