"""Where a file can be had: MAST itself, or the public copy in the cloud (S3 bucket ``stpubdata``).

Objects of a public bucket are plain web addresses, so that both are fetched, resumed and verified alike.
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote

from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.session import MastSession

BUCKET = "stpubdata"
ENDPOINT = "https://s3.amazonaws.com"

EXPOSURE = re.compile(r"jw(\d{5})(\d{6})_")
LEVEL3 = re.compile(r"jw(\d{5})-([a-z]\d+)_([ts])")


@dataclass(frozen=True)
class Source:
    """A place to fetch from."""

    name: str
    archive: Archive

    @property
    def label(self) -> str:
        """What messages call it."""
        return "MAST" if self.name == "mast" else "the cloud"

    def session(self, read_timeout: float) -> MastSession:
        """A session for one thread. The token is for MAST alone."""
        return self.archive.session(read_timeout) if self.name == "mast" else MastSession(None, read_timeout, retries=0)

    def urls(self, uri: str, name: str) -> list[str]:
        """Addresses to try one after the other; none where the name does not say where the file would be."""
        if self.name == "mast":
            return [f"{self.archive.download_url}?uri={quote(uri, safe='')}"]
        endpoint = (os.environ.get("AWS_ENDPOINT_URL") or ENDPOINT).rstrip("/")
        return [f"{endpoint}/{BUCKET}/{key}" for key in s3_keys(name)]


def sources(config: Config, archive: Archive) -> list[Source]:
    """The places that the parameter ``source`` names, in their order."""
    places = {"mast": ["mast"], "s3": ["s3"], "s3-then-mast": ["s3", "mast"]}[config.source]
    return [Source(name, archive) for name in places]


def s3_keys(name: str) -> list[str]:
    """Where a file would be in the bucket.

    Examples
    --------
    ``jw02282010001_02101_00001_nrca1_cal.fits`` is at ``jwst/public/jw02282/jw02282010001/``, and
    ``jw02727-o002_t062_nircam_clear-f277w_i2d.fits`` at ``jwst/public/jw02727/L3/t/o002/``.
    """
    if match := EXPOSURE.match(name):
        return [f"jwst/public/jw{match[1]}/jw{match[1]}{match[2]}/{name}"]
    if match := LEVEL3.match(name):
        kinds = [match[3], *({"t", "s"} - {match[3]})]
        return [f"jwst/public/jw{match[1]}/L3/{kind}/{match[2]}/{name}" for kind in kinds]
    return []
