"""``jwst-mast adopt``: an existing folder of ``jwst_mast_query`` becomes one of ours."""

import argparse
import os
import sys
from pathlib import Path

from jwst_mast_assets.cli.options import Parser
from jwst_mast_assets.cli.records import add_folder_options
from jwst_mast_assets.mast.commands import suggest

MOST_NAMED = 20
"""How many files of each kind are named."""


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command to ``jwst-mast``."""
    adopt = commands.add_parser(
        "adopt",
        help="take the files of an existing folder into the records, without fetching them again",
        description="Compare the files in a folder, for example one of jwst_mast_query, with MAST (by md5 where MAST "
        "has a checksum, else by size) and take them into the records. No file is changed, moved or fetched.",
    )
    adopt.add_argument("folder", metavar="FOLDER", help="the output folder, or a folder in it")
    adopt.add_argument("-v", "--verbose", action="store_true", help="name every file")
    adopt.set_defaults(run=_adopt)
    add_folder_options(adopt)


def _adopt(arguments: argparse.Namespace) -> int:
    # Late imports, so that --help and error messages appear at once.
    from jwst_mast_assets.cli.record_views import folder_of
    from jwst_mast_assets.mast.shared_limits import shared_limits
    from jwst_mast_assets.mast.sizes import counted
    from jwst_mast_assets.records import adoption
    from jwst_mast_assets.records.archive_identity import open_archive

    config, _ = folder_of(arguments)
    folder = Path(os.path.abspath(Path(arguments.folder).expanduser()))
    adoption.check_place(folder, config)
    token = config.token.get_secret_value() if config.token else None
    archive = open_archive(config.root, token=token, limits=shared_limits(config))
    table = adoption.adopt(folder, config, archive, lambda sentence: print(f"Warning: {sentence}", file=sys.stderr))
    by_md5 = int(((table["verdict"] == adoption.AGREES) & (table["why"] == "checksum")).sum())
    for verdict, what in (
        (adoption.AGREES, "as in MAST"),
        (adoption.DIFFERS, "not as in MAST; left as they are, replaced by the next download"),
        (adoption.ELSEWHERE, "not where the output parameters put them; left alone and not recorded"),
        (adoption.UNKNOWN, "not in MAST; left alone and not recorded"),
    ):
        rows = table[table["verdict"] == verdict]
        if rows.empty:
            continue
        how = f" ({by_md5} by checksum, {len(rows) - by_md5} by size)" if verdict == adoption.AGREES else ""
        print(f"{counted(len(rows), 'file')} {what}{how}")
        if verdict == adoption.AGREES and not arguments.verbose:
            continue
        shown = rows if arguments.verbose else rows.head(MOST_NAMED)
        for path, why in zip(shown["path"], shown["why"], strict=True):
            print(f"  {os.path.relpath(path, config.root)}: {why}")
        if len(rows) > len(shown):
            print(f"  ... and {len(rows) - len(shown)} more; -v names them all")
    print(f"{counted(int(table['new'].sum()), 'file')} newly on record in {config.root}")
    if table["new"].any():
        numbers = " ".join(sorted({Path(path).name[2:7].lstrip("0") for path in table.loc[table["new"], "path"]}))
        print(f"To keep them current: {suggest(f'proposals add {numbers}')}")
    return 0
