"""Runs in the original's own environment: ``jwst_download.py``, with another archive's addresses.

    python original_command.py URL [OPTIONS ...]

Nothing else of the original is changed, except that it asks for no token.
"""

import sys

from astroquery.mast import Observations
from jwst_mast_query import jwst_query  # pyright: ignore[reportMissingImports]
from jwst_mast_query.scripts.jwst_download import main as download  # pyright: ignore[reportMissingImports]


def main():
    """Point the original's two connections elsewhere and call its script."""
    url = sys.argv[1]
    made = jwst_query.query_mast.__init__

    def init(self, *arguments, **options):
        made(self, *arguments, **options)
        for connection in (self.JwstObs._portal_api_connection, Observations._portal_api_connection):
            connection.MAST_REQUEST_URL = f"{url}/api/v0/invoke"
            connection.MAST_DOWNLOAD_URL = f"{url}/api/v0.1/Download/file"
            connection.COLUMNS_CONFIG_URL = f"{url}/portal/Mashup/Mashup.asmx/columnsconfig"

    jwst_query.query_mast.__init__ = init
    # It refuses to start without a token, and shows one to MAST's own server.
    jwst_query.query_mast.login = lambda self, **_options: 0
    sys.argv = ["jwst_download.py", *sys.argv[2:]]
    download()


if __name__ == "__main__":
    main()
