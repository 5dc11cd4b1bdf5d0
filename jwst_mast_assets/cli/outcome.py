"""Messages about files that a download did not get."""

import pandas as pd

from jwst_mast_assets.downloads import Code
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.mast.sizes import counted

MOST_FAILED = 25
"""How many failed files are named."""


def exclusive_sentences(files: pd.DataFrame, with_token: bool) -> list[str]:
    """Which files are not public yet, until when, and what to do: one sentence per day.

    Parameters
    ----------
    files : DataFrame
        Columns of ``tables.FILE_TABLE``.
    with_token : bool
        Whether a token was sent.
    """
    waiting = files[files["dl_code"] == Code.EXCLUSIVE]
    days = waiting["t_obs_release"].map(lambda mjd: f" until {day_of_mjd(mjd)}", na_action="ignore").fillna("")
    sentences = []
    for until, number in days.value_counts().sort_index().items():
        verb, them = ("is", "it") if number == 1 else ("are", "them")
        hint = f"your token does not grant access to {them}" if with_token else f"set MAST_API_TOKEN to fetch {them}"
        sentences.append(f"{counted(number, 'file')} {verb} exclusive{until}; {hint}")
    return sentences


def failed_lines(failed: pd.DataFrame) -> list[str]:
    """The files that failed, why, and what to do.

    Parameters
    ----------
    failed : DataFrame
        Columns of ``tables.FILE_TABLE``: the files that failed, once each.
    """
    if failed.empty:
        return []
    lines = [f"{row.productFilename}: {row.dl_message or row.dl_str}" for row in failed.head(MOST_FAILED).itertuples()]
    if len(failed) > MOST_FAILED:
        lines.append(f"... and {len(failed) - MOST_FAILED} more; jwst-mast status --details lists them")
    return [*lines, "Run the same command again to fetch only what is missing."]
