"""How the values of parameters are read and checked, and the messages for bad ones."""

import datetime as dt
import difflib
import re
from typing import Annotated, Any

import pydantic
from pydantic import BeforeValidator, Field

from jwst_mast_assets.mast import names
from jwst_mast_assets.mast.dates import parse_mjd

INSTRUMENTS = ("nircam", "nirspec", "niriss", "miri", "fgs")


def nearest(word: str, known: Any) -> str:
    """``; did you mean 'x'?`` if a known word is similar, otherwise an empty string."""
    lowered = {str(name).lower(): str(name) for name in known}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=1)
    return f"; did you mean {lowered[close[0]]!r}?" if close else ""


def _as_list(value: Any) -> Any:
    """A single value becomes a list of one, None an empty list, and a string is split into words."""
    if value is None:
        return []
    if isinstance(value, str):
        return [word for word in re.split(r"[\s,]+", value) if word]
    if isinstance(value, tuple | set):
        value = list(value)
    return [item for item in value if item != ""] if isinstance(value, list) else [value]


def none_if_blank(value: Any) -> Any:
    """None for an empty string or ``none``."""
    return None if isinstance(value, str) and value.strip().lower() in ("", "none") else value


FILE_MODES = ("0600", "0640", "0660")


def as_file_mode(value: Any) -> Any:
    """One of ``FILE_MODES``, or None; 640 and 0o640 are 0640 too.

    YAML reads a bare 0640 as the number 416, which is refused as it is not one of them.
    """
    value = none_if_blank(value)
    if value is None:
        return None
    mode = "0" + str(value).strip().lower().removeprefix("0o").lstrip("0")
    if mode not in FILE_MODES or isinstance(value, bool):
        raise ValueError(f"must be '0600', '0640' or '0660', in quotes, so that others have no access; not {value!r}")
    return mode


def as_bucket(value: Any) -> Any:
    """``s3://bucket`` or ``s3://bucket/prefix`` without a slash at its end, or None."""
    value = none_if_blank(value)
    if value is None:
        return None
    url = str(value).strip().rstrip("/")
    if "@" in url:
        raise ValueError("must not have keys in it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!*'().=-]+)*", url) or "/.." in url:
        raise ValueError(f"must be s3://BUCKET or s3://BUCKET/PREFIX, or empty for the output folder; not {value!r}")
    return url


def lowered(value: Any) -> Any:
    """Lower-case text; other values unchanged."""
    return value.lower() if isinstance(value, str) else value


def _integers(value: Any) -> list[int]:
    for item in (items := _as_list(value)):
        if isinstance(item, bool) or not re.fullmatch(r"[+]?\d+", str(item)):
            raise ValueError(f"{item!r} is not a whole number")
    return [int(item) for item in items]


def _strings(value: Any) -> list[str]:
    for item in (items := _as_list(value)):
        if not isinstance(item, str | int | float) or isinstance(item, bool):
            raise ValueError(f"{item!r} is not a word")
    return [str(item) for item in items]


def as_secrets(value: Any) -> Any:
    """One secret, or several separated by spaces; commas can be part of an address."""
    if isinstance(value, str):
        return value.split()
    return [value] if isinstance(value, pydantic.SecretStr) else (value or [])


def check_one_of(known: Any, what: str, lower: bool = True, shown: Any = None) -> Any:
    """A check of words; the message lists `shown` (default: all), for words that have several spellings."""

    def check(values: list[str]) -> list[str]:
        checked = [value.lower() if lower else value for value in values]
        for value in checked:
            if value not in known:
                hint = nearest(value, known) or ";"
                raise ValueError(f"unknown {what} {value!r}{hint} Known: {', '.join(shown or known)}")
        return checked

    return pydantic.AfterValidator(check)


def as_instrument(value: Any) -> Any:
    """A lower-case instrument name, or None."""
    value = none_if_blank(value)
    if value is None:
        return None
    lowered = str(value).lower()
    if lowered not in INSTRUMENTS:
        hint = nearest(lowered, INSTRUMENTS) or ";"
        raise ValueError(f"unknown instrument {value!r}{hint} Known: {', '.join(INSTRUMENTS)}")
    return lowered


def as_proposals(value: Any) -> list[str]:
    """Proposals with five digits."""
    return [names.proposal_key(item) for item in _as_list(value)]


def check_obsnums(values: list[int]) -> list[int]:
    """Check that each value is an observation number."""
    for value in values:
        if not 1 <= value <= 999:
            raise ValueError(f"{value} is not an observation number (1 to 999)")
    return values


def check_limits(parse: Any) -> Any:
    """A check for one value, ``value+``, ``value-``, or two values."""

    def check(values: list[str]) -> list[str]:
        if len(values) > 2:
            raise ValueError(f"takes one value, value+, value-, or two values; {len(values)} were given")
        for value in values:
            try:
                parse(re.sub(r"(?<=.)[+-]$", "", value) if len(values) == 1 else value)
            except ValueError:
                raise ValueError(f"{value!r} cannot be read; examples: {parse.__doc__}") from None
        if len(values) == 2 and parse(values[0]) > parse(values[1]):
            raise ValueError(f"{values[0]} comes after {values[1]}; give the earlier or smaller one first")
        return values

    return pydantic.AfterValidator(check)


def read_date(text: str) -> float:
    """2021-08-11, 2021-08-11T16:49:49, 59430.0, each alone, followed by + or -, or two of them"""
    return parse_mjd(text)


def read_obsid(text: str) -> int:
    """71672220, 71672220+, 71672220-, or two of them"""
    return int(text)


def check_levels(values: list[int]) -> list[int]:
    """Check that each value is a calibration level."""
    for value in values:
        if value > 4:
            raise ValueError(f"{value} is not a calibration level (0 to 4)")
    return values


def dates_as_text(value: Any) -> Any:
    """YAML reads a bare ``2021-08-11`` as a date."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dt.date) for item in items):
        return [item.isoformat() if isinstance(item, dt.date) else item for item in items]
    return value


Words = Annotated[list[str], BeforeValidator(_strings)]
Numbers = Annotated[list[int], BeforeValidator(_integers)]
Text = Annotated[str | None, BeforeValidator(none_if_blank)]
Pixels = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(none_if_blank)]
