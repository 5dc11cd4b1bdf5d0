"""What becomes public when: the selected files whose exclusive access ends, by day."""

import datetime as dt

import pandas as pd

from jwst_mast_assets.downloads.codes import AWAITED, codes_of
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import iso_of_mjd, mjd_of
from jwst_mast_assets.mast.file_states import ON_DISK
from jwst_mast_assets.mast.tables import RELEASE_TABLE


def releases(files: pd.DataFrame, now: dt.datetime, past: bool = False) -> pd.DataFrame:
    """What becomes public when.

    Parameters
    ----------
    files : DataFrame
        Columns of ``tables.FILE_TABLE``: the selected files, one row per ``dataURI``.
    now : datetime
        Aware.
    past : bool
        Include what was already released; otherwise only what is still to come, or is public and not fetched yet.

    Returns
    -------
    DataFrame
        Columns of ``tables.RELEASE_TABLE``, one row per day (UTC) of release and proposal, by date; ``public_from`` is
        the first release of that day.
    """
    release, code = files["t_obs_release"], files["dl_code"]
    public = tables.is_true(release <= mjd_of(now))
    awaited = code.isin(AWAITED)
    to_come = ~public & (awaited | (files["dataRights"] == "EXCLUSIVE_ACCESS"))
    shown = tables.is_true(to_come | awaited | (public & past))
    chosen = files[shown].assign(
        public=public[shown],
        public_from=iso_of_mjd(release[shown]).str[:19],
        proposal=files.loc[shown, "proposal_id"].astype("string").str.zfill(5),
        there=code[shown].isin(codes_of(*ON_DISK)),
    )
    chosen["day"] = chosen["public_from"].str[:10]
    groups = chosen.groupby(["day", "proposal", "public"], dropna=False, sort=False)
    rows = [
        {
            "public_from": group["public_from"].min(),
            "proposal": proposal,
            "obsnums": ",".join(map(str, sorted(_obsnums(group)))),
            "files": len(group),
            "bytes": int(group["size"].fillna(0).sum()),
            "on_disk": int(group["there"].sum()),
            "public": is_public,
        }
        for (_, proposal, is_public), group in groups
    ]
    table = tables.conform(pd.DataFrame(rows, columns=list(RELEASE_TABLE)), RELEASE_TABLE)
    return table.sort_values(["public_from", "proposal"], na_position="last", ignore_index=True)


def _obsnums(files: pd.DataFrame) -> set[int]:
    """The observation numbers of some files, and of the members of candidates among them."""
    of_several = files["obsnums"].dropna().str.split(",").explode()
    return {*files["obsnum"].dropna().astype(int), *of_several.astype(int)}
