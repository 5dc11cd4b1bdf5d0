"""What was fetched when, and what it replaced: the history of an output folder, for papers that must cite their data.

One Parquet file per run and proposal with news, ``<root>/.jwst_mast_assets/history/<PPPPP>/<time>-<run>.parquet``.
A file is written once, in one step, and never changed, so concurrent runs and crashes cannot damage it. If a crash
prevented a record, the next run finds the file on disk and adopts it.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from jwst_mast_assets.downloads.codes import FETCHED, Code
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.dates import moment, utc_now
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.names import proposal_key
from jwst_mast_assets.mast.partition_cells import Cell
from jwst_mast_assets.mast.tables import DIFF_TABLE, HISTORY_TABLE, MANIFEST_TABLE, VERSION_COLUMNS
from jwst_mast_assets.records.files import read_parquet, write_parquet
from jwst_mast_assets.records.store import ROWS_TOGETHER, STATE_FOLDER, TableStore

EVENTS = {
    "downloaded": "a run fetched it; it was not there before",
    "replaced": "a run fetched it in place of an older version",
    "adopted": "a run found it on disk for the first time, left there by another tool or an interrupted run",
    "stale": "MAST has a newer version under this name; this one is still on disk",
    "superseded": "MAST has a newer version under another name; this one is still on disk",
    "gone": "MAST no longer lists it; it is still on disk",
    "current": "MAST lists it again, or has again the version that is on disk",
    "spoiled": "the file on disk is no longer what was recorded; it is still there",
    "vanished": "it is no longer on disk",
}
"""What can happen to a file."""

NEWS_OF_MAST = (State.STALE.value, State.SUPERSEDED.value, State.GONE.value)
"""Events that leave a file as it is on disk; the state that it is in from then on. Records of earlier versions of this
package say ``superseded`` for ``stale``, too."""

CURRENT = "current"
"""Event that takes these back."""

ARRIVALS = ("downloaded", "replaced", "adopted")
"""Events that bring a version of a file."""


def folder(store: TableStore, proposal: str) -> Path:
    """Where the history of a proposal is."""
    return store.root / STATE_FOLDER / "history" / proposal


def proposals_with_history(store: TableStore) -> list[str]:
    """The proposals with any record."""
    return sorted({path.parent.name for path in folder(store, "x").parent.glob("*/*.parquet")})


def read_history(store: TableStore, proposal: str, since: dt.datetime | None = None) -> pd.DataFrame:
    """All recorded events of a proposal's files.

    Parameters
    ----------
    store : TableStore
    proposal : str
    since : datetime, optional
        Aware; leave out what was recorded before, without reading it.

    Returns
    -------
    DataFrame
        Columns of ``tables.HISTORY_TABLE``, oldest first.

    Raises
    ------
    OutputError
        If a file of it cannot be read.
    """
    first = "" if since is None else re.sub(r"[-:.]", "", moment(since))
    return _events(_parts(store, proposal, first))


def read_manifests(store: TableStore, proposals: Iterable[str]) -> Iterator[pd.DataFrame]:
    """What is on disk of some proposals, many small ones in one table.

    Yields
    ------
    DataFrame
        Columns of ``tables.MANIFEST_TABLE``, and ``proposal`` (five digits), whose history it is from; one row per
        ``dataURI``.

    Raises
    ------
    OutputError
        If the history cannot be read.
    """
    group: dict[str, pa.Table] = {}
    for proposal in proposals:
        if parts := _parts(store, proposal):
            if group and sum(map(len, [*group.values(), *parts])) > ROWS_TOGETHER:
                yield from _manifests(group)
                group = {}
            group[proposal] = pa.concat_tables(parts, promote_options="default")
    yield from _manifests(group)


def _manifests(group: Mapping[str, pa.Table]) -> Iterator[pd.DataFrame]:
    proposals = [proposal for proposal, part in group.items() for _ in range(len(part))]
    history = _events(list(group.values()), proposal=proposals)
    # A file that several proposals have is in the history of each.
    sharing = sharing_a_file(history["dataURI"], history["proposal"])
    for own in [~history["proposal"].isin(list(sharing)), *(history["proposal"] == one for one in sorted(sharing))]:
        if own.any():
            events = history[own]
            proposal_of = events.drop_duplicates("dataURI").set_index("dataURI")["proposal"]
            held = manifest_at(events)
            yield held.assign(proposal=held["dataURI"].map(proposal_of).astype("string"))


def sharing_a_file(uris: pd.Series, proposals: pd.Series) -> set[str]:
    """The proposals that have a file which another one has, too."""
    pairs = pd.DataFrame({"uri": uris.to_numpy(), "proposal": proposals.to_numpy()}).dropna().drop_duplicates()
    return set(pairs.loc[pairs["uri"].duplicated(keep=False), "proposal"])


def _parts(store: TableStore, proposal: str, first: str = "") -> list[pa.Table]:
    """The records of a proposal, oldest first; those named before `first` are not read."""
    paths = [path for path in sorted(folder(store, proposal).glob("*.parquet")) if path.name >= first]
    return [read_parquet(path, "restore it from a copy, or remove it") for path in paths]


def _events(parts: Sequence[pa.Table], **more: Sequence[str]) -> pd.DataFrame:
    """The events of some parts in order, with more columns."""
    if not parts:
        return tables.empty(HISTORY_TABLE).assign(**{name: pd.Series(dtype="string") for name in more})
    # All at once: there can be a file for every day of a year.
    events = tables.conform(pa.concat_tables(parts, promote_options="default").to_pandas(), HISTORY_TABLE)
    return _in_order(events.assign(**more))


def record_fetches(store: TableStore, files: pd.DataFrame, known: pd.DataFrame, run_id: str, now: dt.datetime) -> int:
    """Record what a run fetched, found on disk for the first time, missed there, or found listed by MAST again.

    Parameters
    ----------
    store : TableStore
    files : DataFrame
        Columns of ``tables.FILE_TABLE``: what the run left.
    known : DataFrame
        Columns of ``tables.FILE_TABLE``: what was there before; for old versions that the history does not have.
    run_id : str
    now : datetime
        Aware.

    Returns
    -------
    int
        The number of events recorded.

    Raises
    ------
    OutputError
        If the history cannot be read or written.
    """
    recorded = 0
    owner = files["cell"].map(lambda cell: Cell.from_key(str(cell)).proposal)
    for proposal, rows in files.groupby(owner):
        held = manifest_at(read_history(store, str(proposal)))
        events = news(rows, known, held, store.root)
        again = _listed_again(store, str(proposal), held)
        again = again[~again["dataURI"].isin(events["dataURI"])]
        events = pd.concat([part for part in (events, again) if len(part)] or [events], ignore_index=True)
        recorded += record_events(store, str(proposal), events.assign(when=moment(now), run_id=run_id))
    return recorded


def _listed_again(store: TableStore, proposal: str, held: pd.DataFrame) -> pd.DataFrame:
    """The files that were gone, and are among MAST's products again; columns of ``tables.HISTORY_TABLE``."""
    gone = held[tables.is_true(held["status"] == State.GONE.value)]
    if len(gone):
        gone = gone[gone["dataURI"].isin(store.read_proposal("product_table", proposal)["dataURI"])]
    return tables.conform(gone.assign(event=CURRENT), HISTORY_TABLE)


