"""The watched proposals: those that the user has asked the sensor to look after.

``<root>/.jwst_mast_assets/watched.json``: ``{"proposals": ["01138", "02731"]}``. The list is in the output
folder, so it survives a deleted Dagster home. It is separate from the partition keys in Dagster, which any run of a
proposal needs.
"""

import json
from collections.abc import Collection

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import OutputError
from jwst_mast_assets.mast.names import proposal_key
from jwst_mast_assets.records.files import write_json
from jwst_mast_assets.records.store import TableStore


class WatchList:
    """The watched proposals of one output folder.

    The list is created together with the ledger (by :class:`jwst_mast_assets.records.ledger.Ledger`): if a folder has a
    ledger but no list, it was filled by a version that watched every registered proposal.
    """

    def __init__(self, store: TableStore) -> None:
        self.store = store
        self.path = store.state / "watched.json"

    @property
    def is_of_the_version_before(self) -> bool:
        """Whether the folder was filled by a version without this list."""
        return not self.path.exists() and (self.store.state / "ledger").is_dir()

    def read(self) -> list[str]:
        """The proposals, five digits each, sorted; empty if there is no list yet.

        Raises
        ------
        OutputError
            If the list is damaged: guessing could stop a download, or start one.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return sorted({proposal_key(proposal) for proposal in content["proposals"]})
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"{self.path} is damaged; restore it, or write the watched proposals into it, as "
                '{"proposals": ["01138"]}'
            ) from None

    def chosen(self, config: Config) -> list[str]:
        """The proposals to look after as a whole: those of the list, and ``propID`` of the config file."""
        return sorted({*self.read(), *config.propID})

    def start(self, proposals: Collection[str] = ()) -> None:
        """Create the list if there is none."""
        if not self.path.exists():
            with self.store.locked("watched"):
                if not self.path.exists():
                    self._write(proposals)

    def add(self, proposals: Collection[str]) -> list[str]:
        """Watch proposals; returns those that were not watched before."""
        with self.store.locked("watched"):
            known = self.read()
            new = sorted(set(proposals) - set(known))
            if new or not self.path.exists():
                self._write([*known, *new])
        return new

    def remove(self, proposals: Collection[str]) -> list[str]:
        """Stop watching proposals; returns those that were watched. Their files and history stay."""
        gone = sorted(set(proposals) & set(self.read()))
        if gone:
            with self.store.locked("watched"):
                self._write(set(self.read()) - set(gone))
        return gone

    def _write(self, proposals: Collection[str]) -> None:
        write_json(self.path, {"proposals": sorted(proposals)})
