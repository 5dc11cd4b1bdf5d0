"""Keeps your own copy of JWST data complete, verified and current."""

__version__ = "0.1.0"