def record_events(store: TableStore, proposal: str, events: pd.DataFrame) -> int:
    """Record events that were found elsewhere.

    Parameters
    ----------
    store : TableStore
    proposal : str
    events : DataFrame
        Columns of ``tables.HISTORY_TABLE``; ``event`` and ``dataURI`` are needed, ``when`` defaults to now.

    Returns
    -------
    int
        Their number.

    Raises
    ------
    ValueError
        If a column that is needed is missing, or an event is not one of ``EVENTS``.
    OutputError
        If the history cannot be written.
    """
    if events.empty:
        return 0
    table = tables.conform(events.reset_index(drop=True), HISTORY_TABLE)
    unknown = set(table["event"].dropna()) - set(EVENTS)
    if unknown or table[["event", "dataURI"]].isna().any(axis=None):
        raise ValueError(f"every event needs a dataURI and is one of {', '.join(EVENTS)}; not {sorted(unknown)}")
    table["when"] = table["when"].fillna(moment(utc_now()))
    table["proposal_id"] = table["proposal_id"].fillna(int(proposal))
    run = re.sub(r"\W", "", str(table["run_id"].fillna("").iloc[0]))[:8] or "none"
    _write(folder(store, proposal_key(proposal)), f"{re.sub(r'[-:.]', '', table['when'].max())}-{run}", table)
    return len(table)


