"""Every parameter, once: its name, type, default, help, checks and roles.

The names are those of the original ``jwst_mast_query``. The YAML file, the launchpad and the command line all
go through :class:`Config`, so they accept the same values, report mistakes in the same words, and print the same help.
"""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.config_reading import fill_in, filled_in, in_one_sentence, read_yaml
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.parameter_roles import Flags, Role, Spelling, spellings
from jwst_mast_assets.mast.parameter_roles import roles as roles_of
from jwst_mast_assets.mast.values import (
    INSTRUMENTS,
    Numbers,
    Pixels,
    Text,
    Words,
    as_bucket,
    as_file_mode,
    as_instrument,
    as_proposals,
    as_secrets,
    check_levels,
    check_limits,
    check_obsnums,
    check_one_of,
    dates_as_text,
    lowered,
    nearest,
    none_if_blank,
    read_date,
    read_obsid,
)

LEVEL12_JPGS = ["_uncal.jpg", "_dark.jpg", "_rate.jpg", "_rateints.jpg", "_trapsfilled.jpg", "_cal.jpg", "_crf.jpg"]
FITS_KEYS = ["TARG_RA", "TARG_DEC", "FILTER", "PUPIL", "READPATT", "NINTS", "NGROUPS", "NFRAMES"]
FITS_KEYS += ["DATE-BEG", "DATE-END", "EFFINTTM", "EFFEXPTM"]
PAGE_COLUMNS = ["proposal_id", "obsnum", "visit", "obsID", "parent_obsid", "sca", "FILTER", "PUPIL", "READPATT"]
PAGE_COLUMNS += ["uncal", "dark", "rate", "rateints", "cal", "TARG_RA", "TARG_DEC", "NINTS", "NGROUPS", "NFRAMES"]
PAGE_COLUMNS += ["DATE-BEG", "DATE-END", "EFFINTTM", "EFFEXPTM", "size", "obs_id", "outfilename"]


