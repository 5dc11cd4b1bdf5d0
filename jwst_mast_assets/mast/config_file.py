"""The annotated config file that ``jwst-mast config`` prints, made from the fields of :class:`Config`.

It contains the defaults. Parameters that query and select, and those without a default, are commented out with an
example, so a new file excludes nothing.
"""

import datetime as dt
import textwrap
from collections.abc import Sequence
from typing import Any

import pydantic
import yaml

from jwst_mast_assets.mast.config import Config

WIDTH = 110
RULE = "#" * WIDTH

HEAD = """\
Config file of jwst_mast_assets (YAML): every parameter. The command line (jwst_download.py -c THIS_FILE, or
$JWST_QUERY_CFGFILE) and Dagster's launchpad know the same names; an option of the command line or a field of the
launchpad takes precedence over this file.

All values that are not commented out are the defaults. A line like "#sca: [a1, a3]" is an example: remove the # and put
your own value there. $NAME or ${NAME} in a text means the environment variable of that name."""

SECTIONS = {
    "instrument": "What to ask MAST for. All commented out: the defaults apply (every instrument, the last day).",
    "filetypes": "Which products to select. All commented out: the defaults apply (_uncal.fits of every detector).",
    "outrootdir": "Where to put it: <outrootdir>/<outsubdir>/<proposal>/obsnum<XX>/[jpg/]<file>",
    "skipdownload": "How to fetch it",
    "notify_urls": "Notices",
    "savetables": "Tables",
    "makewebpages": "The page: <outrootdir>/<outsubdir>/<proposal>/index.html",
    "watch": "The pipeline",
}
"""Headings, by the parameter that they precede."""

NARROWING = ("instrument", "filetypes")
"""Sections whose parameters are all commented out."""


def annotated_config() -> str:
    """The text of the file."""
    lines = [*_comment(HEAD.splitlines())]
    section = ""
    for name, field in Config.model_fields.items():
        if name in SECTIONS:
            section = name
            lines += ["", RULE, *_comment([SECTIONS[name]])]
        default = field.get_default()
        shown = default if default not in (None, []) else None
        examples = field.examples or ([] if shown is None else [shown])
        text = field.description or name
        if section in NARROWING and shown is not None:
            text += f" Default: {_value(shown)}."
        lines += ["", *_comment(textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False))]
        if section in NARROWING or shown is None:
            lines += [f"#{name}: {_value(example)}" for example in examples[:1]]
        else:
            lines.append(f"{name}: {_value(shown)}")
    return "\n".join(lines) + "\n"


def _comment(lines: Sequence[str]) -> list[str]:
    return [f"# {line}".rstrip() for line in lines]


def _value(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, pydantic.SecretStr):
        value = value.get_secret_value()
    if isinstance(value, dt.date):
        return value.isoformat()
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
