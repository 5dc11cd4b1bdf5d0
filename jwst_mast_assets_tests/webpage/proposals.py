"""A proposal with real files: FITS headers by astropy, pictures by Pillow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from PIL import Image

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_of_mjd
from jwst_mast_assets.mast.layout import outfilenames
from jwst_mast_assets.mast.products import product_obsnums

DETECTORS = ("nrca1", "nrca2", "nrca3", "nrca4", "nrcalong", "nrcb1", "nrcb2", "nrcb3", "nrcb4", "nrcblong")
SHORT, LONG = ("F115W", "F150W", "F200W"), ("F277W", "F356W", "F444W")
RELEASED, NOT_RELEASED = 59000.0, 99000.0


def write_jpeg(path: Path, size: tuple[int, int] = (256, 256), seed: int = 0) -> None:
    """A star field."""
    random = np.random.default_rng(seed)
    pixels = random.integers(14, 34, size[::-1])
    star = 220 * np.exp(-np.hypot(*np.mgrid[-3:4, -3:4]) / 1.3)
    for x, y in zip(random.integers(0, size[0] - 7, 25), random.integers(0, size[1] - 7, 25), strict=True):
        pixels[y : y + 7, x : x + 7] += (random.exponential(0.6) * star).astype(int)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype("u1")).save(path, quality=85)


def write_fits(path: Path, keywords: dict[str, Any], sci: dict[str, Any] | None = None) -> None:
    """A small JWST-like file: an empty primary HDU, then SCI."""
    primary = fits.PrimaryHDU()
    primary.header.update(keywords)
    science = fits.ImageHDU(np.zeros((4, 4), "f4"), name="SCI")
    science.header.update(sci or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, science]).writeto(path, overwrite=True)


@dataclass
class Proposal:
    """Tables of a proposal, to which products are added one by one; files only where asked for."""

    config: Config
    number: int = 1138
    title: str = "Imaging of a globular cluster"
    products: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.number:05d}"

    @property
    def folder(self) -> Path:
        return self.config.root / self.key

    def add(self, obs_id: str, suffix: str, **columns: Any) -> dict[str, Any]:
        """A product ``<obs_id><suffix>``, selected by default."""
        name = columns.pop("productFilename", obs_id + suffix)
        product = {
            "obsID": 1000 + len({row["obs_id"] for row in self.products} - {obs_id}),
            "parent_obsid": 7,
            "obs_id": obs_id,
            "proposal_id": self.number,
            "dataURI": f"mast:JWST/product/{name}",
            "productFilename": name,
            "size": 83_969_280 if suffix.endswith(".fits") else 52_123,
            "calib_level": 3 if "-" in obs_id[:8] else 2,
            "selected": True,
            "dl_code": 0,
            "t_obs_release": RELEASED,
            **columns,
        }
        self.products.append(product)
        return product

    @property
    def files(self) -> pd.DataFrame:
        """The products as a table of files, all derived columns filled in."""
        table = tables.conform(pd.DataFrame(self.products), tables.FILE_TABLE) if self.products else _no_files()
        if len(table):
            table["obsnum"] = table["obsnum"].fillna(product_obsnums(table, pd.Series(dtype="Int64")))
            table["visit"] = names.visit(table["obs_id"])
            table["sca"] = names.sca(table["obs_id"]).fillna(names.sca(table["productFilename"]))
            table["filetype"] = names.filetype(table["productFilename"])
            table["outfilename"] = outfilenames(table, self.config)
        return table

    def path(self, name: str) -> Path:
        """Where a product's file goes."""
        files = self.files
        return Path(files.loc[files["productFilename"] == name, "outfilename"].iloc[0])

    @property
    def observations(self) -> pd.DataFrame:
        """One observation per number."""
        numbers = sorted(self.files["obsnum"].dropna().unique())
        rows = [
            {
                "obsid": 5000 + number,
                "obs_id": f"jw{self.key}-o{number:03d}_t001_nircam_clear-f200w",
                "proposal_id": self.number,
                "instrument_name": "NIRCAM/IMAGE",
                "t_min": 59650.25 + number,
                "calib_level": 3,
                "target_name": "NGC-3201",
                "filters": "F200W",
                "obs_title": self.title,
                "proposal_pi": "Boyer, Martha L.",
                "obsnum": number,
            }
            for number in numbers
        ]
        table = tables.conform(pd.DataFrame(rows), tables.OBS_TABLE) if rows else tables.empty(tables.OBS_TABLE)
        return table.assign(date_min=iso_of_mjd(table["t_min"]))

    @property
    def summary(self) -> pd.DataFrame:
        files = self.files
        counts = files.groupby(["proposal_id", "obsnum", "filetype"]).size().unstack(fill_value=0).reset_index()
        counts.columns.name = None
        dates = self.observations.set_index("obsnum")["date_min"]
        return counts.assign(date_start=counts["obsnum"].map(dates)) if len(counts) else counts

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The three tables that a page is made of."""
        return self.observations, self.files, self.summary


def _no_files() -> pd.DataFrame:
    return tables.empty(tables.FILE_TABLE)


def exposure_keywords(number: int, detector: str) -> dict[str, Any]:
    """Keywords as a NIRCam exposure has them."""
    return {
        "TARG_RA": 154.403 + number / 1000,
        "TARG_DEC": -46.41248,
        "FILTER": (LONG if "long" in detector else SHORT)[number % 3],
        "PUPIL": "CLEAR",
        "READPATT": "SHALLOW4",
        "NINTS": 1,
        "NGROUPS": 4 + number,
        "NFRAMES": 4,
        "DATE-BEG": f"2022-04-10T0{number % 10}:12:33.123",
        "DATE-END": f"2022-04-10T0{number % 10}:15:01.733",
        "EFFINTTM": 139.58 + 10 * number,
        "EFFEXPTM": 139.58 + 10 * number,
    }


def fill(proposal: Proposal, obsnums: int = 2, exposures: int = 2, detectors: int = 3) -> None:
    """Exposures with their files on disk, a mosaic per observation, and one file each that is not there."""
    for obsnum in range(1, obsnums + 1):
        for exposure in range(1, exposures + 1):
            for detector in DETECTORS[:detectors]:
                obs_id = f"jw{proposal.key}{obsnum:03d}001_02101_{exposure:05d}_{detector}"
                for suffix in ("_uncal.fits", "_uncal.jpg", "_rate.fits", "_rate.jpg", "_cal.jpg"):
                    proposal.add(obs_id, suffix)
        for suffix in ("_i2d.fits", "_i2d.jpg", "_thumb.jpg"):
            proposal.add(f"jw{proposal.key}-o{obsnum:03d}_t001_nircam_clear-f200w", suffix)
    files = proposal.files
    for number, file in enumerate(files.itertuples()):
        path = Path(str(file.outfilename))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".fits":
            write_fits(path, exposure_keywords(number % 5, str(file.sca)), {"BUNIT": "DN/s"})
        else:
            write_jpeg(path, (320, 320) if "i2d" not in path.name else (360, 220), number)
