"""Fetch one big file from the embedded archive and tell the time and the memory that the downloading process took.

Usage: ``python bench/download_big_file.py [GB]`` (default 2).
"""

import subprocess
import sys
import tempfile
import time

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive

BLOCK = 2880
NAME = "jw01138001001_02101_00001_nrca1_uncal.fits"

DOWNLOAD = """
import resource, sys, time
import pandas as pd
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.downloads import download
url, folder, name, size = sys.argv[1:]
row = {"dataURI": "mast:JWST/product/" + name, "productFilename": name, "size": int(size), "selected": True}
products = tables.conform(pd.DataFrame([{**row, "outfilename": f"{folder}/{name}"}]), tables.PRODUCT_TABLE)
config = Config(outrootdir=folder, download_timeout=120)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
begun = time.monotonic()
files = download(products, config, Archive(url))
seconds = time.monotonic() - begun
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
row = files.iloc[0]
print(f"{row.dl_str}, verified by {row.verified}: {row.bytes_fetched / 1e9:.2f} GB in {seconds:.1f} s, "
      f"{row.bytes_fetched / 1e6 / seconds:.0f} MB/s; resident memory {after:.0f} MB at most, {before:.0f} MB before")
"""


def main() -> None:
    """Serve, fetch in a process of its own, and print one line."""
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    size = int(gigabytes * 1e9) // BLOCK * BLOCK
    catalogue = Catalogue()
    settings = {"suffixes": ("uncal.fits",), "sizes": {"uncal.fits": size}, "guide_stars": False}
    catalogue.add_observation(1138, 1, 60436.0, ("a1",), **settings)
    with EmbeddedArchive(catalogue) as archive, tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        archive.md5(NAME)  # the archive finds out its checksum once, which is not the download's time
        print(f"the archive made {size / 1e9:.2f} GB in {time.monotonic() - begun:.1f} s")
        subprocess.run([sys.executable, "-c", DOWNLOAD, archive.url, folder, NAME, str(size)], check=True)


if __name__ == "__main__":
    main()
