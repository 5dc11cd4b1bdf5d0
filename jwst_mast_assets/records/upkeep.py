"""Whether the files that are recorded are still on disk, and still what was recorded; what is not becomes due.

Each day every recorded file of the watched proposals is looked for (its folder is listed once), and a share of them is
read again, those first that were read longest ago: within ``reread_days`` every file is. Nothing is deleted here: the
next run of a day fetches what is missing, and replaces a spoiled file once the new one is verified.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jwst_mast_assets.downloads import FETCHED, Code, Plan, audit, give_modes
from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast import selection, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_second, moment
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.sizes import counted, human_bytes
from jwst_mast_assets.records.file_states import why_failed
from jwst_mast_assets.records.files import write_parquet
from jwst_mast_assets.records.forgotten import Forgotten
from jwst_mast_assets.records.history import manifest_at, read_history, record_events
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.status import here, owner, read_states
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.upkeep_notes import FILE, read_again, read_notes, write_notes

FEW = 10
"""So many missing files are restored even if they are most of a proposal's: someone deleted them one by one."""

LONGEST_CREDIT = 7.0
"""Days whose share is read at once after a pause."""

LOOKED_AT = ("cell", "dataURI", "productFilename", "outfilename", "bytes_on_disk", "mtime", "md5", "recorded_mtime")


class Findings(NamedTuple):
    """What a look at the disk found."""

    files: int
    """Recorded files that were looked for."""
    bytes_read: int
    bad: pd.DataFrame
    """One row per file that is not as recorded: ``cell``, ``dataURI``, ``productFilename``, ``outfilename``,
    ``problem`` (``missing``, ``size`` or ``spoiled``)."""
    blocked: list[str]
    """Paths that cannot be looked at, with the reason."""
    held: dict[str, tuple[int, int]]
    """Proposals of which most files vanished at once, so nothing is restored: missing and recorded files."""
    marked: list[str]
    """Partition keys that became due."""

    def __str__(self) -> str:
        told = [describe(self.bad["problem"])] if len(self.bad) else []
        told += [f"{len(self.blocked)} cannot be looked at"] if self.blocked else []
        found = f": {', '.join(told) or 'every one is there'}" if self.files else ""
        read = f"; {human_bytes(self.bytes_read)} read again" if self.bytes_read else ""
        return f"{counted(self.files, 'recorded file')} looked for{found}{read}"


class NeverArrived(NamedTuple):
    """Selected files that are not on disk, besides those that a look has found to be missing."""

    failed: pd.DataFrame
    """Those whose download failed, and those that cannot be here: columns of ``tables.FILE_TABLE``, ``state``, and
    ``why``."""
    to_come: pd.DataFrame
    """The others; the same columns."""

    def __str__(self) -> str:
        told = [f"{counted(len(self.failed), 'file')} failed to download before"] if len(self.failed) else []
        if number := len(self.to_come):
            days = self.to_come["cell"].nunique()
            files = f"{number} more file is" if number == 1 else f"{number} more files are"
            told.append(f"{files} to be downloaded ({counted(days, 'day')} wait{'s' * (days == 1)} for a run)")
        return "; ".join(told)


