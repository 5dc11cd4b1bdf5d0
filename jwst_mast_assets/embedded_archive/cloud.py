"""Where the public files are in the cloud, as ``path_lookup`` reports it."""

import re
from collections.abc import Iterable
from typing import Any

from jwst_mast_assets.embedded_archive.catalogue import Catalogue

_EXPOSURE = re.compile(r"jw(\d{5})(\d{6})_")
_LEVEL3 = re.compile(r"jw(\d{5})-([a-z]\d+)_")


def cloud_key(name: str) -> str:
    """The key of a file in the bucket.

    Associations, pools and background sources are put where their names do not say: clients have to ask.
    """
    if match := _EXPOSURE.match(name):
        return f"jwst/public/jw{match[1]}/jw{match[1]}{match[2]}/{name}"
    if match := _LEVEL3.match(name):
        folder = "asn" if name.endswith("_asn.json") else name.split("_")[1][0].replace("s", "t")
        return f"jwst/public/jw{match[1]}/L3/{folder}/{match[2]}/{name}"
    return f"jwst/public/{name[:7]}/pool/{name}"


def looked_up(uris: Iterable[str], catalogue: Catalogue) -> dict[str, Any]:
    """The answer of ``path_lookup``: of files that are not there or not public the path is null."""
    found = {}
    for uri in uris:
        file = catalogue.file_of(uri)
        public = file is not None and not file.exclusive
        path = catalogue.cloud_prefix + cloud_key(file.name) if file and public else None
        found[uri] = {"path": path, "status_code": 200 if public else 404}
    return found
