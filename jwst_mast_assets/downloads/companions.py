"""Which files belong to a FITS file: previews, catalogs and the like, whose names start the same way."""

from collections.abc import Container


def stem(name: str) -> str:
    """The common part of the names of a FITS file and its companions: everything before the last underscore."""
    return name.rpartition("_")[0]


def sibling_stem(name: str, stems: Container[str]) -> str | None:
    """The longest of some stems that a file's name starts with, up to an underscore; None if there is none."""
    words = name.split("_")
    beginnings = ("_".join(words[:number]) for number in range(len(words) - 1, 0, -1))
    return next((beginning for beginning in beginnings if beginning in stems), None)
