"""Fetch many small files from the embedded archive with few descriptors, then look at them again.

Usage: ``python bench/download_many_files.py [FILES]`` (default 5000).
"""

import resource
import sys
import tempfile
import time

import pandas as pd

from jwst_mast_assets.downloads import download, summary
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config

DETECTORS = ("a1", "a2", "a3", "a4", "along", "b1", "b2", "b3", "b4", "blong")
DESCRIPTORS = 256


def main() -> None:
    """Serve and fetch in this process, whose limit of open files is lowered to 256."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    catalogue = Catalogue()
    settings = {"suffixes": ("rate.fits",), "sizes": {"rate.fits": 28_800}, "guide_stars": False}
    catalogue.add_observation(1138, 1, 60436.0, DETECTORS, exposures=-(-wanted // 10), **settings)
    names = [name for name in catalogue.files if name.endswith("_rate.fits")][:wanted]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    with EmbeddedArchive(catalogue) as archive, tempfile.TemporaryDirectory() as folder:
        for name in names:
            archive.md5(name)
        columns = {"dataURI": [f"mast:JWST/product/{name}" for name in names], "productFilename": names}
        columns |= {"size": [28_800] * len(names), "selected": [True] * len(names)}
        columns["outfilename"] = [f"{folder}/{name}" for name in names]
        products = tables.conform(pd.DataFrame(columns), tables.PRODUCT_TABLE)
        config = Config(outrootdir=folder)
        known = None
        for what in ("fetched", "looked at again, hashed", "looked at again, md5 known"):
            begun = time.monotonic()
            files = download(products, config, Archive(archive.url), known)
            seconds = time.monotonic() - begun
            counts = summary(files)
            print(f"{what}: {counts['present']} of {len(names)} files in {seconds:.1f} s, {counts['failed']} failed")
            known = files if what != "fetched" else None


if __name__ == "__main__":
    main()
