"""Days, MJD and ISO dates. MAST's times are MJD in UTC, and so are all times here."""

import datetime as dt
import re
from typing import TYPE_CHECKING

from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazily("pandas")


MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.timezone.utc)
"""MJD 0."""


def utc_now() -> dt.datetime:
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def iso_second(moment: dt.datetime) -> str:
    """ISO text to the second, as in records: ``2026-03-01T06:00:03+00:00``."""
    return moment.isoformat(timespec="seconds")


def mjd_of(moment: dt.datetime) -> float:
    """MJD (days, UTC) of an aware datetime."""
    return (moment - MJD_EPOCH) / dt.timedelta(days=1)


def mjd_of_day(day: dt.date) -> int:
    """MJD of a UTC day's beginning."""
    return (day - MJD_EPOCH.date()).days


def day_of_mjd(mjd: float) -> dt.date:
    """The UTC day on which an MJD falls.

    Examples
    --------
    >>> day_of_mjd(59679.999)
    datetime.date(2022, 4, 10)
    """
    return MJD_EPOCH.date() + dt.timedelta(days=int(mjd // 1))


def iso_of_mjd(mjd: "pd.Series") -> "pd.Series":
    """ISO dates with milliseconds (``2022-02-13T22:58:32.378``) of a Series of MJD; missing stays missing."""
    milliseconds = (mjd.astype("Float64") * 86_400_000).round()
    moments = pd.Timestamp(MJD_EPOCH.replace(tzinfo=None)) + pd.to_timedelta(milliseconds, unit="ms")
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3].astype("string")


def parse_mjd(text: str) -> float:
    """MJD of a date given as MJD (``59430.0``) or ISO (``2021-08-11``, ``2021-08-11T16:49:49``).

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_mjd("59430.0"), parse_mjd("2022-04-10T12:00")
    (59430.0, 59679.5)
    """
    try:
        mjd = float(text)
    except ValueError:
        # Python 3.10 only reads fractions of three or six digits.
        iso = re.sub(r"\.(\d+)", lambda match: f".{match[1][:6]:0<6}", text.strip().removesuffix("Z"))
        moment = dt.datetime.fromisoformat(iso)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.timezone.utc)
        return mjd_of(moment)
    if not 0 < mjd < 200_000:
        raise ValueError(f"{text!r} is not a valid MJD")
    return mjd


def is_day(text: str) -> bool:
    """Whether a date has no time (``2022-04-10``)."""
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()))


def moment(when: dt.datetime | str) -> str:
    """A time as ISO text with microseconds, UTC: such strings sort chronologically.

    Parameters
    ----------
    when : datetime or str
        Aware; or ISO or MJD text. A day alone (``2026-01-15``) means its end.

    Raises
    ------
    ValueError
        If it is not a time.

    Examples
    --------
    >>> moment("2026-01-15T12:00"), moment("2026-01-15")
    ('2026-01-15T12:00:00.000000', '2026-01-15T23:59:59.999999')
    """
    if isinstance(when, str):
        text = when.strip()
        when = _parsed(text)
        if is_day(text):
            when += dt.timedelta(days=1, microseconds=-1)
    return f"{when.astimezone(dt.timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"


def _parsed(text: str) -> dt.datetime:
    try:
        # A bare year is more likely than an MJD before JWST existed.
        if re.fullmatch(r"\d{5}(\.\d*)?", text):
            return MJD_EPOCH + dt.timedelta(days=parse_mjd(text))
        # Later Pythons read more spellings than 3.10.
        if not re.match(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        when = dt.datetime.fromisoformat(text.removesuffix("Z"))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a date; give one like 2026-01-15, 2026-01-15T12:00:00 (UTC) or 61055.5 (MJD)"
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=dt.timezone.utc)
