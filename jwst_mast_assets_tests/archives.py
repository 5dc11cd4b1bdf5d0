"""What tests know of the archives that they share."""

NOW = 60200.5
"""MJD that the shared archive's recent observations are placed before (2023-09-13T12:00)."""
