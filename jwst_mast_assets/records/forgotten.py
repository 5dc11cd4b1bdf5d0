"""Files that the user has deleted on purpose: nothing fetches them any more, and nobody misses them.

``<root>/.jwst_mast_assets/forgotten.json``, by dataURI::

    {"mast:JWST/product/jw01138...": {"file": "jw01138..._uncal.fits", "proposal": "01138", "at": "2026-03-01T..."}}
"""

import datetime as dt
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pandas as pd

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.dates import iso_second
from jwst_mast_assets.mast.errors import NothingRecorded, OutputError
from jwst_mast_assets.records.files import write_json
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore

Entries = dict[str, dict[str, str]]


class Forgotten:
    """The forgotten files of one output folder."""

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.path = store.state / "forgotten.json"

    def read(self) -> Entries:
        """What is forgotten, by dataURI; see the module.

        Raises
        ------
        OutputError
            If the list is damaged: guessing would download files that the user has deleted.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(uri): {**entry} for uri, entry in content.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read ({error.strerror})") from None
        except (ValueError, AttributeError, TypeError):
            raise OutputError(f"{self.path} is damaged; restore it, or remove it to forget no file") from None

    def left_out(self, products: pd.DataFrame) -> pd.DataFrame:
        """A table of products in which no forgotten file is selected."""
        forgotten = products["dataURI"].isin(list(self.read()))
        return products.assign(selected=products["selected"].mask(forgotten.astype(bool), False))

    def add(self, files: Sequence[str], now: dt.datetime) -> list[str]:
        """Forget files, given by name or path; returns the names of those that were not forgotten before.

        Raises
        ------
        NothingRecorded
            If one is not a file of a recorded proposal; nothing was changed.
        """
        found = {uri: entry for name in files for uri, entry in self._find(name).items()}
        with self.store.locked("forgotten"):
            known = self.read()
            new = {uri: {**entry, "at": iso_second(now)} for uri, entry in found.items()}
            new = {uri: entry for uri, entry in new.items() if uri not in known}
            write_json(self.path, {**known, **new})
        return sorted(entry["file"] for entry in new.values())

    def undo(self, files: Sequence[str], config: Config, now: dt.datetime) -> list[str]:
        """Have files fetched again that were forgotten; returns their names.

        The days that list them become due.
        """
        names = {Path(file).name for file in files}
        with self.store.locked("forgotten"):
            known = self.read()
            back = {uri: entry for uri, entry in known.items() if entry.get("file") in names}
            write_json(self.path, {uri: entry for uri, entry in known.items() if uri not in back})
        self._have_fetched(back, config, now)
        return sorted(entry["file"] for entry in back.values())

    def _have_fetched(self, back: Collection[str], config: Config, now: dt.datetime) -> None:
        recorded = {cell.proposal for cell in self.store.cells("product_table")}
        reasons: dict[str, str] = {}
        for proposal in sorted(recorded):
            products = self.store.read_proposal("product_table", proposal)
            for cell, rows in products[products["dataURI"].isin(list(back))].groupby("cell"):
                number = rows["dataURI"].nunique()
                reasons[str(cell)] = f"{number} file{'s' * (number > 1)} no longer forgotten"
        Ledger(self.store).mark_due(reasons, config, now)

    def _find(self, file: str) -> Entries:
        """The recorded files with a name, or a path's name."""
        name = Path(file).name
        found: Entries = {}
        for proposal in sorted({cell.proposal for cell in self.store.cells("product_table")}, key=_likely(name)):
            products = self.store.read_proposal("product_table", proposal)
            for uri in products.loc[products["productFilename"] == name, "dataURI"].dropna().unique():
                found[str(uri)] = {"file": name, "proposal": proposal}
            if found:
                return found
        raise NothingRecorded(f"No recorded proposal in {self.store.root} has a file {name}; check its spelling")


def _likely(name: str) -> Callable[[str], tuple[bool, str]]:
    """Sorts the proposal that a file is named after first."""
    return lambda proposal: (not name.startswith(f"jw{proposal}"), proposal)
