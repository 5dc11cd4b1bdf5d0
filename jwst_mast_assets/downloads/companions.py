"""Which files belong to a FITS file: previews, catalogs and the like, which share the beginning of its name."""

from collections.abc import Container


def stem(name: str) -> str:
    """What the names of a FITS file and its companions have in common: all before the last underscore."""
    return name.rpartition("_")[0]


def sibling_stem(name: str, stems: Container[str]) -> str | None:
    """The longest of some stems that a file's name begins with, at an underscore; None where there is none."""
    words = name.split("_")
    beginnings = ("_".join(words[:number]) for number in range(len(words) - 1, 0, -1))
    return next((beginning for beginning in beginnings if beginning in stems), None)
