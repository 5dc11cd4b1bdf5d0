"""What can be the state of a file: ``dl_code`` and ``dl_str``.

Numbers 0, 1, 2, 4 and 7 and their words are those of the original ``jwst_mast_query``.
"""

from enum import IntEnum
from typing import NamedTuple


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
    meaning: str


CODES: dict[int, Meaning] = {
    Code.NOT_THERE: Meaning(None, "the file is not on disk and was not asked for"),
    Code.DOWNLOADED: Meaning("downloaded", "this run fetched and verified it"),
    Code.EXISTS: Meaning("exists", "it was already there and is what MAST has, as far as is known"),
    Code.BAD_NAME: Meaning("ERRORname", "MAST's name cannot be used as a file name here, or another file has it"),
    Code.BAD_SIZE: Meaning("ERRfilesize", "the file on disk has a different size from MAST's"),
    Code.REPLACED: Meaning("replaced", "this run fetched and verified it, and it replaced an older file"),
    Code.BLOCKED: Meaning("ERRORblocked", "a folder, a link or missing permissions are in the way"),
    Code.FAILED: Meaning("ERRORdownload", "MAST did not send it, even after retries"),
    Code.UNVERIFIED: Meaning("ERRORverify", "what MAST sent is not the file: wrong length, checksum or content"),
    Code.VANISHED: Meaning("ERRORnotexist", "it was recorded as on disk but is no longer there"),
    Code.EXCLUSIVE: Meaning("exclusive", "not public yet; not an error"),
    Code.NOT_FOUND: Meaning("ERRORnotfound", "MAST lists it but does not have it"),
    Code.DISK_FULL: Meaning("ERRORdisk", "the disk is full, or the file exceeds a quota or size limit"),
    Code.WAITING: Meaning("waiting", "public, but MAST does not provide it yet; requested again later; not an error"),
}
"""Every ``dl_code`` with its ``dl_str`` and meaning."""

PRESENT = (Code.DOWNLOADED, Code.EXISTS, Code.REPLACED)
"""Codes of files that are on disk as MAST has them."""

FETCHED = (Code.DOWNLOADED, Code.REPLACED)
"""Codes of files that this run fetched."""

AWAITED = (Code.EXCLUSIVE, Code.WAITING)
"""Codes of files that MAST does not provide yet, which is not a failure."""

FAILURES = (Code.BAD_NAME, Code.BAD_SIZE, Code.BLOCKED, Code.FAILED, Code.UNVERIFIED, Code.VANISHED, Code.NOT_FOUND)
FAILURES += (Code.DISK_FULL,)
"""Codes that need attention."""


def word(code: int) -> str | None:
    """``dl_str`` of a ``dl_code``."""
    return CODES[code].dl_str
