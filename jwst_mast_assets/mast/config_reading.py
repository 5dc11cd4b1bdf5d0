"""A config file's text: its YAML, the environment variables in it, and what is wrong with it in one sentence."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pydantic
import yaml

from jwst_mast_assets.mast.errors import ConfigError


def fill_in(text: str, name: str) -> str:
    """``$NAME`` and ``${NAME}`` replaced by environment variables."""

    def value(match: re.Match[str]) -> str:
        variable = match[1] or match[2]
        if not os.environ.get(variable):
            raise ConfigError(f"{name}: the environment variable ${variable} is not defined; set it or give a value")
        return os.environ[variable]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def filled_in(value: Any, name: str) -> Any:
    """:func:`fill_in` for each text of a value."""
    if isinstance(value, list):
        return [filled_in(item, name) for item in value]
    return fill_in(value, name) if isinstance(value, str) else value


class _Loader(yaml.SafeLoader):
    """YAML without its octal numbers: ``01410`` is a padded proposal, not 776."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """An integer; text if YAML would read it as octal."""
        return node.value if re.fullmatch(r"0\d+", node.value) else super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)

MEANT = {
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be True or False",
    "bool_type": "must be True or False",
    "date_from_datetime_parsing": "must be a date like 2022-07-01",
    "date_parsing": "must be a date like 2022-07-01",
}
"""Pydantic's error types as messages for astronomers."""


def in_one_sentence(error: pydantic.ValidationError, secrets: Collection[str]) -> str:
    """Pydantic's first error as one sentence that names the parameter; the values of secrets are not shown."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = first["loc"][0] if first["loc"] else ""
    message = MEANT.get(first["type"]) or first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = "" if name in secrets or first["type"] == "value_error" else f", not {first['input']!r}"
    return f"{name}: {message}{given}" if name else message


def read_yaml(path: Path, source: str) -> dict[str, Any]:
    """Names and values in a YAML file, unchecked; of an empty file none.

    Parameters
    ----------
    path : Path
        May start with ``~``.
    source : str
        What messages call the file.

    Raises
    ------
    ConfigError
        If the file does not exist, cannot be read, is not YAML, or is not a list of parameters.
    """
    try:
        values = yaml.load(path.expanduser().read_text(encoding="utf-8"), _Loader)  # a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or 'not text'})") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{source}: is not YAML: {problem}{line}") from None
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: must contain lines like 'instrument: nircam', not a {type(values).__name__}")
    return values
