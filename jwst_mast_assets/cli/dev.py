"""``jwst-mast dev``: the embedded archive and ``dagster dev`` on it, for a first look and for development."""

import os
import subprocess
import sys
from pathlib import Path

from jwst_mast_assets.cli.runs import prepare_home
from jwst_mast_assets.embedded_archive import EmbeddedArchive


def run_dev(folder: str, port: int) -> int:
    """Run both until interrupted.

    Parameters
    ----------
    folder : str
        Gets ``data/`` and, where ``$DAGSTER_HOME`` is not set, ``dagster/``.
    port : int
        Of the web page.

    Returns
    -------
    int
        Exit status of ``dagster dev``.
    """
    root = Path(folder).resolve()
    data = root / "data"
    home = Path(os.environ.get("DAGSTER_HOME") or root / "dagster")
    data.mkdir(parents=True, exist_ok=True)
    prepare_home(home)
    with EmbeddedArchive() as archive:
        environment = {
            "JWSTDOWNLOAD_OUTDIR": str(data),
            **os.environ,
            "DAGSTER_HOME": str(home),
            "MAST_SERVER": archive.url,
        }
        print(f"embedded archive at {archive.url}, files go to {environment['JWSTDOWNLOAD_OUTDIR']}")
        print(f"register a proposal in another terminal: DAGSTER_HOME={home} jwst-mast proposals add 1138")
        command = [sys.executable, "-m", "dagster", "dev", "-m", "jwst_mast_assets.definitions", "-p", str(port)]
        try:
            return subprocess.call(command, env=environment)
        except KeyboardInterrupt:
            return 0
