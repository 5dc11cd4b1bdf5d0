"""A MAST on loopback, for demonstrations, development and tests.

It speaks what `astroquery.mast` speaks: Mashup requests (observations, products, instrument keywords), the
columns' configuration, downloads with byte ranges, and ``whoami``.  Its contents are made up, always the same,
and small.  It can be made to misbehave.  It knows nothing of the rest of the package.
"""

from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.server import EmbeddedArchive, serve

__all__ = ["Catalogue", "EmbeddedArchive", "Fault", "serve"]
