"""What a run will fetch, and why: from the table of products, the disk, MAST's checksums and earlier runs."""

import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from jwst_mast_assets.downloads import filesystem, on_disk
from jwst_mast_assets.downloads.access import is_exclusive
from jwst_mast_assets.downloads.codes import PRESENT, Code
from jwst_mast_assets.downloads.companions import sibling_stem, stem
from jwst_mast_assets.downloads.on_disk import Record
from jwst_mast_assets.downloads.partial import size_of_partial
from jwst_mast_assets.downloads.pools import threads
from jwst_mast_assets.downloads.verify import file_md5
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_of_mjd, mjd_of, utc_now
from jwst_mast_assets.mast.errors import ArchiveError, ConfigError, NoRoom
from jwst_mast_assets.mast.keywords import UNKNOWN, Keywords, ask_keywords
from jwst_mast_assets.mast.sizes import human_bytes

GB = 1e9


@dataclass(frozen=True)
class Item:
    """A file of the plan: what MAST says about it, what is on disk, and what to do.

    ``reason`` is why it is fetched: ``missing``, ``size`` (another one is on disk), ``checksum`` (MAST has another
    version), ``companion`` (it belongs to such a file), ``reprocessed`` (MAST has another version, by other signs
    than a checksum), ``spoiled`` (it is no longer what was downloaded), ``clobber``; None if it is not fetched, and
    ``code`` and ``message`` say why.
    """

    uri: str
    name: str
    path: str
    size: int | None = None
    keywords: Keywords = UNKNOWN
    exclusive: bool = False
    closed: bool = False
    """Whether it gets ``exclusive_file_mode``."""
    public: bool = False
    release: float | None = None
    found: filesystem.OnDisk | None = None
    partial: int = 0
    reason: str | None = None
    code: Code = Code.NOT_THERE
    message: str | None = None
    md5: str | None = None
    verified: str | None = None
    origin: Mapping[str, str | None] = field(default_factory=dict)
    """The recorded source of the file on disk."""


@dataclass(frozen=True)
class Plan:
    """What a run will fetch.

    Attributes
    ----------
    items : dict
        dataURI to :class:`Item`, of the selected products.
    disk : Disk
        What is in the folders of the output folder that were looked at.
    free : dict
        Folder of each file system that gets files: (bytes to come, bytes free).
    """

    items: Mapping[str, Item]
    disk: filesystem.Disk
    limit_gb: float | None = None
    free: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def to_fetch(self) -> list[Item]:
        """The files to fetch."""
        return [item for item in self.items.values() if item.reason]

    @property
    def n_files(self) -> int:
        """Number of files to fetch."""
        return len(self.to_fetch)

    @property
    def n_bytes(self) -> int:
        """Bytes to fetch, excluding those of partials, by the sizes in MAST's table."""
        return sum(_rest(item) for item in self.to_fetch)

    @property
    def table(self) -> pd.DataFrame:
        """The files to fetch: ``dataURI``, ``outfilename``, ``size`` and ``partial`` (byte), ``reason``."""
        rows = [(item.uri, item.path, item.size, item.partial, item.reason) for item in self.to_fetch]
        table = pd.DataFrame(rows, columns=["dataURI", "outfilename", "size", "partial", "reason"])
        kinds = {"dataURI": "string", "outfilename": "string", "size": "Int64", "partial": "Int64", "reason": "string"}
        return table.astype(kinds)

    def check(self) -> None:
        """Check that there is enough space.

        Raises
        ------
        ConfigError
            If more is to come than ``max_download_gb`` allows.
        NoRoom
            If more is to come than the disk has free.
        """
        if self.limit_gb is not None and self.n_bytes > self.limit_gb * GB:
            raise ConfigError(
                f"{self.n_files} files with {human_bytes(self.n_bytes)} would be downloaded, but max_download_gb is "
                f"{self.limit_gb:g}; raise it, or select less"
            )
        for folder, (needed, free) in self.free.items():
            if needed > free:
                raise NoRoom(
                    f"{human_bytes(needed)} would be downloaded to {folder}, but only {human_bytes(free)} are free "
                    "there; free some space, choose another outrootdir, or select less",
                    needed,
                )


