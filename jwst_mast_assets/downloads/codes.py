"""``dl_code`` and ``dl_str``: what became of a file, in the numbers and words of the original ``jwst_mast_query``.

Numbers 0, 1, 2, 4 and 7 and their words are the original's. Each code belongs to one :class:`State`.
"""

from enum import IntEnum
from typing import NamedTuple

from jwst_mast_assets.mast.file_states import State


class Code(IntEnum):
    """``dl_code``, by name."""

    NOT_THERE = 0
    DOWNLOADED = 1
    EXISTS = 2
    BAD_NAME = 3
    BAD_SIZE = 4
    REPLACED = 5
    BLOCKED = 6
    FAILED = 7
    UNVERIFIED = 8
    VANISHED = 9
    EXCLUSIVE = 10
    NOT_FOUND = 11
    DISK_FULL = 12
    WAITING = 13


class Meaning(NamedTuple):
    """What a code means."""

    dl_str: str | None
    state: State
    meaning: str


CODES: dict[int, Meaning] = {
    Code.NOT_THERE: Meaning(None, State.MISSING, "the file is not on disk and was not asked for"),
    Code.DOWNLOADED: Meaning("downloaded", State.PRESENT, "this run fetched and verified it"),
    Code.EXISTS: Meaning("exists", State.PRESENT, "it was already there and is what MAST has, as far as is known"),
    Code.BAD_NAME: Meaning(
        "ERRORname", State.REFUSED, "MAST's name cannot be used as a file name here, or another file has it"
    ),
    Code.BAD_SIZE: Meaning("ERRfilesize", State.STALE, "the file on disk has a different size from MAST's"),
    Code.REPLACED: Meaning(
        "replaced", State.PRESENT, "this run fetched and verified it, and it replaced an older file"
    ),
    Code.BLOCKED: Meaning("ERRORblocked", State.FAILED, "a folder, a link or missing permissions are in the way"),
    Code.FAILED: Meaning("ERRORdownload", State.FAILED, "MAST did not send it, even after retries"),
    Code.UNVERIFIED: Meaning(
        "ERRORverify", State.FAILED, "what MAST sent is not the file: wrong length, checksum or content"
    ),
    Code.VANISHED: Meaning("ERRORnotexist", State.MISSING, "it was recorded as on disk but is no longer there"),
    Code.EXCLUSIVE: Meaning("exclusive", State.WAITING, "not public yet; not an error"),
    Code.NOT_FOUND: Meaning("ERRORnotfound", State.FAILED, "MAST lists it but does not have it"),
    Code.DISK_FULL: Meaning("ERRORdisk", State.FAILED, "the disk is full, or the file exceeds a quota or size limit"),
    Code.WAITING: Meaning(
        "waiting", State.WAITING, "public, but MAST does not provide it yet; requested again later; not an error"
    ),
}
"""Every ``dl_code`` with its ``dl_str``, state and meaning."""


def codes_of(*states: State) -> tuple[int, ...]:
    """The codes of some states."""
    return tuple(code for code, meaning in CODES.items() if meaning.state in states)


PRESENT = codes_of(State.PRESENT)
"""Codes of files that are on disk as MAST has them."""

FETCHED = (Code.DOWNLOADED, Code.REPLACED)
"""Codes of files that this run fetched."""

AWAITED = codes_of(State.WAITING)
"""Codes of files that MAST does not provide yet, which is not a failure."""

FAILURES = (*codes_of(State.FAILED, State.REFUSED, State.STALE), Code.VANISHED)
"""Codes that need attention after a download."""


def word(code: int) -> str | None:
    """``dl_str`` of a ``dl_code``."""
    return CODES[code].dl_str
