"""FITS files made on the fly: small ones with a picture in them, big ones from generated blocks.

The length of a file follows from its layout alone, so that a table can tell it without making the file:
two blocks of primary header, then for each extension one block of header and the padded data.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jwst_mast_assets.embedded_archive.pictures import PixelArray, star_field

BLOCK = 2880
PRIMARY_HEADER_SIZE = 2 * BLOCK
EXTENSION_HEADER_SIZE = BLOCK
GENERATED_BLOCK = 1 << 20

_BITPIX_TYPE = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4"}


@dataclass(frozen=True)
class Extension:
    """An image extension.

    Parameters
    ----------
    name : str
        ``EXTNAME``, e.g. ``SCI``.
    bitpix : int
        8, 16, 32 or -32.
    shape : tuple of int
        Slowest axis first, as in numpy.
    """

    name: str
    bitpix: int
    shape: tuple[int, ...]

    @property
    def data_size(self) -> int:
        """Bytes of the data with their padding."""
        return math.ceil(abs(self.bitpix) // 8 * math.prod(self.shape) / BLOCK) * BLOCK


Header = Mapping[str, Any]
Layout = tuple[Extension, ...]


def layout_for(suffix: str, ngroups: int = 5, nints: int = 1, side: int = 96) -> Layout:
    """Extensions of a product with this suffix.

    Parameters
    ----------
    suffix : str
        E.g. ``uncal``, ``rate``, ``i2d``.
    ngroups, nints : int
        Groups and integrations, which make up the ``uncal`` and ``rateints`` cubes.
    side : int
        Length of the detector's side in pixels.

    Returns
    -------
    tuple of Extension
    """
    plane = (side, side)
    if suffix in ("uncal", "stream"):
        return (Extension("SCI", 16, (nints, ngroups, *plane)),)
    if suffix in ("rateints", "calints", "crfints", "ramp"):
        return (Extension("SCI", -32, (nints, *plane)), Extension("DQ", 32, (nints, *plane)))
    if suffix in ("i2d", "s2d", "s3d"):
        big = (side * 3 // 2, side * 3 // 2)
        return (Extension("SCI", -32, big), Extension("CON", 32, big), Extension("WHT", -32, big))
    if suffix in ("cal", "crf"):
        names = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")
        return (*(Extension(name, -32, plane) for name in names), Extension("DQ", 32, plane))
    if suffix in ("segm", "msa"):
        return (Extension("SCI", 32, plane),)
    if suffix in ("x1d", "x1dints", "c1d"):
        return (Extension("SCI", -32, (nints, 2048)),)
    return (Extension("SCI", -32, plane), Extension("ERR", -32, plane), Extension("DQ", 32, plane))


def layout_of_size(size: int) -> Layout:
    """One byte-wide extension that brings the whole file to exactly `size` bytes (a multiple of 2,880)."""
    rows = (size - PRIMARY_HEADER_SIZE - EXTENSION_HEADER_SIZE) // BLOCK
    return (Extension("SCI", 8, (rows, BLOCK)),) if rows > 0 else ()


def layout_size(layout: Layout) -> int:
    """Length in bytes of a file with this layout."""
    return PRIMARY_HEADER_SIZE + sum(EXTENSION_HEADER_SIZE + extension.data_size for extension in layout)


def whole_file(header: Header, layout: Layout, picture_seed: str, version: int) -> bytes:
    """A small file with a star field as its data.

    Parameters
    ----------
    header : dict
        Primary header keywords.
    layout : sequence of Extension
    picture_seed : str
        Files with the same seed show the same stars.
    version : int
        Processing round of the file; another one gives other pixels.

    Returns
    -------
    bytes
    """
    parts = [_primary_header(header, len(layout))]
    for extension in layout:
        parts.append(_extension_header(extension))
        data = _pixels(extension, picture_seed, version).tobytes()
        parts.append(data.ljust(extension.data_size, b"\0"))
    return b"".join(parts)


class GeneratedFile:
    """A file of any size that exists only as the blocks being read.

    Parameters
    ----------
    header : dict
        Primary header keywords.
    size : int
        Bytes; a multiple of 2,880.
    seed : str
        Files with the same seed have the same bytes.
    """

    def __init__(self, header: Header, size: int, seed: str) -> None:
        self.size = size
        layout = layout_of_size(size)
        head = _primary_header(header, len(layout)) + b"".join(_extension_header(e) for e in layout)
        self._head = head[:size]
        self._seed = seed
        key = int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest(), "big")
        self._base = np.random.Generator(np.random.Philox(key=key)).bytes(GENERATED_BLOCK)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes from `start` up to, but not including, `stop`."""
        parts = [self._head[start:stop]]
        position = max(start, len(self._head))
        while position < min(stop, self.size):
            index, offset = divmod(position - len(self._head), GENERATED_BLOCK)
            length = min(GENERATED_BLOCK - offset, min(stop, self.size) - position)
            parts.append(self._block(index)[offset : offset + length])
            position += length
        return b"".join(parts)

    def _block(self, index: int) -> bytes:
        # the mark tells the blocks of one file apart, so that misplaced ranges change the md5
        mark = hashlib.blake2b(f"{self._seed}:{index}".encode(), digest_size=16).digest()
        return mark + self._base[len(mark) :]


