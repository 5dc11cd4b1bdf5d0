"""From the table of files to the page's rows: one per exposure, level-3 product or guide-star exposure."""

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads.codes import CODES, Code, codes_of
from jwst_mast_assets.downloads.filesystem import Disk, OnDisk
from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.dates import iso_of_mjd, mjd_of
from jwst_mast_assets.mast.file_states import ON_DISK, URGENCY, State
from jwst_mast_assets.records.file_states import file_states

EXPOSURE, LEVEL3, GUIDE_STAR = "exposure", "level3", "guidestar"

PICTURE = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """A file of a row."""

    name: str
    filetype: str
    path: str | None
    state: State
    note: str
    """What to know in addition to the state; may be empty."""
    selected: bool
    bytes_on_disk: int | None
    mtime: float | None
    """When it was last changed on disk, seconds since 1970."""
    values: dict[str, Any]
    """The columns of ``tables.FILE_TABLE``, missing values as None."""

    @property
    def on_disk(self) -> bool:
        """Whether it is on disk."""
        return self.bytes_on_disk is not None

    @property
    def is_fits(self) -> bool:
        """Whether it is a FITS file."""
        return self.name.lower().endswith(".fits")

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture that a browser shows."""
        return bool(PICTURE.search(self.name))

    @property
    def obsnums(self) -> list[int]:
        """The observation numbers that it belongs to: several for a level-3 candidate; none where unknown."""
        several, one = self.values.get("obsnums"), self.values.get("obsnum")
        return [int(number) for number in several.split(",")] if several else [] if one is None else [one]

    @property
    def size(self) -> int | None:
        """Bytes on disk, else as MAST has it."""
        return self.values.get("size") if self.bytes_on_disk is None else self.bytes_on_disk


@dataclass
class Row:
    """A row of the page."""

    kind: str
    name: str
    obsnum: int | None
    sca: str | None
    files: list[File]
    keywords: dict[str, Any] = field(default_factory=dict)
    preview: File | None = None
    """A picture of ours, drawn where it has none on disk."""

    @property
    def fits_files(self) -> list[File]:
        """The FITS files, those on disk first, the uncalibrated one before others."""
        found = [file for file in self.files if file.is_fits]
        return sorted(found, key=lambda file: (not file.on_disk, file.filetype != "_uncal.fits"))

    @property
    def main(self) -> File:
        """The file whose columns the row shows: the uncalibrated one, else the first FITS file, else the first."""
        uncalibrated = next((file for file in self.files if file.filetype == "_uncal.fits"), None)
        return uncalibrated or next(iter(self.fits_files), self.files[0])

    @property
    def state(self) -> State:
        """The state among its files that needs attention most."""
        return min((file.state for file in self.files), key=URGENCY.index)

    @property
    def obsnums(self) -> list[int]:
        """The observation numbers of its files."""
        return sorted({number for file in self.files for number in file.obsnums})

    def count(self, state: State) -> int:
        """Number of files in a state."""
        return sum(file.state == state for file in self.files)

    def picture(self, filetype: str) -> File | None:
        """The row's picture of a type; the one named after the row takes precedence."""
        found = [file for file in self.files if file.filetype == filetype]
        own = (self.name + filetype).lower()
        return next((file for file in found if file.name.lower() == own), found[0] if found else None)