def plan_download(
    products: pd.DataFrame,
    config: Config,
    archive: Archive,
    known: pd.DataFrame | None = None,
    disk: filesystem.Disk | None = None,
    outdated: Mapping[str, float] | None = None,
    spoiled: Mapping[str, float] | None = None,
) -> Plan:
    """Find out what to fetch.

    Files on disk are hashed, unless `known` has the md5 of just this file, ``verify`` is not ``checksum``, the
    configuration takes files as they are (``skip_check_filesize``), or their size is wrong and MAST has no checksum.

    Parameters
    ----------
    products : DataFrame
        ``tables.PRODUCT_TABLE``; a dataURI may be in several rows.
    config : Config
        ``verify``, ``clobber``, ``skip_check_filesize``, ``Nparallel``, ``max_download_gb``.
    archive : Archive
        Asked for the checksums of the selected FITS files; if it does not answer, the plan has the archive
        warn of it and continues without them.
    known : DataFrame, optional
        ``tables.FILE_TABLE`` of earlier runs.
    disk : Disk, optional
        What the run has listed so far.
    outdated : mapping, optional
        Files without a checksum for which the daily check found another version in MAST, by dataURI, and when those
        on disk were last changed (seconds since 1970). A file that was changed since then is not fetched again.
    spoiled : mapping, optional
        Files on disk that are no longer what was recorded although their size and time are, likewise.

    Returns
    -------
    Plan
    """
    archive.max_queries = config.max_queries
    disk = disk or filesystem.Disk()
    records = on_disk.records(known)
    items = _items(products, config)
    usable = [item for item in items.values() if item.code == Code.NOT_THERE]
    try:
        keywords = ask_keywords([item.name for item in usable], archive)
    except ArchiveError as error:
        archive.warn(f"Files are verified without checksums because MAST's keyword service failed: {error}")
        keywords = {}
    for item in usable:
        items[item.uri] = replace(item, keywords=keywords.get(item.name, UNKNOWN))
    _compare_with_disk(items, config, records, disk)
    _add_companions(items)
    if outdated and not config.skip_check_filesize:
        _add_outdated(items, outdated)
    _add_spoiled(items, spoiled or {})
    now = mjd_of(utc_now())
    for item in [item for item in items.values() if item.reason]:
        if item.exclusive and item.release and item.release > now and not archive.token:
            kept = "; the older version is kept" if item.found else ""
            message = exclusive_message(item, with_token=False) + kept
            items[item.uri] = replace(item, reason=None, code=Code.EXCLUSIVE, message=message)
        else:
            items[item.uri] = replace(item, partial=size_of_partial(item.path))
    return Plan(items, disk, config.max_download_gb, _room([item for item in items.values() if item.reason]))


def exclusive_message(item: Item, with_token: bool) -> str:
    """When a file becomes public, and what to do until then."""
    until = ""
    if item.release is not None:
        until = f" until {iso_of_mjd(pd.Series([item.release])).iloc[0][:19]} (UTC)"
    hint = (
        "your token does not grant access to it"
        if with_token
        else "waiting for a token: if you have access, set MAST_API_TOKEN"
    )
    return f"exclusive access{until}; {hint}"


def _items(products: pd.DataFrame, config: Config) -> dict[str, Item]:
    """One item per selected dataURI; those without a usable path of their own have a code."""
    columns = ["dataURI", "productFilename", "outfilename", "size", "dataRights", "t_obs_release"]
    chosen = products[tables.is_true(products["selected"])]
    chosen = chosen[chosen["dataURI"].notna()]
    chosen = tables.conform(chosen, tables.PRODUCT_TABLE)[columns].drop_duplicates("dataURI")
    items: dict[str, Item] = {}
    owners: dict[str, str] = {}
    chosen["closed"] = is_exclusive(chosen, utc_now())
    chosen["problem"] = filesystem.bad_names(chosen["outfilename"], config.root)
    for uri, name, path, size, rights, release, closed, problem in tables.plain(chosen).itertuples(
        index=False, name=None
    ):
        exclusive, public = rights == "EXCLUSIVE_ACCESS", rights == "PUBLIC"
        item = Item(uri, name or "", path or "", size, UNKNOWN, exclusive, bool(closed), public, release)
        if not problem and (owner := owners.setdefault(path.casefold(), uri)) != uri:
            other = items[owner]
            if other.path == path or filesystem.ignores_case(os.path.dirname(path)):
                problem = f"{other.path} is already used for another file, {owner}"
        if problem:
            item = replace(item, code=Code.BAD_NAME, message=problem)
        items[uri] = item
    return items


def _compare_with_disk(
    items: dict[str, Item], config: Config, records: Mapping[str, Record], disk: filesystem.Disk
) -> None:
    """Decide for every usable item whether MAST's version is on disk."""
    stop = threading.Event()
    to_read = []
    for item in [item for item in items.values() if item.code == Code.NOT_THERE]:
        found, record = disk.look(item.path), records.get(item.path)
        if _must_be_read(item, found, config, record):
            to_read.append((item, found, config, record, stop))
        else:
            items[item.uri] = _decided(item, found, config, record, stop)
    with threads(config.Nparallel, "hash") as pool:
        try:
            for item in pool.map(lambda arguments: _decided(*arguments), to_read):
                items[item.uri] = item
        except BaseException:
            stop.set()
            raise


