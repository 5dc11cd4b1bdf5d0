"""How a step fails. A failure is classified once, permanent or transient, and marks its run.

Run retries, the next attempt (:mod:`jwst_mast_assets.defs.attempts`) and the exit status of the commands follow from
that class. A run without a mark is transient: its process died, or it had an unexpected error.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import dagster as dg
import pandas as pd

from jwst_mast_assets import __version__, downloads
from jwst_mast_assets.downloads.filesystem import DISK_FULL_ERRORS, nearest_folder
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.errors import ArchiveUnavailable, ConfigError, JwstMastError, NoRoom, OutputError

FAILURE, SETUP, NEEDS = "jwst/failure", ".dagster/jwst_setup", ".dagster/jwst_needs"
"""Tags of a failed run: its class, a fingerprint of the configuration it had, what is needed for another attempt.

Dagster's page does not show the last two, which tell a person nothing."""

OLD_SETUP, OLD_NEEDS = "jwst/setup", "jwst/needs"
"""Their names in the runs of the previous version."""

OUTAGE = "jwst/outage"
"""Tag of a run that failed for a reason that makes every run fail: ``disk`` or ``mast``; see ``outbox.OUTAGES``."""

PERMANENT, TRANSIENT = "permanent", "transient"
NEEDS_FOLDER = "folder"
FAILED_FILES = "failed_files"
"""Name of the metadata value that counts the files with which a run failed."""

LEAST_ROOM = 100_000_000
"""Bytes that must be free again if a full disk hid how much is needed."""


class Verdict(NamedTuple):
    """The classification of a failure."""

    permanent: bool
    needs: str = ""
    """What a permanent failure needs, besides a changed configuration: a number of free bytes, or ``folder``."""
    setup: str = ""
    """Fingerprint of the configuration that failed; see :func:`setup_of`."""
    outage: str = ""
    """What makes every run fail, if that was the cause."""


class Situation(NamedTuple):
    """What decides whether a permanent failure has been fixed."""

    setup: str
    free: int
    """Bytes free in the output folder."""
    writable: bool
    """Whether the output folder can be written or created."""


def classify(error: JwstMastError) -> Verdict:
    """The class of an error."""
    cause = error.__context__
    if isinstance(error, NoRoom) or (isinstance(cause, OSError) and cause.errno in DISK_FULL_ERRORS):
        return Verdict(True, str(getattr(error, "needs", 0) or LEAST_ROOM), outage="disk")
    outage = "mast" if isinstance(error, ArchiveUnavailable) else ""
    return Verdict(error.permanent, NEEDS_FOLDER if isinstance(error, OutputError) else "", outage=outage)


def classify_files(failed: pd.DataFrame) -> Verdict:
    """The class of a run in which some files failed: transient if any of them is.

    Parameters
    ----------
    failed : DataFrame
        Rows of ``tables.FILE_TABLE`` whose ``dl_code`` is one of ``downloads.FAILURES``.
    """
    lasting = failed["dl_code"].isin([downloads.Code.BAD_NAME, downloads.Code.DISK_FULL])
    if not lasting.all():
        return Verdict(False)
    full = failed[failed["dl_code"] == downloads.Code.DISK_FULL]
    needs = str(max(int(full["size"].fillna(0).sum()), LEAST_ROOM)) if len(full) else ""
    return Verdict(True, needs, outage="disk" if len(full) else "")


@contextmanager
def plain_failures(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Iterator[None]:
    """Errors that a user can act on fail the step with their one sentence, and mark the run."""
    with plain_failures_of(context.instance, context.run.run_id):
        yield


@contextmanager
def plain_failures_of(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """:func:`plain_failures` where the context is another one."""
    try:
        yield
    except JwstMastError as error:
        raise failure(instance, run_id, str(error), classify(error)) from None


def failure(
    instance: dg.DagsterInstance, run_id: str, sentence: str, verdict: Verdict, failed_files: int = 0
) -> dg.Failure:
    """The failure to raise; its run is marked with its class.

    Parameters
    ----------
    instance : DagsterInstance
    run_id : str
    sentence : str
        What is shown.
    verdict : Verdict
    failed_files : int
        The number of failed files, if the run still completed.
    """
    tags = {FAILURE: PERMANENT if verdict.permanent else TRANSIENT, SETUP: setup_of(_config_now())}
    tags |= {OUTAGE: verdict.outage} if verdict.outage else {}
    if verdict.permanent:
        # Also if the instance retries failed steps.
        tags |= {NEEDS: verdict.needs, "dagster/max_retries": "0"}
    instance.add_run_tags(run_id, tags)
    metadata = {"failure": tags[FAILURE], FAILED_FILES: failed_files}
    return dg.Failure(sentence, metadata, allow_retries=not verdict.permanent)


def forget_failure(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Remove the mark from a starting run: Dagster copies the tags of a run that is executed again."""
    if run.tags.get(FAILURE):
        instance.add_run_tags(run.run_id, {FAILURE: "", SETUP: "", NEEDS: "", OUTAGE: ""})


def verdict_of(tags: Mapping[str, str]) -> Verdict:
    """What a run's tags say about its failure."""
    needs, setup = tags.get(NEEDS, tags.get(OLD_NEEDS, "")), tags.get(SETUP, tags.get(OLD_SETUP, ""))
    return Verdict(tags.get(FAILURE) == PERMANENT, needs, setup, tags.get(OUTAGE, ""))


def situation(config: Config) -> Situation:
    """How things are now, for runs with the configuration of the config file."""
    folder = nearest_folder(str(config.root))
    return Situation(setup_of(config), shutil.disk_usage(folder).free, os.access(folder, os.W_OK))


def mended(verdict: Verdict, now: Situation) -> bool:
    """Whether the cause of a permanent failure has changed, so that another attempt may succeed."""
    if verdict.setup != now.setup:
        return True
    if verdict.needs.isdecimal():
        return now.free >= int(verdict.needs)
    return verdict.needs == NEEDS_FOLDER and now.writable


def setup_of(config: Config | None) -> str:
    """Twelve hexadecimal digits that change with the config file, the archive, the token, the folder, and our version.

    Parameters
    ----------
    config : Config or None
        None for a config file that cannot be read.
    """
    values = config.model_dump(mode="json") if config else None
    token = os.environ.get("MAST_API_TOKEN") or (config.token.get_secret_value() if config and config.token else "")
    names = ["MAST_SERVER", "JWSTDOWNLOAD_OUTDIR"]
    if config and config.tablerootdir:
        names += ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"]
    around = [os.environ.get(name, "") for name in names]
    text = json.dumps([values, token, around, __version__], sort_keys=True, default=str)
    return hashlib.sha256(b"jwst_mast_assets setup " + text.encode()).hexdigest()[:12]


def _config_now() -> Config | None:
    try:
        return load_config()
    except ConfigError:
        return None
