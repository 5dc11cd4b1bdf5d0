"""A proposal of the test's own."""

from pathlib import Path

import pytest

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets_tests.webpage.proposals import Proposal, fill


@pytest.fixture
def proposal(tmp_path: Path) -> Proposal:
    """A proposal without products."""
    return Proposal(Config(outrootdir=str(tmp_path / "data")))


@pytest.fixture
def filled(proposal: Proposal) -> Proposal:
    """Two observations, two exposures each, three detectors, a mosaic each; all on disk."""
    fill(proposal)
    return proposal
