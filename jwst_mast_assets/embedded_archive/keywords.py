"""Rows of the instrument-keyword services, one for each FITS file."""

import re
from datetime import datetime, timezone

from jwst_mast_assets.embedded_archive.columns import GUIDE_STAR_COLUMNS, KEYWORD_COLUMNS
from jwst_mast_assets.embedded_archive.files import ProductFile
from jwst_mast_assets.embedded_archive.identifiers import mjd_to_unix, stable_id
from jwst_mast_assets.embedded_archive.product_types import describe
from jwst_mast_assets.embedded_archive.rows import Row

CHECKSUM_LIMIT = 64_000_000
_FILE_SET = re.compile(r"^(jw\d{11}_\w{5}_\d{5})")
_DATE = re.compile(r"^/Date\((-?\d+)(?:[+-]\d+)?\)/$")
_PRODUCT_LEVELS = {1: "1b", 2: "2b", 3: "3"}


def as_date(seconds: float | None) -> str | None:
    """Seconds since 1970 as MAST writes them, ``/Date(milliseconds)/``."""
    return None if seconds is None else f"/Date({round(seconds * 1000)})/"


def date_seconds(text: str | float) -> float:
    """Seconds since 1970 of ``/Date(milliseconds)/``, an ISO date (UTC) or a number of milliseconds.

    Raises
    ------
    ValueError
        For any other text.
    """
    if isinstance(text, (int, float)):
        return text / 1000
    found = _DATE.match(text)
    if found:
        return int(found[1]) / 1000
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("/", "-"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def keyword_row(file: ProductFile) -> Row:
    """The keyword row of a FITS file, all but its ``checksum``.

    Parameters
    ----------
    file : ProductFile

    Returns
    -------
    dict
        With the columns of `columns.KEYWORD_COLUMNS`; ``checksum`` is ``None`` (see `with_checksum`).
    """
    header = file.header
    row = dict.fromkeys(KEYWORD_COLUMNS)
    start = header.get("t_min")
    file_set = _FILE_SET.match(file.name)
    level3 = "-" in file.name.split("_")[0]
    identifier = stable_id(file.name) + file.version
    row.update(
        ArchiveFileID=identifier,
        filename=file.name,
        fileSetName=file_set[1] if file_set else "_".join(file.name.split("_")[:3]),
        productLevel="3" if level3 else _PRODUCT_LEVELS[describe(file.name).calib_level],
        dataURI=file.uri,
        fileSize=file.size,
        FileTypeID=77,
        FileSetId=identifier // 100,
        instrume=header.get("INSTRUME"),
        detector=header.get("DETECTOR"),
        exp_type=header.get("EXP_TYPE"),
        program=_number(header.get("PROGRAM")),
        observtn=_number(header.get("OBSERVTN")),
        visit=_number(header.get("VISIT")),
        visit_id="".join(header.get(keyword) or "" for keyword in ("PROGRAM", "OBSERVTN", "VISIT")),
        act_id=header.get("ACT_ID"),
        exposure=header.get("EXPOSURE"),
        category=header.get("CATEGORY"),
        template=header.get("TEMPLATE"),
        title=header.get("TITLE"),
        pi_name=header.get("PI_NAME"),
        date=as_date(file.ingested - 60),
        date_obs=as_date(mjd_to_unix(start) if start else None),
        date_obs_mjd=start,
        expstart=start,
        expend=header.get("t_max"),
        effexptm=header.get("EFFEXPTM"),
        effinttm=header.get("EFFINTTM"),
        nints=header.get("NINTS"),
        ngroups=header.get("NGROUPS"),
        nframes=header.get("NFRAMES"),
        readpatt=header.get("READPATT"),
        filter=header.get("FILTER"),
        pupil=header.get("PUPIL"),
        targ_ra=header.get("TARG_RA"),
        targ_dec=header.get("TARG_DEC"),
        targprop=header.get("TARGPROP"),
        targname=header.get("TARGPROP"),
        visitsta="SUCCESSFUL",
        cal_vcs="RELEASE",
        crds_ver="12.1.5",
        sdp_ver="2025_2",
        isItar=False,
    )
    row.update(_state(file))
    return row


def _state(file: ProductFile) -> Row:
    """The columns that change when a file is processed again or released."""
    return {
        "cal_ver": file.cal_ver,
        "crds_ctx": file.crds_ctx,
        "ingestStartDate": as_date(file.ingested - 10),
        "ingestCompletionDate": as_date(file.ingested),
        "publicReleaseDate": as_date(mjd_to_unix(file.release) if file.release else file.ingested),
        "isRestricted": file.exclusive,
        "isStale": file.stale,
    }


def recorded_row(row: Row, file: ProductFile) -> Row:
    """A row read from a table, brought up to date with what has happened to its file since.

    The checksum is left to `with_checksum`: the bytes served are not the recorded ones.
    """
    changed = _state(file) if file.version else {"isRestricted": file.exclusive, "isStale": file.stale}
    return {**row, "fileSize": file.size, "checksum": None, **changed}


def guide_star_row(row: Row) -> Row:
    """The row as the guide-star service has it."""
    others = {name: row.get(name) for name in GUIDE_STAR_COLUMNS}
    return {**others, "fileName": row["filename"], "gs_order": 1}


def with_checksum(row: Row, file: ProductFile) -> Row:
    """The row with the md5 of the bytes served.

    It stays ``None`` for a file above `CHECKSUM_LIMIT` bytes whose checksum nobody has asked for before,
    since working it out means making the whole file.
    """
    known = file.has_checksum or file.size <= CHECKSUM_LIMIT
    return {**row, "checksum": file.md5 if known else None}


def _number(text: str | None) -> int | None:
    return int(text) if text else None
