"""The original's options, made from the parameters of :class:`Config`, each with its own name."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, get_args, get_origin

from jwst_mast_assets import __version__
from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.parameter_roles import Role, flags, roles, spellings


class Parser(argparse.ArgumentParser):
    """Refuses unknown options in one sentence that suggests the nearest one, without pages of usage."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As argparse's; exits with status 2 on anything unknown."""
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(word, _long_options(self), n=1) if word.startswith("-") else []
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unknown {'option' if word.startswith('-') else 'argument'} {word}{hint}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """One line, and exit status 2."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def _long_options(parser: argparse.ArgumentParser) -> set[str]:
    """Of a parser and of its commands."""
    found = {flag for flag in parser._option_string_actions if flag.startswith("--")}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*(_long_options(command) for command in action.choices.values()))
    return found


def build_parser(program: str, description: str) -> argparse.ArgumentParser:
    """One option per parameter; anything not given keeps its value from the config file or the defaults."""
    parser = Parser(prog=program, description=description, argument_default=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"jwst_mast_assets {__version__}")
    parser.add_argument(
        "-c", "--configfile", default=None, help="config file (YAML); default: the one in $JWST_QUERY_CFGFILE"
    )
    parser.add_argument("-v", "--verbose", action="count", help="also print long tables; -vv also shows Dagster's log")
    parser.add_argument("-q", "--quiet", action="store_true", default=False, help="print errors only")
    parser.add_argument("--yes", action="store_true", default=False, help="do not ask before downloading")
    parser.add_argument("--login", nargs=2, help=argparse.SUPPRESS)
    for name, field in Config.model_fields.items():
        if not roles(field) & {Role.PIPELINE, Role.NO_OPTION}:
            names = [*flags(field), f"--{name}", *(f"--{spelling}" for spelling in spellings(field))]
            parser.add_argument(*names, dest=name, help=_help(name, field), **_shape(name, field.annotation))
    return parser


def config_of(arguments: argparse.Namespace) -> Config:
    """Defaults, then the config file, then the command line.

    Raises
    ------
    ConfigError
        If a value is bad.
    """
    given = {name: value for name, value in vars(arguments).items() if name in Config.model_fields}
    return load_config(arguments.configfile, given)


def _shape(name: str, annotation: Any) -> dict[str, Any]:
    if get_origin(annotation) is list:
        # An empty list is also a choice: every file type, every detector.
        return {"nargs": "+" if name == "propID" else "*", "metavar": "VALUE"}
    if annotation is bool:
        # A flag, but `--jpg_separate_subdir True` was the original's only way to say it.
        return {"nargs": "?", "const": "True", "metavar": "True|False"}
    return {"metavar": "N" if _is_number(annotation) else "TEXT"}


def _is_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(_is_number(kind) for kind in get_args(annotation))


def _help(name: str, field: Any) -> str:
    text = (field.description or name).replace("%", "%%")
    default = field.get_default()
    shown = " ".join(map(str, default)) if isinstance(default, list) else default
    return (
        text
        if Role.SECRET in roles(field) or shown in (None, "", False) or len(str(shown)) > 60
        else f"{text} (default: {shown})"
    )
