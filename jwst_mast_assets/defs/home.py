"""The warning if Dagster runs without the home that ``jwst-mast`` creates."""

import logging
import os
from functools import cache
from pathlib import Path

from jwst_mast_assets.mast.commands import suggest


@cache
def warn_of_home() -> None:
    """Report once per process what is wrong with its Dagster home."""
    if warning := home_warning(os.environ.get("DAGSTER_HOME")):
        logging.getLogger("dagster").warning(warning)


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