def look_after(
    store: TableStore,
    config: Config,
    proposals: Sequence[str],
    now: dt.datetime,
    accept_losses: bool = False,
    read_all: bool = False,
    busy: Collection[str] = (),
) -> Findings:
    """Look for every recorded file of some proposals, read a share of them, and make due what is not as recorded.

    Files whose exclusive access has ended lose ``exclusive_file_mode``.

    Parameters
    ----------
    store : TableStore
    config : Config
        ``reread_days``, and the selection of which the days become due.
    proposals : sequence of str
    now : datetime
        Aware.
    accept_losses : bool
        Restore files also where most of a proposal's are missing.
    read_all : bool
        Read every file, not a share.
    busy : collection of str
        Partition keys of runs under way: their files may just be replaced, so they are left to the next look.

    Raises
    ------
    OutputError
        If the records cannot be read or written.
    """
    for proposal in proposals if config.exclusive_mode else ():
        give_modes(here(store.read_proposal("downloaded_files", proposal), config), config, now)
    listed = _expected(store, config, proposals)
    listed = listed[~listed["dataURI"].isin(listed.loc[listed["cell"].isin(list(busy)), "dataURI"])]
    # Of a file that several days list the newest record counts.
    expected = listed.drop_duplicates("dataURI", keep="last", ignore_index=True)
    there = _there(expected)
    blocked = there[there["blocked"].notna()]

    notes, earlier = read_notes(store), read_again(store)
    readable = there[there["problem"].isna() & there["blocked"].isna()]
    share = readable if read_all else _share(readable, earlier, config.reread_days, notes, now)
    table = _with_verdicts(earlier, share, now)
    problem = there["problem"].mask(there["problem"].isna() & _known_as_spoiled(table, there), "spoiled")

    held = {} if accept_losses else _held(expected["proposal"], tables.is_true(problem == "missing"))
    bad = expected.assign(problem=problem)[problem.notna()].reset_index(drop=True)
    _record(store, bad)
    write_parquet(store.folder / FILE, table)
    marked = Ledger(store).mark_due(_reasons(bad, held, listed), config, now)
    notes["scanned"] |= dict.fromkeys(proposals, iso_second(now))
    notes["held"] = {one: counts for one, counts in notes["held"].items() if one not in proposals} | held
    write_notes(store, notes)
    paths = [f"{path}: {why}" for path, why in zip(blocked["outfilename"], blocked["blocked"], strict=True)]
    return Findings(len(expected), int(share["bytes_on_disk"].sum()), bad, paths, held, marked)


def never_arrived(
    store: TableStore, config: Config, proposals: Collection[str], now: dt.datetime, missing: Collection[str]
) -> NeverArrived:
    """The selected files of some proposals that are not on disk, besides those that were and are missing.

    Parameters
    ----------
    store : TableStore
    config : Config
    proposals : collection of str
    now : datetime
        Aware. What is not public at that time is not missing.
    missing : collection of str
        The dataURIs that :func:`look_after` has found not to be as recorded.

    Raises
    ------
    OutputError
        If the records cannot be read.
    """
    disk, parts = Disk(), []
    for files in read_states(store, proposals, config, now, disk):
        absent = files["state"].isin([State.MISSING.value, State.FAILED.value, State.REFUSED.value])
        chosen = files[absent & tables.is_true(files["selected"]) & ~files["dataURI"].isin(list(missing))]
        parts.append(chosen.assign(why=why_failed(chosen, disk)))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*tables.FILE_TABLE, "state", "why"])
    to_come = table["state"] == State.MISSING.value
    # What is in the way of a file that was there is among the findings of the look.
    failed = ~to_come & table["bytes_on_disk"].isna()
    return NeverArrived(table[failed].reset_index(drop=True), table[to_come].reset_index(drop=True))


def have_tried_again(
    store: TableStore,
    config: Config,
    found: Findings,
    others: NeverArrived,
    now: dt.datetime,
    busy: Collection[str] = (),
) -> list[str]:
    """Make the days of files that are not there due as if no run had tried to fetch them.

    None of a proposal that is held: a run of one of its days would fetch all that vanished.

    Parameters
    ----------
    store : TableStore
    config : Config
        Of the selection. A day that no run of it has seen is due anyway.
    found : Findings
    others : NeverArrived
    now : datetime
        Aware.
    busy : collection of str
        Partition keys of runs under way, which stay as they are.

    Returns
    -------
    list of str
        The partition keys that became due.
    """
    # Another attempt gives no other name.
    failed = others.failed[others.failed["state"] == State.FAILED.value]
    told = {str(cell): [describe(rows["problem"])] for cell, rows in found.bad.groupby("cell")}
    for rows, what in ((failed, "that failed before"), (others.to_come, "not fetched yet")):
        for cell, number in rows["cell"].value_counts().items():
            told.setdefault(str(cell), []).append(f"{counted(int(number), 'file')} {what}")
    reasons = {cell: ", ".join(why) for cell, why in told.items() if cell[-5:] not in found.held and cell not in busy}
    return Ledger(store).mark_due(reasons, config, now, at_once=True)


def describe(problems: "pd.Series[str]") -> str:
    """``2 files missing on disk, 1 spoiled``; empty if there are none."""
    counts = problems.value_counts()
    words = {"missing": "missing on disk", "size": "with another size", "spoiled": "spoiled"}
    told = [f"{counts[name]} {word}" for name, word in words.items() if counts.get(name)]
    if not told:
        return ""
    first, _, rest = told[0].partition(" ")
    return ", ".join([f"{first} file{'s' * (first != '1')} {rest}", *told[1:]])


