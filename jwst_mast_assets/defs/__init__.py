"""The orchestration layer: thin Dagster definitions on top of the archive layer ``mast/``."""

import warnings

import dagster as dg

# Single-run backfills are beta and partitioned checks a preview in the pinned Dagster; each is covered by tests.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
