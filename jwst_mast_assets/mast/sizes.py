"""Numbers as text, the same everywhere."""


def counted(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "file"), counted(3, "new observation")
    ('1 file', '3 new observations')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def human_bytes(size: float | None) -> str:
    """A size in decimal units, three digits; empty text for None.

    Examples
    --------
    >>> human_bytes(83_969_280), human_bytes(2_100_000_000), human_bytes(382)
    ('84 MB', '2.1 GB', '382 B')
    """
    if size is None:
        return ""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
