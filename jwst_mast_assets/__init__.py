"""Keeps your own copy of JWST data complete, verified and current."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwst_mast_assets.api import Archive, Config, JwstMastWarning, download, find, holdings

__version__ = "0.1.0"

__all__ = ["Archive", "Config", "JwstMastWarning", "download", "find", "holdings"]


def __getattr__(name: str) -> Any:
    # What takes seconds to import is imported when it is asked for.
    if name in __all__:
        return getattr(importlib.import_module("jwst_mast_assets.api"), name)
    # `dagster ... -m jwst_mast_assets` finds the definitions, and calls the code location by this name, as
    # workspace.yaml does.
    if name == "code_location":
        from jwst_mast_assets.definitions import defs

        return defs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__, "code_location"]
