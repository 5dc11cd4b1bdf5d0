"""What a command says where MAST has nothing of what was asked for."""

import datetime as dt
from collections.abc import Iterator, Sequence

from jwst_mast_assets.mast import selection, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import day_of_mjd
from jwst_mast_assets.mast.discovery import find_observations
from jwst_mast_assets.mast.exclusions import excluded_observations
from jwst_mast_assets.mast.sizes import counted


def nothing_found(archive: Archive, config: Config, now: dt.datetime, proposals: Sequence[str]) -> Iterator[str]:
    """Sentences that say which dates were looked at, and what there is outside them; asks MAST once more.

    Parameters
    ----------
    archive : Archive
    config : Config
    now : datetime
        Aware.
    proposals : sequence of str
        Five digits each; none means that any would have done.

    Raises
    ------
    ArchiveError
        If MAST does not answer.
    """
    lower, upper = selection.window(config, now)
    since = "" if lower is None else f" from {day_of_mjd(lower)}"
    until = "" if upper is None else f" until {day_of_mjd(upper)}"
    if lower is not None and upper is not None and day_of_mjd(lower) == day_of_mjd(upper):
        since, until = f" on {day_of_mjd(lower)}", ""
    what = f"proposal {', '.join(proposals)}" if proposals else "any proposal"
    yield f"### No observations of {what} found{since}{until}."
    if not proposals:
        yield "### Look further back with --lookbacktime DAYS or --date_select DATE+."
        return
    anything = config.model_copy(update={"propID": proposals, "all_dates": True, "instrument": None, "obsmode": []})
    everything = find_observations(archive, anything, now)
    if everything.empty:
        yield f"### MAST has none of {what} at all."
        return
    whenever = config.model_copy(update={"all_dates": True})
    outside = everything[tables.is_true(selection.observation_is_wanted(everything, whenever))]
    if outside.empty:
        excluded = excluded_observations(everything, whenever, now)
        yield f"### {excluded or f'The configuration excludes all {len(everything)} observations of {what}'}."
        return
    dates = outside["date_min"].str[:10]
    yield (
        f"### Outside these dates {what} has {counted(len(outside), 'observation')}, "
        f"from {dates.min()} to {dates.max()}; get them with --all_dates, or --date_select {dates.min()}+"
    )
