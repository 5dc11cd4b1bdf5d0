"""Thumbnails, beside their pictures: ``x_rate.jpg`` gets ``x_rate.TN.jpg``, as in the original."""

import io
import os
import re
import warnings
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from jwst_mast_assets.records.files import atomic_path, create_no_more_open

PICTURE_FORMATS = ("JPEG", "PNG")
MAX_PIXELS = 150_000_000
"""A picture with more pixels is not decoded: it is a mistake or an attack."""

MAX_SIDE = 5000
"""A thumbnail with a longer side is not made: such a picture is only a line."""

Size = tuple[int, int]


class Picture(NamedTuple):
    """A picture as the page shows it."""

    path: str
    size: Size | None
    """Pixels of what is at ``path``; None if it cannot be opened."""


class Thumbnails(NamedTuple):
    """The result for some pictures."""

    pictures: dict[str, Picture]
    """Path of each picture to what the page shows of it: the thumbnail, or itself if there is none."""
    made: int
    problems: list[str]


class _Result(NamedTuple):
    size: Size | None
    content: bytes | None = None
    problem: str | None = None


def thumbnail_path(path: str) -> str:
    """Where a picture's thumbnail is.

    Raises
    ------
    ValueError
        If the name does not end in ``jpg``, ``jpeg`` or ``png``.
    """
    name, found = re.subn(r"(jpe?g|png)$", r"TN.\1", path)
    if not found:
        raise ValueError(f"{path} is not an image")
    return name


def thumbnail_size(size: Size, width: int | None, height: int | None) -> Size:
    """Pixels of a thumbnail; one of width and height given keeps the shape, none keeps the size."""
    if width and height:
        return width, height
    if width:
        return width, max(1, round(size[1] * width / size[0]))
    if height:
        return max(1, round(size[0] * height / size[1])), height
    return size


def make_thumbnails(
    paths: Collection[str], width: int | None, height: int | None, overwrite: bool = False
) -> Thumbnails:
    """Make the thumbnails that are not there, or older than their pictures.

    Parameters
    ----------
    paths : collection of str
        Pictures on disk.
    width, height : int or None
        Pixels; one alone keeps the shape.
    overwrite : bool
        Make them all again.

    Returns
    -------
    Thumbnails
        A picture that does not decode, or a thumbnail that cannot be written, is a problem, not an exception.
    """
    pictures: dict[str, Picture] = {}
    problems: list[str] = []
    made = 0
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        results = pool.map(lambda path: _look(path, width, height, overwrite), paths)
        for path, result in zip(paths, results, strict=True):
            thumbnail, problem = thumbnail_path(path), result.problem
            if result.content is not None:
                problem = _write(Path(thumbnail), result.content, Path(path))
                made += problem is None
            if problem:
                problems.append(f"{os.path.basename(path)}: {problem}")
            if problem and result.content is not None:
                pictures[path] = Picture(path, result.size)
            else:
                pictures[path] = Picture(thumbnail if result.size else path, result.size)
    return Thumbnails(pictures, made, problems)


def measure(paths: Collection[str]) -> Thumbnails:
    """The pictures themselves, with their sizes, where no thumbnails are wanted."""
    pictures: dict[str, Picture] = {}
    problems: list[str] = []
    for path in paths:
        try:
            pictures[path] = Picture(path, _size(path))
        except _UNREADABLE as error:
            pictures[path] = Picture(path, None)
            problems.append(f"{os.path.basename(path)}: {_reason(error)}")
    return Thumbnails(pictures, 0, problems)


# Pillow's decoders raise these for truncated, broken or malicious files.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError)


def _look(path: str, width: int | None, height: int | None, overwrite: bool) -> _Result:
    """Size of the thumbnail, and its content if it must be written."""
    try:
        thumbnail = thumbnail_path(path)
        if not overwrite and (size := _current(thumbnail, path)):
            return _Result(size)
        content, size = _shrunk(path, width, height)
        return _Result(size, content)
    except _UNREADABLE as error:
        return _Result(None, problem=_reason(error))


def _current(thumbnail: str, path: str) -> Size | None:
    """Size of a thumbnail that is there, sound, and not older than its picture."""
    try:
        return _size(thumbnail) if os.path.getmtime(thumbnail) >= os.path.getmtime(path) else None
    except _UNREADABLE:
        return None


def _size(path: str) -> Size:
    with Image.open(path, formats=PICTURE_FORMATS) as image:
        return image.size


def _shrunk(path: str, width: int | None, height: int | None) -> tuple[bytes, Size]:
    with Image.open(path, formats=PICTURE_FORMATS) as image:
        size = thumbnail_size(image.size, width, height)
        if image.width * image.height > MAX_PIXELS or max(size) > MAX_SIDE:
            raise ValueError(f"{image.width} x {image.height} pixels are too many for a thumbnail")
        kind = image.format or "JPEG"
        # A JPEG is decoded at the nearest power of two above the wanted size, in a fraction of the time.
        image.draft(None, (2 * size[0], 2 * size[1]))
        small = image.convert(_mode(image.mode, kind)).resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, kind, quality=88, optimize=True)
    return buffer.getvalue(), size


def _mode(mode: str, kind: str) -> str:
    """A mode that can be resampled smoothly and saved."""
    if mode in ("L", "RGB"):
        return mode
    return "RGBA" if kind == "PNG" and mode in ("RGBA", "LA", "P", "PA") else "RGB"


def _write(path: Path, content: bytes, picture: Path) -> str | None:
    """Write a thumbnail; whoever cannot read its picture cannot read it either."""
    try:
        with atomic_path(path) as partial:
            create_no_more_open(partial, picture)
            partial.write_bytes(content)
    except OSError as error:
        return f"its thumbnail cannot be written ({error.strerror or error})"
    return None


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not a JPEG or PNG image"
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, Image.DecompressionBombError):
        return "it has too many pixels for a thumbnail"
    return f"the image cannot be decoded ({error})"
