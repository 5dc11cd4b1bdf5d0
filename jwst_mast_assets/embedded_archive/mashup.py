"""The Mashup services: what a request asks, and the envelope that answers it."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jwst_mast_assets.embedded_archive import keywords
from jwst_mast_assets.embedded_archive.catalogue import Catalogue
from jwst_mast_assets.embedded_archive.columns import service_columns
from jwst_mast_assets.embedded_archive.faults import Fault
from jwst_mast_assets.embedded_archive.rows import Row

Envelope = dict[str, Any]
Types = dict[str, str]

DEFAULT_PAGE_SIZE = 50_000
KEYWORD_SERVICES = ("Nircam", "Nirspec", "Niriss", "Miri", "Fgs", "GuideStar")
_COUNT = "COUNT_BIG(*)"
_ANY_CAPITALS = ("instrument_name", "instrume")


class MashupError(Exception):
    """A request that the service refuses; the text goes into the envelope's ``msg``."""


def answer(request: Mapping[str, Any], catalogue: Catalogue, faults: Mapping[str, Fault] | None = None) -> Envelope:
    """Answer one Mashup request.

    Parameters
    ----------
    request : dict
        ``service``, ``params``, ``pagesize`` and ``page``.
    catalogue : Catalogue
    faults : dict of str to Fault, optional
        Of these ``gone-column``, ``short-list`` and ``pages`` have their effect here.

    Returns
    -------
    dict
        The envelope: ``status``, ``msg``, ``data``, ``fields`` and ``paging``.
    """
    faults = faults or {}
    try:
        params = request.get("params") or {}
        rows, types = _evaluate(request.get("service", ""), params, catalogue)
        if "gone-column" in faults:
            types = _without(faults["gone-column"].column, types, params)
        page, page_size = int(request.get("page") or 1), int(request.get("pagesize") or DEFAULT_PAGE_SIZE)
    except MashupError as error:
        return refusal(str(error))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return refusal(f"Error in request: {error!r}")
    if "short-list" in faults:
        rows = rows[: faults["short-list"].rows]
    overlap = 0
    if "pages" in faults:
        page_size, overlap = min(page_size, faults["pages"].rows), faults["pages"].overlap
    first = max(0, (page - 1) * page_size - overlap * (page > 1))
    shown = rows[first : first + page_size]
    if "checksum" in types:
        shown = [_complete(row, catalogue) for row in shown]
    return {
        "status": "COMPLETE",
        "msg": "",
        "data": [{name: _finite(row.get(name)) for name in types} for row in shown],
        "fields": [{"name": name, "type": kind} for name, kind in types.items()],
        "paging": {
            "page": page,
            "pageSize": page_size,
            "pagesFiltered": max(1, math.ceil(len(rows) / page_size)),
            "rows": len(shown),
            "rowsFiltered": len(rows),
            "rowsTotal": len(rows),
        },
    }


def _without(column: str, types: Types, params: Mapping[str, Any]) -> Types:
    """The columns that are left where one is gone; a query that names it is refused."""
    named = params.get("columns") or "*"
    if column in (named.split(",") if isinstance(named, str) else named):
        raise MashupError(f"Invalid column name '{column}'.")
    return {name: kind for name, kind in types.items() if name != column}


def refusal(message: str) -> Envelope:
    """The envelope of a failed request."""
    return {"status": "ERROR", "msg": message}


def busy() -> Envelope:
    """The envelope of a request that is still being worked on."""
    return {"status": "EXECUTING", "msg": "", "percent complete": 0.5}


def _evaluate(service: str, params: Mapping[str, Any], catalogue: Catalogue) -> tuple[list[Row], Types]:
    """Rows, and the columns asked for with their types."""
    if service == "Mast.Caom.Products":
        obsids = [int(text) for text in str(params["obsid"]).split(",") if text.strip()]
        return catalogue.products_of(obsids), service_columns(service)
    filters = params.get("filters") or ()
    rows = _rows(service, catalogue, filters)
    types = service_columns(service)
    columns = params.get("columns") or "*"
    for condition in filters:
        rows = _filtered(rows, condition, types)
    if isinstance(columns, str) and columns.upper() == _COUNT:
        return [{"Column1": sum(1 for _ in rows)}], {"Column1": "string"}
    return list(rows), _chosen(columns, types)


