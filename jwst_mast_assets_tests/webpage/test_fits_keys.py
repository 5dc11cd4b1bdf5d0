"""Keywords come from headers only, and a broken file is a sentence."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwst_mast_assets.downloads.fits_headers import card_value
from jwst_mast_assets.webpage.fits_keys import NotFits, read_keywords
from jwst_mast_assets_tests.webpage.proposals import write_fits


def test_primary_header_takes_precedence_over_sci(tmp_path: Path):
    path = tmp_path / "x_rate.fits"
    write_fits(
        path, {"FILTER": "F200W ", "NINTS": 3, "TARG_RA": 10.5, "IS_IMPRT": False}, {"FILTER": "no", "PUPIL": "CLEAR"}
    )
    keys = ["FILTER", "PUPIL", "NINTS", "TARG_RA", "IS_IMPRT", "GRATING"]
    expected = {"FILTER": "F200W", "PUPIL": "CLEAR", "NINTS": 3, "TARG_RA": 10.5, "IS_IMPRT": False}
    assert read_keywords(str(path), keys) == expected


def test_sci_is_found_behind_other_extensions_and_data(tmp_path: Path):
    path = tmp_path / "x.fits"
    science = fits.ImageHDU(np.zeros(3), name="SCI")
    science.header["PUPIL"] = "CLEAR"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "PJ()", array=np.array([[1], [2, 3]], dtype=object))])
    fits.HDUList([fits.PrimaryHDU(np.zeros((50, 50))), table, science]).writeto(path)
    assert read_keywords(str(path), ["PUPIL"]) == {"PUPIL": "CLEAR"}


def test_data_are_not_needed(tmp_path: Path):
    path = tmp_path / "cut.fits"
    write_fits(path, {"FILTER": "F200W"}, {"PUPIL": "CLEAR"})
    content = path.read_bytes()
    path.write_bytes(content[:-2880])
    assert read_keywords(str(path), ["FILTER", "PUPIL"]) == {"FILTER": "F200W", "PUPIL": "CLEAR"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"nonsense", "not a FITS file"),
        (b"SIMPLE  =                    T", "ends within a header"),
        ((b"SIMPLE  =                    T" + b" " * 50).ljust(2880 * 10_001), "does not end"),
        ((b"SIMPLE  =                    T" + b" " * 50 + b"END").ljust(2880) + b"\0" * 2880, "not FITS at byte 2880"),
    ],
)
def test_what_is_no_fits_file_says_why(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "x.fits"
    path.write_bytes(content)
    with pytest.raises(NotFits, match=reason):
        read_keywords(str(path), ["FILTER"])


def test_impossible_sizes_are_refused(tmp_path: Path):
    cards = [
        f"{key:<8}= {value:>20}"
        for key, value in (("SIMPLE", "T"), ("BITPIX", 64), ("NAXIS", 2), ("NAXIS1", 10**12), ("NAXIS2", 10**12))
    ]
    path = tmp_path / "x.fits"
    path.write_bytes("".join(card.ljust(80) for card in [*cards, "END"]).encode().ljust(2880))
    with pytest.raises(NotFits, match="no possible size"):
        read_keywords(str(path), ["FILTER"])


def test_a_missing_file_says_so(tmp_path: Path):
    with pytest.raises(NotFits, match="No such file"):
        read_keywords(str(tmp_path / "x.fits"), ["FILTER"])


def test_values_that_are_none_are_left_out(tmp_path: Path):
    path = tmp_path / "x.fits"
    cards = [
        "SIMPLE  =                    T",
        "NAXIS   =                    0",
        "FILTER  =",
        "PUPIL   = '   '",
        "NINTS   = 'unended",
        "NGROUPS =                    5",
        "END",
    ]
    path.write_bytes("".join(card.ljust(80) for card in cards).encode().ljust(2880))
    assert read_keywords(str(path), ["FILTER", "PUPIL", "NINTS", "NGROUPS"]) == {"NGROUPS": 5}


@pytest.mark.parametrize(
    "value",
    [
        "F115W",
        "",
        "with / slash",
        "O'Neill",
        " lead",
        12,
        -3,
        0.5,
        -1.25e-7,
        1e30,
        True,
        False,
        None,
        "x" * 68,
        float(7),
    ],
)
def test_a_plain_card_is_read_as_astropy_reads_it(value):
    card = fits.Card("KEY", value, "a comment" if not isinstance(value, str) else None)
    expected = card.value.strip() or None if isinstance(card.value, str) else card.value
    found = card_value(str(card).encode())
    assert found == (None if expected is fits.card.UNDEFINED else expected)
    assert type(found) is type(expected) or found is None
