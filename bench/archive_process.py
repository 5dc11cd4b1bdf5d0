"""An embedded archive in a process of its own, with programs made for measuring.

    python bench/archive_process.py PROGRAM [SCALE]

Prints its address; ends when standard input is closed. The files that are fetched are made beforehand, so that none is
made while somebody waits for it.
"""

import gc
import re
import sys
from collections.abc import Callable

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive

PROPOSAL = 4321
FIRST = 60000.0
"""MJD of the first observation: 2023-02-25."""

WORDS = ("uncal", "rate", "cal", "i2d", "dark", "ramp", "rateints", "calints", "crfints", "trapsfilled")
WORDS += ("s2d", "x1d", "x1dints", "s3d", "whtlt", "segm")
SUFFIXES = (*(f"{word}.fits" for word in WORDS), "uncal.jpg", "rate.jpg", "cal.jpg", "i2d.jpg")
SMALL = {**{f"{word}.fits": 8640 for word in WORDS}, **dict.fromkeys(("uncal.jpg", "rate.jpg", "cal.jpg"), 8640)}


def rehearsal(scale: float) -> Catalogue:
    """264 observations with 17,600 products, of which 500 are uncal files of 8,640 bytes; `scale` times as many."""
    catalogue = Catalogue(proposal_ids="padded")
    for number in range(round(264 * scale)):
        catalogue.add_observation(
            PROPOSAL,
            1 + number // 9,
            FIRST + number / 12,
            ("a1",),
            visit=1 + number % 9,
            segments=2 if number % 264 < 236 else 0,
            listed="level3",
            target_number=f"t{number:03d}",
            suffixes=SUFFIXES,
            sizes=SMALL,
        )
    return catalogue


def big_files(scale: float) -> Catalogue:
    """40 uncal files of 25 MB."""
    catalogue = Catalogue(proposal_ids="padded")
    settings = {"suffixes": ("uncal.fits",), "guide_stars": False, "listed": "exposures"}
    size = 25_000_000 // 2880 * 2880
    catalogue.add_observation(
        PROPOSAL, 1, FIRST, ("a1",), exposures=round(40 * scale), sizes={"uncal.fits": size}, **settings
    )
    return catalogue


def exposures(scale: float) -> Catalogue:
    """2,000 exposures with their uncal and rate files and previews."""
    catalogue = Catalogue(proposal_ids="padded")
    suffixes = ("uncal.fits", "rate.fits", "uncal.jpg", "rate.jpg")
    for number in range(round(200 * scale)):
        catalogue.add_observation(
            PROPOSAL,
            1 + number // 9,
            FIRST + number / 12,
            ("a1",),
            visit=1 + number % 9,
            exposures=10,
            listed="level3",
            target_number=f"t{number:03d}",
            suffixes=suffixes,
            guide_stars=False,
        )
    return catalogue


PROGRAMS: dict[str, tuple[Callable[[float], Catalogue], str]] = {
    "rehearsal": (rehearsal, r"[0-9]_nrca1_uncal\.fits"),
    "all of rehearsal": (rehearsal, ""),
    "big files": (big_files, ""),
    "exposures": (exposures, ""),
}
"""What makes a catalogue, and which of its files are made beforehand."""


def main() -> None:
    """Serve until standard input ends."""
    make, wanted = PROGRAMS[sys.argv[1]]
    catalogue = make(float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
    for file in catalogue.files.values():
        if re.search(wanted, file.name):
            _ = file.md5
    gc.freeze()
    with EmbeddedArchive(catalogue) as archive:
        print(archive.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