def _pixels(extension: Extension, seed: str, version: int) -> PixelArray:
    side = extension.shape[-1]
    if extension.bitpix == 8 or len(extension.shape) < 2 or extension.shape[-2] != side:
        ramp = np.arange(math.prod(extension.shape), dtype="f8").reshape(extension.shape)
        values = 1 + np.sin(ramp / 37) * np.cos(ramp / 901) + 0.001 * version
    elif extension.name in ("DQ", "CON"):
        values = np.broadcast_to(star_field(seed, side) > 20, extension.shape) * 4
    else:
        values = star_field(seed, side) * (1 + 0.001 * version)
        if extension.name != "SCI":
            values = np.sqrt(np.abs(values))
        if extension.bitpix == 16:
            groups = np.arange(1, extension.shape[-3] + 1)[:, None, None]
            values = np.clip(values * 40 * groups, 0, 32000)
        values = np.broadcast_to(values, extension.shape)
    return values.astype(_BITPIX_TYPE[extension.bitpix])


def _primary_header(header: Header, extensions: int) -> bytes:
    cards = [
        _card("SIMPLE", True),
        _card("BITPIX", 8),
        _card("NAXIS", 0),
        _card("EXTEND", extensions > 0),
        *(_card(keyword, value) for keyword, value in header.items() if value is not None),
    ]
    return _padded(cards, PRIMARY_HEADER_SIZE)


def _extension_header(extension: Extension) -> bytes:
    axes = tuple(reversed(extension.shape))
    cards = [
        _card("XTENSION", "IMAGE"),
        _card("BITPIX", extension.bitpix),
        _card("NAXIS", len(axes)),
        *(_card(f"NAXIS{number}", length) for number, length in enumerate(axes, start=1)),
        _card("PCOUNT", 0),
        _card("GCOUNT", 1),
        _card("EXTNAME", extension.name),
    ]
    return _padded(cards, EXTENSION_HEADER_SIZE)


def _padded(cards: Sequence[str], size: int) -> bytes:
    text = "".join(cards).ljust(size - 80) + "END".ljust(80)
    if len(text) != size:
        raise ValueError(f"a header of {len(cards)} cards does not fit into {size} bytes")
    return text.encode("ascii")


def _card(keyword: str, value: Any) -> str:
    if isinstance(value, bool):
        shown = "T".rjust(20) if value else "F".rjust(20)
    elif isinstance(value, (int, float)):
        shown = repr(value).upper().rjust(20)
    else:
        plain = str(value).encode("ascii", "replace").decode()[:60].replace("'", "''")
        shown = f"'{plain:<8}'"
    return f"{keyword:<8}= {shown}".ljust(80)[:80]
