"""What the commands print: lines and tables that fit the terminal; output stops silently if the reader is gone."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jwst_mast_assets.mast.lazily import Lazily

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazily("pandas")

MOST_ROWS = 40
"""Rows of a table that are printed without ``-v``."""

GAP = 2
"""Spaces between two columns."""

CLOSED_PIPE = 141
"""Exit status of a command whose output is no longer read, as if SIGPIPE had ended it."""


def width_of_screen() -> int | None:
    """Columns of the terminal; None if the output goes to a pipe or a file, which is never cut."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    # Some terminals report zero columns.
    return shutil.get_terminal_size().columns or 80


def as_lines(table: "pd.DataFrame", width: int | None = None, first: Sequence[str] = ()) -> list[str]:
    """A table as lines: text to the left, numbers to the right, ``-`` for what is missing.

    Parameters
    ----------
    table : DataFrame
    width : int, optional
        Columns of the screen. Columns of the table that do not fit are left out, and named in a last line.
    first : sequence of str
        The most important columns, which are left out last; the others follow in their order.
    """
    text = pd.DataFrame({name: table[name].map(_text, na_action=None) for name in table.columns}, dtype=object)
    kept = list(text.columns)
    left_out: list[str] = []
    if width is not None:
        kept, left_out = _fitting(text, width, [*(name for name in first if name in text), *text.columns])
        longest = width - sum(_width(text[name]) + GAP for name in kept[1:])
        text[kept[0]] = [_shortened(value, longest) for value in text[kept[0]]]
    # Sizes are text with a unit, but are aligned like numbers.
    right = [pd.api.types.is_numeric_dtype(table[name]) or _is_size(text[name]) for name in kept]
    lines = _tabulate(
        text[kept].to_numpy().tolist(),
        headers=kept,
        tablefmt="plain",
        disable_numparse=True,
        colalign=["right" if side else "left" for side in right] if len(text) else None,
    ).splitlines()
    lines = [line.rstrip() for line in lines]
    return [*lines, *textwrap.wrap(f"(no room for: {', '.join(left_out)})", width or 80)] if left_out else lines


def wrapped(line: str, width: int | None) -> list[str]:
    """A sentence as lines that fit the screen; a word or path that is longer than a line stays whole, to be copied."""
    if width is None or len(line) <= width:
        return [line]
    text = line.lstrip("\n")
    lines = textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [*([""] * (len(line) - len(text))), *lines]


def _tabulate(*arguments: Any, **options: Any) -> str:
    import tabulate

    # Else every header is two blanks wider.
    tabulate.MIN_PADDING = 0
    return tabulate.tabulate(*arguments, **options)


def _fitting(text: "pd.DataFrame", width: int, order: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that fit, and those that do not, in the order of the table."""
    chosen: list[str] = []
    room = width
    for name in dict.fromkeys(order):
        if not chosen or _width(text[name]) + GAP <= room:
            chosen.append(name)
            room -= _width(text[name]) + GAP
    return [str(name) for name in text if name in chosen], [str(name) for name in text if name not in chosen]


def _width(column: "pd.Series") -> int:
    return max([len(str(column.name)), *map(len, column)])


def _shortened(value: str, width: int) -> str:
    """The end of a text that is too long: the end of a path names the file."""
    return value if len(value) <= max(width, 10) else f"...{value[3 - max(width, 10) :]}"


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return "-"
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _is_size(column: "pd.Series") -> bool:
    return bool((column != "-").any() and column.str.fullmatch(r"-|\d[\d.]* [kMGT]?B").all())


def show(lines: Sequence[str], wrap: bool = True) -> None:
    """Print lines, which a terminal gets wrapped; if the reader has gone, as with ``| head``, exit silently."""
    width = width_of_screen() if wrap else None
    try:
        print("\n".join(part for line in lines for part in wrapped(line, width)), flush=True)
    except BrokenPipeError:
        ignore_closed_pipe()


def ignore_closed_pipe() -> None:
    """Python must not complain when it flushes once more on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
