"""Numbers as text, the same everywhere."""


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