def news(files: pd.DataFrame, known: pd.DataFrame, held: pd.DataFrame, root: Path) -> pd.DataFrame:
    """What a run's table of files says that the history does not know.

    Parameters
    ----------
    files, known : DataFrame
        Columns of ``tables.FILE_TABLE``, after and before the run.
    held : DataFrame
        Columns of ``tables.MANIFEST_TABLE``, before the run.
    root : Path
        The output folder.

    Returns
    -------
    DataFrame
        Columns of ``tables.HISTORY_TABLE`` without ``when``; one row per ``dataURI``.
    """
    once = files.drop_duplicates("dataURI")
    once = once.assign(path=_relative(once["outfilename"], root), size=once["bytes_on_disk"]).reset_index(drop=True)
    uri, before = once["dataURI"], held.set_index("dataURI")
    once["event"] = _happened(once, before)
    # What MAST says about its version applies to an adopted file only if they are the same.
    unproven = (once["event"] == "adopted") & ~tables.is_true(once["md5"] == once["checksum"])
    once[["cal_ver", "crds_ctx"]] = once[["cal_ver", "crds_ctx"]].mask(unproven)
    once.loc[once["event"] == "vanished", [*VERSION_COLUMNS, "verified"]] = pd.NA
    earlier = _versions(known)
    old = pd.concat([before[list(VERSION_COLUMNS)], earlier[~earlier.index.isin(before.index)]])
    for name in VERSION_COLUMNS:
        once[f"old_{name}"] = uri.map(old[name])
    return tables.conform(once[once["event"].notna()], HISTORY_TABLE).drop(columns="when")


def _happened(files: pd.DataFrame, held: pd.DataFrame) -> pd.Series:
    """The event of each file, missing where there was none; `held` is indexed by ``dataURI``."""
    uri, code = files["dataURI"], files["dl_code"]
    is_held = uri.isin(held.index)
    same_place = tables.is_true(files["path"] == uri.map(held["path"]).astype("string"))
    same_bytes = files["md5"].isna() | tables.is_true(files["md5"] == uri.map(held["md5"]).astype("string"))
    adopted = tables.is_true(code == Code.EXISTS) & ~(is_held & same_place & same_bytes)
    absent = code.isin([Code.NOT_THERE, Code.VANISHED]) | files["bytes_on_disk"].isna()
    event = files["dl_str"].where(code.isin(FETCHED)).astype("string")
    return event.mask(is_held & same_place & absent, "vanished").mask(adopted, "adopted")


def manifest_at(history: pd.DataFrame, when: dt.datetime | str | None = None) -> pd.DataFrame:
    """What the output folder held at a time.

    Parameters
    ----------
    history : DataFrame
        Columns of ``tables.HISTORY_TABLE``, in any order.
    when : datetime or str, optional
        As :func:`dates.moment` takes it; default: after the last event.

    Returns
    -------
    DataFrame
        Columns of ``tables.MANIFEST_TABLE``, one row per file, sorted by path. A file that MAST has superseded or
        no longer lists is included with that status as long as it is on disk.
    """
    events = _in_order(history)
    if when is not None:
        events = events[events["when"] <= moment(when)]
    last = _not_taken_back(events).drop_duplicates("dataURI", keep="last").set_index("dataURI")["event"]
    on_disk = events[events["event"].isin([*ARRIVALS, "vanished"])].drop_duplicates("dataURI", keep="last")
    held = on_disk[on_disk["event"] != "vanished"]
    status = held["dataURI"].map(last).astype("string")
    held = held.assign(since=held["when"], status=status.mask(status.isin(ARRIVALS), State.PRESENT.value))
    return tables.conform(held, MANIFEST_TABLE).sort_values(["path", "dataURI"], ignore_index=True)


