"""The columns of every table: name, type, unit, meaning.

Types are pandas' nullable ones, so that a missing observation number stays missing instead of turning integers
into floats. The meanings of MAST's columns are those of its CAOM field descriptions.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
else:
    pd = Lazily("pandas")
    pa = Lazily("pyarrow")

# Its functions are made when it is imported, so that type checkers do not know them.
pc: Any = Lazily("pyarrow.compute")


class Column(NamedTuple):
    """What a column holds."""

    dtype: str
    meaning: str
    unit: str = ""
    required: bool = False
    """Whether a reply of MAST without it is refused."""


Schema = Mapping[str, Column]

OBS_FROM_MAST: Schema = {
    "obsid": Column("Int64", "MAST's product group id", required=True),
    "obs_id": Column("string", "name of the observation", required=True),
    "proposal_id": Column("Int64", "program number", required=True),
    "instrument_name": Column("string", "instrument, with its mode where MAST has it (NIRCAM/IMAGE)", required=True),
    "t_min": Column("Float64", "start of the observation", "MJD (UTC)", required=True),
    "t_max": Column("Float64", "end of the observation", "MJD (UTC)"),
    "t_exptime": Column("Float64", "exposure time", "s"),
    "t_obs_release": Column("Float64", "when exclusive access ends", "MJD (UTC)"),
    "calib_level": Column("Int64", "calibration level; -1 is planned"),
    "dataproduct_type": Column("string", "image, spectrum, cube, ..."),
    "target_name": Column("string", "target"),
    "s_ra": Column("Float64", "right ascension", "deg"),
    "s_dec": Column("Float64", "declination", "deg"),
    "filters": Column("string", "filters"),
    "obs_title": Column("string", "title of the program"),
    "proposal_pi": Column("string", "principal investigator"),
    "dataRights": Column("string", "PUBLIC or EXCLUSIVE_ACCESS"),
    "dataURL": Column("string", "URI of the main product"),
    "jpegURL": Column("string", "URI of the preview"),
    "provenance_name": Column("string", "what made it: CALJWST; APT where only planned"),
    "obs_collection": Column("string", "mission"),
    "intentType": Column("string", "science or calibration"),
    "target_classification": Column("string", "class of the target"),
    "proposal_type": Column("string", "type of the program"),
    "wavelength_region": Column("string", "wave band"),
    "em_min": Column("Float64", "shortest wavelength", "nm"),
    "em_max": Column("Float64", "longest wavelength", "nm"),
    "project": Column("string", "processing project"),
    "sequence_number": Column("Int64", "sequence number"),
    "s_region": Column("string", "footprint"),
    "mtFlag": Column("boolean", "moving target"),
    "srcDen": Column("Float64", "cataloged objects in the observation"),
    "objID": Column("Int64", "MAST's plane id"),
}

OBSNUMS = Column("string", "observation numbers of the members of a level-3 candidate of several, comma-separated")

CELL: Schema = {"cell": Column("string", "partition key: day|proposal")}

OBS_TABLE: Schema = {
    **OBS_FROM_MAST,
    "obsnum": Column("Int64", "APT's observation number"),
    "date_min": Column("string", "t_min as ISO date (UTC)"),
    "wanted": Column("boolean", "whether the configuration's instrument, mode and dates want it"),
    **CELL,
}

OBS_REPORT: Schema = {**OBS_TABLE, "obsnums": OBSNUMS}
"""The table of observations for people; beside these it has one Int64 column per file type: the number of files."""

PRODUCTS_FROM_MAST: Schema = {
    "obsID": Column("Int64", "observation that owns the file"),
    "parent_obsid": Column("Int64", "observation that brought the file", required=True),
    "obs_id": Column("string", "name of the observation that owns the file"),
    "proposal_id": Column("Int64", "program number"),
    "dataURI": Column("string", "identity of the file in MAST", required=True),
    "productFilename": Column("string", "name of the file"),
    "size": Column("Int64", "size of the file as MAST has it", "byte"),
    "calib_level": Column("Int64", "calibration level"),
    "dataproduct_type": Column("string", "image, spectrum, cube, ..."),
    "productType": Column("string", "SCIENCE, AUXILIARY, PREVIEW, INFO"),
    "type": Column("string", "S (of a member) or D"),
    "description": Column("string", "what the file is"),
    "productSubGroupDescription": Column("string", "file type in capitals"),
    "productGroupDescription": Column("string", "whether it is a minimum recommended product"),
    "dataRights": Column("string", "PUBLIC or EXCLUSIVE_ACCESS"),
    "prvversion": Column("string", "version of the calibration pipeline"),
}

PRODUCT_TABLE: Schema = {
    **PRODUCTS_FROM_MAST,
    "obsnum": Column("Int64", "APT's observation number"),
    "visit": Column("string", "visit number"),
    "sca": Column("string", "detector"),
    "filetype": Column("string", "last _word.ext of the name, else its ending"),
    "selected": Column("boolean", "whether the configuration selects it"),
    "outfilename": Column("string", "where the file is or would be on disk"),
    "dl_code": Column("Int64", "state of the file, see downloads.CODES"),
    "dl_str": Column("string", "state of the file in a word"),
    "t_obs_release": Column("Float64", "when exclusive access ends", "MJD (UTC)"),
    **CELL,
    "obsnums": OBSNUMS,
}

FILE_TABLE: Schema = {
    **PRODUCT_TABLE,
    "dl_message": Column("string", "what went wrong, in a sentence"),
    "bytes_on_disk": Column("Int64", "size of the file on disk", "byte"),
    "bytes_fetched": Column("Int64", "bytes that this run took from the network", "byte"),
    "mtime": Column("Float64", "when the file on disk was last changed", "s since 1970 (UTC)"),
    "md5": Column("string", "md5 of the file on disk, where it was computed"),
    "checksum": Column("string", "md5 of the file as MAST has it, where it has one; see checksum_source"),
    "cal_ver": Column("string", "version of the calibration pipeline that made the file"),
    "crds_ctx": Column("string", "context of the reference files that made the file"),
    "verified": Column("string", "how the file was verified: checksum, content, size, none"),
    "checksum_source": Column("string", "source of the checksum: mast (keyword service), or s3 (ETag in the cloud)"),
    "source": Column("string", "where the file on disk came from: mast or s3"),
    "etag": Column("string", "ETag that the source sent with it"),
    "last_modified": Column("string", "Last-Modified that the source sent with it"),
    "isStale": Column("boolean", "whether MAST has queued the file to be processed again"),
    "run_id": Column("string", "the Dagster run that fetched the file"),
}

ORIGIN_COLUMNS = ("checksum_source", "source", "etag", "last_modified")
"""What the source of a file said about it when it was fetched."""

SUMMARY_FIXED: Schema = {
    "proposal_id": Column("Int64", "program number"),
    "obsnum": Column("Int64", "APT's observation number"),
    "date_start": Column("string", "first date_min (UTC)"),
    **CELL,
}
"""Beside these a summary has one Int64 column per file type: the number of files."""

KEYWORDS_FROM_MAST: Schema = {
    "filename": Column("string", "name of the file", required=True),
    "checksum": Column("string", "md5 of the file"),
    "fileSize": Column("Int64", "size of the file", "byte"),
    "cal_ver": Column("string", "version of the calibration pipeline"),
    "crds_ctx": Column("string", "context of the reference files"),
    "ingestCompletionDate": Column("string", "when MAST took the file in"),
    "publicReleaseDate": Column("string", "when the file becomes public"),
    "isStale": Column("boolean", "whether the file is queued to be processed again"),
    "dataURI": Column("string", "identity of the file in MAST"),
}

CHANGE_TABLE: Schema = {
    "kind": Column("string", "what happened: content, versions, superseded or gone"),
    "cells": Column("string", "partition keys of the tables that list the file, separated by a comma and a space"),
    "proposal_id": Column("Int64", "program number"),
    "dataURI": Column("string", "identity of the file in MAST"),
    "productFilename": Column("string", "name of the file"),
    "outfilename": Column("string", "where the file is on disk"),
    "old_md5": Column("string", "md5 of the file on disk"),
    "new_md5": Column("string", "md5 of the file as MAST has it now"),
    "old_cal_ver": Column("string", "version of the calibration pipeline that made the file on disk"),
    "new_cal_ver": Column("string", "version of the calibration pipeline that made MAST's file"),
    "old_crds_ctx": Column("string", "context of the reference files that made the file on disk"),
    "new_crds_ctx": Column("string", "context of the reference files that made MAST's file"),
    "successor": Column("string", "name of the newer file that replaces a superseded one"),
    "compared_by": Column("string", "how it was found: checksum, etag, last-modified, size, sibling"),
    "new_tag": Column(
        "string", "what showed it for a file without a checksum: ETag, Last-Modified, size, sibling's md5"
    ),
    "old_mtime": Column("Float64", "when the file that was compared was last changed", "s since 1970 (UTC)"),
}

COMPARISON_TABLE: Schema = {
    "dataURI": Column("string", "identity of the file in MAST"),
    "productFilename": Column("string", "name of the file"),
    "mtime": Column("Float64", "when the file on disk was last changed", "s since 1970 (UTC)"),
    "compared_by": Column("string", "checksum, etag, last-modified, size, sibling; missing: not comparable"),
    "changed": Column("boolean", "whether MAST has another version; of files without a checksum"),
    "new_tag": Column(
        "string", "what showed it for a file without a checksum: ETag, Last-Modified, size, sibling's md5"
    ),
    "asked": Column("string", "when MAST's server was last asked about a file without a checksum, ISO", "UTC"),
    "etag": Column("string", "ETag of the file on disk at MAST"),
    "last_modified": Column("string", "Last-Modified of the file on disk at MAST"),
    "isStale": Column("boolean", "whether MAST has queued the file to be processed again"),
}
"""One row per file on disk: how the last look compared it with MAST."""

READ_TABLE: Schema = {
    "dataURI": Column("string", "identity of the file in MAST"),
    "mtime": Column("Float64", "when the file that was read was last changed", "s since 1970 (UTC)"),
    "read": Column("string", "when it was last read to its end, ISO", "UTC"),
    "problem": Column("string", "why it is spoiled; missing: it is what was recorded"),
}
"""One row per file on disk that was read again after its download."""

VERSION_COLUMNS = ("size", "md5", "cal_ver", "crds_ctx")
"""What distinguishes versions of a file."""

HISTORY_TABLE: Schema = {
    "when": Column("string", "when it was recorded, ISO with microseconds", "UTC"),
    "event": Column("string", "what happened, see history.EVENTS", required=True),
    "proposal_id": Column("Int64", "program number"),
    "obsnum": Column("Int64", "APT's observation number"),
    **CELL,
    "productFilename": Column("string", "name of the file"),
    "dataURI": Column("string", "identity of the file in MAST", required=True),
    "path": Column("string", "where the file is, below the output folder"),
    "size": Column("Int64", "size of the file on disk", "byte"),
    "md5": Column("string", "md5 of the file on disk, where it was computed"),
    "checksum": Column("string", "md5 of the file as MAST had it then, where it had one"),
    "verified": Column("string", "how the file was verified: checksum, content, size, none"),
    "cal_ver": Column("string", "version of the calibration pipeline that made the file"),
    "crds_ctx": Column("string", "context of the reference files that made the file"),
    "old_size": Column("Int64", "size of the version that was there before", "byte"),
    "old_md5": Column("string", "md5 of the version that was there before"),
    "old_cal_ver": Column("string", "calibration pipeline of the version that was there before"),
    "old_crds_ctx": Column("string", "reference files of the version that was there before"),
    "run_id": Column("string", "the Dagster run that recorded it"),
    "dl_str": Column("string", "state of the file in a word, see downloads.CODES"),
}

MANIFEST_TABLE: Schema = {
    **{
        name: HISTORY_TABLE[name]
        for name in ("path", "productFilename", "proposal_id", "obsnum", *VERSION_COLUMNS, "verified", "dataURI")
    },
    "since": Column("string", "when this version was recorded, ISO", "UTC"),
    "status": Column("string", "present, stale, superseded, gone or spoiled, see file_states"),
}

DIFF_TABLE: Schema = {
    "change": Column("string", "added, changed, stale, superseded, gone or spoiled"),
    "path": HISTORY_TABLE["path"],
    "productFilename": HISTORY_TABLE["productFilename"],
    "dataURI": HISTORY_TABLE["dataURI"],
    **{
        f"{age}_{name}": HISTORY_TABLE[name]._replace(meaning=f"{HISTORY_TABLE[name].meaning}; {age} version")
        for name in VERSION_COLUMNS
        for age in ("old", "new")
    },
}

STATUS_TABLE: Schema = {
    "proposal": Column("string", "program number, five digits"),
    "observations": Column("Int64", "observations that MAST lists and the configuration selects"),
    "files": Column("Int64", "selected files"),
    **{
        state.value: Column("Int64", state.meaning)
        for state in (State.PRESENT, State.STALE, State.MISSING, State.FAILED, State.WAITING)
    },
    **{
        state.value: Column("Int64", state.meaning)
        for state in (State.SPOILED, State.REFUSED, State.SUPERSEDED, State.GONE)
    },
    "forgotten": Column("Int64", "files that jwst-mast forget excludes; not among the selected ones"),
    "queued": Column("Int64", "on disk, and queued by MAST to be processed again"),
    "not_comparable": Column("Int64", "on disk, but cannot be compared with MAST, so may be old"),
    "bytes": Column("Int64", "size of those on disk, as MAST has it", "byte"),
    "bytes_to_come": Column("Int64", "size of the others, as MAST has it", "byte"),
    "days_to_come": Column("Int64", "days with observations or files in MAST that no run has asked for yet"),
    "last_checked": Column("string", "when MAST was last asked for the observations, ISO", "UTC"),
}

FRESHNESS_TABLE: Schema = {
    "proposal": Column("string", "program number, five digits"),
    "observations": Column("string", "when MAST was last asked for the observations, ISO", "UTC"),
    "products": Column("string", "when MAST was last asked for the products of a day, ISO", "UTC"),
    "checksums": Column("string", "when the files on disk were last compared with MAST, ISO", "UTC"),
    "disk": Column("string", "when the disk was last searched for missing files, ISO", "UTC"),
}

RELEASE_TABLE: Schema = {
    "public_from": Column("string", "when exclusive access ends, ISO; missing where MAST does not say", "UTC"),
    "proposal": Column("string", "program number, five digits"),
    "obsnums": Column("string", "APT's observation numbers, comma-separated"),
    "files": Column("Int64", "selected files that become public"),
    "bytes": Column("Int64", "their size, as MAST has it", "byte"),
    "on_disk": Column("Int64", "how many of them are on disk already"),
    "public": Column("boolean", "whether that time is past"),
}

DERIVED = {"cell", "wanted", "selected"}
MAST_OBS_COLUMNS = tuple(OBS_FROM_MAST)
OBS_OUT_COLUMNS = tuple(name for name in OBS_REPORT if name not in DERIVED)
PRODUCT_OUT_COLUMNS = tuple(name for name in PRODUCT_TABLE if name not in DERIVED)
SUMMARY_COLUMNS = ("proposal_id", "obsnum", "date_start")


def empty(schema: Schema) -> "pd.DataFrame":
    """A table of no rows with all columns of a schema."""
    return pd.DataFrame({name: pd.Series(dtype=column.dtype) for name, column in schema.items()})


def conform(table: "pd.DataFrame", schema: Schema) -> "pd.DataFrame":
    """The schema's columns of a table, in its order and types; absent ones are added as missing values."""
    return pd.DataFrame(
        {
            name: table[name].astype(pd.api.types.pandas_dtype(column.dtype))
            if name in table
            else pd.Series(pd.NA, index=table.index, dtype=column.dtype)
            for name, column in schema.items()
        },
        index=table.index,
    )


def is_true(flags: "pd.Series") -> "pd.Series[bool]":
    """Where a column of flags is true; a missing value counts as false. A Series of bool, to select rows with."""
    return flags.astype("boolean").fillna(False).astype(bool)


def among(values: "pd.Series", others: Collection[Any]) -> "pd.Series[bool]":
    """Where values are among others. A Series of bool; as ``isin``, which makes an object of each text, but by Arrow.

    Examples
    --------
    >>> among(pd.Series(["a", "b", None], dtype="string"), pd.Series(["b", "c"])).tolist()
    [False, True, False]
    """
    if values.dtype != "string" or not len(values) or not len(others):
        return values.isin(others).astype(bool)
    texts, wanted = (
        pa.array(pd.Series(some if isinstance(some, pd.Series | pd.Index) else list(some), dtype="string").array)
        for some in (values, others)
    )
    found = pc.is_in(texts, value_set=pc.drop_null(wanted).cast(texts.type))
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def plain(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table of Python's own values, with None for a missing one."""
    return table.astype(object).where(table.notna(), None)


def as_dicts(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a table, with None for missing values."""
    return cast(list[dict[str, Any]], plain(table).to_dict("records"))
