"""A product file of the archive: its name, its size, and its bytes, generated on request."""

import hashlib
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jwst_mast_assets.embedded_archive import fits_files, pictures, text_files

DATA_URI_PREFIX = "mast:JWST/product/"
WHOLE_IN_MEMORY = 8_000_000
_READ_SIZE = 4 << 20


@dataclass
class ProductFile:
    """One file of the archive.

    Parameters
    ----------
    name : str
        File name, the last part of its ``dataURI``.
    size : int
        Bytes; FITS files that have no `layout` are filled up to it.
    header : dict
        FITS keywords, shared by the files of one exposure; keys in lower case are for the tables only.
    layout : tuple of Extension, optional
        Extensions of a FITS file that carries a picture.
    picture : str
        Seed of what is seen in it; files of one exposure share it.
    text : callable, optional
        Gives the content of a text file.
    cal_ver, crds_ctx : str
        Calibration software and reference files it was made with.
    ingested : float
        When it came into the archive, in seconds since 1970.
    release : float, optional
        When it becomes public, as MJD.
    exclusive : bool
        Needs a token.
    migrated : bool
        False after it became public and before the archive has moved it: until then nobody gets it.
    stale : bool
        Queued to be processed again.
    version : int
        Processing round, counted from 0.
    """

    name: str
    size: int
    header: dict[str, Any] = field(default_factory=dict)
    layout: fits_files.Layout | None = None
    picture: str = ""
    text: Callable[[], str] | None = None
    cal_ver: str = "1.18.0"
    crds_ctx: str = "jwst_1364.pmap"
    ingested: float = 1_749_071_573.0
    release: float | None = None
    exclusive: bool = False
    migrated: bool = True
    stale: bool = False
    version: int = 0

    @property
    def uri(self) -> str:
        """The ``dataURI``."""
        return DATA_URI_PREFIX + self.name

    @property
    def suffix(self) -> str:
        """The last word of the name, e.g. ``uncal``."""
        return self.name.rpartition(".")[0].rpartition("_")[2]

    @property
    def extension(self) -> str:
        """The extension of the name in lower case, e.g. ``fits``."""
        return self.name.rpartition(".")[2].lower()

    @property
    def etag(self) -> str:
        """The entity tag, which changes with the bytes."""
        return f'"{zlib.crc32(self.name.encode()):08x}-{self.version}-{self.size:x}"'

    @property
    def has_checksum(self) -> bool:
        """Whether `md5` has been computed already."""
        return self._checksum is not None

    @property
    def md5(self) -> str:
        """Checksum of the bytes, as 32 hexadecimal digits; computed on first use."""
        with self.lock:
            if self._checksum is None:
                digest = hashlib.md5(usedforsecurity=False)
                for start in range(0, self.size, _READ_SIZE):
                    digest.update(self.read(start, start + _READ_SIZE))
                self._checksum = digest.hexdigest()
            return self._checksum

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes from `start` up to, but not including, `stop`."""
        stop = self.size if stop is None else min(stop, self.size)
        if self.size > WHOLE_IN_MEMORY:
            return self._generated.read(start, stop)
        with self.lock:
            if self._content is None:
                self._content = self._render()
            return self._content[start:stop]

    def snapshot(self) -> Callable[[int, int], bytes]:
        """A reader of the file as it is now, even if it is reprocessed meanwhile."""
        if self.size > WHOLE_IN_MEMORY:
            return self._generated.read
        content = self.read()
        return lambda start, stop: content[start:stop]

    def reprocess(self, cal_ver: str, crds_ctx: str, ingested: float, same_size: bool = True) -> None:
        """Become the result of another processing round: other bytes, another md5, a later ingest.

        Parameters
        ----------
        cal_ver, crds_ctx : str
        ingested : float
            Seconds since 1970.
        same_size : bool
            Otherwise the file grows by 5,760 bytes.
        """
        with self.lock:
            self.version += 1
            self.stale = False
            self.cal_ver, self.crds_ctx, self.ingested = cal_ver, crds_ctx, ingested
            if not same_size:
                self.size += 2 * fits_files.BLOCK
                if self.layout is not None:
                    extra = fits_files.Extension("HISTORY", 8, (1, fits_files.BLOCK))
                    self.layout = (*self.layout, extra)
            self.forget()

    def forget(self) -> None:
        """Drop the bytes and the checksum, after something that they depend on has changed."""
        self._content = None
        self._checksum = None
        self.__dict__.pop("_generated", None)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._content: bytes | None = None
        self._checksum: str | None = None

    @cached_property
    def _generated(self) -> fits_files.GeneratedFile:
        return fits_files.GeneratedFile(self._full_header(), self.size, f"{self.name}:{self.version}")

    def _full_header(self) -> dict[str, Any]:
        return {
            "TELESCOP": "JWST",
            **{keyword: value for keyword, value in self.header.items() if keyword.isupper()},
            "FILENAME": self.name,
            "CAL_VER": self.cal_ver,
            "CRDS_CTX": self.crds_ctx,
        }

    def _render(self) -> bytes:
        if self.extension == "fits":
            if self.layout is None:
                return self._generated.read(0, self.size)
            return fits_files.whole_file(self._full_header(), self.layout, self.picture, self.version)
        if self.extension in ("jpg", "jpeg"):
            side = 128 if self.suffix == "thumb" else 320
            colour = self.suffix in ("i2d", "s2d", "s3d")
            return pictures.jpeg(self.picture or self.name, self.size, side, colour, self.version)
        if self.extension == "png":
            return pictures.spectrum_png(self.picture or self.name, self.size, self.version)
        text = self.text() if self.text else _placeholder(self.name, self._full_header())
        if self.version:
            text = text.replace("\n", f"{' ' * self.version}\n", 1)
        return text_files.fitted(text, self.size)


def _placeholder(name: str, header: dict[str, Any]) -> str:
    if name.endswith(".json"):
        return text_files.association(name, header, "Asn_Lv2Image", []) if name.count("_") > 2 else "{}\n"
    if name.endswith(".ecsv"):
        return text_files.source_catalogue(name, header)
    return text_files.pool([header])
