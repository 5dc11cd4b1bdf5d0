"""``jwst-mast demo``: ``jwst_download.py`` on the embedded archive, from nothing to files and a page."""

from jwst_mast_assets.cli.embedded import embedded_archive_in

NOW = 60000.0
"""MJD that the archive's recent observations are placed before: always the same, so that a second demo finds
every file as it left it."""

OPTIONS = ["--propID", "1138", "--all_dates", "--makewebpages", "--yes"]
OPTIONS += ["--filetypes", "_uncal.fits", "_rate.jpg", "_cal.jpg", "_i2d.jpg"]


def run_demo(folder: str) -> int:
    """Download proposal 1138 of the embedded archive into a folder and print the result.

    Parameters
    ----------
    folder : str
        Gets ``data/`` (files, tables, page) and ``dagster/`` (the instance).

    Returns
    -------
    int
        As for ``jwst_download.py``.
    """
    with embedded_archive_in(folder, NOW) as place:
        # Imported late: the definitions read the environment on import.
        from jwst_mast_assets.cli.original import download_main

        print(f"embedded archive at {place.url}")
        print(f"jwst_download.py {' '.join(OPTIONS)}", flush=True)
        return download_main(OPTIONS)
