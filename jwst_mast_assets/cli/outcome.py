"""What a download has done, and about files that it did not get."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from jwst_mast_assets import downloads
from jwst_mast_assets.cli.messages import Messages
from jwst_mast_assets.downloads import Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.mast.sizes import counted, human_bytes

MOST_FAILED = 25
"""How many failed files are named."""

MOST_NOTES = 10
MOST_WAITING = 5


def say_outcome(
    messages: Messages, files: pd.DataFrame, run_ids: Collection[str], with_token: bool, every_note: bool
) -> None:
    """Report what became of the selected files.

    Parameters
    ----------
    messages : Messages
    files : DataFrame
        Columns of ``tables.FILE_TABLE``: the files of the cells of some runs.
    run_ids : collection of str
        These runs.
    with_token : bool
        Whether a token was sent.
    every_note : bool
        Report all notes about files, not only the first ``MOST_NOTES``.
    """
    files = files.drop_duplicates("dataURI")
    of_runs = files["run_id"].isin(list(run_ids))
    chosen = files[tables.is_true(files["selected"])]
    failed = chosen[chosen["dl_code"].isin(downloads.FAILURES)]
    waiting = downloads.not_provided_yet(files)
    messages.info(f"\n### {_sentence(downloads.summary(files[of_runs]), chosen, len(failed), len(waiting))}")
    for row in waiting.head(MOST_WAITING).itertuples():
        messages.info(f"waiting: {row.productFilename}: {row.dl_message or row.dl_str}")
    if len(waiting) > MOST_WAITING:
        numbers = " ".join(sorted({str(int(proposal)) for proposal in chosen["proposal_id"].dropna()}))
        command = suggest(f"status {numbers} --details")
        messages.info(f"waiting: and {len(waiting) - MOST_WAITING} more: {command}")
    for sentence in exclusive_sentences(chosen, with_token):
        messages.info(sentence)
    for line in failed_lines(failed):
        messages.error(line)
    noted = files[of_runs & files["dl_message"].notna() & files["dl_code"].isin(downloads.PRESENT)]
    most = len(noted) if every_note else MOST_NOTES
    for row in noted.head(most).itertuples():
        messages.info(f"note: {row.productFilename}: {row.dl_message}")
    if len(noted) > most:
        messages.info(f"note: and {len(noted) - most} more like this (-v prints them)")


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


def _sentence(totals: Mapping[str, Any], chosen: pd.DataFrame, failed: int, waiting: int) -> str:
    """What became of the selected files, in a sentence."""
    present = int(chosen["dl_code"].isin(downloads.PRESENT).sum())
    if not totals["fetched"] and not failed and not waiting:
        if not present:
            return "Nothing to fetch yet"
        there = "all" if present == len(chosen) else f"{present} of"
        return f"Nothing to fetch: {there} {len(chosen)} selected files are already there"
    already = present - totals["fetched"]
    done = f"{counted(totals['fetched'], 'file')}, {human_bytes(totals['bytes_fetched'])} fetched; {failed} failed"
    return f"Download {'incomplete' if failed else 'complete'}: " + "; ".join(
        [done, *([f"{waiting} waiting"] if waiting else []), *([f"{already} were there"] if already else [])]
    )
