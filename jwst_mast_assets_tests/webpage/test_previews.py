"""Where MAST has no picture, one is drawn from the FITS file: in a folder of its own, once per version, and cheaply."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from jwst_mast_assets.mast.config import Config, ConfigError
from jwst_mast_assets.webpage import Page, write_page
from jwst_mast_assets_tests.page_reader import read_page
from jwst_mast_assets_tests.webpage.proposals import Proposal, write_jpeg

MOSAIC = "jw01138-o001_t001_nircam_clear-f200w"
EXPOSURE = "jw01138001001_02101_00001_nrca1"


def make(proposal: Proposal, **changes) -> Page:
    return write_page(proposal.config.merged(changes), proposal.key, *proposal.tables())


def write_image(path: Path, shape: tuple[int, ...] = (300, 200)) -> None:
    """A faint gradient with noise, blank at the left edge, and one bright star in the upper half."""
    pixels = np.random.default_rng(1).normal(1, 0.1, shape).astype("f4")
    pixels[..., :10] = np.nan
    pixels[..., 220:226, 100:106] = 500
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")]).writeto(path, overwrite=True)


@pytest.fixture
def mosaic(proposal: Proposal) -> Path:
    """A mosaic on disk without a picture."""
    proposal.add(MOSAIC, "_i2d.fits")
    path = proposal.path(f"{MOSAIC}_i2d.fits")
    write_image(path)
    return path


def preview_of(proposal: Proposal, name: str = f"{MOSAIC}_i2d") -> Path:
    return proposal.folder / "previews" / f"{name}.preview.jpg"


def test_a_mosaic_without_a_picture_gets_one_that_shows_its_stars_north_up(proposal: Proposal, mosaic: Path):
    page = make(proposal)
    assert (page.previews_made, page.problems) == (1, [])
    with Image.open(preview_of(proposal)) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (300, 200)
    assert pixels[300 - 223, 103] > 230  # row 0 of FITS is at the bottom
    assert pixels[200:, 20:].mean() < 128
    reader = read_page(page.path)
    assert reader.pictures == [f"previews/{MOSAIC}_i2d.preview.TN.jpg"]
    assert len(reader.data["files"][0]) == 5  # it does not count as a file of the row


def test_it_is_drawn_again_only_when_the_fits_file_changes(proposal: Proposal, mosaic: Path):
    make(proposal)
    before = preview_of(proposal).stat()
    assert make(proposal).previews_made == 0
    assert preview_of(proposal).stat() == before
    write_image(mosaic, (300, 260))
    os.utime(mosaic, (before.st_mtime + 5, before.st_mtime + 5))
    assert make(proposal).previews_made == 1
    with Image.open(preview_of(proposal)) as picture:
        assert picture.size == (260, 300)


def test_none_is_drawn_where_there_is_a_picture(proposal: Proposal, mosaic: Path):
    proposal.add(MOSAIC, "_i2d.jpg")
    write_jpeg(proposal.path(f"{MOSAIC}_i2d.jpg"))
    assert make(proposal).previews_made == 0
    assert not preview_of(proposal).exists()


@pytest.mark.parametrize(("which", "drawn"), [("none", 0), ("level3", 1), ("ALL", 2)])
def test_make_previews_says_for_which_products(proposal: Proposal, mosaic: Path, which, drawn):
    proposal.add(EXPOSURE, "_rate.fits")
    write_image(proposal.path(f"{EXPOSURE}_rate.fits"))
    assert make(proposal, make_previews=which).previews_made == drawn


def test_another_value_is_refused():
    with pytest.raises(ConfigError, match="make_previews"):
        Config.from_mapping({"make_previews": "some"})


@pytest.mark.parametrize("damage", ["text", "truncated", "no SCI", "blank"])
def test_a_broken_file_gets_a_placeholder_and_a_problem(proposal: Proposal, mosaic: Path, damage):
    make(proposal)
    if damage == "text":
        mosaic.write_text("not FITS")
    elif damage == "truncated":
        mosaic.write_bytes(mosaic.read_bytes()[:20_000])
    elif damage == "no SCI":
        fits.HDUList([fits.PrimaryHDU()]).writeto(mosaic, overwrite=True)
    else:
        empty = fits.ImageHDU(np.full((9, 9), np.nan, "f4"), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), empty]).writeto(mosaic, overwrite=True)
    later = preview_of(proposal).stat().st_mtime + 5
    os.utime(mosaic, (later, later))
    page = make(proposal)
    assert [f"{MOSAIC}_i2d.fits: no preview can be drawn" in problem for problem in page.problems].count(True) == 1
    assert not preview_of(proposal).exists()
    reader = read_page(page.path)
    assert reader.pictures == []
    column = next(column for column in reader.data["columns"] if column["name"] == "preview")
    assert column["cells"] == [[-1, -1]]  # "unreadable image"


def test_a_spectrum_is_plotted(proposal: Proposal):
    proposal.add(MOSAIC, "_x1d.fits")
    path = proposal.path(f"{MOSAIC}_x1d.fits")
    path.parent.mkdir(parents=True, exist_ok=True)
    wavelength = np.linspace(1, 5, 500)
    flux = np.where(np.abs(wavelength - 3) < 0.1, 8.0, 1.0)
    flux[7] = np.nan
    columns = [fits.Column("WAVELENGTH", "D", array=wavelength), fits.Column("FLUX", "D", array=flux)]
    table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    page = make(proposal)
    assert (page.previews_made, page.problems) == (1, [])
    with Image.open(preview_of(proposal, f"{MOSAIC}_x1d")) as picture:
        dark = np.asarray(picture.convert("L"))[26:374, 26:614] < 120
    assert dark[:100, 270:320].any()  # the line at 3 um, in the middle
    assert not dark[:100, :200].any()


def test_a_big_mosaic_needs_the_memory_of_a_small_one(proposal: Proposal, mosaic: Path):
    write_image(mosaic, (4000, 4100))  # 66 MB
    tracemalloc.start()
    try:
        assert make(proposal).previews_made == 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6
    with Image.open(preview_of(proposal)) as picture:
        assert max(picture.size) <= 1000


def test_a_preview_is_no_more_open_than_its_file(proposal: Proposal, mosaic: Path):
    mosaic.chmod(0o600)
    make(proposal)
    (preview,) = proposal.config.root.rglob("*.preview.jpg")
    assert preview.stat().st_mode & 0o777 == 0o600
