"""Identifiers made from names, and conversions between time scales."""

import hashlib
from datetime import datetime, timedelta, timezone

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=timezone.utc)
_UNIX_EPOCH_MJD = 40587.0


def stable_id(name: str) -> int:
    """An ``obsid`` that is always the same for a name."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return 60_000_000 + int.from_bytes(digest, "big") % 200_000_000


def mjd_to_datetime(mjd: float) -> datetime:
    """The UTC date and time of an MJD."""
    return _MJD_EPOCH + timedelta(days=mjd)


def mjd_to_unix(mjd: float) -> float:
    """Seconds since 1970 of an MJD."""
    return (mjd - _UNIX_EPOCH_MJD) * 86400


def unix_to_mjd(seconds: float) -> float:
    """The MJD of seconds since 1970."""
    return seconds / 86400 + _UNIX_EPOCH_MJD