def held_sentence(proposal: str, counts: Sequence[int], command: str) -> str:
    """What to do about a proposal of which most files vanished at once."""
    return (
        f"{proposal}: {counts[0]} of {counts[1]} recorded files are missing on disk, so nothing is restored: is a disk "
        f"not mounted? If they are really lost: {command}"
    )


def restored(plan: Plan, files: pd.DataFrame, known: pd.DataFrame) -> str:
    """What a run put back: ``2 files missing on disk, 1 spoiled: restored``; empty if nothing.

    Parameters
    ----------
    plan : Plan
    files, known : DataFrame
        ``tables.FILE_TABLE`` after and before the run.
    """
    fetched = set(files.loc[files["dl_code"].isin(FETCHED), "dataURI"])
    before = known[known["bytes_on_disk"].notna()].drop_duplicates("dataURI", keep="last")
    recorded = {uri: (size, md5) for uri, size, md5 in before[["dataURI", "bytes_on_disk", "md5"]].to_numpy()}
    problems = []
    for item in plan.to_fetch:
        if item.uri in fetched and item.uri in recorded:
            size, md5 = recorded[item.uri]
            if item.reason in ("missing", "spoiled"):
                problems.append(item.reason)
            elif item.found and item.reason in ("size", "checksum"):
                if item.found.size != size:
                    problems.append("size")
                elif item.md5 and pd.notna(md5) and item.md5 != md5:
                    # It was read because its time has changed, too.
                    problems.append("spoiled")
    told = describe(pd.Series(problems, dtype="string"))
    return f"{told}: restored" if told else ""


def _expected(store: TableStore, config: Config, proposals: Sequence[str]) -> pd.DataFrame:
    """The files that should be on disk: recorded there, selected, not forgotten; with ``proposal``, newest last."""
    forgotten = list(Forgotten(store).read())
    parts = []
    for _, (recorded,) in store.read_together(["downloaded_files"], proposals):
        files = here(recorded, config)
        wanted = tables.is_true(files["selected"]) & files["bytes_on_disk"].notna()
        wanted &= ~files["dataURI"].isin(forgotten) & ~selection.is_excluded(files["productFilename"], config)
        rows = files.assign(recorded_mtime=files["mtime"])[wanted]
        parts.append(rows[list(LOOKED_AT)].assign(proposal=owner(rows)))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*LOOKED_AT, "proposal"])
    table = table.sort_values("recorded_mtime", kind="stable")
    kinds = {"bytes_on_disk": "Int64", "mtime": "Float64", "recorded_mtime": "Float64"}
    return table.astype({name: kinds.get(name, "string") for name in table}).reset_index(drop=True)


def _there(expected: pd.DataFrame) -> pd.DataFrame:
    """The expected files as they are now, with ``blocked`` (why a path cannot be looked at) and ``problem``."""
    found = Disk().table(expected["outfilename"])
    missing = found["bytes_on_disk"].isna() & found["blocked"].isna()
    other_size = tables.is_true(found["bytes_on_disk"] != expected["bytes_on_disk"])
    problem = pd.Series(pd.NA, index=expected.index, dtype="string").mask(other_size, "size").mask(missing, "missing")
    return expected.assign(**found[["bytes_on_disk", "mtime", "blocked"]], problem=problem)


def _reasons(bad: pd.DataFrame, held: Collection[str], listed: pd.DataFrame) -> dict[str, str]:
    """Why days become due, by partition key; what vanished of a held proposal makes none due."""
    restorable = bad[~((bad["problem"] == "missing") & bad["proposal"].isin(list(held)))]
    # Any of the days that list a file can restore it; MAST may no longer list it for one of them.
    again = listed.merge(restorable[["dataURI", "problem"]], on="dataURI")
    return {str(cell): describe(rows["problem"]) for cell, rows in again.groupby("cell")}


def _held(proposals: pd.Series, missing: pd.Series) -> dict[str, tuple[int, int]]:
    """The proposals that are held: most of their files vanished, or most of all files."""
    counts = {
        str(proposal): (int(rows.sum()), len(rows)) for proposal, rows in missing.groupby(proposals) if rows.any()
    }
    everywhere = _most(int(missing.sum()), len(missing))
    return {proposal: pair for proposal, pair in counts.items() if everywhere or _most(*pair)}


def _most(missing: int, recorded: int) -> bool:
    return missing > FEW and 2 * missing > recorded


