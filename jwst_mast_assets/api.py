"""The Python API, for notebooks and scripts: find what MAST has, download it, and look at what is on disk.

It needs no Dagster and no running service, and works inside a running event loop. It keeps the rules of the commands:
files are verified before they get their names, records and history are kept in the output folder, and limits are
shared with all other processes that use that folder.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.dates import utc_now
from jwst_mast_assets.mast.discovery import cells_with_data, find_observations
from jwst_mast_assets.mast.errors import ConfigError, NothingRecorded
from jwst_mast_assets.mast.exclusions import excluded_files, unmatched_values
from jwst_mast_assets.mast.names import proposal_key
from jwst_mast_assets.mast.products import query_products
from jwst_mast_assets.mast.shared_limits import shared_limits
from jwst_mast_assets.records.archive_identity import open_archive
from jwst_mast_assets.records.file_states import file_states
from jwst_mast_assets.records.plain_runs import fetch_files, list_files
from jwst_mast_assets.records.reports import to_astropy
from jwst_mast_assets.records.reprocessing import read_changes
from jwst_mast_assets.records.snapshot import Snapshot
from jwst_mast_assets.records.status import read_states, recorded_proposals
from jwst_mast_assets.records.steps import Steps

if TYPE_CHECKING:
    from astropy.table import Table

DATES = {"all_dates", "date_select", "lookbacktime"}

TWICE = "propID is given twice; give the proposals as the first argument or as propID, not both"

STATE: tables.Schema = {"state": tables.Column("string", "what the file is: present, stale, missing, waiting, ...")}

FOUND_TABLE: tables.Schema = {**tables.PRODUCT_TABLE, **STATE}
"""Columns of :func:`find`."""

HELD_TABLE: tables.Schema = {**tables.FILE_TABLE, **STATE}
"""Columns of :func:`download` and :func:`holdings`."""


class JwstMastWarning(UserWarning):
    """Something that the user should know, such as a list that MAST could not complete."""


def find(
    propID: Any = None,  # noqa: N803
    /,
    *,
    config: Config | None = None,
    archive: Archive | None = None,
    observations: bool = False,
    **parameters: Any,
) -> "Table":
    """List what MAST has. Downloads nothing and writes nothing.

    Parameters
    ----------
    propID : int, str or list, optional
        One or several proposals; without it, every program.
    config : Config, optional
        Default: the config file in ``$JWST_QUERY_CFGFILE``, else the defaults.
    archive : Archive, optional
        Default: MAST, or ``$MAST_SERVER``.
    observations : bool
        List the observations instead of the selected files.
    **parameters
        Any parameter of the commands: ``instrument``, ``filetypes``, ``sca``, ``obsnums``, ``date_select``, ... With
        `propID` and no dates, the proposal's whole history is listed.

    Returns
    -------
    astropy.table.Table
        With units and descriptions, one row per file (columns of ``tables.PRODUCT_TABLE``, and ``state``) or per
        observation (``tables.OBS_TABLE``). ``to_pandas()`` makes a DataFrame of it.

    Warns
    -----
    JwstMastWarning
        If part of MAST's answer is missing, or the parameters exclude everything.

    Raises
    ------
    ConfigError
        If a parameter is unknown or has a bad value.
    ArchiveError
        If MAST does not answer.

    Examples
    --------
    List a program, fetch a part of it, and look at it. The lines with the embedded archive replace MAST here; leave
    them out.

    >>> import tempfile
    >>> from jwst_mast_assets.embedded_archive import EmbeddedArchive
    >>> mast, folder = EmbeddedArchive().start(), tempfile.TemporaryDirectory()

    >>> from jwst_mast_assets import Archive, Config, download, find, holdings
    >>> archive = Archive(mast.url)
    >>> config = Config(outrootdir=folder.name, instrument="nircam", filetypes=["_rate.fits"])
    >>> found = find(2731, config=config, archive=archive, sca=["a1"])
    >>> print(len(found), found["size"].unit, found["state"][0])
    6 byte missing
    >>> files = download(found[:1], config=config, archive=archive)
    >>> print(files["productFilename"][0], files["dl_str"][0])
    jw02731001001_02101_00001_nrca1_rate.fits downloaded
    >>> held = holdings(2731, config=config)
    >>> for row in held[held["state"] == "present"]:
    ...     print(row["productFilename"], row["size"], held["size"].unit)
    jw02731001001_02101_00001_nrca1_rate.fits 126720 byte

    >>> mast.stop(); folder.cleanup()
    """
    config = _configured(config, propID, parameters)
    with _opened(archive, config) as mast:
        found = find_observations(mast, config, utc_now())
        if observations:
            return to_astropy(found, tables.OBS_TABLE)
        products = query_products(mast, config, found, tables.empty(tables.PRODUCT_TABLE)).table
        _warn_of_selection(mast, products, found, config)
    products = products[tables.is_true(products["selected"])].drop_duplicates("dataURI", ignore_index=True)
    return _with_states(products, config, FOUND_TABLE)


def download(
    files: Any = None,
    *,
    propID: Any = None,  # noqa: N803
    config: Config | None = None,
    archive: Archive | None = None,
    progress: Callable[[downloads.Event], None] | None = None,
    **parameters: Any,
) -> "Table":
    """Download files into the output folder, verified and recorded, as ``jwst_download.py`` does.

    What is there and complete is not fetched again, and what was interrupted is resumed. The proposal's page is left
    to the next run of the commands or the service.

    Parameters
    ----------
    files : astropy.table.Table, DataFrame, int or str, optional
        The result of :func:`find`, or some rows of it; or a proposal number, as `propID`.
    propID : int, str or list, optional
        Proposals, if `files` is not given.
    config : Config, optional
        Default: the config file in ``$JWST_QUERY_CFGFILE``, else the defaults. ``outrootdir`` is the output folder.
    archive : Archive, optional
        Default: MAST, or ``$MAST_SERVER``, with the token of the configuration or ``$MAST_API_TOKEN``.
    progress : callable, optional
        Receives a :class:`jwst_mast_assets.downloads.Event` a few times a second.
    **parameters
        Any parameter of the commands, as for :func:`find`.

    Returns
    -------
    astropy.table.Table
        One row per requested file: columns of ``tables.FILE_TABLE``, and ``state``. A file that could not be
        downloaded is in it, with the reason in ``dl_message``; exclusive files are ``waiting``.

    Warns
    -----
    JwstMastWarning
        If nothing matches, files failed, part of MAST's answer is missing, or the parameters exclude everything.

    Raises
    ------
    ConfigError
        If a parameter is unknown or has a bad value, the output folder belongs to another archive, or more would be
        downloaded than ``max_download_gb`` allows.
    ArchiveError
        If MAST does not answer.
    OutputError
        If the output folder cannot be written, or the disk has too little space.
    """
    if isinstance(files, (int, str, list, np.integer)):
        if propID is not None:
            raise ConfigError(TWICE)
        propID, files = files, None  # noqa: N806
    chosen = None if files is None else _chosen(files)
    if files is not None and propID is None:
        propID = sorted({int(number) for number in files["proposal_id"]})  # noqa: N806
    config = _configured(config, propID, parameters)
    snapshot = Snapshot(config)
    with _opened(archive, config) as mast:
        if mast.token:
            mast.whoami()
        if chosen is None:
            cells = cells_with_data(find_observations(mast, config, utc_now()))
        else:
            cells = cells_with_data(_frame(files))
        steps = Steps(snapshot, mast, cells)
        if not cells:
            mast.warn("MAST lists no observation that matches, so nothing was downloaded")
            return to_astropy(tables.empty(HELD_TABLE), HELD_TABLE)
        products = list_files(steps, None if chosen is None else lambda table: _only(table, chosen))
        if chosen is not None and (absent := chosen - set(products["dataURI"])):
            mast.warn(f"{len(absent)} of {len(chosen)} files are not in MAST's list for this instrument and obsmode")
        if chosen is None:
            _warn_of_selection(mast, products, snapshot.store.read("obs_table", steps.cells), config)
        to_fetch = steps.plan(products)
        table = fetch_files(steps, to_fetch, progress, record_as_current=chosen is None)
        table = table[tables.is_true(table["selected"])].drop_duplicates("dataURI", ignore_index=True)
        if failed := int(table["dl_code"].isin([int(code) for code in downloads.FAILURES]).sum()):
            mast.warn(f"{failed} of {len(table)} files could not be downloaded; dl_message says why")
    return _with_states(table, config, HELD_TABLE, snapshot)


def holdings(propID: Any = None, /, *, config: Config | None = None, **parameters: Any) -> "Table":  # noqa: N803
    """List what the output folder has of some proposals, and what is missing. Does not ask MAST.

    Parameters
    ----------
    propID : int, str or list, optional
        Default: every proposal that has records.
    config : Config, optional
        Default: the config file in ``$JWST_QUERY_CFGFILE``, else the defaults.
    **parameters
        Any parameter of the commands; most useful are ``outrootdir`` and ``outsubdir``.

    Returns
    -------
    astropy.table.Table
        One row per file: columns of ``tables.FILE_TABLE``, and ``state``.

    Raises
    ------
    ConfigError
        If a parameter is unknown or has a bad value.
    NothingRecorded
        If the output folder has no records of a proposal.
    """
    config = _configured(config, propID, parameters)
    snapshot = Snapshot(config)
    recorded = recorded_proposals(snapshot.store)
    wanted = [proposal_key(number) for number in config.propID] or recorded
    if missing := sorted(set(wanted) - set(recorded)) or (None if recorded else ["any proposal"]):
        raise NothingRecorded(
            f"{config.root} has no records of {', '.join(missing)}; download something first, or set outrootdir"
        )
    parts = list(read_states(snapshot.store, wanted, config, utc_now(), snapshot.disk))
    return to_astropy(pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True), HELD_TABLE)


def _configured(config: Config | None, proposals: Any, parameters: dict[str, Any]) -> Config:
    if config is not None and not isinstance(config, Config):
        raise ConfigError(f"config: must be a Config, not {type(config).__name__}")
    config = config if config is not None else load_config()
    given = dict(parameters)
    if proposals is not None and "propID" in given:
        raise ConfigError(TWICE)
    proposals = given.pop("propID", proposals)
    if proposals is not None:
        # Otherwise an empty selection of the caller's would become every program of the last day.
        if isinstance(proposals, list) and not proposals:
            raise ConfigError("propID: the list is empty; name a proposal, or leave it out for every program")
        given["propID"] = proposals
    config = config.merged(given, "") if given else config
    if config.propID and not DATES & config.model_fields_set:
        config = config.merged({"all_dates": True})
    return config


def _warn_of_selection(mast: Archive, products: pd.DataFrame, observations: pd.DataFrame, config: Config) -> None:
    """Warn if the parameters exclude everything, or a value matches nothing."""
    for sentence in unmatched_values(products, config):
        mast.warn(sentence)
    if sentence := excluded_files(products, observations, config):
        mast.warn(sentence)


@contextmanager
def _opened(archive: Archive | None, config: Config) -> Iterator[Archive]:
    """A connection that keeps to the limits of the output folder; its warnings become Python's."""
    token = archive.token if archive else config.token.get_secret_value() if config.token else None
    mast = open_archive(config.root, archive.server if archive else None, token=token, limits=shared_limits(config))
    try:
        yield mast
    finally:
        for sentence in mast.unsaid():
            warnings.warn(sentence, JwstMastWarning, stacklevel=4)


