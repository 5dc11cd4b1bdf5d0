"""Pictures drawn from FITS files where MAST has none: ``<PPPPP>/previews/x_i2d.preview.jpg``.

They have a folder of their own and names that no product of MAST has.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from jwst_mast_assets.mast.lazily import Lazily
from jwst_mast_assets.records.files import atomic_path, create_no_more_open
from jwst_mast_assets.webpage.rows import LEVEL3, File, Row

if TYPE_CHECKING:
    from astropy import visualization
    from astropy.io import fits
else:
    fits, visualization = Lazily("astropy.io.fits"), Lazily("astropy.visualization")

FOLDER = "previews"
PREVIEW = "preview"
IMAGES = ("_i2d.fits", "_s2d.fits", "_cal.fits", "_rate.fits")
SPECTRA = ("_x1d.fits",)
DRAWN = (*IMAGES[:2], *SPECTRA, *IMAGES[2:])
"""File types that are drawn, the most processed first."""

SIDE = 1000
"""The longer side of a preview, pixels, at most."""

SKY = 20
"""How far the white level is above the black level, at least, in units of the sky's level."""

PLOT, MARGIN = (640, 400), 24

PixelArray = np.ndarray[Any, Any]


class Previews(NamedTuple):
    """What was drawn."""

    made: int
    problems: list[str]
    """One sentence for each file that cannot be drawn."""


def make_previews(rows: Sequence[Row], folder: Path, which: str) -> Previews:
    """Draw a picture for each row that has a FITS image or spectrum on disk, but no picture.

    A picture that is there, and not older than its FITS file, stays as it is.

    Parameters
    ----------
    rows : sequence of Row
        Each gets its ``preview``.
    folder : Path
        The proposal's folder.
    which : str
        ``none``, ``level3`` or ``all``.

    Returns
    -------
    Previews
        A file that cannot be read, or a picture that cannot be written, is a problem, not an exception.
    """
    wanted = {} if which == "none" else {index: file for index, row in enumerate(rows) if (file := _source(row, which))}
    if not wanted:
        return Previews(0, [])
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        # astropy warns of headers that are not quite standard, and of truncated files, which fail when they are read.
        warnings.simplefilter("ignore")
        results = pool.map(lambda file: _make(file, folder / FOLDER), wanted.values())
        made, problems = 0, []
        for (index, file), result in zip(wanted.items(), results, strict=True):
            path, drawn, problem = result
            made += drawn
            if problem:
                problems.append(f"{file.name}: {problem}")
            rows[index].preview = replace(file, name=path.name, filetype=PREVIEW, path=str(path))
    return Previews(made, problems)


def _source(row: Row, which: str) -> File | None:
    """The file to draw for a row; None if it has a picture on disk, or is not wanted."""
    if (which == "level3" and row.kind != LEVEL3) or any(file.is_picture and file.on_disk for file in row.files):
        return None
    there = {file.filetype: file for file in row.files if file.on_disk and file.path}
    return next((there[filetype] for filetype in DRAWN if filetype in there), None)


def _make(file: File, folder: Path) -> tuple[Path, bool, str | None]:
    """Where a file's preview is, whether it was drawn now, and what was wrong."""
    source = str(file.path)
    path = folder / (os.path.basename(source).removesuffix(".fits") + ".preview.jpg")
    try:
        if path.exists() and path.stat().st_mtime >= os.path.getmtime(source):
            return path, False, None
    except OSError:
        pass
    draw: Callable[[str], Image.Image] = _spectrum if file.filetype in SPECTRA else _image
    try:
        picture = draw(source)
    except _UNREADABLE as error:
        # An older picture would show what is no longer there.
        path.unlink(missing_ok=True)
        return path, False, f"no preview can be drawn ({error})"
    try:
        folder.mkdir(exist_ok=True)
        with atomic_path(path) as partial:
            create_no_more_open(partial, Path(source))
            picture.save(partial, "JPEG", quality=85)
        os.utime(path)
    except OSError as error:
        return path, False, f"its preview cannot be written ({error.strerror or error})"
    return path, True, None


