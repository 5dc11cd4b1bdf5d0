"""What MAST's observations say of the page's rows: target, filters, mode, exposure time, footprint."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from jwst_mast_assets.mast import tables
from jwst_mast_assets.webpage.rows import LEVEL3, Row

MOST_NAMED = 4
"""This many titles, targets, ... are listed; for the others, only their number."""


class Observed:
    """The observations of a proposal, to be looked up by row.

    Parameters
    ----------
    observations : DataFrame
        Columns of ``tables.OBS_TABLE``.
    """

    def __init__(self, observations: pd.DataFrame) -> None:
        table = tables.plain(tables.conform(observations, tables.OBS_TABLE).drop_duplicates("obsid"))
        self.rows: list[dict[str, Any]] = [
            {str(name): value for name, value in record.items()} for record in table.to_dict("records")
        ]
        self._by_obsid = {row["obsid"]: row for row in self.rows}
        self._by_name = {row["obs_id"]: row for row in self.rows}
        self.shapes: dict[Any, int] = {}
        """Number of the footprint of each ``obsid`` in the sky view; filled in by the sky view."""

    def of(self, row: Row) -> list[dict[str, Any]]:
        """The observation of the same name, else those that list the row's files."""
        own = self._by_name.get(row.name)
        if own:
            return [own]
        obsids = dict.fromkeys(file.values["parent_obsid"] for file in row.files)
        return [self._by_obsid[obsid] for obsid in obsids if obsid in self._by_obsid]

    def elements(self, row: Row) -> tuple[list[str], list[str]]:
        """Filters and pupils: from the FITS header, else from the observations."""
        filters, pupils = row.keywords.get("FILTER"), row.keywords.get("PUPIL")
        if filters or pupils:
            return [str(filters)] if filters else [], [str(pupils)] if pupils else []
        pairs = [elements_of(observation["filters"]) for observation in self.of(row)]
        return _unique(pair[0] for pair in pairs), _unique(pair[1] for pair in pairs)

    def modes(self, row: Row) -> list[str]:
        """Instruments with their modes, as MAST has them: ``NIRCAM/IMAGE``."""
        return _unique(observation["instrument_name"] for observation in self.of(row))

    def targets(self, row: Row) -> list[str]:
        """Names of the targets."""
        return _unique(observation["target_name"] for observation in self.of(row))

    def shape(self, row: Row) -> int:
        """Number of the row's footprint in the sky view; -1 if it has none."""
        return next((n for o in self.of(row) if (n := self.shapes.get(o["obsid"])) is not None), -1)

    def caption(self, row: Row) -> dict[str, str]:
        """What stands below a level-3 picture."""
        times = [observation["t_exptime"] for observation in self.of(row) if observation["t_exptime"]]
        dates = [observation["date_min"] for observation in self.of(row) if observation["date_min"]]
        return {
            "target": few(self.targets(row)),
            "instrument": few(self.modes(row)),
            "filters": few(_unique(o["filters"] and filters_text(o["filters"]) for o in self.of(row))),
            "exposure": f"{max(times):,.0f} s" if times and row.kind == LEVEL3 else "",
            "date": min(dates)[:10] if dates else "",
        }


def elements_of(filters: str | None) -> tuple[str, str]:
    """Filter and pupil of MAST's ``F150W;CLEAR``.

    Examples
    --------
    >>> elements_of("F150W;CLEAR"), elements_of("CLEAR;PRISM"), elements_of(None)
    (('F150W', 'CLEAR'), ('CLEAR', 'PRISM'), ('', ''))
    """
    first, _, second = (filters or "").partition(";")
    return first.strip(), second.strip()


def filters_text(filters: str | None) -> str:
    """MAST's filters without an open pupil: ``F150W``, ``F444W + F470N``."""
    parts = [part.strip() for part in (filters or "").split(";")]
    closed = [part for part in parts if part and part != "CLEAR"]
    return " + ".join(closed or [part for part in parts if part])


def _unique(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values if value))


def few(values: Sequence[str]) -> str:
    """The first of several values, and how many more there are."""
    more = f" and {len(values) - MOST_NAMED} more" if len(values) > MOST_NAMED else ""
    return ", ".join(values[:MOST_NAMED]) + more
