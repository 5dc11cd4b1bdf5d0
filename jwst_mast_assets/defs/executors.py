"""What carries out the steps of a run, chosen by ``$JWST_EXECUTOR``."""

import os

import dagster as dg

from jwst_mast_assets.mast.errors import ConfigError

VARIABLE = "JWST_EXECUTOR"
BROKER, BACKEND = "JWST_CELERY_BROKER", "JWST_CELERY_BACKEND"
"""Addresses of the queue of the Celery workers and of their results, e.g. ``redis://host:6379/0``."""


def chosen_executor() -> dg.ExecutorDefinition:
    """The executor that the environment names: ``in_process`` (the default), ``multiprocess`` or ``celery``.

    Raises
    ------
    ConfigError
        If it is none of these, or cannot be used.
    """
    name = os.environ.get(VARIABLE) or "in_process"
    if name == "in_process":
        # A step takes a second or two; an interpreter per step would cost several times that.
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    if name == "celery":
        return _celery()
    raise ConfigError(f"{VARIABLE} must be in_process, multiprocess or celery, not {name!r}")


def _celery() -> dg.ExecutorDefinition:
    try:
        from dagster_celery import celery_executor
    except ImportError:
        raise ConfigError(f"{VARIABLE} is celery, which needs: pip install 'jwst_mast_assets[celery]'") from None
    missing = [name for name in (BROKER, BACKEND) if not os.environ.get(name)]
    if missing:
        raise ConfigError(f"{VARIABLE} is celery, but {' and '.join(f'${name}' for name in missing)} is not set")
    # The addresses may hold passwords: Dagster stores the names of the variables only.
    return celery_executor.configured({"broker": {"env": BROKER}, "backend": {"env": BACKEND}})