def _with_states(
    files: pd.DataFrame, config: Config, schema: tables.Schema, snapshot: Snapshot | None = None
) -> "Table":
    snapshot = snapshot or Snapshot(config)
    table = tables.conform(files, tables.FILE_TABLE)
    if "dl_code" not in files or files["dl_code"].isna().all():
        table = table.assign(**downloads.state_on_disk(table, config, disk=snapshot.disk))
    table = table.assign(state=file_states(table, read_changes(snapshot.store), utc_now()))
    return to_astropy(table[list(schema)], schema)


def _frame(files: Any) -> pd.DataFrame:
    table = files if isinstance(files, pd.DataFrame) else files[list(NEEDED)].to_pandas()
    return table[list(NEEDED)]


NEEDED = ("cell", "dataURI")
"""Columns of the result of :func:`find` that :func:`download` needs."""


def _chosen(files: Any) -> frozenset[str]:
    from astropy.table import Row  # slow to import

    if isinstance(files, (Row, pd.Series)):
        raise ConfigError("files: is a single row; give a table, for example found[:1] instead of found[0]")
    columns = getattr(files, "colnames", None) or list(getattr(files, "columns", []))
    if missing := [name for name in (*NEEDED, "proposal_id") if name not in columns]:
        raise ConfigError(
            f"files: must be a table that find() returned, or some rows of it; it has no column {', '.join(missing)}"
        )
    return frozenset(_frame(files)["dataURI"].astype(str))


def _only(products: pd.DataFrame, chosen: frozenset[str]) -> pd.DataFrame:
    return products.assign(selected=products["dataURI"].isin(list(chosen)).astype("boolean"))
