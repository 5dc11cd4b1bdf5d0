"""Whether content opens to its end."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from jwst_mast_assets.downloads import verify
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.keywords import valid_checksum


def fits_bytes() -> bytes:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "PE()", array=np.array([[1.0], [2.0, 3.0]], dtype=object))])
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((50, 60), "f4"), name="SCI"), table]).writeto(buffer)
    return buffer.getvalue()


def picture_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(10_000, dtype="u1").reshape(100, 100)).save(buffer, kind)
    return buffer.getvalue()


def ecsv_bytes() -> bytes:
    buffer = io.StringIO()
    table = Table(
        {"label": [1, 2, 3], "name": ["a b", "", "c"], "flux": [1.5, np.nan, 3.0]}, meta={"instrument": "NIS"}
    )
    table.write(buffer, format="ascii.ecsv")
    return buffer.getvalue().encode()


GOOD = {
    "a_cal.fits": fits_bytes(),
    "a_cal.jpg": picture_bytes("JPEG"),
    "a_x1d.png": picture_bytes("PNG"),
    "a_asn.json": b'{"asn_id": "o001", "products": []}\n',
    "a_cat.ecsv": ecsv_bytes(),
    "a_pool.csv": b"filename|program\na.fits|1138\nb.fits|1138\n",
    "b_pool.csv": b'filename,program\n"a,b.fits",1138\n',
    "a_other.txt": b"anything",
}


def problem(folder: Path, name: str, content: bytes) -> str | None:
    (folder / "part").write_bytes(content)
    return verify.content_problem(str(folder / "part"), name)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_whole_opens(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, name, GOOD[name]) is None


@pytest.mark.parametrize("name", GOOD)
def test_a_page_of_html_is_nothing_else(name: str, tmp_path: Path) -> None:
    for page in (
        b"<!DOCTYPE html><html></html>",
        b"\n <html><body>",
        b"<?xml version='1.0'?><Error/>",
        b"<!--x-->\n<HEAD >",
    ):
        assert problem(tmp_path, name, page) == "it is an HTML page"


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_no_file(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, name, b"") == "it is empty"


@pytest.mark.parametrize("name", ["a_cal.fits", "a_cal.jpg", "a_x1d.png", "a_asn.json"])
def test_what_is_cut_anywhere_does_not_open(name: str, tmp_path: Path) -> None:
    content = GOOD[name]
    end = len(content.rstrip()) if name.endswith("json") else len(content) - 8
    for cut in np.linspace(1, end - 1, 60).astype(int):
        assert problem(tmp_path, name, content[:cut]), cut


@pytest.mark.parametrize("extra", [b"\0", b"\0" * 2880, b"<html>"])
def test_fits_ends_where_its_last_extension_ends(extra: bytes, tmp_path: Path) -> None:
    assert "is not FITS at byte" in (problem(tmp_path, "a_cal.fits", GOOD["a_cal.fits"] + extra) or "")


def test_fits_is_distinguished_from_other_content(tmp_path: Path) -> None:
    assert problem(tmp_path, "a_cal.fits", b"\x89PNG" * 5000)
    assert problem(tmp_path, "a_cal.fits", GOOD["a_cal.fits"][:80] + b" " * 100_000)


def test_files_of_the_archive_open_for_us_and_for_astropy(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    for name in embedded.catalogue.files:
        assert problem(tmp_path, name, embedded.content(name)) is None, name
        if name.endswith(".fits"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with fits.open(tmp_path / "part", lazy_load_hdus=False) as hdus:
                    assert all(hdus[number].data.size for number in range(1, len(hdus)))  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a_cat.ecsv", b"label flux\n1 2\n", "does not start like ECSV"),
        ("a_cat.ecsv", GOOD["a_cat.ecsv"] + b"4 c\n", "row 5 has 2 columns instead of 3"),
        ("a_cat.ecsv", b"# %ECSV 1.0\n# ---\n# datatype: [\nlabel\n", "does not open as ECSV"),
        ("a_pool.csv", GOOD["a_pool.csv"] + b"c.fits\n", "row 4 has 1 columns instead of 2"),
        ("a_pool.csv", b"\xff\xfe\x00", "does not open as CSV"),
        ("a_asn.json", b'{"error": "not found"}', "not an association"),
        ("a_pool.csv", b"Service Unavailable\n", "one column"),
        ("a_asn.json", b"[" * 100_000, "does not open as JSON"),
        ("a_asn.json", b"{'a': 1}", "does not open as JSON"),
    ],
)
def test_text_that_does_not_parse_is_named(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    assert text in (problem(tmp_path, name, content) or "")


def test_only_an_md5_is_a_checksum() -> None:
    assert valid_checksum("A" * 32) == "a" * 32
    for nonsense in (None, "", "a" * 31, "a" * 40, "g" * 32, 7, float("nan")):
        assert valid_checksum(nonsense) is None
