"""Importing the large libraries of a command in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Imports in a ``with`` block: garbage is not looked for, neither while they go on nor in what they left later.

    They make half a million objects and hardly any garbage, but Python would look through them again and again, which
    takes more than a third of their time. The rest of the process collects garbage as always.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
