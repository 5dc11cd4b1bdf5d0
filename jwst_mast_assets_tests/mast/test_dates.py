"""Days, MJD and ISO dates."""

import datetime as dt

import pandas as pd
import pytest

from jwst_mast_assets.mast.dates import day_of_mjd, iso_of_mjd, mjd_of, mjd_of_day, parse_mjd


@pytest.mark.parametrize(
    ("text", "mjd"),
    [
        ("59430.0", 59430.0),
        ("59430", 59430.0),
        ("2021-08-04", 59430.0),
        ("2021-08-11T16:49:49", 59437 + 60589 / 86400),
        ("2021-08-11T16:49:49.5", 59437 + 60589.5 / 86400),
        ("2021-08-11 12:00:00", 59437.5),
        ("2021-08-11T12:00:00Z", 59437.5),
        ("2021-08-11T14:00:00+02:00", 59437.5),
    ],
)
def test_a_date_is_mjd_or_iso_in_utc(text, mjd):
    assert parse_mjd(text) == pytest.approx(mjd, abs=1e-9)


@pytest.mark.parametrize("text", ["yesterday", "2021-13-01", "", "nan", "inf", "-5", "20210811"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match=r"MJD|isoformat|month must be"):
        parse_mjd(text)


def test_dates_are_shown_to_the_millisecond_and_missing_ones_stay_missing():
    shown = iso_of_mjd(pd.Series([59623 + 82712.378 / 86400, None], dtype="Float64"))
    assert shown[0] == "2022-02-13T22:58:32.378"
    assert pd.isna(shown[1])


def test_the_day_of_an_mjd_is_the_utc_day():
    assert day_of_mjd(59679.999999) == dt.date(2022, 4, 10)
    assert day_of_mjd(59680.0) == dt.date(2022, 4, 11)
    assert mjd_of_day(dt.date(2022, 4, 11)) == 59680
    assert mjd_of(dt.datetime(2022, 4, 11, 12, tzinfo=dt.timezone.utc)) == 59680.5
