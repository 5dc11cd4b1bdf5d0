"""Keeps your own copy of JWST data complete, verified and current."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `dagster ... -m jwst_mast_assets` finds the definitions, and calls the code location by this name, as
    # workspace.yaml does; they are imported when they are asked for, since they take seconds.
    if name == "code_location":
        from jwst_mast_assets.definitions import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "code_location"]
