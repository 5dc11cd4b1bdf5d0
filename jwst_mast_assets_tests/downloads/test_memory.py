"""Memory does not grow with the size of a file."""

import subprocess
import sys
from pathlib import Path

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets_tests.downloads.holdings import JPG, UNCAL, config_for, environment, products_for

SIZE = 300_000_000 // 2880 * 2880

RUN = """
import resource, sys
from pathlib import Path
import pandas as pd
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.downloads import download
from jwst_mast_assets_tests.downloads.holdings import config_for
folder = Path(sys.argv[1])
products = pd.read_pickle(folder / "products.pickle")
config = config_for(folder, download_timeout=60)
for number in range(2):
    files = download(products.iloc[[number]], config, Archive(sys.argv[2]))
    print(files["dl_code"].item(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_file_of_300_mb_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    catalogue = Catalogue()
    settings = {"suffixes": ("uncal.fits", "cal.jpg"), "sizes": {"uncal.fits": SIZE}, "guide_stars": False}
    catalogue.add_observation(1138, 1, 60436.0, ("a1",), **settings)
    with EmbeddedArchive(catalogue) as embedded:
        products_for(embedded, config_for(tmp_path), [JPG, UNCAL]).to_pickle(tmp_path / "products.pickle")
        arguments = [sys.executable, "-c", RUN, str(tmp_path), embedded.url]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment())
    small, small_kb, big, big_kb = map(int, done.stdout.split())
    assert (small, big) == (1, 1)
    assert big_kb - small_kb < 50_000
    assert (tmp_path / "01138" / UNCAL).stat().st_size == SIZE