def make_files(
    table: pd.DataFrame, now: dt.datetime, disk: Disk | None = None, changes: pd.DataFrame | None = None
) -> list[File]:
    """The files to show: selected, failed or on disk; without duplicates, with their state now.

    Parameters
    ----------
    table : DataFrame
        Columns of ``tables.FILE_TABLE``; absent ones are taken as missing.
    now : datetime
        Decides whether an exclusive period is over.
    disk : Disk, optional
        What the run has listed so far.
    changes : DataFrame, optional
        Columns of ``tables.CHANGE_TABLE``: what is known about MAST's versions.
    """
    table = tables.conform(table, tables.FILE_TABLE)
    identity = table["dataURI"].fillna(table["productFilename"])
    table = table[~identity.duplicated() & table["productFilename"].notna()]
    found = (disk or Disk()).looks(table["outfilename"].dropna())
    there = [each if isinstance(each := found.get(path), OnDisk) else None for path in table["outfilename"]]
    sizes = [each.size if each else None for each in there]
    table = table.assign(dl_code=_code_now(table["dl_code"], pd.Series(sizes, index=table.index).notna()))
    states = file_states(table, tables.empty(tables.CHANGE_TABLE) if changes is None else changes, now)
    public = iso_of_mjd(table["t_obs_release"]).str[:10].where(table["t_obs_release"] > mjd_of(now))
    public = public.astype(object).where(public.notna(), None)
    records = tables.as_dicts(table)
    files = []
    for values, file, word, until in zip(records, there, states, public, strict=True):
        state = State(word)
        files.append(
            File(
                name=values["productFilename"],
                filetype=values["filetype"] or "",
                path=values["outfilename"],
                state=state,
                note=_note(state, values, until),
                selected=bool(values["selected"]),
                bytes_on_disk=file.size if file else None,
                mtime=file.mtime if file else None,
                values=values,
            )
        )
    return [file for file in files if file.selected or file.on_disk or file.state in FAULTS]


FAULTS = (State.FAILED, State.REFUSED)


def _code_now(code: pd.Series, on_disk: pd.Series) -> pd.Series:
    """``dl_code`` as the disk has it now: the disk takes precedence over the record, unless the record has a fault."""
    arrived = on_disk & ~code.isin(codes_of(*ON_DISK, *FAULTS))
    left = ~on_disk & (code.isna() | code.isin(codes_of(*ON_DISK)))
    return code.mask(arrived, Code.EXISTS).mask(left, Code.NOT_THERE)


def _note(state: State, values: dict[str, Any], until: str | None) -> str:
    """What to say beside the state."""
    code = values["dl_code"]
    if state in FAULTS or code == Code.WAITING:
        return values["dl_message"] or CODES[code].meaning
    if state == State.WAITING:
        return f"until {until}" if until else ""
    if state in (State.STALE, State.SPOILED, State.SUPERSEDED, State.GONE):
        return state.meaning
    return CODES[code].meaning if code == Code.VANISHED else ""


def make_rows(files: list[File]) -> list[Row]:
    """Files grouped by product group, observation number and detector.

    Guide-star files carry the name of the exposure that they guided; they get rows of their own.
    """
    groups: dict[tuple[str, str, Any, Any], list[File]] = {}
    guiding = names.is_guide_star(pd.Series([file.name for file in files], dtype="string"))
    for file, guides in zip(files, guiding, strict=True):
        stem = file.name[: len(file.name) - len(file.filetype)] if names.ENDING.search(file.name) else file.name
        name = stem if guides else file.values["obs_id"] or stem
        kind = GUIDE_STAR if guides else _kind(name, file.values["calib_level"])
        sca = None if kind == LEVEL3 and not _is_member(file, name) else file.values["sca"]
        groups.setdefault((kind, name, file.values["obsnum"], sca), []).append(file)
    return [
        Row(kind, name, obsnum, sca, sorted(members, key=lambda file: (file.values["calib_level"] or 0, file.name)))
        for (kind, name, obsnum, sca), members in groups.items()
    ]


def _kind(name: str, level: int | None) -> str:
    """By the name; by the calibration level where the name follows neither scheme."""
    if re.match(r"jw\d{11}_", name):
        return EXPOSURE
    return LEVEL3 if re.match(r"jw\d{5}-", name) or (level or 0) >= 3 else EXPOSURE


def _is_member(file: File, name: str) -> bool:
    """Whether a file listed under a level-3 name is that of one detector."""
    return not file.name.startswith(name) and file.values["sca"] is not None
