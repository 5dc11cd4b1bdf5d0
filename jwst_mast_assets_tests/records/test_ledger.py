"""Which selections a record of what is complete stands for."""

import hashlib
import json

import pytest

from jwst_mast_assets.mast.config import Config, parameters_with
from jwst_mast_assets.mast.parameter_roles import Role
from jwst_mast_assets.records.ledger import selection_fingerprint


def fingerprint_of_the_version_before(config):
    known = [name for name in parameters_with(Role.SELECTS, Role.PLACES) if name != "exclude"]
    values = {name: getattr(config, name) for name in known}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("parameters", "same"),
    [
        ({}, True),
        ({"filetypes": ["uncal", "_rate.jpg"]}, True),
        ({"filetypes": []}, True),
        ({"instrument": "nircam", "sca": ["a1"]}, True),
        ({"filetypes": ["fits"]}, False),
        ({"filetypes": ["ami-oi"]}, False),
        ({"obsnums": [4]}, False),
        ({"obsmode": ["wfss"]}, False),
    ],
)
def test_only_selections_that_mean_more_files_than_before_are_looked_at_again(parameters, same):
    config = Config.from_mapping(parameters)
    assert (selection_fingerprint(config) == fingerprint_of_the_version_before(config)) is same
