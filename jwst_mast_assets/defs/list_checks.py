"""The checks of each list that MAST sends."""

import dagster as dg
import pandas as pd

from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.listing import Listing

NO_SUDDEN_FALL = "no_sudden_fall"

SHOWN = 25
"""How many lists are named."""


def list_check_specs(asset: str, columns: str, rows: str) -> list[dg.AssetCheckSpec]:
    """The checks of a list's asset, with what they say about its columns and about its rows."""
    kept = "If not, even after retries, the recorded ones are kept until they have been missing on several days."
    return [
        dg.AssetCheckSpec("columns_as_expected", asset=asset, description=columns),
        dg.AssetCheckSpec(NO_SUDDEN_FALL, asset=asset, description=f"{rows} {kept}"),
    ]


def columns_as_expected(archive: Archive, what: str) -> dg.AssetCheckResult:
    """Whether MAST sent every requested column, and accepted the request by name."""
    absent, refused = archive.absent_columns.get(what, []), archive.refused_columns.get(what)
    return dg.AssetCheckResult(
        check_name="columns_as_expected",
        passed=not absent and not refused,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"absent": absent, **({"refused": refused} if refused else {})},
    )


def no_sudden_fall(listing: Listing, known: pd.DataFrame) -> dg.AssetCheckResult:
    """Whether MAST lists as many rows as are on record."""
    short = [f"{problem.name}: {problem.why}" for problem in listing.open]
    return dg.AssetCheckResult(
        check_name=NO_SUDDEN_FALL,
        passed=not short,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"before": known[listing.key].nunique(), "now": len(listing.listed), "short": short[:SHOWN]},
    )