class Config(pydantic.BaseModel):
    """What to query in MAST, what to select, where to put it, and what the page shows.

    Raises
    ------
    ConfigError
        From :meth:`from_mapping` and :func:`load_config`: one sentence that names the parameter.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    # --- what to ask for
    instrument: Annotated[str | None, BeforeValidator(as_instrument), Role.SELECTS, Flags("-i")] = Field(
        default=None, description=f"Instrument: {', '.join(INSTRUMENTS)}. Empty: all.", examples=["nircam"]
    )
    obsmode: Annotated[Words, Role.SELECTS] = Field(
        default=[],
        description="Observation modes as in MAST, e.g. [image, wfss], of the instrument or, if none is set, of all. "
        "Empty: all modes.",
        examples=[["image", "wfss"]],
    )
    propID: Annotated[list[str], BeforeValidator(as_proposals), Role.PARTITION] = Field(
        default=[], description="Proposal numbers, e.g. 1409 or [1138, 2731].", examples=[[1138, 2731]]
    )
    obsnums: Annotated[Numbers, pydantic.AfterValidator(check_obsnums), Role.SELECTS] = Field(
        default=[],
        description="Observation numbers within the proposal, e.g. 3 or [3, 103]. Empty: all.",
        examples=[[3, 103]],
    )
    lookbacktime: Annotated[float, Field(ge=0, allow_inf_nan=False), Role.PARTITION, Flags("-l", "-lookbacktime")] = (
        Field(default=1.0, description="Days to look back from now. date_select and all_dates take precedence.")
    )
    date_select: Annotated[
        Words, BeforeValidator(dates_as_text), check_limits(read_date), Role.SELECTS, Role.PARTITION, Flags("-d")
    ] = Field(
        default=[],
        description="Observation dates (t_min; MJD or ISO, UTC): one value (a date without a time means that whole "
        "day, anything else is exact), value+ (from), value- (until), or two (from, until).",
        examples=[["2022-04-10", "2022-04-12T12:00:00"]],
    )
    all_dates: Annotated[bool, Role.PARTITION] = Field(
        default=False, description="The whole history of the proposals; ignores the dates."
    )
    Nobs_per_batch: Annotated[Annotated[int, Field(gt=0)] | Literal["auto"], BeforeValidator(lowered)] = Field(
        default="auto",
        description="Observations per query of products. auto: about ten at first, more while MAST answers within a "
        "few seconds, half where it fails. With a large number, large programs time out.",
    )
    max_queries: Annotated[int, Field(gt=0, le=10)] = Field(
        default=4, description="Queries sent to MAST at a time. MAST's staff ask to keep this low."
    )

    # --- what of it to select
    filetypes: Annotated[Words, Role.SELECTS, Flags("-f")] = Field(
        default=["uncal"],
        description="File types: _uncal.fits, _rate.jpg, ...; without an extension: uncal is _uncal.fits, ami-oi is "
        "_ami-oi.fits; fits, jpg, ecsv, ...: all files of that kind. Empty: all.",
        examples=[["uncal", "_rate.jpg"]],
    )
    calib_levels: Annotated[Numbers, pydantic.AfterValidator(check_levels), Role.SELECTS] = Field(
        default=[], description="Calibration levels, e.g. [1, 2]. Empty: all.", examples=[[1, 2]]
    )
    sca: Annotated[
        Words, check_one_of((*names.SCAS, *names.SCA_ALIASES), "detector", shown=names.SCAS), Role.SELECTS
    ] = Field(
        default=[],
        description="Detectors: a1..a4, along (a5), b1..b4, blong (b5), or their full names (nrca1, nrcblong); "
        "nrs1, nrs2, nis, mirimage, mirifulong, mirifushort, guider1, guider2. Empty: all.",
        examples=[["a1", "a3"]],
    )
    guidestars: Annotated[bool, Role.SELECTS] = Field(
        default=False, description="Also guide-star products, which are numerous."
    )
    guidestar_data_only: Annotated[bool, Role.SELECTS] = Field(default=False, description="Only guide-star products.")
    obsid_select: Annotated[Words, check_limits(read_obsid), Role.SELECTS, Flags("-e")] = Field(
        default=[],
        description="Range of obsID or parent_obsid: one value (exact), value+, value-, or two.",
        examples=[[71672220, 71672260]],
    )
    obsid_list: Annotated[Numbers, Role.SELECTS] = Field(
        default=[], description="Only these obsID or parent_obsid.", examples=[[71672220, 71672260]]
    )

    exclude: Annotated[Words, Role.SELECTS] = Field(
        default=[],
        description="Files never to download, by patterns of their names, whatever the other parameters select: "
        "['*_c1006_*', '*_segm.fits'].",
        examples=[["*_trapsfilled.fits", "jw01138-c*"]],
    )

    # --- where to put it
    outrootdir: Annotated[Text, Role.FILLED_IN_LATE] = Field(
        default=None,
        description="Output folder; $NAME means an environment variable. Empty: $JWSTDOWNLOAD_OUTDIR, else the "
        "current folder.",
        examples=["/data/jwst"],
    )
    outsubdir: Annotated[Text, Role.FILLED_IN_LATE] = Field(
        default=None, description="Folder below outrootdir.", examples=["my_project"]
    )
    skip_propID2outsubdir: Annotated[bool, Role.PLACES] = Field(default=False, description="No folder per proposal.")
    obsnum2outsubdir: Annotated[bool, Role.PLACES] = Field(
        default=True, description="A folder per observation number (obsnum05) below the proposal's."
    )
    propIDs_obsnum2outsubdir: Annotated[Numbers, Role.PLACES] = Field(
        default=[1409], description="Proposals with a folder per observation number even if obsnum2outsubdir is off."
    )
    jpg_separate_subdir: Annotated[bool, Role.PLACES] = Field(
        default=False, description="Put JPEGs into a separate folder, jpg."
    )

    # --- how to fetch it
    skipdownload: Annotated[bool, Role.PLACES, Flags("-n")] = Field(
        default=False, description="Download nothing; only list what would be downloaded."
    )
    clobber: bool = Field(default=False, description="Download files again even if they are already there.")
    skip_check_if_outfile_exists: bool = Field(
        default=False, description="Do not show in the tables whether files are already there (faster)."
    )
    skip_check_filesize: bool = Field(
        default=False, description="Treat existing files as complete, regardless of their size."
    )
    verify: Annotated[Literal["none", "size", "content", "checksum"], BeforeValidator(lowered)] = Field(
        default="checksum",
        description="How thoroughly a file is verified before it gets its name: none, size, content (size, and it "
        "opens), checksum (MAST's md5 if it has one, else content).",
    )
    keep_superseded: bool = Field(
        default=False,
        description="Keep the older version of a replaced file, in a folder named superseded next to it.",
    )
    source: Annotated[Literal["mast", "s3", "s3-then-mast"], BeforeValidator(lowered)] = Field(
        default="mast", description="Where files come from: mast, s3 (public files in the cloud), s3-then-mast."
    )
    Nparallel: Annotated[int, Field(gt=0, le=20)] = Field(
        default=5, description="Files downloaded at a time. MAST's staff ask to keep this low."
    )
    max_connections: Annotated[int, Field(gt=0, le=100)] = Field(
        default=10,
        description="Connections to MAST at a time, of all runs and commands together that use the output folder.",
    )
    max_bandwidth: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(none_if_blank)] = Field(
        default=None,
        description="MB (10^6 bytes) per second for downloads, of all runs and commands together that use the output "
        "folder. Empty: no limit.",
        examples=[50],
    )
    download_timeout: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="Seconds without any data before a download is retried."
    )
    download_retries: Annotated[int, Field(ge=0)] = Field(
        default=4, description="How often a file is retried after a temporary fault."
    )
    exclusive_file_mode: Annotated[str | None, BeforeValidator(as_file_mode)] = Field(
        default=None,
        description="Mode of files with exclusive access until their release, so that others on the machine cannot "
        "read them: '0600' (only you), '0640' (your group may read), '0660'. Empty: as all files.",
        examples=["0640"],
    )
    max_download_gb: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(none_if_blank)] = Field(
        default=None,
        description="Refuse runs that would download more (GB of 10^9 bytes). Empty: limited only by the disk.",
        examples=[500],
    )
    token: Annotated[pydantic.SecretStr | None, BeforeValidator(none_if_blank), Role.SECRET, Role.WHOLE_CALL] = Field(
        default=None,
        description="MAST token, for exclusive-access data. Better: the environment variable MAST_API_TOKEN.",
        examples=["$MAST_API_TOKEN"],
    )

    # --- notices
    notify_urls: Annotated[
        list[pydantic.SecretStr],
        BeforeValidator(as_secrets),
        Role.SECRET,
        Role.WHOLE_CALL,
        Role.FILLED_IN_LATE,
        Role.NO_OPTION,
    ] = Field(
        default=[],
        description="Where to send notices, as addresses of the apprise library (mailto://..., slack://...). They "
        "are secrets; better: the environment variable JWST_NOTIFY_URLS. Empty: no notices.",
        examples=["mailto://$NAME:$PASSWORD@example.org"],
    )

    # --- tables
    savetables: Annotated[Text, Role.WHOLE_CALL, Flags("-s")] = Field(
        default=None,
        description="Save this run's tables as <savetables>.obs.txt, .selprod.txt, .summary.txt (and as .ecsv).",
        examples=["latest"],
    )
    mastcolumns_obsTable: Annotated[Words, check_one_of(tables.MAST_OBS_COLUMNS, "column", lower=False)] = Field(
        default=["proposal_id", "dataURL", "obs_id", "t_min", "t_exptime"],
        description="Columns to request from MAST, in addition to those that are always needed.",
    )
    outcolumns_productTable: Annotated[Words, check_one_of(tables.PRODUCT_OUT_COLUMNS, "column", lower=False)] = Field(
        default=[
            "proposal_id",
            "obsnum",
            "obsID",
            "parent_obsid",
            "obs_id",
            "sca",
            "visit",
            "dataproduct_type",
            "filetype",
        ]
        + ["calib_level", "size", "outfilename", "dl_code", "dl_str"],
        description="Columns of the table of products.",
    )
    outcolumns_obsTable: Annotated[Words, check_one_of(tables.OBS_OUT_COLUMNS, "column", lower=False)] = Field(
        default=["proposal_id", "obsnum", "obsid", "obs_id", "t_min", "t_exptime", "date_min"],
        description="Columns of the table of observations; a count for each file type is added.",
    )
    sortcols_productTable: Annotated[Words, check_one_of(tables.PRODUCT_OUT_COLUMNS, "column", lower=False)] = Field(
        default=["calib_level", "filetype", "obsID"], description="Order of the table of products."
    )
    sortcols_obsTable: Annotated[Words, check_one_of(tables.OBS_OUT_COLUMNS, "column", lower=False)] = Field(
        default=["date_min", "proposal_id", "obsnum"], description="Order of the table of observations."
    )
    sortcols_summaryTable: Annotated[Words, check_one_of(tables.SUMMARY_COLUMNS, "column", lower=False)] = Field(
        default=["date_start", "proposal_id", "obsnum"], description="Order of the summary table."
    )
    verbose: Annotated[int, Field(ge=0), Role.COMMAND, Role.NO_OPTION] = Field(
        default=0, description="More output while it runs."
    )

    # --- the page
    makewebpages: Annotated[bool, Role.COMMAND, Flags("-w")] = Field(
        default=False, description="Make index.html for each proposal (the job jwst_download always does)."
    )
    webpage_level12_jpgs: Words = Field(default=LEVEL12_JPGS, description="File types whose thumbnails the page shows.")
    webpage_mkthumbnails: bool = Field(
        default=True, description="Make thumbnails; otherwise the page shows the full JPEGs."
    )
    webpage_thumbnails_overwrite: bool = Field(
        default=False, description="Make thumbnails again even if they already exist."
    )
    webpage_thumbnails_width: Annotated[Pixels, Spelling("webpage_thumbnail_width")] = Field(
        default=100, description="Width of thumbnails, pixels."
    )
    webpage_thumbnails_height: Annotated[Pixels, Spelling("webpage_thumbnail_height")] = Field(
        default=None, description="Height of thumbnails, pixels. Empty: keep the aspect ratio.", examples=[100]
    )
    make_previews: Annotated[Literal["none", "level3", "all"], BeforeValidator(lowered)] = Field(
        default="level3",
        description="Draw a picture from the FITS file (i2d, s2d, x1d, cal, rate) of products without a picture on "
        "disk, in the folder previews of the proposal.",
    )
    webpage_tablefigsize_width: Pixels = Field(
        default=None, description="Width of figures in the page's table, pixels.", examples=[100]
    )
    webpage_tablefigsize_height: Pixels = Field(
        default=None, description="Height of figures in the page's table, pixels.", examples=[100]
    )
    webpage_fitskeys2table: Words = Field(default=FITS_KEYS, description="FITS header keywords that the page shows.")
    webpage_cols4table: Words = Field(default=PAGE_COLUMNS, description="Columns of the page's table.")
    webpage_sortcols: Words = Field(
        default=["proposal_id", "obsnum", "visit", "sca"], description="Order of the page's table."
    )

    # --- the pipeline
    watch: Annotated[Literal["proposals", "all"], BeforeValidator(lowered), Role.PIPELINE] = Field(
        default="proposals",
        description="What the sensor watches: the watched proposals, or with 'all' also everything that the "
        "instrument has taken in the last lookbacktime days.",
    )
    sensor_interval: Annotated[int, Field(ge=30), Role.PIPELINE] = Field(
        default=600, description="Seconds between two queries of MAST (read when Dagster loads the code location)."
    )
    freshness_hours: Annotated[float, Field(gt=0), Role.PIPELINE] = Field(
        default=36.0,
        description="Hours without a comparison with MAST after which a proposal no longer counts as fresh.",
    )
    reread_days: Annotated[float, Field(ge=0, allow_inf_nan=False), Role.PIPELINE] = Field(
        default=90.0,
        description="Days within which every file on disk is read again to find spoiled ones, a share each day. 0: "
        "never.",
    )
    tablerootdir: Annotated[str | None, BeforeValidator(as_bucket), Role.PIPELINE] = Field(
        default=None,
        description="Where the internal tables are: s3://BUCKET/PREFIX, with outsubdir below it and the keys in AWS's "
        "environment variables. Empty: in the output folder.",
        examples=["s3://my-bucket/jwst"],
    )
    first_day: Annotated[dt.date, Role.PIPELINE] = Field(
        default=dt.date(2021, 8, 1),
        description="First day of the partitions (read when Dagster loads the code location).",
    )

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            """Check the values.

            Raises
            ------
            ConfigError
                For an unknown name or a bad value.
            """
            _check_names(values)
            try:
                super().__init__(**values)
            except pydantic.ValidationError as error:
                raise ConfigError(in_one_sentence(error, parameters_with(Role.SECRET))) from None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "configuration") -> "Config":
        """A checked configuration from parameter names and values.

        Parameters
        ----------
        values : mapping
            Parameters that differ from the defaults. A single value can be given for a list of one.
        source : str
            Their origin, for messages (``config file x.cfg``); empty where that goes without saying.

        Raises
        ------
        ConfigError
            For an unknown name or a bad value.
        """
        known = _respelled(values)
        late = parameters_with(Role.FILLED_IN_LATE)
        _check_names(known, source)
        known = {name: value if name in late else filled_in(value, name) for name, value in known.items()}
        try:
            return cls(**known)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}" if source else str(error)) from None

    def merged(self, values: Mapping[str, Any], source: str = "configuration") -> "Config":
        """The same configuration with some parameters replaced, checked again."""
        own = self.model_dump(exclude_unset=True)
        return type(self).from_mapping({**own, **_respelled(values)}, source)

    @property
    def batch_size(self) -> int | None:
        """``Nobs_per_batch``; None for ``auto``."""
        return None if self.Nobs_per_batch == "auto" else self.Nobs_per_batch

    @property
    def exclusive_mode(self) -> int | None:
        """``exclusive_file_mode`` as a number."""
        return int(self.exclusive_file_mode, 8) if self.exclusive_file_mode else None

    @property
    def environment_root(self) -> str | None:
        """The output folder if ``outrootdir`` is not set."""
        return os.environ.get("JWSTDOWNLOAD_OUTDIR") or None

    @property
    def root(self) -> Path:
        """``<outrootdir>/<outsubdir>``, absolute, with environment variables filled in.

        Raises
        ------
        ConfigError
            If ``$NAME`` is not defined.
        """
        outrootdir = self.outrootdir or self.environment_root or "."
        folder = Path(fill_in(outrootdir, "outrootdir")) / fill_in(self.outsubdir or "", "outsubdir")
        return Path(os.path.abspath(folder.expanduser()))

    @property
    def tables_url(self) -> str | None:
        """``<tablerootdir>/<outsubdir>``; None if the tables are in the output folder. Raises as `root`."""
        below = os.path.normpath("/" + fill_in(self.outsubdir or "", "outsubdir")).strip("/")
        return self.tablerootdir and f"{self.tablerootdir}/{below}".rstrip("/")


def parameters_with(*roles: Role) -> tuple[str, ...]:
    """The parameters that have one of some roles."""
    return tuple(name for name, field in Config.model_fields.items() if not roles_of(field).isdisjoint(roles))


def _check_names(values: Mapping[str, Any], source: str = "") -> None:
    for name in values:
        if name not in Config.model_fields:
            where = f"{source}: " if source else ""
            raise ConfigError(f"{where}unknown parameter {name!r}{nearest(str(name), Config.model_fields)}")


def _respelled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values under the parameters' own names."""
    own = {spelling: name for name, field in Config.model_fields.items() for spelling in spellings(field)}
    return {own.get(name, name): value for name, value in values.items()}


def load_config(path: str | Path | None = None, given: Mapping[str, Any] | None = None) -> Config:
    """The configuration in a YAML file, with overrides.

    Parameters
    ----------
    path : path, optional
        Default: ``$JWST_QUERY_CFGFILE``; if that is not set, the parameters' defaults.
    given : mapping, optional
        Parameters from the command line. Values that they override in the file are not checked.

    Raises
    ------
    ConfigError
        If the file does not exist, is not YAML, is not a list of parameters, or has a bad one.
    """
    path = path or os.environ.get("JWST_QUERY_CFGFILE")
    given = given or {}
    if not path:
        return Config().merged(given, "command line")
    source = f"config file {path}"
    values = _respelled(read_yaml(Path(path), source))
    kept = {name: value for name, value in values.items() if name not in given}
    return Config.from_mapping(kept, source).merged(given, "command line")
