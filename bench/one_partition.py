"""How long a whole small partition takes, against what importing dagster, astroquery and pandas takes.

    python bench/one_partition.py [--runs 3]

Prints the medians of each, in one run on one machine, and the ratio; the aim is about 2. The partition is
2022-04-10|01138 of the embedded archive, 30 files of 100 kB, into an empty folder each time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jwst_mast_assets.embedded_archive import EmbeddedArchive

BIN = Path(sys.executable).parent
ASSETS = "obs_table,product_table,downloaded_files,summary_table,index_html"
IMPORTS = [sys.executable, "-c", "import dagster, astroquery.mast, pandas"]
COMMANDS = {
    "jwst_download.py": [
        *(str(BIN / "jwst_download.py"), "--propID", "1138", "--date_select", "2022-04-10", "2022-04-10T23:59:59"),
        *("--makewebpages", "--yes"),
    ],
    "dagster asset materialize": [
        *(str(BIN / "dagster"), "asset", "materialize", "-m", "jwst_mast_assets.definitions"),
        *("--select", ASSETS, "--partition", "2022-04-10|01138"),
    ],
}


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def in_new_folders(command: list[str], url: str) -> float:
    """Wall time of a command with an instance and an output folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home, data = Path(folder) / "home", Path(folder) / "data"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "JWSTDOWNLOAD_OUTDIR": str(data),
            "MAST_SERVER": url,
        }
        subprocess.run(
            [str(BIN / "jwst-mast"), "proposals", "add", "1138"], env=environment, check=True, stdout=subprocess.DEVNULL
        )
        taken = seconds(command, environment)
        files = len(list(data.rglob("*_uncal.fits")))
        assert files == 30, f"{files} files"
        return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with EmbeddedArchive(now=60000.0) as archive:
        seconds(IMPORTS, dict(os.environ))
        imports = statistics.median(seconds(IMPORTS, dict(os.environ)) for _ in range(runs))
        print(f"{'imports alone':28} {imports:6.2f} s")
        for name, command in COMMANDS.items():
            taken = statistics.median(in_new_folders(command, archive.url) for _ in range(runs))
            print(f"{name:28} {taken:6.2f} s   {taken / imports:4.1f} x imports")


if __name__ == "__main__":
    main()
