"""What a file can be: one set of words for the tables, the page, ``jwst-mast status``, manifests and messages.

``dl_code`` and ``dl_str`` are the original's, and say more exactly why; :mod:`jwst_mast_assets.downloads.codes` says
which state each of them is.
"""

from enum import Enum


class State(str, Enum):
    """A file's state."""

    PRESENT = "present"
    STALE = "stale"
    SPOILED = "spoiled"
    SUPERSEDED = "superseded"
    GONE = "gone"
    MISSING = "missing"
    FAILED = "failed"
    REFUSED = "refused"
    WAITING = "waiting"

    @property
    def meaning(self) -> str:
        """In a few words."""
        return MEANINGS[self]

    def __str__(self) -> str:
        return self.value


MEANINGS = {
    State.PRESENT: "on disk, and what MAST has as far as is known",
    State.STALE: "on disk, but MAST has another version of it",
    State.SPOILED: "on disk, but no longer what was downloaded: changed, cut or damaged since",
    State.SUPERSEDED: "on disk, but MAST has a newer file under another name",
    State.GONE: "on disk, but MAST no longer lists it",
    State.MISSING: "not on disk",
    State.FAILED: "not on disk, because the download failed or something else is in its place",
    State.REFUSED: "not on disk, because MAST's name for it cannot be used as a file name here",
    State.WAITING: "not released by MAST yet: exclusive access, or public only just now",
}

ON_DISK = (State.PRESENT, State.STALE, State.SPOILED, State.SUPERSEDED, State.GONE)
"""States of files that are on disk."""

NEED_ATTENTION = (State.FAILED, State.REFUSED, State.MISSING, State.SPOILED, State.STALE)
"""States of files that the next run should change."""

URGENCY = (*NEED_ATTENTION, State.WAITING, State.GONE, State.SUPERSEDED, State.PRESENT)
"""All states, what needs attention first."""