def _not_taken_back(events: pd.DataFrame) -> pd.DataFrame:
    """Events in order, without MAST's news before a ``current`` and without that."""
    taken_back = tables.is_true(events["event"] == CURRENT)
    last = dict(zip(events["dataURI"][taken_back], events.index[taken_back], strict=True))
    until = events["dataURI"].map(last).astype("float64")
    old_news = events["event"].isin(NEWS_OF_MAST) & (events.index.to_series() < until)
    return events[~taken_back & ~old_news]


def diff(history: pd.DataFrame, when1: dt.datetime | str, when2: dt.datetime | str) -> pd.DataFrame:
    """What changed between two times.

    Parameters
    ----------
    history : DataFrame
        Columns of ``tables.HISTORY_TABLE``.
    when1, when2 : datetime or str
        As :func:`dates.moment` takes them.

    Returns
    -------
    DataFrame
        Columns of ``tables.DIFF_TABLE``, sorted by ``change`` and path: ``added`` (there only at the second time),
        ``changed`` (another version, by its md5, else its size), ``stale`` and ``superseded`` (MAST had
        a newer one, under this name or another), ``gone`` (from disk, or from MAST's lists), ``spoiled`` (on disk).
    """
    return compare(manifest_at(history, when1), manifest_at(history, when2))


def compare(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The differences of two manifests, see :func:`diff`."""
    both = old.merge(new, on="dataURI", how="outer", suffixes=("_old", "_new"), indicator="side")
    only_old, only_new = both["side"] == "left_only", both["side"] == "right_only"
    status = both["status_new"].where(~tables.is_true(both["status_new"].eq(both["status_old"])))
    change = pd.Series(pd.NA, index=both.index, dtype="string")
    change = change.mask(tables.is_true(status != State.PRESENT.value), status).mask(_other_version(both), "changed")
    both["change"] = change.mask(only_new, "added").mask(only_old, "gone")
    for name in ("path", "productFilename"):
        both[name] = both[f"{name}_new"].fillna(both[f"{name}_old"])
    both = both.rename(columns={f"{name}_{age}": f"{age}_{name}" for name in VERSION_COLUMNS for age in ("old", "new")})
    found = both[both["change"].notna()]
    return tables.conform(found, DIFF_TABLE).sort_values(["change", "path", "dataURI"], ignore_index=True)


def _other_version(both: pd.DataFrame) -> pd.Series:
    """Whether the bytes differ; without an md5, whether size or pipeline version do."""

    def differ(name: str) -> pd.Series:
        return tables.is_true(both[f"{name}_old"] != both[f"{name}_new"])

    hashed = both["md5_old"].notna() & both["md5_new"].notna()
    return differ("md5").where(hashed, differ("size") | differ("cal_ver"))


def _versions(known: pd.DataFrame) -> pd.DataFrame:
    """The versions that were on disk, indexed by ``dataURI``; MAST's pipeline version only where the md5 is MAST's."""
    table = known[known["bytes_on_disk"].notna()].drop_duplicates("dataURI")
    table = table.assign(size=table["bytes_on_disk"])
    unproven = ~tables.is_true(table["md5"] == table["checksum"])
    table[["cal_ver", "crds_ctx"]] = table[["cal_ver", "crds_ctx"]].mask(unproven)
    return table.set_index("dataURI")[list(VERSION_COLUMNS)]


def _relative(paths: pd.Series, root: Path) -> pd.Series:
    """Paths relative to the output folder; for others only the name, so that no path of this machine is recorded."""
    inside = tables.is_true(paths.str.startswith(f"{root}/"))
    return paths.str.removeprefix(f"{root}/").where(inside, paths.str.rpartition("/")[2]).astype("string")


def _in_order(history: pd.DataFrame) -> pd.DataFrame:
    return history.sort_values("when", kind="stable", ignore_index=True)


def _write(where: Path, name: str, table: pd.DataFrame) -> None:
    path, number = where / f"{name}.parquet", 1
    while path.exists():
        number += 1
        path = where / f"{name}-{number}.parquet"
    write_parquet(path, table)
