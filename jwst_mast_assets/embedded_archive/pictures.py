"""Synthetic star fields, and the previews (JPEG, PNG) that show them."""

import hashlib
import io
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

PixelArray = np.ndarray[Any, Any]

_QUALITIES = (85, 70, 50, 30, 10)


def seeded_generator(seed: str) -> np.random.Generator:
    """A random generator that always gives the same numbers for the same text."""
    digest = hashlib.blake2b(str(seed).encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@lru_cache(maxsize=64)
def star_field(seed: str, side: int) -> PixelArray:
    """An image of stars and galaxies over a noisy background.

    Parameters
    ----------
    seed : str
        The same seed gives the same sky.
    side : int
        Pixels on a side.

    Returns
    -------
    numpy.ndarray
        Float, (side, side), in arbitrary units with a background near 1; not to be written to.
    """
    field = _sky(seed, side)[0] + seeded_generator(f"noise of {seed}").normal(1, 0.12, (side, side))
    field.flags.writeable = False
    return field


@lru_cache(maxsize=32)
def _sky(seed: str, side: int) -> PixelArray:
    """Stars, spiral and elliptical galaxies and faint gas in three bands, long wavelength first: (3, side, side)."""
    random = seeded_generator(seed)
    bands = np.zeros((3, side, side), "f4")
    axis = (np.arange(side, dtype="f4") + 0.5) / side
    for _ in range(random.integers(2, 5)):
        _add_galaxy(bands, axis, random)
    count = 160
    x, y = random.uniform(0, 1, (2, count))
    flux = 0.5 * (1 + random.pareto(0.85, count)).clip(1, 160)
    warmth = random.normal(0, 0.45, count)
    width = 1.0 / max(side, 150)
    columns = np.exp(-(((axis - x[:, None]) / width) ** 2) / 2)
    rows = np.exp(-(((axis - y[:, None]) / width) ** 2) / 2)
    for band, slope in zip(bands, (0.6, 0.0, -0.6), strict=True):
        band += (rows * (flux * np.exp(slope * warmth))[:, None]).T @ columns
    for star in np.argsort(flux)[-3:]:
        _add_spikes(bands, axis, x[star], y[star], float(flux[star]))
    return bands


def _add_galaxy(bands: PixelArray, axis: PixelArray, random: np.random.Generator) -> None:
    """A bulge, redder than its disk, with two spiral arms in most."""
    x, y = random.uniform(0.12, 0.88, 2)
    size, turn, flat = random.uniform(0.02, 0.07), random.uniform(0, np.pi), random.uniform(0.35, 1)
    dx, dy = axis[None, :] - x, axis[:, None] - y
    along, across = dx * np.cos(turn) + dy * np.sin(turn), (dy * np.cos(turn) - dx * np.sin(turn)) / flat
    radius = np.hypot(along, across) / size
    arms = 1 + 0.75 * np.cos(2 * np.arctan2(across, along) - 4.5 * np.log(radius + 0.25))
    disk, bulge = np.exp(-radius) * (arms if random.uniform() < 0.75 else 1), np.exp(-((radius / 0.3) ** 0.8) * 1.4)
    light = random.uniform(4, 11)
    for band, of_bulge, of_disk in zip(bands, (1.6, 1.0, 0.5), (0.75, 0.9, 1.2), strict=True):
        band += light * (of_bulge * bulge + of_disk * disk)


def _add_spikes(bands: PixelArray, axis: PixelArray, x: float, y: float, flux: float) -> None:
    """The six spikes of a bright star, as a hexagonal mirror makes them."""
    dx, dy = axis[None, :] - x, axis[:, None] - y
    reach = 0.012 + 0.02 * min(1.0, flux / 80)
    for angle in np.radians((30, 90, 150)):
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        spike = 0.35 * flux * np.exp(-np.abs(along) / reach - (across / 0.0028) ** 2)
        bands += spike[None].astype("f4")


def jpeg(seed: str, size: int, side: int, colour: bool = False, version: int = 0) -> bytes:
    """A preview of exactly `size` bytes that any JPEG reader opens.

    Parameters
    ----------
    seed : str
        The sky that is shown.
    size : int
        Bytes; the quality is lowered until the picture fits, the rest is a JPEG comment.
    side : int
        Pixels on a side.
    colour : bool
        Of three bands, as pictures of mosaics are shown.
    version : int
        Processing round; another one gives a slightly different picture.

    Returns
    -------
    bytes
    """
    picture = _mosaic(seed, side, version) if colour else Image.fromarray(_tone_mapped(star_field(seed, side), version))
    content = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        content = buffer.getvalue()
        if len(content) <= size:
            return _with_jpeg_comment(content, size - len(content))
    return jpeg(seed, size, side // 2, False, version) if side > 2 else content[:size]


def spectrum_png(seed: str, size: int, version: int = 0) -> bytes:
    """The plot of a spectrum as a PNG of exactly `size` bytes."""
    random = seeded_generator(seed)
    values = np.cumsum(random.normal(0, 1, 400)) + 0.01 * version
    heights = 230 - 200 * (values - values.min()) / np.ptp(values)
    picture = Image.new("P", (420, 240), 0)
    picture.putpalette([255, 255, 255, 30, 60, 140, 90, 90, 90])
    pen = ImageDraw.Draw(picture)
    pen.rectangle((9, 5, 410, 235), outline=2)
    pen.line([(10 + column, float(height)) for column, height in enumerate(heights)], fill=1, width=1)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    content = buffer.getvalue()
    room = size - len(content) - 12
    if room < 8:
        return content[:size].ljust(size, b"\0")
    text = b"Comment\0" + f"version {version} ".encode()
    body = b"tEXt" + text.ljust(room, b" ")[:room]
    chunk = room.to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    end = content.rindex(b"IEND") - 4
    return content[:end] + chunk + content[end:]


def _tone_mapped(field: PixelArray, version: int) -> PixelArray:
    stretched = np.arcsinh(np.clip(field - 0.75, 0, None) * (3 + 0.2 * version))
    return (255 * np.clip(stretched / 4.5, 0, 1)).astype("u1")


def _mosaic(seed: str, side: int, version: int) -> Image.Image:
    """Three bands as red, green and blue, on a slightly blue sky; deep, so with little noise."""
    noise = seeded_generator(f"noise of {seed}").normal(1, 0.05, (side, side))
    channels = [
        _tone_mapped(band + noise * sky, version) for band, sky in zip(_sky(seed, side), (0.8, 0.82, 0.86), strict=True)
    ]
    return Image.merge("RGB", [Image.fromarray(channel) for channel in channels])


def _with_jpeg_comment(content: bytes, room: int) -> bytes:
    comments = []
    while room >= 4:
        length = min(room, 65535 + 2)
        if 0 < room - length < 4:
            length -= 4
        comments.append(b"\xff\xfe" + (length - 2).to_bytes(2, "big") + b" " * (length - 4))
        room -= length
    return content[:2] + b"".join(comments) + content[2:] + b"\0" * room
