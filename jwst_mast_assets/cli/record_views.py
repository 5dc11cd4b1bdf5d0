"""Belongs here: what ``manifest``, ``diff``, ``status`` and ``calendar`` print."""

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.dates import moment
from jwst_mast_assets.mast.errors import NothingRecorded
from jwst_mast_assets.mast.names import proposal_key
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.mast.tables import STATUS_TABLE
from jwst_mast_assets.records import history, manifests
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets.records.status import NOT_WELL, read_selected, recorded_proposals
from jwst_mast_assets.records.status import status as status_of
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList


def manifest(arguments: argparse.Namespace) -> int:
    """``jwst-mast manifest PROPOSAL [--at DATE] [-o FILE]``"""
    _, store = folder_of(arguments)
    proposal, events = _history(store, arguments.proposal)
    held = history.manifest_at(events, arguments.at)
    if held.empty:
        raise NothingRecorded(f"Nothing was on disk of {proposal} then; its history begins {_short(events['when'][0])}")
    about = manifests.about(proposal, held, events, arguments.at)
    totals = f"{proposal} at {about['at']} (UTC): {_files(len(held))}, {human_bytes(about['bytes'])}"
    if arguments.output:
        manifests.write_manifest(held, about, Path(arguments.output))
        print(f"{totals}: {arguments.output}")
        return 0
    shown = held[["path", "size", "md5", "cal_ver", "crds_ctx", "since", "status"]]
    _show([*aligned(shown.assign(since=shown["since"].map(_short))), "", totals])
    return 0


def diff(arguments: argparse.Namespace) -> int:
    """``jwst-mast diff PROPOSAL DATE1 [DATE2]``"""
    _, store = folder_of(arguments)
    start = moment(arguments.date1)
    end = moment(arguments.date2 or _now())
    if start > end:
        raise ValueError(f"DATE1 is later than DATE2: {_short(start)} is after {_short(end)}; give them the other way")
    proposal, events = _history(store, arguments.proposal)
    changes = history.diff(events, start, end)
    counts = changes["change"].value_counts()
    words = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("added", "changed", "superseded", "gone"))
    lines = [f"{proposal} from {_short(start)} to {_short(end)} (UTC): {words}"]
    lines += [line for name in ("cal_ver", "crds_ctx") for line in manifests.steps(changes, name)]
    if len(changes):
        shown = changes[["change", "path"]].copy()
        for name in ("size", "md5", "cal_ver"):
            shown[name] = manifests.old_to_new(changes, name)
        lines += ["", *aligned(shown)]
    _show(lines)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """``jwst-mast status [PROPOSAL...] [--check]``"""
    config, store = folder_of(arguments)
    given = arguments.proposal or _watched(store, config)
    table = status_of(store, _proposals(store, given), config, _now())
    total = table.drop(columns=["proposal", "last_checked"]).sum()
    shown = pd.concat([table, pd.DataFrame([{"proposal": "total", **total}]).astype({"proposal": "string"})])
    shown = shown[list(STATUS_TABLE)].assign(
        **{name: shown[name].map(human_bytes) for name in ("bytes", "bytes_to_come")}
    )
    shown = shown.rename(columns={"bytes": "on disk", "bytes_to_come": "to come", "last_checked": "last checked (UTC)"})
    lines = [f"{store.root}", "", *aligned(shown), *_legend(total)]
    if not arguments.proposal:
        others = sorted(set(recorded_proposals(store)) - set(table["proposal"]))
        lines += ["", f"recorded but not watched: {' '.join(others)}"] if others else []
        lines += [f"note: {sentence}" for sentence in Ledger(store).skipped()]
    _show(lines)
    return 1 if arguments.check and any(total[state] for state in NOT_WELL) else 0


def _watched(store: TableStore, config: Config) -> list[str]:
    """The watched proposals of which something is recorded; the others are not the pipeline's concern."""
    return sorted({*WatchList(store).read(), *config.propID} & set(recorded_proposals(store)))


def _legend(total: "pd.Series[int]") -> list[str]:
    """What the states mean that need an explanation or something done."""
    lines = [
        f"{state}: {STATUS_TABLE[state].meaning}"
        for state in (*NOT_WELL, "waiting", "queued", "not_comparable")
        if total[state]
    ]
    return ["", *lines] if lines else []


def calendar(arguments: argparse.Namespace) -> int:
    """``jwst-mast calendar [PROPOSAL...] [--all]``"""
    config, store = folder_of(arguments)
    files = [read_selected(store, proposal, config) for proposal in _proposals(store, arguments.proposal)]
    table = releases(pd.concat(files, ignore_index=True), _now(), past=arguments.all)
    if table.empty:
        print("No selected file waits for its release" + ("" if arguments.all else "; --all shows past ones"))
        return 0
    state = table["public"].map({True: "public", False: "to come"})
    overdue = table["public"] & (table["on_disk"] < table["files"])
    shown = table.drop(columns="public").assign(
        bytes=table["bytes"].map(human_bytes), state=state.mask(overdue, "public, not fetched yet")
    )
    shown = shown.rename(
        columns={"public_from": "public from (UTC)", "obsnums": "observations", "on_disk": "files on disk"}
    )
    _show([*aligned(shown), "", f"{_files(int(table['files'].sum()))}, {human_bytes(int(table['bytes'].sum()))}"])
    return 0


def aligned(table: pd.DataFrame) -> list[str]:
    """A table as lines: text to the left, numbers to the right, ``-`` for what is missing."""
    columns = []
    for name in table.columns:
        series = table[name]
        text = [str(name), *("-" if pd.isna(value) else str(value) for value in series)]
        width = max(map(len, text))
        right = pd.api.types.is_numeric_dtype(series) or name in ("bytes", "on disk", "to come")
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in text])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def folder_of(arguments: argparse.Namespace) -> tuple[Config, TableStore]:
    """The configuration and the output folder that a command's options mean."""
    given = {name: value for name in ("outrootdir", "outsubdir") if (value := getattr(arguments, name)) is not None}
    config = load_config(arguments.configfile).merged(given, "command line")
    return config, TableStore(config.root)


def _history(store: TableStore, given: str) -> tuple[str, pd.DataFrame]:
    """A proposal with its history."""
    proposal = proposal_key(given)
    events = history.read_history(store, proposal)
    if events.empty:
        _refuse(store, [proposal], history.proposals_with_history(store))
    return proposal, events


def _proposals(store: TableStore, given: Sequence[str]) -> list[str]:
    """The proposals given, all of which are recorded; without any, all that are."""
    recorded = recorded_proposals(store)
    wanted = sorted({proposal_key(proposal) for proposal in given})
    unknown = [proposal for proposal in wanted if proposal not in recorded]
    if unknown or not recorded:
        _refuse(store, unknown, recorded)
    return wanted or recorded


def _refuse(store: TableStore, unknown: Sequence[str], recorded: Sequence[str]) -> None:
    number = int(unknown[0]) if unknown else "NUMBER"
    command = suggest(f"--propID {number} --all_dates", "jwst_download.py")
    todo = f"run {command}, or name another output folder with --outrootdir"
    what = f" of {', '.join(unknown)}" if unknown else ""
    known = f" (there is of {', '.join(recorded)})" if recorded else ""
    raise NothingRecorded(f"Nothing is recorded{what} in {store.root}{known}; {todo}")


def _show(lines: Sequence[str]) -> None:
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # `| head` has what it wants; Python must not complain when it flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _short(when: str) -> str:
    return when[:19]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)
