"""The folder of ``jwst-mast demo`` and ``jwst-mast dev``, kept apart from the user's own data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from jwst_mast_assets.cli.runs import home_in_use, prepare_home
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.errors import ConfigError
from jwst_mast_assets.mast.layout import make_folder
from jwst_mast_assets.records.archive_identity import claim_for_embedded, is_claimed
from jwst_mast_assets.records.store import TableStore

OURS = ("JWST", "MAST", "DAGSTER", "DAGIT", "AWS_ENDPOINT_URL")
"""Prefixes of the variables that say where data go and come from; a demo ignores the user's."""


class Place(NamedTuple):
    """Where a demo keeps its things."""

    home: Path
    """Dagster's."""
    data: Path
    """Files, tables, pages."""
    url: str
    """The embedded archive's address."""


@contextmanager
def embedded_archive_in(folder: str, now: float | None = None) -> Iterator[Place]:
    """The embedded archive, and an environment that refers only to it and a folder.

    Parameters
    ----------
    folder : str
        Gets ``data/`` and ``dagster/``, whatever the user has exported.
    now : float, optional
        See :class:`EmbeddedArchive`.

    Raises
    ------
    ConfigError
        If ``data/`` holds files that are not the embedded archive's.
    OutputError
        If the folder cannot be written.
    """
    root = Path(folder).expanduser().resolve()
    home, data = root / "dagster", root / "data"
    prepare_home(home)
    with home_in_use(home), EmbeddedArchive(now=now) as archive:
        if not is_claimed(data) and not _holds_only_files_of(archive, data):
            raise ConfigError(
                f"--folder {folder}: {data} holds files that are not the embedded archive's; choose another folder"
            )
        make_folder(data)
        claim_for_embedded(data, archive.url)
        with _environment(DAGSTER_HOME=str(home), JWSTDOWNLOAD_OUTDIR=str(data), MAST_SERVER=archive.url):
            yield Place(home, data, archive.url)


def _holds_only_files_of(archive: EmbeddedArchive, data: Path) -> bool:
    """Whether a folder is empty, or one that a version without :mod:`archive_identity` filled from this archive."""
    if not data.is_dir() or not any(data.iterdir()):
        return True
    store, files = TableStore(data), archive.catalogue.files
    table = store.read("downloaded_files", store.cells("downloaded_files"))
    held = table.loc[table["bytes_on_disk"].notna(), ["productFilename", "bytes_on_disk"]]
    same = [name in files and files[name].size == size for name, size in held.itertuples(index=False)]
    return bool(same) and all(same)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith(OURS):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
