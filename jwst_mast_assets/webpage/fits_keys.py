"""FITS keywords of the page's rows, read from headers only."""

from collections.abc import Collection
from itertools import islice
from typing import Any

from jwst_mast_assets.downloads.fits_headers import Cards, NotFits, card_value, walk

MAX_EXTENSIONS = 20
"""How many extensions to go through in search of SCI; in JWST files it is the first."""


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
    wanted = {key.upper() for key in keys}
    try:
        for number, (cards, _) in enumerate(islice(walk(path), MAX_EXTENSIONS + 1)):
            is_sci = card_value(cards.get("EXTNAME", b"")) == "SCI"
            if number == 0 or is_sci:
                values = _values(cards, wanted) | values
            if is_sci or len(values) == len(wanted):
                break
    except OSError as error:
        raise NotFits(f"it cannot be read ({error.strerror or error})") from None
    return {key: values[key.upper()] for key in keys if key.upper() in values}


def _values(cards: Cards, wanted: Collection[str]) -> dict[str, Any]:
    found = {key: card_value(cards[key]) for key in wanted if key in cards}
    return {key: value for key, value in found.items() if value is not None}
