"""How long the original and ours take for the same work, against one archive in a process of its own.

    python bench/against_original.py [--runs 3] [--only list] [--json bench/figures.json]

Each case runs both in turn, whole processes, several times; both must have found the same files. Printed: medians,
ratios, peak resident memory of ours; for downloads also the limit (bytes over bandwidth, and the delays that cannot be
avoided) and ``aria2c -j5``, where that is installed. See bench/README.md.
"""

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from compare_with_original import install_original
from measuring import ArchiveProcess, Measured, archive_process, run

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PARALLEL = 5
BIG_RATE = 20e6

COMMON = ("--propID", "4321", "--date_select", "2023-01-01", "2024-12-31", "--instrument", "nircam")
UNCAL = (*COMMON, "--filetypes", "_uncal.fits")
EVERYTHING = (*COMMON, "--filetypes", "fits", "jpg", "_asn.json", "_pool.csv", "_cat.ecsv", "--guidestars")
# With the original's own default of these pictures its page ends with an error.
PICTURES = ("--webpage_level12_jpgs", "uncal", "dark", "rate", "rateints", "cal")
PAGE = (*COMMON, "--filetypes", "fits", "jpg", *PICTURES)
GROWTH = {
    "list 3,000 observations": ("list 264 observations", 11.364),
    "list 3,000 observations, again": ("list 264 observations, again", 11.364),
    "page of 2,000 exposures": ("page of 200 exposures", 10.0),
    "page of 2,000 exposures, again": ("page of 200 exposures, again", 10.0),
}
"""What a larger set is compared with, and how many times larger it is; ours both."""
MOST_GROWTH = 1.1
"""Times the size, which the time may grow at most."""
FILE = re.compile(r"jw\d{5}[\w.+-]*\.(?:fits|jpg|json|csv|ecsv)\b")
NOT_COMPARED = re.compile(r"_thumb100\.jpg$|jw\d{5}-[\w.+-]*\.TN\.jpg$")
"""MAST's own thumbnails, and those of level 3, which our page has and the original's has not."""


class Case(NamedTuple):
    """One line of the table."""

    name: str
    archive: str
    options: Sequence[str]
    """Of ``jwst_download.py``, the original's and ours."""
    goal: float | None
    delay: float = 0.0
    rate: float | None = None
    prepare: Sequence[str] = ()
    """The options of the command that fills the folder, where the case is about a folder that is filled."""
    again: float | None = None
    """The goal of a second run in the same folder, which is measured too; 0: without a goal."""
    limit: bool = False
    scale: float = 1.0
    """Of the archive's program."""
    compared: bool = True
    """Whether the original runs, too."""


CASES = [
    Case("list, 0.3 s a request", "rehearsal", (*UNCAL, "--skipdownload"), 0.10, delay=0.3),
    Case("list, no delay", "rehearsal", (*UNCAL, "--skipdownload"), 0.6),
    Case("fetch 500, 0.1 s a request", "rehearsal", UNCAL, 0.16, delay=0.1, again=0.2, limit=True),
    Case("fetch all", "all of rehearsal", EVERYTHING, 0.15, again=0.15),
    Case("fetch 40 of 25 MB", "big files", UNCAL, 0.0, rate=BIG_RATE, limit=True),
    Case(
        "page of 2,000 exposures",
        "exposures",
        (*PAGE, "--skipdownload", "--makewebpages"),
        0.4,
        prepare=PAGE,
        again=0.05,
    ),
    Case(
        "page of 200 exposures",
        "exposures",
        (*PAGE, "--skipdownload", "--makewebpages"),
        None,
        prepare=PAGE,
        again=0,
        scale=0.1,
        compared=False,
    ),
    Case("list 264 observations", "rehearsal", (*UNCAL, "--skipdownload"), None, again=0, compared=False),
    Case(
        "list 3,000 observations",
        "rehearsal",
        (*UNCAL, "--skipdownload"),
        None,
        again=0,
        scale=11.364,
        compared=False,
    ),
]


class Side:
    """The original, or ours: how a command of it is run, each time in a new output folder."""

    def __init__(self, command: Sequence[str], home: Path) -> None:
        self.command, self.home = command, home

    def call(self, archive: ArchiveProcess, options: Sequence[str], folder: Path) -> Measured:
        """Run a command."""
        command = [part.format(url=archive.url) for part in self.command]
        given = {"MAST_SERVER": archive.url, "DAGSTER_HOME": str(self.home)}
        return run([*command, *options, "--outrootdir", str(folder)], given)