# astropy raises these for truncated, broken or malicious files.
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)


def _image(path: str) -> Image.Image:
    """The SCI image, at most ``SIDE`` pixels on a side, from the sky's level to the bright stars."""
    with fits.open(path, memmap=True) as hdus:
        pixels = _shrunk(hdus["SCI"])
    good = pixels[np.isfinite(pixels)]
    if not good.size:
        raise ValueError("no pixel has a value")
    low, high = visualization.ZScaleInterval().get_limits(good)
    # The sky stays dark, also where few pixels are brighter than it.
    high = max(high, float(np.percentile(good, 99.7)), low + SKY * (float(np.median(good)) - low))
    high = min(high, float(good.max()))
    if not high > low:
        high = low + 1
    span = np.clip((np.nan_to_num(pixels, nan=low) - low) / (high - low), 0, 1)
    # Row 0 of a FITS image is at the bottom.
    return Image.fromarray((255 * visualization.AsinhStretch(0.05)(span)).astype("u1")[::-1])


def _shrunk(hdu: Any) -> PixelArray:
    """Means over squares of pixels, read a band at a time, so that a mosaic of any size needs little memory."""
    shape = hdu.shape
    if len(shape) < 2 or 0 in shape:
        raise ValueError("SCI is not an image")
    plane = tuple(length // 2 for length in shape[:-2])
    height, width = shape[-2:]
    step = -(-max(height, width) // SIDE)
    columns = np.arange(0, width, step)
    bands = []
    for top in range(0, height, step):
        band = np.asarray(hdu.section[(*plane, slice(top, top + step), slice(None))], "f4")
        good = np.isfinite(band)
        counts = np.add.reduceat(good.sum(axis=0), columns)
        sums = np.add.reduceat(np.where(good, band, 0).sum(axis=0), columns)
        bands.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
    return np.stack(bands)


def _spectrum(path: str) -> Image.Image:
    """Flux over wavelength: of all spectra in the file, each on the same scale."""
    with fits.open(path, memmap=True) as hdus:
        extensions: list[Any] = list(hdus)
        tables = [hdu.data for hdu in extensions if hdu.name == "EXTRACT1D"]
        curves = [(np.ravel(table["WAVELENGTH"]), np.ravel(table["FLUX"])) for table in tables]
    curves = [(x[good], y[good]) for x, y in curves if (good := np.isfinite(x) & np.isfinite(y) & (x > 0)).sum() > 1]
    if not curves:
        raise ValueError("no spectrum in it has two points")
    all_x, all_y = (np.concatenate(values) for values in zip(*curves, strict=True))
    bottom, top = np.percentile(all_y, (0.5, 99.5))
    left, right = float(all_x.min()), float(all_x.max())
    width, height = PLOT
    picture = Image.new("RGB", PLOT, "white")
    pen = ImageDraw.Draw(picture)
    inner = (MARGIN, MARGIN, width - MARGIN, height - MARGIN)
    for x, y in curves:
        along = MARGIN + (x - left) / ((right - left) or 1) * (width - 2 * MARGIN)
        up = height - MARGIN - np.clip((y - bottom) / ((top - bottom) or 1), 0, 1) * (height - 2 * MARGIN)
        pen.line(list(zip(along.tolist(), up.tolist(), strict=True)), fill=(30, 60, 140))
    pen.rectangle(inner, outline=(90, 90, 90))
    pen.text((MARGIN, height - MARGIN + 6), f"{left:.4g} um", fill=(60, 60, 60))
    pen.text((width - MARGIN, height - MARGIN + 6), f"{right:.4g} um", fill=(60, 60, 60), anchor="ra")
    pen.text((MARGIN, 6), f"flux {bottom:.3g} to {top:.3g} Jy", fill=(60, 60, 60))
    return picture
