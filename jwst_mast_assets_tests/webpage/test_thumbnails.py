"""Thumbnails lie beside their pictures, keep the shape, and are made again only when they must be."""

import os
import stat
from pathlib import Path

import pytest
from PIL import Image

from jwst_mast_assets.webpage import thumbnails
from jwst_mast_assets.webpage.thumbnails import make_thumbnails, measure, thumbnail_path
from jwst_mast_assets_tests.webpage.proposals import write_jpeg


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "x_rate.jpg"
    write_jpeg(path, (400, 200))
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_name_is_the_originals():
    assert thumbnail_path("/a/x_rate.jpg") == "/a/x_rate.TN.jpg"
    assert thumbnail_path("/a/x_x1d.png") == "/a/x_x1d.TN.png"
    with pytest.raises(ValueError, match="not an image"):
        thumbnail_path("/a/x_rate.fits")


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(100, None, (100, 50)), (None, 100, (200, 100)), (60, 60, (60, 60))]
)
def test_one_of_width_and_height_keeps_the_shape(picture: Path, width, height, expected):
    result = make_thumbnails([str(picture)], width, height)
    thumbnail = picture.with_name("x_rate.TN.jpg")
    assert (result.made, result.problems) == (1, [])
    assert result.pictures[str(picture)] == (str(thumbnail), expected)
    assert size_of(thumbnail) == expected


def test_made_again_only_when_older_or_requested(picture: Path):
    thumbnail = picture.with_name("x_rate.TN.jpg")
    assert make_thumbnails([str(picture)], 100, None).made == 1
    again = make_thumbnails([str(picture)], 50, None)
    assert (again.made, again.pictures[str(picture)].size) == (0, (100, 50))
    assert make_thumbnails([str(picture)], 50, None, overwrite=True).made == 1
    assert size_of(thumbnail) == (50, 25)
    os.utime(thumbnail, (1, 1))
    assert make_thumbnails([str(picture)], 60, None).made == 1
    thumbnail.write_bytes(b"broken")
    assert make_thumbnails([str(picture)], 70, None).made == 1
    assert size_of(thumbnail) == (70, 35)


def test_nothing_else_is_left_and_others_may_read_it(picture: Path):
    make_thumbnails([str(picture)], 100, None)
    assert sorted(path.name for path in picture.parent.iterdir()) == ["x_rate.TN.jpg", "x_rate.jpg"]
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(picture.with_name("x_rate.TN.jpg").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("content", [b"", b"nonsense", b"cut"])
def test_what_does_not_decode_is_a_problem(picture: Path, content: bytes):
    sound = picture.with_name("y_rate.jpg")
    write_jpeg(sound)
    picture.write_bytes(picture.read_bytes()[:600] if content == b"cut" else content)
    result = make_thumbnails([str(picture), str(sound)], 100, None)
    assert result.made == 1
    assert [problem.split(":")[0] for problem in result.problems] == ["x_rate.jpg"]
    assert result.pictures[str(picture)] == (str(picture), None)
    assert not picture.with_name("x_rate.TN.jpg").exists()


def test_too_many_pixels_are_a_problem(picture: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(thumbnails, "MAX_PIXELS", 1000)
    result = make_thumbnails([str(picture)], 100, None)
    assert (result.made, result.problems) == (
        0,
        ["x_rate.jpg: the image cannot be decoded (400 x 200 pixels are too many for a thumbnail)"],
    )


def test_a_bomb_of_pillows_own_measure_is_a_problem(picture: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert make_thumbnails([str(picture)], 100, None).problems == ["x_rate.jpg: it has too many pixels for a thumbnail"]


def test_a_line_does_not_become_a_huge_thumbnail(tmp_path: Path):
    path = tmp_path / "line.jpg"
    Image.new("L", (1, 3000)).save(path)
    assert len(make_thumbnails([str(path)], 100, None).problems) == 1


@pytest.mark.parametrize(
    ("mode", "name"), [("CMYK", "a.jpg"), ("L", "a.jpg"), ("P", "a.png"), ("I;16", "a.png"), ("1", "a.png")]
)
def test_every_kind_of_pixel(tmp_path: Path, mode: str, name: str):
    path = tmp_path / name
    Image.new(mode, (40, 20)).save(path)
    assert make_thumbnails([str(path)], 10, None).problems == []


def test_full_pictures_where_none_are_wanted(picture: Path):
    assert measure([str(picture)]).pictures[str(picture)] == (str(picture), (400, 200))
    picture.write_bytes(b"")
    assert measure([str(picture)]).problems == ["x_rate.jpg: it is not a JPEG or PNG image"]


def test_a_thumbnail_is_no_more_open_than_its_picture(picture: Path):
    picture.chmod(0o600)
    make_thumbnails([str(picture)], 100, None)
    assert stat.S_IMODE(picture.with_name("x_rate.TN.jpg").stat().st_mode) == 0o600