def main() -> int:
    """Measure and print; returns 0 if both always found the same files."""
    arguments = _parser().parse_args()
    if arguments.table or arguments.short_table:
        results = json.loads(Path(arguments.table or arguments.short_table).read_text(encoding="utf-8"))
        print(table(results) if arguments.table else short_table(results))
        return 0
    python = arguments.original_python or ("" if arguments.ours_only else install_original(Path(arguments.environment)))
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        home = Path(name) / "dagster"
        home.mkdir()
        sides = {
            "original": Side([python, "-W", "ignore", str(HERE / "original_command.py"), "{url}"], home),
            "ours": Side([sys.executable, str(BIN / "jwst_download.py"), "--yes"], home),
        }
        if arguments.ours_only:
            del sides["original"]
        wanted = [case for case in CASES if any(word in case.name for word in arguments.only)]
        for program, scale in dict.fromkeys((case.archive, case.scale) for case in wanted):
            cases = [case for case in wanted if (case.archive, case.scale) == (program, scale)]
            with archive_process(program, scale) as archive:
                # The Dagster home exists, as it does from the second command of a user on.
                sides["ours"].call(
                    archive, (*UNCAL, "--skipdownload", "--obsnums", "1"), Path(name) / f"{program}{scale}"
                )
                for case in cases:
                    chosen = sides if case.compared else {"ours": sides["ours"]}
                    results += measured(case, archive, chosen, arguments.runs, Path(name))
                    print(
                        *(line(result) for result in results[-(1 + (case.again is not None)) :]), sep="\n", flush=True
                    )
                    if arguments.json:
                        save(results, Path(arguments.json))
    print("\n" + table(results))
    return 0


def measured(
    case: Case, archive: ArchiveProcess, sides: dict[str, Side], runs: int, folder: Path
) -> list[dict[str, Any]]:
    """The figures of a case, and of its second run where it has one."""
    taken: dict[str, dict[str, list[Measured]]] = {"": {}, "again": {}}
    requests: dict[str, dict[str, int]] = {}
    found: dict[str, set[str]] = {}
    for number in range(runs):
        for name, side in sides.items():
            root = folder / f"{name}{number}"
            if case.prepare:
                archive.be()
                side.call(archive, case.prepare, root)
            archive.be(case.delay, case.rate)
            archive.asked()
            for which in ("", "again") if case.again is not None else ("",):
                taken[which].setdefault(name, []).append(side.call(archive, case.options, root))
                requests[f"{name} {which}".strip()] = dict(archive.asked())
            found[name] = files_of(root, taken[""][name][-1].printed, case)
            different = sorted(found[name] ^ next(iter(found.values())))
            if not found[name] or different:
                raise SystemExit(f"{case.name}: {name} found other files: {different[:10]}")
            shutil.rmtree(root, ignore_errors=True)
    limit = limit_of(case, requests, found["ours"]) if case.limit else None
    results = []
    for which, goal in (("", case.goal), ("again", case.again)):
        if which and goal is None:
            continue
        medians = {name: statistics.median(one.seconds for one in ones) for name, ones in taken[which].items()}
        result: dict[str, Any] = {"case": f"{case.name}, {which}".removesuffix(", "), "files": len(found["ours"])}
        result |= {name: round(seconds, 2) for name, seconds in medians.items()}
        if "original" in medians:
            result["ratio"] = round(medians["ours"] / medians["original"], 3)
        result["goal"] = goal or None
        for name, ones in taken[which].items():
            result[f"processor_{name}"] = round(statistics.median(one.processor for one in ones), 2)
        result["megabytes"] = round(max(one.megabytes for one in taken[which]["ours"]))
        result["requests"] = {name: asked for name, asked in requests.items() if name.endswith("again") == bool(which)}
        if limit and not which:
            result |= {"limit": round(limit, 2), "of_limit": round(medians["ours"] / limit, 2)}
            result |= aria2(case, archive, found["ours"], folder)
        results.append(result)
    return results


