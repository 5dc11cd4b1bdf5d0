"""Where a file can be downloaded: MAST itself, or the public copy in the cloud (S3 bucket ``stpubdata``).

Objects of a public bucket are plain web addresses, so both are fetched, resumed and verified in the same way.
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from jwst_mast_assets.mast.archive import BUCKET, Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.errors import ArchiveError
from jwst_mast_assets.mast.session import MastSession

log = logging.getLogger("jwst_mast_assets.downloads")

ENDPOINT = "https://s3.amazonaws.com"

EXPOSURE_NAME = re.compile(r"jw(\d{5})(\d{6})_")
LEVEL3_NAME = re.compile(r"jw(\d{5})-([a-z]\d+)_([ts])")


@dataclass(frozen=True)
class Source:
    """A source of files."""

    name: str
    archive: Archive
    looked_up: Mapping[str, str] = field(default_factory=dict)
    """Keys in the cloud according to MAST, by dataURI."""
    endpoint: str = ENDPOINT
    """Server of the cloud."""

    @property
    def label(self) -> str:
        """Its name in messages."""
        return "MAST" if self.name == "mast" else "the cloud"

    def session(self, read_timeout: float) -> MastSession:
        """A session for one thread. Only MAST gets the token."""
        return self.archive.session(read_timeout) if self.name == "mast" else MastSession(None, read_timeout, retries=0)

    def urls(self, uri: str, name: str) -> list[str]:
        """Addresses to try in turn; none if the path cannot be derived from the name."""
        if self.name == "mast":
            return [f"{self.archive.download_url}?uri={quote(uri, safe='')}"]
        told = [self.looked_up[uri]] if uri in self.looked_up else []
        return [f"{self.endpoint}/{BUCKET}/{quote(key)}" for key in dict.fromkeys([*told, *s3_keys(name)])]


def sources(config: Config, archive: Archive, files: Iterable[tuple[str, str]] = ()) -> list[Source]:
    """The sources that the parameter ``source`` names, in order.

    Parameters
    ----------
    config : Config
    archive : Archive
        Asked for paths in the cloud that do not follow from names; if it does not answer, these files are looked
        for at their likely paths, or at MAST.
    files : iterable of (str, str)
        dataURI and name of the public files to be fetched.
    """
    places = {"mast": ["mast"], "s3": ["s3"], "s3-then-mast": ["s3", "mast"]}[config.source]
    looked_up: dict[str, str] = {}
    if "s3" in places:
        try:
            looked_up = archive.cloud_paths([uri for uri, name in files if not name_says_key(name)])
        except ArchiveError as error:
            log.warning("MAST does not say where some files are in the cloud: %s", error)
    # That server is for the tables, where they are in a bucket.
    other = None if config.tablerootdir else os.environ.get("AWS_ENDPOINT_URL")
    return [Source(name, archive, looked_up, (other or ENDPOINT).rstrip("/")) for name in places]


def name_says_key(name: str) -> bool:
    """Whether the path follows from the name: not for sources, associations and pools."""
    match = LEVEL3_NAME.match(name)
    return bool(EXPOSURE_NAME.match(name) or (match and match[3] == "t")) and not name.endswith(
        ("_asn.json", "_pool.csv")
    )


def s3_keys(name: str) -> list[str]:
    """Where a file would be in the bucket.

    Examples
    --------
    ``jw02282010001_02101_00001_nrca1_cal.fits`` is at ``jwst/public/jw02282/jw02282010001/``, and
    ``jw02727-o002_t062_nircam_clear-f277w_i2d.fits`` at ``jwst/public/jw02727/L3/t/o002/``.
    """
    if match := EXPOSURE_NAME.match(name):
        return [f"jwst/public/jw{match[1]}/jw{match[1]}{match[2]}/{name}"]
    if match := LEVEL3_NAME.match(name):
        kinds = [match[3], *({"t", "s"} - {match[3]})]
        return [f"jwst/public/jw{match[1]}/L3/{kind}/{match[2]}/{name}" for kind in kinds]
    return []
