"""Makes the reference pages from the code, and links to files outside the documentation from the repository."""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from jwst_mast_assets.cli.main import build_parser as build_main_parser
from jwst_mast_assets.cli.options import build_parser
from jwst_mast_assets.cli.original import DOWNLOAD_TEXT, QUERY_TEXT
from jwst_mast_assets.downloads import CODES
from jwst_mast_assets.mast import tables
from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets.mast.parameter_roles import Role, flags, roles, spellings

ROOT = Path(__file__).parents[1]

# Not mkdocs' repo_url, which makes each page ask GitHub's API for stars.
REPOSITORY = "https://github.com/jwst-mast-assets/jwst_mast_assets"

TABLES = {
    "Observations": ("OBS_TABLE", "`<PPPPP>.obs.ecsv`, the asset `obs_table`, and `find(..., observations=True)`."),
    "Products": ("PRODUCT_TABLE", "The asset `product_table`, and `find()`."),
    "Files": ("FILE_TABLE", "The asset `downloaded_files`, `<PPPPP>.selprod.ecsv`, `download()` and `holdings()`."),
    "Summary": ("SUMMARY_FIXED", "`<PPPPP>.summary.ecsv`; also one column per file type."),
    "History": ("HISTORY_TABLE", "The Parquet files in `.jwst_mast_assets/history/`."),
    "Manifest": ("MANIFEST_TABLE", "`jwst-mast manifest`."),
    "Differences": ("DIFF_TABLE", "`jwst-mast diff`."),
    "Status": ("STATUS_TABLE", "`jwst-mast status`."),
    "Releases": ("RELEASE_TABLE", "`jwst-mast calendar`."),
    "Reprocessed files": ("CHANGE_TABLE", "`.jwst_mast_assets/tables/reprocessed_files.parquet`."),
    "Comparisons": ("COMPARISON_TABLE", "`.jwst_mast_assets/tables/compared_files.parquet`."),
    "Last comparisons": ("FRESHNESS_TABLE", "The lower part of `jwst-mast status`."),
    "Files read again": ("READ_TABLE", "When each file was last read to its end."),
}
"""The tables that a user can meet, and where."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    # argparse breaks lines by the width of the terminal.
    os.environ["COLUMNS"] = "100"
    pages = {
        "reference/parameters.md": parameters(),
        "reference/commands.md": commands(),
        "reference/tables.md": all_tables(),
        "reference/states.md": states(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "changelog.md": "# Changelog\n\nFor users who update.\n"
        + (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").removeprefix("# Changelog\n"),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links that leave the documentation lead to the repository; tests are evidence for developers, not for users."""
    if SHOWN_BY in markdown:
        markdown = _without_tests(markdown)
    if "/" in page.file.src_uri:
        return markdown
    return re.sub(r"\]\(\.\./([^)#]+)", rf"]({REPOSITORY}/blob/main/\1", markdown)


SHOWN_BY = "| shown by |"
"""The last column of tables that name the test of each row."""


def _without_tests(markdown: str) -> str:
    lines, inside = [], False
    for line in markdown.splitlines():
        inside = line.startswith("|") and (inside or line.endswith(SHOWN_BY))
        lines.append(re.sub(r"\|[^|]*\|$", "|", line) if inside else line)
    return "\n".join(lines)


def parameters() -> str:
    """Every parameter, from the fields of Config."""
    lines = [
        "# Parameters",
        "For everyone who writes a config file, uses an option, or sets a value in the launchpad or in Python.",
        "The same names hold in all of these. `jwst-mast config` prints them as a config file.",
    ]
    for name, field in Config.model_fields.items():
        own = roles(field)
        default = field.get_default(call_default_factory=True)
        shown = "empty" if default in (None, [], "") else f"`{default}`"
        lines += [f"## {name}", field.description or "", f"- Default: {shown}", f"- Type: {_type(field.annotation)}"]
        if not own & {Role.PIPELINE, Role.NO_OPTION}:
            options = [f"`{option}`" for option in (f"--{name}", *flags(field), *(f"--{s}" for s in spellings(field)))]
            lines.append(f"- Options: {', '.join(options)}")
        if field.examples:
            lines.append(f"- Example: `{field.examples[0]}`")
        lines += [f"- Role: {role.value}" for role in Role if role in own]
    return _page(lines)


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    if get_origin(annotation) is not None:
        text = text.replace("typing.", "").replace("pydantic.types.", "").replace("datetime.", "")
    return f"`{text}`"


def commands() -> str:
    """Every command and option, from argparse."""
    lines = ["# Commands", "For everyone who types commands. Each also has `--help`."]
    for program, text in (("jwst_query.py", QUERY_TEXT), ("jwst_download.py", DOWNLOAD_TEXT)):
        lines += [f"## {program}", text, "Its other options are the [parameters](parameters.md)."]
        names = set(Config.model_fields)
        lines.append(_options(build_parser(program, text), names))
    lines += ["## jwst-mast", *_of_parser(build_main_parser(), 3)]
    return _page(lines)


def _of_parser(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    yield _options(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield f"{'#' * level} {command.prog}"
                yield command.description or _sentence(helps.get(name) or "")
                yield from _of_parser(command, level + 1)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _options(parser: argparse.ArgumentParser, left_out: set[str] = frozenset()) -> str:  # pyright: ignore[reportArgumentType]
    rows = []
    formatter = parser._get_formatter()
    for action in parser._actions:
        hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction)
        if hidden or action.dest in left_out - {"verbose"}:
            continue
        shown = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{action.metavar or action.dest}`"
        rows.append(f"| {shown} | {_cell(formatter._expand_help(action))} |")
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def all_tables() -> str:
    """Every table and column, from mast/tables.py."""
    lines = ["# Tables", "For everyone who reads the tables on disk or in Python."]
    for title, (name, where) in TABLES.items():
        rows = [
            f"| `{column}` | {about.dtype} | {about.unit} | {_cell(about.meaning)} |"
            for column, about in getattr(tables, name).items()
        ]
        lines += [f"## {title}", where, "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *rows])]
    return _page(lines)


def states() -> str:
    """Every state and result code."""
    words = [f"| {state.value} | {_cell(state.meaning)} |" for state in State]
    codes = [
        f"| {int(code)} | {about.dl_str or ''} | {about.state.value} | {_cell(about.meaning)} |"
        for code, about in CODES.items()
    ]
    return _page(
        [
            "# States and result codes",
            "For everyone who asks what a word or number in a table means.",
            "## States of a file",
            "\n".join(["| state | meaning |", "|---|---|", *words]),
            "## dl_code and dl_str",
            "\n".join(["| dl_code | dl_str | state | meaning |", "|---|---|---|---|", *codes]),
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _page(lines: list[str]) -> str:
    text = "\n\n".join(lines) + "\n"
    return re.sub(r"\n\n(- [^\n]*)(?=\n\n- )", r"\n\1", text)
