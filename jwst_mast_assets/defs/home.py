"""The Dagster home: what the commands note in it, and the warning if Dagster runs without the one they make."""

import logging
import os
from functools import cache
from pathlib import Path

from jwst_mast_assets.mast.commands import suggest

WATCH_LISTS = "jwst_mast_assets_watch_lists.txt"
"""File in a Dagster home that the commands have seen: whether its registered proposals are still to be watched."""

TO_ADOPT, SETTLED = (
    "The registered proposals are those of a version that watched them all.\n",
    "What is watched is recorded in the output folder.\n",
)
"""Its contents."""


@cache
def warn_of_home() -> None:
    """Report once per process what is wrong with its Dagster home."""
    if warning := home_warning(os.environ.get("DAGSTER_HOME")):
        logging.getLogger("dagster").warning(warning)


def is_to_be_adopted(home: Path) -> bool:
    """Whether a home is one in which a version without a list of watched proposals registered them."""
    try:
        return (home / WATCH_LISTS).read_text(encoding="utf-8") == TO_ADOPT
    except OSError:
        return False


def note_adopted(home: Path) -> None:
    """Note that its registered proposals are watched now."""
    (home / WATCH_LISTS).write_text(SETTLED, encoding="utf-8")


def home_warning(home: str | None) -> str | None:
    """What is wrong with a Dagster home, in a sentence; None if nothing is.

    Parameters
    ----------
    home : str or None
        ``$DAGSTER_HOME``.
    """
    remedy = f"stop Dagster and start it with: {suggest('serve')}"
    limits = "any number of runs will ask MAST at the same time"
    if not home:
        return f"DAGSTER_HOME is not set: Dagster will forget all runs when it stops, and {limits}; {remedy}"
    if not (Path(home).expanduser() / "dagster.yaml").exists():
        return f"DAGSTER_HOME {home} has no dagster.yaml: {limits}; {remedy}"
    return None
