"""The progress bar of downloads, with rate and time left."""

import os
import sys
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from jwst_mast_assets.downloads import Event


class TqdmProgress:
    """A progress bar of bytes with the number of files; shown only on a terminal, and if wanted."""

    def __init__(self, shown: bool = True) -> None:
        self._bar: tqdm | None = None
        # While a step runs, Dagster redirects standard error to a file; this is the terminal itself.
        self._terminal: TextIO | None = os.fdopen(os.dup(2), "w") if shown and sys.stderr.isatty() else None

    def __call__(self, event: Event) -> None:
        """Update the bar."""
        if self._terminal is None:
            return
        if self._bar is None:
            # Some terminals report zero columns.
            sized = os.get_terminal_size(self._terminal.fileno()).columns > 0
            self._bar = tqdm(
                total=event.bytes_total,
                unit="B",
                unit_scale=True,
                file=self._terminal,
                dynamic_ncols=sized,
                ncols=None if sized else 80,
            )
        self._bar.total = max(event.bytes_total, event.bytes_fetched)
        self._bar.n = event.bytes_fetched
        failed = f", {event.failed} failed" if event.failed else ""
        self._bar.set_description(f"{event.files_done}/{event.files_total} files{failed}", refresh=True)

    def __enter__(self) -> "TqdmProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
