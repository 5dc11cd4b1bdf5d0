"""The archive floor: plain functions on pandas tables that know JWST and MAST and nothing of Dagster."""