def _must_be_read(item: Item, found: filesystem.OnDisk | str | None, config: Config, record: Record | None) -> bool:
    """Whether the md5 of a file is wanted, to compare it or to notice later that it was spoiled, and not on record."""
    if not isinstance(found, filesystem.OnDisk) or config.clobber or config.skip_check_filesize:
        return False
    checksum = bool(item.keywords.checksum)
    # Without a checksum of MAST's, the record of a failed attempt to replace a spoiled file has the md5 it should have.
    known = record is not None and record.disk == found and record.md5 and (checksum or record.code in PRESENT)
    right = checksum or item.size in (None, found.size)
    return right and config.verify == "checksum" and not known


def _decided(
    item: Item, found: filesystem.OnDisk | str | None, config: Config, record: Record | None, stop: threading.Event
) -> Item:
    if isinstance(found, str):
        return replace(item, code=Code.BLOCKED, message=found)
    if found is None:
        return replace(item, reason="missing")
    recorded = record.md5 if record else None
    if record is None or record.disk != found:
        record = Record(found)
    item = replace(item, found=found, code=Code.EXISTS, md5=record.md5, verified=record.verified, origin=record.origin)
    if config.clobber:
        return replace(item, reason="clobber")
    if config.skip_check_filesize:
        return item
    note = (
        None if item.size in (None, found.size) else f"MAST's table says {item.size} bytes, the file has {found.size}"
    )
    checksum = item.keywords.checksum
    if _must_be_read(item, found, config, record) and not stop.is_set():
        try:
            item = replace(item, md5=file_md5(item.path, stop))
        except OSError as error:
            return replace(item, code=Code.BLOCKED, message=f"it cannot be read ({error.strerror})")
    if checksum and item.md5:
        if item.md5 == checksum:
            return replace(item, verified="checksum", message=note)
        return replace(item, code=Code.BAD_SIZE if note else Code.EXISTS, reason="checksum")
    if not checksum and item.md5 and recorded and item.md5 != recorded:
        # Its time has changed, and its bytes: to record their md5 would make a spoiled file look right.
        return replace(item, reason="spoiled", md5=recorded, verified=None)
    if checksum and record.checksum and record.checksum != checksum:
        return replace(item, reason="checksum")
    if note is None:
        return item
    # An earlier run found that the file is whole although MAST's table has this other size.
    if record.proven_although(item.size):
        return replace(item, message=note)
    return replace(item, code=Code.BAD_SIZE, reason="size", message=note)


def _add_companions(items: dict[str, Item]) -> None:
    """Fetch previews, catalogs and the like again if MAST has another version of the FITS file.

    MAST has no checksums for them, so their own changes would go unnoticed.
    """
    stems = {stem(item.name) for item in items.values() if item.reason == "checksum"} - {""}
    if not stems:
        return
    for uri, item in items.items():
        whole = item.code == Code.EXISTS and not item.reason and not item.keywords.checksum
        if whole and sibling_stem(item.name, stems):
            items[uri] = replace(item, reason="companion")


def _add_outdated(items: dict[str, Item], outdated: Mapping[str, float]) -> None:
    for uri, item in items.items():
        whole = item.code == Code.EXISTS and not item.reason and not item.keywords.checksum
        if whole and item.found and item.found.mtime == outdated.get(uri):
            items[uri] = replace(item, reason="reprocessed")


def _add_spoiled(items: dict[str, Item], spoiled: Mapping[str, float]) -> None:
    for uri, mtime in spoiled.items():
        item = items.get(uri)
        if item and item.code == Code.EXISTS and not item.reason and item.found and item.found.mtime == mtime:
            # The recorded md5 is not that of the bytes on disk.
            items[uri] = replace(item, reason="spoiled", md5=None, verified=None)


def _rest(item: Item) -> int:
    return max((item.size or 0) - item.partial, 0)


def _room(items: list[Item]) -> dict[str, tuple[int, int]]:
    """Bytes needed and free, by the folder that stands for each file system."""
    folders: dict[str, int] = {}
    for item in items:
        folder = os.path.dirname(item.path)
        folders[folder] = folders.get(folder, 0) + _rest(item)
    parents: dict[str, int] = {}
    for folder, needed in folders.items():
        parent = filesystem.nearest_folder(folder)
        parents[parent] = parents.get(parent, 0) + needed
    systems: dict[int, tuple[str, int]] = {}
    for parent, needed in parents.items():
        device = os.stat(parent).st_dev
        name, sofar = systems.get(device, (parent, 0))
        systems[device] = (min(name, parent, key=len), sofar + needed)
    return {name: (needed, shutil.disk_usage(name).free) for name, needed in systems.values()}
