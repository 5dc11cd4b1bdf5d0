"""Whether a download is the expected file: its length, its md5, and whether it opens to its end.

Only previews and associations, which are small, are read into memory whole.
"""

import csv
import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml
from PIL import Image

from jwst_mast_assets.downloads import fits_headers

READ_SIZE = 1 << 20
PICTURE_ENDINGS = (".jpg", ".jpeg", ".png")
"""They cannot be opened if their end is missing."""
HTML = re.compile(rb"\A\s*(?:\xef\xbb\xbf)?\s*<\?xml|<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
"""An HTML page may start with comments; ``<?xml`` also occurs inside good images."""


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Parameters
    ----------
    verified : str
        How far it went: ``checksum``, ``content``, ``size`` or ``none``.
    problem : str or None
        Why this is not the expected file.
    note : str or None
        What is odd about a file that is accepted nevertheless.
    """

    verified: str
    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Expected:
    """What a file should be; None if unknown."""

    name: str
    size: int | None = None
    checksum: str | None = None


def verify(path: str, expected: Expected, md5: str, level: str, length_confirmed: bool) -> Verification:
    """Verify a downloaded file.

    Parameters
    ----------
    path : str
        The file, under any name.
    expected : Expected
        What MAST says about it.
    md5 : str
        Its md5.
    level : str
        The parameter ``verify``.
    length_confirmed : bool
        Whether the response announced its length and that many bytes arrived.

    Returns
    -------
    Verification
        A size other than MAST's is a note, not a problem, if the md5 shows that the file is whole: MAST's tables
        can lag behind its files. Without md5 the content must open and the response must confirm the length, and a
        shorter file is accepted only if it is an image: for others (a table that ends after a row, FITS that ends
        after an extension) a cut cannot be detected.
    """
    if level == "none":
        return Verification("none")
    size = os.path.getsize(path)
    note = None
    if expected.size is not None and size != expected.size:
        note = f"MAST's table says {expected.size} bytes, the file has {size}"
    if level == "checksum" and expected.checksum:
        if md5 != expected.checksum:
            what = content_problem(path, expected.name) or note or f"the md5 is {md5}"
            return Verification("checksum", f"{what}; MAST's md5 is {expected.checksum}")
        return Verification("checksum", None, note)
    if note and md5 == expected.checksum:
        return Verification("checksum", None, note)
    if level == "size" and expected.size is not None and not note:
        return Verification("size")
    problem = content_problem(path, expected.name)
    if problem:
        return Verification("content", f"{problem} ({note})" if note else problem)
    if too_short(expected.name, size, expected.size):
        return Verification("content", f"{note}, and without MAST's md5 nothing shows that it is complete")
    if note and not length_confirmed:
        return Verification("content", f"{note}, and the response did not give its length")
    return Verification("content", None, note)


def too_short(name: str, size: int, listed: int | None) -> bool:
    """Whether a file is shorter than in MAST's table and only an md5 could show that it is complete."""
    return listed is not None and size < listed and not name.lower().endswith(PICTURE_ENDINGS)


def file_md5(path: str, stop: threading.Event | None = None) -> str | None:
    """The md5 of a file, as 32 hexadecimal digits; None if `stop` was set meanwhile.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        for block in blocks(file, os.path.getsize(path)):
            digest.update(block)
            if stop is not None and stop.is_set():
                return None
    return digest.hexdigest()


def blocks(file: io.RawIOBase | io.BufferedIOBase | io.FileIO, size: int) -> Iterator[memoryview]:
    """The first `size` bytes of an open file, in blocks; each is valid until the next is taken."""
    buffer = memoryview(bytearray(min(READ_SIZE, max(size, 1))))
    while size > 0 and (count := file.readinto(buffer[: min(size, len(buffer))])):
        yield buffer[:count]
        size -= count


def content_problem(path: str, name: str) -> str | None:
    """Why a file is not what its name says; None if it is readable to its end.

    FITS is walked header by header to the end of the file; JPEG and PNG are decoded; JSON, ECSV and CSV are
    parsed; an association must have members or a type, a pool columns. Other kinds are only checked not to be
    empty or an HTML page.
    """
    kind = name.rpartition(".")[2].lower()
    try:
        with open(path, "rb") as file:
            head = file.read(512)
        if not head:
            return "it is empty"
        if kind not in ("html", "htm", "xml") and HTML.search(head):
            return "it is an HTML page"
        checks = (check for ending, check in CHECKS.items() if name.lower().endswith(ending))
        return next(checks, _anything)(path)
    except RecursionError:
        return f"it does not open as {kind.upper()}: too deeply nested"
    except (OSError, ValueError, SyntaxError, EOFError, csv.Error, yaml.YAMLError) as error:
        text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0]
        return f"it does not open as {kind.upper()}: {text.replace(path, name)[:150]}"


def _anything(path: str) -> str | None:
    return None


def _fits(path: str) -> str | None:
    size = os.path.getsize(path)
    for number, header in enumerate(fits_headers.walk(path)):
        if header.end > size:
            return f"its extension {number} ends at byte {header.end}, the file at {size}"
    return None


def _picture(path: str) -> str | None:
    try:
        with Image.open(path) as picture:
            if picture.format != "PNG":
                picture.load()
                return None
            picture.verify()  # its last chunks, which load does not miss
        with Image.open(path) as picture:
            picture.load()
    except Image.DecompressionBombError:
        return None
    return None


def _json(path: str) -> str | None:
    with open(path, encoding="utf-8") as file:
        json.load(file)
    return None


def _association(path: str) -> str | None:
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    # Gateways also report errors as JSON.
    known = isinstance(content, dict) and not content.keys().isdisjoint(("products", "asn_type", "asn_rule"))
    return None if known else "it is JSON, but not an association"


def _ecsv(path: str) -> str | None:
    with open(path, encoding="utf-8", newline="") as file:
        header: list[str] = []
        line = file.readline()
        while line.startswith("#"):
            header.append(line[1:].removeprefix(" "))
            line = file.readline()
        if not header or not header[0].startswith("%ECSV"):
            return "it does not start like ECSV"
        described = yaml.load("".join(header[1:]), _TagsAsText) or {}
        columns = len(described.get("datatype") or [])
        delimiter = described.get("delimiter") or " "
        rows = csv.reader(_and_then(line, file), delimiter=delimiter, skipinitialspace=delimiter == " ", strict=True)
        return _rows_problem(rows, columns or None)


def _pool(path: str) -> str | None:
    problem = _csv(path)
    if problem:
        return problem
    with open(path, encoding="utf-8", newline="") as file:
        first = file.readline()
    # Plain text also has one column.
    return None if "|" in first or "," in first else "it has only one column, so it is not a pool"


def _csv(path: str) -> str | None:
    with open(path, encoding="utf-8", newline="") as file:
        first = file.readline()
        rows = csv.reader(_and_then(first, file), delimiter="|" if "|" in first else ",", strict=True)
        return _rows_problem(rows, None)


def _rows_problem(rows: Iterator[list[str]], columns: int | None) -> str | None:
    for number, row in enumerate(rows, start=1):
        filled = row[:-1] if row and columns and len(row) == columns + 1 and not row[-1].strip() else row
        if not filled or not any(cell.strip() for cell in filled):
            continue
        columns = columns or len(filled)
        if len(filled) != columns:
            return f"its row {number} has {len(filled)} columns instead of {columns}"
    return None if columns else "it has no columns"


def _and_then(line: str, file: io.TextIOWrapper) -> Iterator[str]:
    yield line
    yield from file


class _TagsAsText(yaml.SafeLoader):
    """YAML with all tags (``!numpy.ndarray``, ``!astropy.time.Time``, ...) ignored."""


_TagsAsText.add_multi_constructor("", lambda loader, suffix, node: None)

CHECKS: dict[str, Callable[[str], str | None]] = {
    "_asn.json": _association,
    "_pool.csv": _pool,
    ".fits": _fits,
    **dict.fromkeys(PICTURE_ENDINGS, _picture),
    ".json": _json,
    ".ecsv": _ecsv,
    ".csv": _csv,
}
"""By the end of the name; the first match is used."""
