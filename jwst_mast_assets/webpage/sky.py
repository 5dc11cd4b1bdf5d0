"""The sky view: the footprints of a proposal's observations in tangent planes, as SVG."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jwst_mast_assets.webpage.observed import Observed, elements_of, filters_text

REACH = math.radians(0.75)
"""Footprints nearer to each other than this are drawn in one plane."""

SIDE = 360.0
MAX_FIELDS, MAX_SHAPES = 6, 4000
ARC_SECOND = math.radians(1 / 3600)
SCALES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Lengths of the scale bar, arc seconds."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")

Points = np.ndarray[Any, Any]


class Shape(NamedTuple):
    """A footprint, as drawn."""

    number: int
    path: str
    """SVG path."""


@dataclass
class Group:
    """The footprints of an observation number in one filter: what is chosen together."""

    obsnum: int | None
    filter: str
    """As in the page's filters."""
    label: str
    color: int
    """Hue, degrees."""
    level3: bool
    shapes: list[Shape] = field(default_factory=list)
    count: int = 0


class Field(NamedTuple):
    """A plane of the sky."""

    label: str
    center: str
    groups: list[Group]
    scale: float
    """Length of the scale bar in the drawing's units."""
    scale_label: str
    legend: list[tuple[str, int]]
    """Filters with their hues."""


class Sky(NamedTuple):
    """The sky view."""

    fields: list[Field]
    side: float
    left_out: int
    """Fields that are not drawn."""


def footprints(region: str | None) -> list[Points]:
    """The polygons of an ``s_region``, in radians; anything else in it is left out.

    Parameters
    ----------
    region : str
        ``POLYGON [ICRS] ra dec ra dec ...`` or ``CIRCLE [ICRS] ra dec radius``, one or several; degrees.

    Returns
    -------
    list of numpy.ndarray
        (n, 2): right ascension and declination.

    Examples
    --------
    >>> [len(points) for points in footprints("POLYGON ICRS 10 20 10.1 20 10.1 20.1 CIRCLE 10 20 0.01")]
    [3, 24]
    >>> footprints("POLYGON 1 2 <script>")
    []
    """
    found = []
    _, *parts = re.split(r"(POLYGON|CIRCLE)", str(region or "").upper())
    for kind, rest in zip(parts[::2], parts[1::2], strict=True):
        numbers = []
        for word in rest.split():
            if NUMBER.match(word):
                numbers.append(float(word))
            elif numbers:
                break
        if kind == "CIRCLE" and len(numbers) == 3:
            found.append(_circle(*numbers))
        elif kind == "POLYGON" and len(numbers) >= 6:
            found.append(np.radians(np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)))
    return [points for points in found if np.isfinite(points).all() and (np.abs(points[:, 1]) <= math.pi / 2).all()]


def _circle(ra: float, dec: float, radius: float) -> Points:
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    shrink = max(math.cos(math.radians(dec)), 1e-3)
    return np.radians(np.stack([ra + radius * np.cos(angle) / shrink, dec + radius * np.sin(angle)], axis=1))


def make_sky(observed: Observed) -> Sky:
    """Draw the observations that have a footprint; their numbers are noted in ``observed.shapes``.

    Parameters
    ----------
    observed : Observed

    Returns
    -------
    Sky
        Fields with most observations first.
    """
    taken = [row for row in observed.rows if (row["calib_level"] or 0) >= 0]
    drawn = [(row, polygons) for row in taken[:MAX_SHAPES] if (polygons := footprints(row["s_region"]))]
    fields: list[tuple[Points, list[tuple[dict[str, Any], list[Points]]]]] = []
    for row, polygons in drawn:
        direction = _direction(np.concatenate(polygons)).mean(axis=0)
        direction /= np.linalg.norm(direction)
        near = next((members for center, members in fields if center @ direction > math.cos(REACH)), None)
        if near is None:
            fields.append((direction, [(row, polygons)]))
        else:
            near.append((row, polygons))
    fields.sort(key=lambda item: -len(item[1]))
    hues = _hues({filters_text(row["filters"]) for row, _ in drawn})
    return Sky(
        [_field(members, hues, observed.shapes) for _, members in fields[:MAX_FIELDS]],
        SIDE,
        max(0, len(fields) - MAX_FIELDS),
    )


