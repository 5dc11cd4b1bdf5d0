"""What ``manifest``, ``diff``, ``status`` and ``calendar`` print."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets.cli.screen import as_lines, show, width_of_screen
from jwst_mast_assets.downloads.filesystem import Disk
from jwst_mast_assets.mast.commands import suggest
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.dates import day_of_mjd, moment, utc_now
from jwst_mast_assets.mast.errors import NothingRecorded
from jwst_mast_assets.mast.file_states import NEED_ATTENTION, State
from jwst_mast_assets.mast.names import proposal_key
from jwst_mast_assets.mast.sizes import counted, human_bytes
from jwst_mast_assets.mast.tables import STATUS_TABLE
from jwst_mast_assets.records import history, manifests, metrics
from jwst_mast_assets.records.file_states import why_failed
from jwst_mast_assets.records.freshness import last_comparisons
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.releases import releases
from jwst_mast_assets.records.status import read_selected, read_states, recorded_proposals
from jwst_mast_assets.records.status import status as status_of
from jwst_mast_assets.records.store import TableStore, put_back
from jwst_mast_assets.records.upkeep import held_sentence
from jwst_mast_assets.records.upkeep_notes import read_notes

FIRST_COLUMNS = ("path", "change", "public from (UTC)", "proposal", "files", "present", "missing", "failed", "waiting")
FIRST_COLUMNS += ("stale", "size", "on disk", "state", "cal_ver")
"""Columns that are kept longest on a narrow terminal."""


RARE = (
    State.SPOILED,
    State.REFUSED,
    State.SUPERSEDED,
    State.GONE,
    "forgotten",
    "queued",
    "not_comparable",
    "days_to_come",
)
"""Columns that ``status`` shows only where there are some."""

LEGEND = (
    *(state for state in State if state != State.PRESENT),
    "queued",
    "not_comparable",
    "forgotten",
    "days_to_come",
)
"""What ``status`` explains below its table, where there is some."""

FORMATS = {"json": metrics.as_json, "prometheus": metrics.as_prometheus}
"""What ``status`` prints for other programs."""


def manifest(arguments: argparse.Namespace) -> int:
    """``jwst-mast manifest PROPOSAL [--at DATE] [-o FILE]``."""
    _, store = folder_of(arguments)
    proposal, events = _history(store, arguments.proposal)
    held = history.manifest_at(events, arguments.at)
    if held.empty:
        raise NothingRecorded(f"Nothing of {proposal} was on disk then; its history starts {_short(events['when'][0])}")
    about = manifests.about(proposal, held, events, arguments.at)
    totals = f"{proposal} at {about['at']} (UTC): {counted(len(held), 'file')}, {human_bytes(about['bytes'])}"
    if arguments.output:
        manifests.write_manifest(held, about, Path(arguments.output))
        print(f"{totals}: {arguments.output}")
    else:
        shown = held[["path", "size", "md5", "cal_ver", "crds_ctx", "since", "status"]]
        show([*_table(shown.assign(since=shown["since"].map(_short))), "", totals])
    if not arguments.at:
        _warn_of_other_files(held, store.root)
    return 0


def _warn_of_other_files(held: pd.DataFrame, root: Path) -> None:
    """Say so if the disk no longer has the files that the manifest calls present."""
    present = held[held["status"] == State.PRESENT.value]
    size = Disk().table(str(root) + "/" + present["path"])["bytes_on_disk"]
    missing, other = int(size.isna().sum()), int((size.notna() & (size != present["size"])).sum())
    if missing or other:
        print(
            f"WARNING: of the files that this manifest calls present, {missing} are missing on disk and {other} have "
            "another size; run jwst_download.py or jwst-mast heal before you rely on it",
            file=sys.stderr,
        )


def diff(arguments: argparse.Namespace) -> int:
    """``jwst-mast diff PROPOSAL DATE1 [DATE2]``."""
    _, store = folder_of(arguments)
    start = moment(arguments.date1)
    end = moment(arguments.date2 or utc_now())
    if start > end:
        raise ValueError(f"DATE1 is later than DATE2: {_short(start)} is after {_short(end)}; swap them")
    proposal, events = _history(store, arguments.proposal)
    changes = history.diff(events, start, end)
    counts = changes["change"].value_counts()
    always = ("added", "changed", State.SUPERSEDED, State.GONE)
    kinds = [*always, *(word for word in counts.index if word not in always)]
    words = ", ".join(f"{counts.get(word, 0)} {word}" for word in kinds)
    lines = [f"{proposal} from {_short(start)} to {_short(end)} (UTC): {words}"]
    lines += [line for name in ("cal_ver", "crds_ctx") for line in manifests.steps(changes, name)]
    if len(changes):
        shown = changes[["change", "path"]].copy()
        for name in ("size", "md5", "cal_ver"):
            shown[name] = manifests.old_to_new(changes, name)
        lines += ["", *_table(shown)]
    show(lines)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """``jwst-mast status [PROPOSAL...] [--all] [--check] [--details] [--format FORMAT]``."""
    config, store = folder_of(arguments)
    to_come = [] if arguments.proposal else _without_records(store, config)
    if to_come and not recorded_proposals(store):
        show([f"{store.root}", "", "Nothing is recorded yet.", *_notes(store, to_come)])
        return int(arguments.check)
    chosen = recorded_proposals(store) if arguments.all else _watched(store, config)
    proposals = named(store, arguments.proposal or chosen)
    disk = Disk()
    table = status_of(store, proposals, config, utc_now(), disk)
    total = table.drop(columns=["proposal", "last_checked"]).sum()
    outcome = 1 if arguments.check and any(total[name] for name in (*NEED_ATTENTION, "days_to_come")) else 0
    if arguments.format != "text":
        show([FORMATS[arguments.format](table).rstrip("\n")], wrap=False)
        return outcome
    shown = pd.concat([table, pd.DataFrame([{"proposal": "total", **total}]).astype({"proposal": "string"})])
    columns = [name for name in STATUS_TABLE if name not in RARE or total[name]]
    shown = shown[columns].assign(**{name: shown[name].map(human_bytes) for name in ("bytes", "bytes_to_come")})
    shown = shown.rename(columns={"bytes": "on disk", "bytes_to_come": "to come", "last_checked": "last checked (UTC)"})
    lines = [f"{store.root}", "", *_table(shown), *_legend(total)]
    compared = _table(last_comparisons(store, proposals), indent=2)
    lines += ["", "last compared (UTC):", *(f"  {line}" for line in compared)]
    if not arguments.proposal:
        others = sorted(set(recorded_proposals(store)) - set(proposals))
        told = f"recorded but not watched: {' '.join(others)} ({suggest('status --all')} shows them)"
        lines += ["", told] if others else []
        held = {key: counts for key, counts in read_notes(store)["held"].items() if key in proposals}
        lines += [f"note: {held_sentence(key, held[key], suggest(f'heal {key} --yes'))}" for key in held]
        lines += _notes(store, to_come)
    show(lines)
    if arguments.details:
        show(_details(store, proposals, config, disk))
    return outcome


def _without_records(store: TableStore, config: Config) -> list[str]:
    """The watched proposals of which no run has recorded anything yet."""
    return sorted(set(Ledger(store).watched(config)) - set(recorded_proposals(store)))


def _notes(store: TableStore, to_come: Sequence[str]) -> list[str]:
    """What is still to come, and what is skipped and why."""
    lines = []
    if to_come:
        lines.append(f"watched, and to be downloaded while {suggest('serve')} runs: {' '.join(to_come)}")
    return lines + [f"note: {sentence}" for sentence in dict.fromkeys([*_odd_keys(), *Ledger(store).skipped()])]


def _odd_keys() -> list[str]:
    """What is wrong with the partition keys in Dagster, where there is a Dagster home."""
    from jwst_mast_assets.cli.runs import dagster_home, open_instance

    if not dagster_home().is_dir():
        return []
    from jwst_mast_assets.defs.watching import unusable_keys

    with open_instance() as instance:
        return unusable_keys(instance)


def _watched(store: TableStore, config: Config) -> list[str]:
    """The watched proposals that have records; the pipeline does not look after the others."""
    return sorted(set(Ledger(store).watched(config)) & set(recorded_proposals(store)))


def _legend(total: "pd.Series[int]") -> list[str]:
    """The meanings of states that need an explanation or action."""
    lines = [f"{state}: {STATUS_TABLE[state].meaning}" for state in STATUS_TABLE if state in LEGEND and total[state]]
    return ["", *lines] if lines else []


def _details(store: TableStore, proposals: Sequence[str], config: Config, disk: Disk) -> list[str]:
    """The files that are not on disk as in MAST, by state, with the reason."""
    parts = read_states(store, proposals, config, utc_now(), disk)
    files = pd.concat([part[part["state"] != State.PRESENT.value] for part in parts], ignore_index=True)
    files["why"] = why_failed(files, disk)
    lines = []
    for name in (*NEED_ATTENTION, State.WAITING, State.SUPERSEDED, State.GONE):
        rows = files[files["state"] == name.value].drop_duplicates("dataURI").sort_values("outfilename")
        lines += ["", f"{name}:"] if len(rows) else []
        for row in rows.itertuples():
            release = f"exclusive until {day_of_mjd(row.t_obs_release)}" if pd.notna(row.t_obs_release) else ""
            reason = release if name == State.WAITING else row.why
            lines.append(f"  {place(row, store.root)}{f': {reason}' if reason else ''}")
    return lines


def place(file: Any, root: Path) -> str:
    """Where a file is below the output folder; the name that MAST sent, if it cannot be there."""
    return repr(file.productFilename) if pd.isna(file.outfilename) else file.outfilename.removeprefix(f"{root}/")


def calendar(arguments: argparse.Namespace) -> int:
    """``jwst-mast calendar [PROPOSAL...] [--all]``."""
    config, store = folder_of(arguments)
    files = [read_selected(store, proposal, config) for proposal in named(store, arguments.proposal)]
    table = releases(pd.concat(files, ignore_index=True), utc_now(), past=arguments.all)
    if table.empty:
        print("No selected file is waiting for its release" + ("" if arguments.all else "; use --all to see past ones"))
        return 0
    state = table["public"].map({True: "public", False: "to come"})
    overdue = table["public"] & (table["on_disk"] < table["files"])
    shown = table.drop(columns="public").assign(
        bytes=table["bytes"].map(human_bytes), state=state.mask(overdue, "public, not fetched yet")
    )
    shown = shown.rename(
        columns={"public_from": "public from (UTC)", "obsnums": "observations", "on_disk": "files on disk"}
    )
    show(
        [
            *_table(shown),
            "",
            f"{counted(int(table['files'].sum()), 'file')}, {human_bytes(int(table['bytes'].sum()))}",
        ]
    )
    return 0


def _table(table: pd.DataFrame, indent: int = 0) -> list[str]:
    width = width_of_screen()
    return as_lines(table, width - indent if width else None, FIRST_COLUMNS)


def folder_of(arguments: argparse.Namespace) -> tuple[Config, TableStore]:
    """The configuration and output folder for a command's options."""
    given = {name: value for name in ("outrootdir", "outsubdir") if (value := getattr(arguments, name)) is not None}
    config = load_config(arguments.configfile).merged(given, "command line")
    return config, TableStore.of(config)


def _history(store: TableStore, given: str) -> tuple[str, pd.DataFrame]:
    """A proposal with its history."""
    proposal = proposal_key(given)
    events = history.read_history(store, proposal)
    if events.empty:
        _refuse(store, [proposal], history.proposals_with_history(store))
    return proposal, events


def named(store: TableStore, given: Sequence[str]) -> list[str]:
    """The given proposals, which must have records; if none are given, all that have."""
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
    if not store.exists() and store.has_other_files():
        todo = f"it has files, though: {put_back(store)}"
    what = f" of {', '.join(unknown)}" if unknown else ""
    known = f" (there are records of {', '.join(recorded)})" if recorded else ""
    raise NothingRecorded(f"Nothing is recorded{what} in {store.root}{known}; {todo}")


def _short(when: str) -> str:
    return when[:19]
