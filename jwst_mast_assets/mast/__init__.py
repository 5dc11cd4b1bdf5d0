"""The archive layer: plain functions on pandas tables that know JWST and MAST, but not Dagster."""