def _direction(points: Points) -> Points:
    ra, dec = points.T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def tangent_plane(points: Points, center: Points) -> Points:
    """Gnomonic projection about a direction; x to the west, y to the north, radians."""
    ra0, dec0 = math.atan2(center[1], center[0]), math.asin(max(-1.0, min(1.0, center[2])))
    ra, dec = points.T
    cosine = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    east = np.cos(dec) * np.sin(ra - ra0) / cosine
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)) / cosine
    return np.stack([-east, north], axis=-1)


def _field(
    members: Sequence[tuple[dict[str, Any], list[Points]]], hues: dict[str, int], shapes: dict[Any, int]
) -> Field:
    everything = np.concatenate([points for _, polygons in members for points in polygons])
    center = _direction(everything).mean(axis=0)
    center /= np.linalg.norm(center)
    flat = [(row, [tangent_plane(points, center) for points in polygons]) for row, polygons in members]
    corners = np.concatenate([points for _, polygons in flat for points in polygons])
    low, high = corners.min(axis=0), corners.max(axis=0)
    unit = (SIDE - 60) / max(float((high - low).max()), ARC_SECOND)
    middle = (low + high) / 2
    groups: dict[tuple[Any, ...], Group] = {}
    first = max(shapes.values(), default=-1) + 1
    numbers: dict[tuple[Any, ...], int] = {}
    for row, polygons in flat:
        text, level3 = filters_text(row["filters"]), (row["calib_level"] or 0) >= 3
        key = (row["obsnum"], text, level3)
        group = groups.setdefault(
            key, Group(row["obsnum"], elements_of(row["filters"])[0], text or "no filter", hues[text], level3)
        )
        path = "".join(_path((points - middle) * unit) for points in polygons)
        if (*key, path) not in numbers:
            numbers[(*key, path)] = first + len(numbers)
            group.shapes.append(Shape(numbers[(*key, path)], path))
        shapes[row["obsid"]] = numbers[(*key, path)]
        group.count += 1
    bar = max((length for length in SCALES if length * ARC_SECOND * unit <= SIDE / 3), default=SCALES[0])
    targets = list(dict.fromkeys(row["target_name"] for row, _ in members if row["target_name"]))
    label = ", ".join(targets[:3]) + (f" and {len(targets) - 3} more" if len(targets) > 3 else "")
    return Field(
        label or "Sky",
        _sexagesimal(center),
        # The small ones on top, so that they can be pointed at.
        sorted(groups.values(), key=lambda group: (not group.level3, group.obsnum or 0, group.label)),
        bar * ARC_SECOND * unit,
        f"{bar // 60}'" if bar >= 60 else f'{bar}"',
        sorted({(group.label, group.color) for group in groups.values()}, key=lambda item: _band(item[0])),
    )


def _path(points: Points) -> str:
    placed = [(SIDE / 2 + x, SIDE / 2 - y) for x, y in points]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed) + "Z"


def _band(filters: str) -> tuple[int, str]:
    """Filters in the order of their wavelength: ``F090W``, ``F1000W``, then what has no number."""
    number = re.search(r"F(\d+)", filters)
    return (int(number[1]) if number else 10**6), filters


def _hues(filters: set[str]) -> dict[str, int]:
    """From violet-blue for the shortest wavelength to red for the longest."""
    ordered = sorted(filters, key=_band)
    return {name: round(250 - 250 * index / max(1, len(ordered) - 1)) for index, name in enumerate(ordered)}


def _sexagesimal(center: Points) -> str:
    """``10h36m51s -58d37m09s``."""
    ra = math.degrees(math.atan2(center[1], center[0])) % 360 * 240
    dec = math.degrees(math.asin(max(-1.0, min(1.0, center[2])))) * 3600
    hours, minutes, seconds = (int(value) for value in (ra // 3600, ra % 3600 // 60, ra % 60))
    size = round(abs(dec))
    sign = "-" if dec < 0 else "+"
    return f"{hours:02d}h{minutes:02d}m{seconds:02d}s {sign}{size // 3600:02d}d{size % 3600 // 60:02d}m{size % 60:02d}s"
