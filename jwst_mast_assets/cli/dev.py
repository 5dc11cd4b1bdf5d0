"""``jwst-mast dev``: ``jwst-mast serve`` on the embedded archive, for a first look and for development."""

import argparse

from jwst_mast_assets.cli.embedded import embedded_archive_in
from jwst_mast_assets.cli.runs import open_instance
from jwst_mast_assets.cli.serve import serve

WATCHED_PROPOSAL = "01138"


def run_dev(arguments: argparse.Namespace) -> int:
    """Run both until interrupted; the sensor watches one proposal from the start.

    Parameters
    ----------
    arguments : Namespace
        ``folder``, which gets ``data/`` and ``dagster/``, and those of :func:`~jwst_mast_assets.cli.serve.serve`.

    Returns
    -------
    int
        As for :func:`~jwst_mast_assets.cli.serve.serve`.
    """
    with embedded_archive_in(arguments.folder) as place:
        # Imported late: the definitions read the environment on import.
        from jwst_mast_assets.defs.partitions import register_proposals
        from jwst_mast_assets.records.store import TableStore
        from jwst_mast_assets.records.watched import WatchList

        with open_instance() as instance:
            register_proposals(instance, [WATCHED_PROPOSAL])
        WatchList(TableStore(place.data)).add([WATCHED_PROPOSAL])
        print(f"embedded archive at {place.url}, files go to {place.data}")
        print(
            f"commands for it need: export DAGSTER_HOME={place.home} JWSTDOWNLOAD_OUTDIR={place.data} "
            f"MAST_SERVER={place.url}"
        )
        return serve(place.data, place.home, arguments)
