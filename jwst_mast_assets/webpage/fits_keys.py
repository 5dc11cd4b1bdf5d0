"""FITS keywords of the page's rows, read from headers only, without reading any data."""

import warnings
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from astropy.io import fits

BLOCK = 2880
CARD = 80
MAX_BLOCKS = 2000
"""A header that has not ended after this many blocks is not valid (JWST's have about ten)."""

MAX_EXTENSIONS = 20
"""How many extensions to go through in search of SCI; in JWST files it is the first."""

Cards = dict[str, bytes]


class NotFits(Exception):
    """Why a file's header cannot be read."""


def read_keywords(path: str, keys: Collection[str]) -> dict[str, Any]:
    """Values of some keywords from a file's primary header, else from that of its SCI extension.

    Parameters
    ----------
    path : str
    keys : collection of str

    Returns
    -------
    dict
        Keyword to str, int, float or bool; without those that the file does not have or leaves undefined.

    Raises
    ------
    NotFits
        If the file cannot be opened or is not a FITS file.
    """
    values: dict[str, Any] = {}
    wanted = [key.upper() for key in keys]
    for cards in _headers(path):
        for key in wanted:
            if key not in values and key in cards and (value := _value(cards[key])) is not None:
                values[key] = value
        if len(values) == len(set(wanted)):
            break
    return {key: values[key.upper()] for key in keys if key.upper() in values}


def _headers(path: str) -> Iterator[Cards]:
    """The primary header, then that of SCI if there is one."""
    try:
        with open(path, "rb") as file:
            primary = _header(file)
            if primary is None:
                raise NotFits("it is empty")
            yield primary
            cards: Cards | None = primary
            for _ in range(MAX_EXTENSIONS):
                file.seek(_data_size(cards), 1)
                cards = _header(file)
                if cards is None:
                    return
                if _value(cards.get("EXTNAME", b"")) == "SCI":
                    yield cards
                    return
    except OSError as error:
        raise NotFits(f"it cannot be read ({error.strerror or error})") from None


def _header(file: BinaryIO) -> Cards | None:
    """The header at the file's position, which moves behind it; None at the end of the file."""
    cards: Cards = {}
    for number in range(MAX_BLOCKS):
        block = file.read(BLOCK)
        if not block and number == 0:
            return None
        if number == 0 and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            raise NotFits("it is not a FITS file")
        if len(block) < BLOCK:
            raise NotFits("it ends within a header")
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD]
            name = card[:8].decode("latin-1").rstrip()
            if name == "END":
                return cards
            cards.setdefault(name, card)
    raise NotFits("its header does not end")


def _data_size(cards: Cards) -> int:
    """Bytes of data behind a header, with their padding."""
    axes = [_integer(cards, f"NAXIS{number}") for number in range(1, min(_integer(cards, "NAXIS"), 999) + 1)]
    if not axes:
        return 0
    points = 1
    for axis in axes:
        points *= axis
    size = abs(_integer(cards, "BITPIX")) // 8 * _integer(cards, "GCOUNT", 1) * (_integer(cards, "PCOUNT") + points)
    if not 0 <= size < 1 << 50:
        raise NotFits("its header gives no possible size")
    return -(-size // BLOCK) * BLOCK


def _integer(cards: Cards, key: str, default: int = 0) -> int:
    value = _value(cards.get(key, b""))
    return value if isinstance(value, int) else default


def _value(card: bytes) -> Any:
    """A card's value; None if it has none or it cannot be read."""
    if not card:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = fits.Card.fromstring(card).value
        except (fits.VerifyError, ValueError):
            return None
    if isinstance(value, str):
        return value.strip() or None
    # NaN is not a value either; it is the only one that differs from itself.
    return value if isinstance(value, bool | int | float) and value == value else None
