"""The orchestration floor: thin Dagster definitions over the archive floor ``mast/``."""

import warnings

import dagster as dg

# Single-run backfills are beta and partitioned checks a preview in the Dagster that we pin; each is covered by tests.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