def _rows(service: str, catalogue: Catalogue, filters: Iterable[Mapping[str, Any]]) -> Iterable[Row]:
    if service == "Mast.Caom.Filtered":
        return catalogue.observations
    instrument = service.rpartition(".")[2]
    if service.startswith("Mast.Jwst.Filtered.") and instrument in KEYWORD_SERVICES:
        return catalogue.keyword_rows(instrument, _file_names(filters, catalogue))
    raise MashupError(f"Service '{service}' does not exist")


def _file_names(filters: Iterable[Mapping[str, Any]], catalogue: Catalogue) -> Iterable[str] | None:
    """The files that filters of names or programs leave, if there are such; so a large archive answers quickly."""
    for condition in filters:
        name, values = str(condition["paramName"]).lower(), condition.get("values") or ()
        texts = dict.fromkeys(str(value) for value in values if not isinstance(value, dict))
        if condition.get("freeText") or len(texts) < len(values):
            continue
        if name == "filename":
            return texts
        if name == "program":
            numbers = {_number(text) for text in texts}
            return [key for key, file in catalogue.files.items() if _number(file.header.get("PROGRAM")) in numbers]
    return None


def _chosen(columns: str | list[str], types: Types) -> Types:
    names = columns.split(",") if isinstance(columns, str) else columns
    names = [name.strip() for name in names]
    if names == ["*"]:
        return types
    unknown = [name for name in names if name not in types]
    if unknown:
        raise MashupError(f"Invalid column name '{unknown[0]}'.")
    return {name: types[name] for name in names}


def _filtered(rows: Iterable[Row], condition: Mapping[str, Any], types: Types) -> list[Row]:
    name = condition["paramName"]
    if name not in types:
        raise MashupError(f"Invalid column name '{name}'.")
    accept = _matcher(name, types[name], condition)
    return [row for row in rows if accept(row.get(name))]


def _matcher(name: str, kind: str, condition: Mapping[str, Any]) -> Callable[[Any], bool]:
    """A test whether a value matches a filter: one of its values, ranges or its free text."""
    fold = str.lower if name in _ANY_CAPITALS else str
    ranges = [v for v in condition.get("values") or () if isinstance(v, dict)]
    texts = {fold(str(v)) for v in condition.get("values") or () if not isinstance(v, dict)}
    numbers = {_number(text) for text in texts} - {None} if kind in ("int", "float") else set()
    limits = [(_limit(r.get("min"), kind), _limit(r.get("max"), kind)) for r in ranges]
    free_text = condition.get("freeText")
    pattern = _like(free_text) if free_text else None

    def accept(value: Any) -> bool:
        if value is None:
            return False
        if fold(str(value)) in texts or (numbers and float(value) in numbers):
            return True
        if pattern is not None and pattern.fullmatch(str(value)):
            return True
        if not limits:
            return False
        measure = keywords.date_seconds(value) if kind == "date" else _number(value)
        return measure is not None and any(
            (low is None or measure >= low) and (high is None or measure <= high) for low, high in limits
        )

    return accept


def _limit(value: Any, kind: str) -> float | None:
    if value in (None, ""):
        return None
    return keywords.date_seconds(value) if kind == "date" else float(value)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _like(pattern: str) -> re.Pattern[str]:
    """A regular expression for a pattern of SQL's LIKE, in any case."""
    special = {"%": ".*", "*": ".*", "_": "."}
    return re.compile("".join(special.get(c) or re.escape(c) for c in pattern), re.IGNORECASE | re.DOTALL)


def _complete(row: Row, catalogue: Catalogue) -> Row:
    file = catalogue.files.get(row.get("filename") or row.get("fileName") or "")
    return keywords.with_checksum(row, file) if file else row


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
