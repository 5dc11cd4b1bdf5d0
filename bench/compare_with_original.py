"""Compare the tables of ours with those of the original, row by row, against one archive.

    python bench/compare_with_original.py [--mast-tables FOLDER] [--original-python PYTHON] [--details]

The original (jwst_mast_query 0.0.6) is installed on demand into an environment of its own; both then get the same
config files and command lines. Every difference is either explained (``REASONS`` in differences.py) or makes the exit
status 1.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path
from typing import Any

import option_sets
import yaml
from astropy.table import Table
from differences import REASONS, Difference, compare

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive
from jwst_mast_assets.mast.config import Config

HERE = Path(__file__).resolve().parent
ORIGINAL = ("jwst_mast_query==0.0.6", "astroquery==0.4.9.post1", "pillow<10", "pandas", "scipy", "jinja2")
SAVED_AS = "compared"
Tables = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Returns 0 if every difference is explained."""
    arguments = _parser().parse_args()
    python = arguments.original_python or install_original(Path(arguments.environment))
    found: list[tuple[str, Tables, list[Difference]]] = []
    with tempfile.TemporaryDirectory() as folder:
        _settle(Path(folder))
        for catalogue, sets in _archives(arguments.mast_tables):
            with EmbeddedArchive(catalogue) as archive:
                chosen = [options for options in sets(catalogue) if arguments.only in options.name]
                found += compare_sets(archive, chosen, python, Path(folder))
    _print(found, arguments.details)
    return 1 if any(not difference.reason for _, _, differences in found for difference in differences) else 0


def install_original(folder: Path) -> str:
    """An environment with the original in it; returns its Python."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing the original into {folder} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *ORIGINAL], check=True)
        (folder / "ready").touch()
    return str(python)


def compare_sets(archive: EmbeddedArchive, sets: list[Any], python: str, folder: Path) -> list[Any]:
    """Run both over some option sets; a list of (name, our tables, differences)."""
    os.environ["MAST_SERVER"] = archive.url
    command_lines, ours = [], []
    for number, options in enumerate(sets):
        root = folder / f"{len(list(folder.iterdir()))}_{number}"
        root.mkdir()
        config = root / "options.cfg"
        config.write_text(yaml.safe_dump({**options.config, "outrootdir": str(root)}), encoding="utf-8")
        command_lines.append(["-c", str(config), *options.options.split()])
        if options.on_disk:
            _put_on_disk(run_ours(command_lines[-1], root)["selprod"][: options.on_disk])
        ours.append(run_ours(command_lines[-1], root))
    originals = run_original(archive.url, command_lines, python)
    return [
        (options.name, own, compare(options.name, original, own, sorted_by(options)))
        for options, original, own in zip(sets, originals, ours, strict=True)
    ]


def sorted_by(options: Any) -> dict[str, list[str]]:
    """The columns that each table of an option set is sorted by."""
    words = options.options.split()
    order = {}
    for table, name in (("selprod", "productTable"), ("obs", "obsTable"), ("summary", "summaryTable")):
        option = f"--sortcols_{name}"
        after = words[words.index(option) + 1 :] if option in words else []
        given = list(itertools.takewhile(lambda word: not word.startswith("-"), after))
        order[table] = given or Config.model_fields[f"sortcols_{name}"].get_default()
    return order


def run_ours(argv: list[str], root: Path) -> Tables:
    """The tables that ``jwst_query.py`` saves as ECSV; no rows where it found nothing."""
    from jwst_mast_assets.cli.original import query_main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = query_main([*argv, "--savetables", SAVED_AS])
    if status:
        raise RuntimeError(f"{argv} ended with status {status}: {printed.getvalue()[-1000:]}")
    return {kind: _rows(next(root.rglob(f"{SAVED_AS}.{kind}.ecsv"), None)) for kind in ("selprod", "obs", "summary")}


def run_original(url: str, command_lines: list[list[str]], python: str) -> list[dict[str, Any]]:
    """The original's tables, made in its own environment."""
    job = json.dumps({"url": url, "command_lines": command_lines})
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MAST_SERVER")}
    result = subprocess.run(
        [python, "-W", "ignore", str(HERE / "original_driver.py")],
        input=job, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"the original's driver failed: {result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def _archives(mast_tables: str | None) -> list[Any]:
    """The catalogues to serve, each with what makes its option sets."""
    archives: list[Any] = [(Catalogue.default(proposal_ids="padded"), option_sets.of_embedded_archive)]
    if mast_tables:
        folder = Path(mast_tables)
        for observations, products, sets in (
            ("obs_niriss_soss_14", "products_niriss_soss_complete_870", option_sets.of_niriss_table),
            ("obs_5224_nirspec_msa", "products_5224_nirspec_msa_complete", option_sets.of_nirspec_table),
        ):
            catalogue = Catalogue.from_csv(folder / f"{observations}.csv", folder / f"{products}.csv")
            for row in catalogue.observations:
                # The original asks for padded numbers only, and would find nothing in some of the tables.
                row["proposal_id"] = f"{int(row['proposal_id']):05d}"
            archives.append((catalogue, lambda _catalogue, sets=sets: sets()))
    return archives


def _rows(path: Path | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    table = Table.read(path)
    columns = {name: table[name].tolist() for name in table.colnames}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _put_on_disk(rows: list[dict[str, Any]]) -> None:
    for number, row in enumerate(rows):
        path = Path(row["outfilename"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, row["size"] + number % 2)


def _settle(folder: Path) -> None:
    """Neither the user's settings nor instance take part."""
    for name in ("JWST_QUERY_CFGFILE", "MAST_API_TOKEN", "JWSTDOWNLOAD_OUTDIR"):
        os.environ.pop(name, None)
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)


def _print(found: list[tuple[str, Tables, list[Difference]]], details: bool) -> None:
    print("| option set | rows: products / observations / summary | differences |\n|---|---|---|")
    total: Counter[str] = Counter()
    for name, tables, differences in found:
        counts = Counter(difference.reason or "UNEXPLAINED" for difference in differences)
        total += counts
        rows = " / ".join(str(len(tables[kind])) for kind in ("selprod", "obs", "summary"))
        print(f"| {name} | {rows} | {', '.join(f'{k} x{n}' for k, n in sorted(counts.items())) or 'none'} |")
        for difference in differences:
            if details or not difference.reason:
                print(f"    {difference}")
    same = sum(not differences for _, _, differences in found)
    print(f"\n{len(found)} option sets, {same} without any difference; differences by reason:\n")
    for key, count in sorted(total.items()):
        print(f"- {key} ({count}): {REASONS.get(key, 'not explained')}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only the option sets with this in their name")
    parser.add_argument("--mast-tables", help="folder with tables saved from MAST as CSV, to be served as well")
    parser.add_argument("--original-python", help="Python of an environment that has the original already")
    parser.add_argument(
        "--environment", default=str(HERE / ".original"), help="where to install it otherwise (default %(default)s)"
    )
    parser.add_argument("--details", action="store_true", help="print every difference, not only the unexplained")
    return parser


if __name__ == "__main__":
    sys.exit(main())
