"""Cells: the (proposal, day) partitions, as plain values.

A partition key reads ``2022-04-10|01138``: Dagster orders the dimensions by name, ``day`` before ``proposal``.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from jwst_mast_assets.mast import names
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of_day


class Cell(NamedTuple):
    """One proposal on one UTC day.

    Examples
    --------
    >>> cell = Cell.from_key("2022-04-10|1138")
    >>> cell.proposal, cell.key
    ('01138', '2022-04-10|01138')
    """

    day: dt.date
    proposal: str

    @property
    def key(self) -> str:
        """The partition key, ``YYYY-MM-DD|PPPPP``."""
        return f"{self.day:%Y-%m-%d}|{self.proposal}"

    @classmethod
    def from_key(cls, key: str) -> "Cell":
        """The cell of a partition key.

        Raises
        ------
        ValueError
            If the key is not ``YYYY-MM-DD|PPPPP``.
        """
        day, _, proposal = key.partition("|")
        return cls(dt.date.fromisoformat(day), names.proposal_key(proposal))


def proposals_of(cells: Iterable[Cell]) -> list[str]:
    """The proposals of some cells, sorted."""
    return sorted({cell.proposal for cell in cells})


def t_min_range(cells: Iterable[Cell]) -> tuple[float, float]:
    """First and last MJD of the days of some cells.

    Examples
    --------
    >>> t_min_range([Cell.from_key("2022-04-10|01138"), Cell.from_key("2022-04-12|01138")])
    (59679.0, 59682.0)
    """
    days = [cell.day for cell in cells]
    return float(mjd_of_day(min(days))), float(mjd_of_day(max(days)) + 1)


def cell_keys(observations: pd.DataFrame) -> pd.Series:
    """Partition key of each observation, from ``t_min`` and ``proposal_id``. A Series of string.

    Missing if they are not a valid day or proposal.
    """
    keys = [
        _key(t_min, proposal)
        for t_min, proposal in zip(observations["t_min"], observations["proposal_id"], strict=True)
    ]
    return pd.Series(keys, index=observations.index, dtype="string")


def _key(t_min: float, proposal: int) -> str | None:
    try:
        return Cell(day_of_mjd(t_min), names.proposal_key(proposal)).key
    except (ValueError, OverflowError, TypeError):
        return None
