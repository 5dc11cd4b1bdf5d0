"""The templates of the pages: everything from MAST is escaped, styles and script are part of the page."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from jwst_mast_assets.mast.sizes import human_bytes

HERE = Path(__file__).parent
GENERATOR = '<meta name="generator" content="jwst_mast_assets">'
"""By which a page of ours is recognised."""


def render(name: str, **context: Any) -> str:
    """A page as text.

    Parameters
    ----------
    name : str
        Of the template: ``page.html``.
    **context
        ``data``, if given, becomes JSON for the page's script.
    """
    css, script = ((HERE / file).read_text(encoding="utf-8") for file in ("page.css", "page.js"))
    return writable(_environment().get_template(name).render(css=css, script=script, generator=GENERATOR, **context))


def writable(text: str) -> str:
    """Text without lone surrogates, which cannot be written as UTF-8 and can be in what MAST sends."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _dumps(value: Any, **options: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["bytes"] = human_bytes
    # jinja2's filter tojson replaces <, >, & and ' of its result by \u003c and so on.
    environment.policies["json.dumps_function"] = _dumps
    return environment
