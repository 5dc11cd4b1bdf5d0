"""A small archive and the tables that a run over it gets."""

import datetime as dt
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from jwst_mast_assets.downloads import Code, download
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast import layout, tables
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import mjd_of_day

EXPOSURE = "jw01138001001_02101_00001_nrca1"
UNCAL, CAL, JPG = f"{EXPOSURE}_uncal.fits", f"{EXPOSURE}_cal.fits", f"{EXPOSURE}_cal.jpg"
OTHER = "jw01138001001_02101_00001_nrca2_cal.fits"
PRIVATE = "jw01345001001_02101_00001_mirimage_rate.fits"
FUTURE = 99_000.0
"""A release date, MJD."""


def environment() -> dict[str, str]:
    """Of processes that a test starts: wherever they run, they find this package."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def small_catalogue() -> Catalogue:
    """Two public NIRCam exposures with a level-3 product, and an exclusive MIRI one."""
    catalogue = Catalogue()
    start = float(mjd_of_day(dt.date(2024, 5, 6)))
    catalogue.add_observation(1138, 1, start, ("a1", "a2"), listed="both")
    settings = {"instrument_name": "MIRI/IMAGE", "exclusive": True, "release": FUTURE, "filter": "F770W", "pupil": ""}
    catalogue.add_observation(1345, 1, start, ("mirimage",), **settings)
    return catalogue


def config_for(folder: Path, **parameters: object) -> Config:
    """A configuration that puts files below a folder, flat per proposal, and gives up soon."""
    values = {
        "outrootdir": str(folder),
        "obsnum2outsubdir": False,
        "download_timeout": 2.0,
        "propIDs_obsnum2outsubdir": [],
    }
    return Config.from_mapping({**values, **parameters})


def products_for(embedded: EmbeddedArchive, config: Config, names: Iterable[str]) -> pd.DataFrame:
    """The table of some products, all selected."""
    rows = {row["productFilename"]: row for row in embedded.catalogue.products}
    found = [dict(rows[name]) for name in names]
    table = tables.from_mast(found, set(found[0]) if found else set(), tables.PRODUCTS_FROM_MAST, "products")
    table["selected"] = True
    releases = [embedded.catalogue.files[name].release for name in names]
    table["t_obs_release"] = pd.Series(releases, dtype="Float64")
    table = tables.conform(table, tables.PRODUCT_TABLE)
    return table.assign(outfilename=layout.outfilenames(table, config))


def fetch(
    embedded: EmbeddedArchive, config: Config, *names: str, token: str | None = None, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Download some products as a run would, indexed by name."""
    files = download(products_for(embedded, config, names), config, Archive(embedded.url, token), known)
    return files.set_index("productFilename", drop=False)


def cell(table: pd.DataFrame, row: object, column: str) -> Any:
    """One value of a table."""
    return table[column].to_dict()[row]


def md5_of(path: str | Path) -> str:
    return hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()


def assert_fetched(files: pd.DataFrame, embedded: EmbeddedArchive, code: int = Code.DOWNLOADED) -> None:
    """Every file is on disk as the archive has it, and nothing else is."""
    for row in files.itertuples():
        assert row.dl_code == code, (row.dl_str, row.dl_message)
        assert md5_of(str(row.outfilename)) == embedded.md5(str(row.productFilename)) == row.md5
    for folder in {Path(path).parent for path in files["outfilename"]}:
        assert not leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    """Names of files below a folder that are not products."""
    return sorted(path.name for path in Path(folder).rglob(".*") if path.name != ".jwst_mast_assets")


def now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def released(files: pd.DataFrame) -> pd.DataFrame:
    """The same files a while after the end of their exclusive access."""
    past = pd.Series(50_000.0, index=files.index, dtype="Float64")
    return files.assign(t_obs_release=past)