def _share(
    files: pd.DataFrame, earlier: pd.DataFrame, reread_days: float, notes: dict[str, Any], now: dt.datetime
) -> pd.DataFrame:
    """The files to read now; what is left of the bytes is noted for the next time."""
    if not reread_days or files.empty:
        return files.iloc[:0]
    per_day = float(files["bytes_on_disk"].sum()) / reread_days
    queue = files.assign(last=last_read(files, earlier, now.timestamp())).sort_values("last", kind="stable")
    size = queue["bytes_on_disk"].astype(float)
    credit = float(notes["read"].get("bytes_left", 0)) + per_day * _days_since(notes["read"].get("at"), now)
    credit = min(credit, max(LONGEST_CREDIT * per_day, float(size.iloc[0])))
    chosen = queue[size.cumsum() <= credit]
    left = credit - float(chosen["bytes_on_disk"].sum())
    notes["read"] = {"at": iso_second(now), "bytes_left": round(left)}
    return chosen


def last_read(files: pd.DataFrame, earlier: pd.DataFrame, now: float) -> "pd.Series[float]":
    """When each file was last read or written by a run, seconds since 1970; never: minus infinity.

    A time in the future is that of a clock that was ahead, so it counts as never.
    """
    rows = earlier.drop_duplicates("dataURI", keep="last").set_index("dataURI").reindex(files["dataURI"])
    rows = rows.set_axis(files.index)
    same = tables.is_true(rows["mtime"] == files["mtime"])
    read = pd.to_datetime(rows["read"].where(same), utc=True, format="ISO8601")
    seconds = (read - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    unchanged = tables.is_true(files["mtime"] == files["recorded_mtime"])
    last = seconds.fillna(files["mtime"].where(unchanged).astype(float)).fillna(-np.inf)
    return last.where(last <= now, -np.inf)


def _days_since(at: str | None, now: dt.datetime) -> float:
    """Days since the last share; one if there was none, or if the clock went back."""
    if not at:
        return 1.0
    days = (now - dt.datetime.fromisoformat(at)).total_seconds() / 86400
    return min(days, LONGEST_CREDIT) if days >= 0 else 1.0


def _with_verdicts(earlier: pd.DataFrame, share: pd.DataFrame, now: dt.datetime) -> pd.DataFrame:
    """``tables.READ_TABLE`` after reading some files."""
    if share.empty:
        return earlier
    verdicts = audit(share).set_index("dataURI")
    read = share[["dataURI", "mtime"]].assign(
        read=moment(now)[:19],
        problem=share["dataURI"].map(verdicts["problem"]),
    )
    # Neither read to its end nor known to be spoiled: a file that vanished meanwhile, or must not be read.
    code = share["dataURI"].map(verdicts["dl_code"])
    unread = code.isin([Code.VANISHED, Code.BLOCKED, Code.BAD_SIZE])
    unread |= (code == Code.UNVERIFIED) & share["dataURI"].map(verdicts["md5"]).isna()
    parts = [earlier[~earlier["dataURI"].isin(read["dataURI"])], read[~unread.astype(bool)]]
    parts = [part for part in parts if len(part)]
    return tables.conform(pd.concat(parts, ignore_index=True) if parts else earlier, tables.READ_TABLE)


def _known_as_spoiled(table: pd.DataFrame, files: pd.DataFrame) -> pd.Series:
    """Whether a file is one that was found spoiled and has not changed since."""
    bad = table[table["problem"].notna()].drop_duplicates("dataURI", keep="last").set_index("dataURI")
    mtime = files["dataURI"].map(bad["mtime"]).astype("Float64")
    return tables.is_true(mtime == files["mtime"])


def _record(store: TableStore, bad: pd.DataFrame) -> None:
    """Have the history say what is new of it."""
    for proposal, rows in bad.groupby("proposal"):
        held = manifest_at(read_history(store, str(proposal))).drop_duplicates("dataURI").set_index("dataURI")
        status = rows["dataURI"].map(held["status"]).astype("string")
        event = rows["problem"].replace({"missing": "vanished", "size": "spoiled"})
        new = rows.assign(event=event)[tables.is_true(status.notna() & (status != event))]
        record_events(store, str(proposal), new[["dataURI", "productFilename", "event"]])


def with_files(store: TableStore, proposals: Collection[str]) -> list[str]:
    """Those of some proposals of which files are recorded."""
    return sorted({cell.proposal for cell in store.cells("downloaded_files")} & set(proposals))
