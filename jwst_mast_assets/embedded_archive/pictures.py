"""Synthetic star fields, and the previews (JPEG, PNG) that show them."""

import hashlib
import io
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Pixels = np.ndarray[Any, Any]

_QUALITIES = (85, 70, 50, 30, 10)


def seeded_generator(seed: str) -> np.random.Generator:
    """A random generator that always gives the same numbers for the same text."""
    digest = hashlib.blake2b(str(seed).encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@lru_cache(maxsize=64)
def star_field(seed: str, side: int) -> Pixels:
    """An image of stars and a galaxy over a noisy background.

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
    random = seeded_generator(seed)
    count = 60
    x, y = random.uniform(0, 1, (2, count))
    flux = 3 * random.pareto(1.1, count).clip(0.3, 60)
    width = random.uniform(0.005, 0.011, count)
    flux[0], width[0], x[0], y[0] = 6, random.uniform(0.05, 0.09), *random.uniform(0.25, 0.75, 2)
    axis = (np.arange(side) + 0.5) / side
    columns = np.exp(-(((axis - x[:, None]) / width[:, None]) ** 2) / 2)
    rows = flux[:, None] * np.exp(-(((axis - y[:, None]) / width[:, None]) ** 2) / 2)
    field = rows.T @ columns + random.normal(1, 0.12, (side, side))
    field.flags.writeable = False
    return field


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
        Tinted, as previews of mosaics are.
    version : int
        Processing round; another one gives a slightly different picture.

    Returns
    -------
    bytes
    """
    image = _tone_mapped(star_field(seed, side), version)
    picture = Image.merge("RGB", _tints(image)) if colour else Image.fromarray(image)
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


def _tone_mapped(field: Pixels, version: int) -> Pixels:
    stretched = np.arcsinh(np.clip(field - 0.7, 0, None) * (3 + 0.2 * version))
    return (255 * np.clip(stretched / 4.5, 0, 1)).astype("u1")


def _tints(image: Pixels) -> tuple[Image.Image, ...]:
    faint = image.astype("f4") / 255
    shades = (faint**0.9, faint**1.15, 0.15 + 0.85 * faint**1.3)
    return tuple(Image.fromarray((255 * shade).astype("u1")) for shade in shades)


def _with_jpeg_comment(content: bytes, room: int) -> bytes:
    comments = []
    while room >= 4:
        length = min(room, 65535 + 2)
        if 0 < room - length < 4:
            length -= 4
        comments.append(b"\xff\xfe" + (length - 2).to_bytes(2, "big") + b" " * (length - 4))
        room -= length
    return content[:2] + b"".join(comments) + content[2:] + b"\0" * room