def save(results: list[dict[str, Any]], path: Path) -> None:
    """Write figures to a file, in the place of earlier ones of the same cases, in the order of the cases."""
    there = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_case = {result["case"]: result for result in [*there, *results]}
    order = [name for case in CASES for name in (case.name, f"{case.name}, again")]
    kept = [by_case[name] for name in order if name in by_case]
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def growth(results: list[dict[str, Any]]) -> list[str]:
    """How much longer ours takes for larger sets, as lines of a Markdown table."""
    ours = {result["case"]: result["ours"] for result in results}
    lines = ["| larger set | smaller one | times the size | times the time | at most |", "|---|---|---|---|---|"]
    for larger, (smaller, size) in GROWTH.items():
        if larger in ours and smaller in ours:
            both = f"{larger}: {ours[larger]} s | {smaller}: {ours[smaller]} s"
            lines.append(f"| {both} | {size:.1f} | {ours[larger] / ours[smaller]:.2f} | {MOST_GROWTH * size:.1f} |")
    return lines if len(lines) > 2 else []


def files_of(root: Path, printed: str, case: Case) -> set[str]:
    """The files that a command found: those on disk, or those in its table of selected products."""
    if "--skipdownload" in case.options and not case.prepare:
        tables = list(root.rglob("04321.selprod.txt"))
        return set(FILE.findall(tables[0].read_text(encoding="utf-8") if tables else printed))
    names = {path.name for path in root.rglob("jw*") if ".jwst_mast_assets" not in path.parts}
    return {name for name in names if FILE.fullmatch(name) and not NOT_COMPARED.search(name)}


def limit_of(case: Case, requests: dict[str, dict[str, int]], files: set[str]) -> float:
    """Seconds that the transfers take at least: the bytes over the bandwidth, and a delay for each file in turn."""
    size = 25_000_000 if case.rate else 8640
    seconds = len(files) * (case.delay + (size / case.rate if case.rate else 0.0)) / PARALLEL
    # The observations, their products and their checksums are asked for one after the other.
    return seconds + 3 * case.delay


def aria2(case: Case, archive: ArchiveProcess, files: set[str], folder: Path) -> dict[str, float]:
    """Seconds that aria2c takes for the same files, where it is installed."""
    program = shutil.which("aria2c")
    if not program:
        return {}
    target, links = folder / "aria2", folder / "links.txt"
    download = f"{archive.url}/api/v0.1/Download/file?uri=mast:JWST/product/"
    links.write_text("".join(f"{download}{name}\n out={name}\n" for name in sorted(files)), encoding="utf-8")
    archive.be(case.delay, case.rate)
    options = ["-j", str(PARALLEL), "-x1", "-s1", "-d", str(target), "-i", str(links), "--quiet=true"]
    seconds = run([program, *options, "--no-conf=true"], {}).seconds
    shutil.rmtree(target)
    return {"aria2c": round(seconds, 2)}


def line(result: dict[str, Any]) -> str:
    """One row of the table."""

    def shown(name: str, text: str = "{}") -> str:
        return "" if result.get(name) is None else text.format(result[name])

    of_limit = shown("limit", "{} s") + (f" ({result['of_limit']})" if "of_limit" in result else "")
    goal = "of limit: 1.1" if "25 MB" in result["case"] else shown("goal")
    cells = [f"{result['case']} ({result['files']:,} files)", shown("original", "{} s"), shown("ours", "{} s")]
    cells += [shown("ratio"), goal, of_limit, shown("aria2c", "{} s"), shown("megabytes", "{} MB")]
    return "| " + " | ".join(cells) + " |"


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    head = "| case | original | ours | ratio | goal | limit (ours over it) | aria2c -j5 | peak memory |"
    measured = "\n".join([head, "|---|---|---|---|---|---|---|---|", *(line(result) for result in results)])
    return "\n\n".join([measured, "\n".join(growth(results))]).strip()


def short_table(results: list[dict[str, Any]]) -> str:
    """The figures that the original has, too, as Markdown."""
    rows = [
        f"| {one['case']} | {one['original']:.0f} s | {one['ours']:.0f} s | {one['ratio']:.2f} |"
        for one in results
        if "ratio" in one
    ]
    return "\n".join(["| case | original | ours | ratio |", "|---|---|---|---|", *rows])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each (default %(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], help="only the cases with one of these in their name")
    parser.add_argument("--ours-only", action="store_true", help="leave the original out")
    parser.add_argument("--json", help="write the figures to this file after each case; it keeps those of other cases")
    parser.add_argument("--table", metavar="FILE", help="measure nothing; print the table of the figures in this file")
    parser.add_argument("--short-table", metavar="FILE", help="the same, only what the original did, too")
    parser.add_argument("--folder", help="where to put everything (default: the system's folder of temporary files)")
    parser.add_argument("--original-python", help="Python of an environment that has the original already")
    parser.add_argument(
        "--environment", default=str(HERE / ".original"), help="where to install it otherwise (default %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
