"""Libraries that are imported when they are first used, so that ``--help`` and messages about options come at once."""

import importlib
from typing import Any


class Lazily:
    """Stands for a module until something of it is used.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> Lazily("math").sqrt(4)
    2.0
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value
