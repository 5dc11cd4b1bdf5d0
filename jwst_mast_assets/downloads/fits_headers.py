"""The headers of a FITS file, one after the other, without reading any data."""

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    from astropy.io import fits
else:
    fits = Lazily("astropy.io.fits")

BLOCK = 2880
CARD = 80
MAX_BLOCKS = 10_000
"""A header that has not ended after this many blocks is not valid (JWST's have about ten)."""

PLAIN = re.compile(
    rb"[A-Z0-9_-]{1,8} *= +"
    rb"(?:'(?P<text>[ -&(-~]*)'|(?P<whole>[+-]?\d+)|(?P<real>[+-]?\d+\.\d*(?:E[+-]?\d+)?)|(?P<yes>[TF]))"
    rb" *(?:/.*)?"
)
"""Nearly all cards: a text without quotation marks, a number, T or F. astropy, which reads the others, is slower."""

Cards = dict[str, bytes]


class NotFits(ValueError):
    """Why a file's header cannot be read."""


class Header(NamedTuple):
    """One header of a file."""

    cards: Cards
    """By keyword; the first card of each."""
    end: int
    """The byte at which the data behind the header end."""


def walk(path: str) -> Iterator[Header]:
    """The headers of a file, to its end.

    Raises
    ------
    NotFits
        If one of them is not valid.
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as file:
        position = 0
        while (cards := _header(file, position)) is not None:
            position = file.tell() + _data_size(cards)
            yield Header(cards, position)
            file.seek(position)
        if position == 0:
            raise NotFits("it is empty")


def card_value(card: bytes) -> Any:
    """A card's value: str, int, float or bool; None if it has none or it cannot be read."""
    if not card:
        return None
    if plain := PLAIN.fullmatch(card):
        return _plain_value(plain)
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


def _plain_value(plain: re.Match[bytes]) -> Any:
    if plain["text"] is not None:
        return plain["text"].decode("ascii").strip() or None
    if plain["whole"]:
        return int(plain["whole"])
    return float(plain["real"]) if plain["real"] else plain["yes"] == b"T"


def _header(file: BinaryIO, position: int) -> Cards | None:
    """The header at the file's position, which moves behind it; None at the end of the file."""
    cards: Cards = {}
    for number in range(MAX_BLOCKS):
        block = file.read(BLOCK)
        if not block and number == 0:
            return None
        if number == 0 and not block.startswith(b"XTENSION=" if position else b"SIMPLE  ="):
            raise NotFits(f"it is not FITS at byte {position}" if position else "it is not a FITS file")
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
    value = card_value(cards.get(key, b""))
    return value if isinstance(value, int) else default
