"""MAST's JWST holdings, as tables: observations, products, keywords, and paths in the cloud."""

import math
import threading
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import requests

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.adaptive import in_parts
from jwst_mast_assets.mast.connection import QUERY_TIMEOUT, MastConnection
from jwst_mast_assets.mast.mashup import Params, Reply, as_sentence
from jwst_mast_assets.mast.replies import actual_names, typed_table
from jwst_mast_assets.mast.shared_limits import SharedLimits

PATHS_PER_REQUEST = 40
"""Files per request for paths in the cloud; as in astroquery."""

BUCKET = "stpubdata"
"""MAST's public bucket."""

PROPOSALS_PER_QUERY = 500
"""A thousand proposals with a hundred thousand observations take two queries, if MAST can handle them."""

Filter = dict[str, Any]

GUIDE_STARS = "guidestar"
"""Like an instrument name, but for the keyword service of guide-star files (``_gs-``)."""


ONE_TABLE_AT_A_TIME = threading.RLock()
"""Threads that ask at the same time make their tables one after the other: that costs no time, but less memory."""


@dataclass(frozen=True)
class _Remembered:
    """An answer of MAST: all observations of some proposals (five digits) in a span of MJD."""

    proposals: frozenset[str]
    t_min: tuple[float, float]
    columns: frozenset[str]
    table: pd.DataFrame

    def covers(
        self, proposals: Sequence[str], t_min: tuple[float, float] | None, columns: Sequence[str] | None
    ) -> bool:
        """Whether it has the answer to another question."""
        first, last = t_min or (-math.inf, math.inf)
        inside = self.t_min[0] <= first and last <= self.t_min[1]
        named = bool(proposals) and self.proposals.issuperset(proposals)
        return inside and named and self.columns.issuperset(OBS_COLUMNS if columns is None else columns)

    def select(
        self, proposals: Sequence[str], t_min: tuple[float, float] | None, instruments: Sequence[str]
    ) -> pd.DataFrame:
        """The answer to that question, see :meth:`Archive.observations`."""
        table = self.table
        rows = table["proposal_id"].isin([int(proposal) for proposal in proposals])
        if t_min:
            rows &= table["t_min"].between(*t_min)
        if instruments:
            exact = [name for name in instruments if not name.endswith("%")]
            starts = tuple(name[:-1] for name in instruments if name.endswith("%"))
            rows &= table["instrument_name"].isin(exact) | table["instrument_name"].str.startswith(starts)
        return table[tables.is_true(rows)].reset_index(drop=True)


@dataclass(frozen=True)
class _Ahead:
    """Products that are being requested before anybody needs them."""

    obsids: frozenset[int]
    """The observations whose products were not handed out yet."""
    answer: "Future[pd.DataFrame]"


class Archive(MastConnection):
    """MAST's JWST holdings.

    Parameters
    ----------
    server : str, optional
        Default: ``$MAST_SERVER``, else ``https://mast.stsci.edu``.
    token : str, optional
        MAST token; default ``$MAST_API_TOKEN``. Public data need none.
    read_timeout : float
        Seconds without a byte before a query is abandoned.
    retries : int
        How often a query is retried after a dropped connection, 429 or 5xx.
    time_limit : float
        Seconds after which no further query is made, for callers with little time.
    max_queries : int
        Queries of a long list that may be under way at the same time; MAST is shared.
    limits : SharedLimits, optional
        What is shared with the other processes of an output folder.
    """

    def __init__(
        self,
        server: str | None = None,
        token: str | None = None,
        read_timeout: float = QUERY_TIMEOUT,
        retries: int = 3,
        time_limit: float = math.inf,
        max_queries: int = 4,
        limits: SharedLimits | None = None,
    ) -> None:
        super().__init__(server, token, read_timeout, retries, time_limit, limits)
        self.absent_columns: dict[str, list[str]] = {}
        """Columns that were requested but missing from the last replies, by kind of query."""
        self.refused_columns: dict[str, str] = {}
        """What MAST said when it refused the requested columns, by kind of query."""
        self.failures: dict[str, dict[Any, str]] = {"observations": {}, "products": {}}
        """Items that MAST did not answer for, and why: proposals, obsids, and file names of ``... keywords``."""
        self.unusable_rows = 0
        """Rows left out because their identifiers are missing."""
        self.max_queries = max_queries
        self._remembered: _Remembered | None = None
        self._ahead: _Ahead | None = None

    def observations(
        self,
        proposals: Iterable[str | int] = (),
        t_min: tuple[float, float] | None = None,
        instruments: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        anew: bool = False,
    ) -> pd.DataFrame:
        """CAOM observations, without planned ones (which have no ``t_min``).

        Parameters
        ----------
        proposals : iterable of str or int
            Program numbers; if empty, all programs.
        t_min : (float, float), optional
            First and last start, MJD (UTC), both included.
        instruments : sequence of str
            ``instrument_name`` values; one of them may end in the wildcard ``%``.
        columns : sequence of str
            Columns to request in addition to the required ones; default: ``OBS_COLUMNS``.
        anew : bool
            Also query MAST for what :meth:`remember_observations` has.

        Returns
        -------
        DataFrame
            Columns of ``tables.OBS_FROM_MAST``; those not asked for are missing. Proposals for which MAST did not
            answer are in ``failures["observations"]``.

        Raises
        ------
        ArchiveError
            If MAST does not answer at all, answers with an error, or sends fewer rows than it announced.
        """
        keys = list(dict.fromkeys(names.proposal_key(proposal) for proposal in proposals))
        if not anew and self._remembered and self._remembered.covers(keys, t_min, columns):
            return self._remembered.select(keys, t_min, instruments)
        filters = _jwst_filters(t_min)
        if instruments:
            exact = [name for name in instruments if not name.endswith("%")]
            pattern = [name for name in instruments if name.endswith("%")]
            filters.append({"paramName": "instrument_name", "values": exact})
            if pattern:
                filters[-1]["freeText"] = pattern[0]
        required = [name for name, column in tables.OBS_FROM_MAST.items() if column.required]
        asked = list(dict.fromkeys([*required, "calib_level", *(OBS_COLUMNS if columns is None else columns)]))

        def ask(keys: Sequence[str]) -> pd.DataFrame:
            return self._observations([_proposal_filter(keys), *filters], asked)

        if not keys:
            return self._observations(filters, asked).drop_duplicates("obsid", ignore_index=True)
        parts = self.in_parts("observations", keys, ask, PROPOSALS_PER_QUERY)
        return _joined(parts, tables.OBS_FROM_MAST).drop_duplicates("obsid", ignore_index=True)

    def observations_at_once(
        self, proposals: Sequence[str], t_min: tuple[float, float], columns: Sequence[str]
    ) -> pd.DataFrame:
        """All observations of some proposals, in one query that is not split if it fails, and of few columns.

        Parameters
        ----------
        proposals : sequence of str
            Five digits each.
        t_min : (float, float)
            As for :meth:`observations`.
        columns : sequence of str
            All that are requested; ``obsid``, ``proposal_id``, ``t_min`` and ``calib_level`` among them.

        Returns
        -------
        DataFrame
            Those columns, without planned observations.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        """
        self._session.patient = False
        try:
            return self._observations([_proposal_filter(proposals), *_jwst_filters(t_min)], columns, narrow=True)
        finally:
            self._session.patient = True

    def another(self, time_limit: float) -> "Archive":
        """Another connection to the same server for lists, to be used by another thread."""
        return Archive(self.server, self.token, time_limit, 0, time_limit, limits=self._limits)

    def remember_observations(
        self, proposals: Iterable[str | int], t_min: tuple[float, float] | None, columns: Sequence[str]
    ) -> None:
        """Request all observations of some proposals, so that :meth:`observations` need not query parts of them.

        For one command that asks several times within moments; not for long-running processes. Parameters, and
        errors raised, as for :meth:`observations`.
        """
        keys = frozenset(names.proposal_key(proposal) for proposal in proposals)
        table = self.observations(sorted(keys), t_min, columns=columns, anew=True)
        self._remembered = _Remembered(keys, t_min or (-math.inf, math.inf), frozenset(columns), table)

    def _observations(self, filters: list[Filter], asked: Sequence[str], narrow: bool = False) -> pd.DataFrame:
        params = {"columns": ",".join(asked), "filters": filters}
        reply = self._ask("Mast.Caom.Filtered", params, "observations", asked, ("obsid",))
        schema = {name: tables.OBS_FROM_MAST[name] for name in asked} if narrow else tables.OBS_FROM_MAST
        with ONE_TABLE_AT_A_TIME:
            table = typed_table(reply.rows, reply.fields, schema, "observations")
        named = table["obsid"].notna() & table["proposal_id"].notna()
        self.unusable_rows += int((~named).sum())
        return table[named & table["t_min"].notna() & (table["calib_level"].fillna(0) >= 0)]

    def count_observations(self, instruments: Sequence[str] = (), proposals: Iterable[str | int] = ()) -> int:
        """The number of observations in MAST, planned ones included.

        Parameters
        ----------
        instruments : sequence of str
            ``instrument_name`` values; if empty, all instruments.
        proposals : iterable of str or int
            Program numbers; if empty, all programs.

        Raises
        ------
        ArchiveError
            As for :meth:`observations`.
        """
        filters: list[Filter] = [{"paramName": "obs_collection", "values": ["JWST"]}]
        if instruments:
            filters.append({"paramName": "instrument_name", "values": list(instruments)})
        if keys := [names.proposal_key(proposal) for proposal in proposals]:
            filters.append({"paramName": "proposal_id", "values": _spellings(keys)})
        params = {"columns": "COUNT_BIG(*)", "filters": filters}
        reply = self._mashup.ask("Mast.Caom.Filtered", params, "observations")
        return sum(int(value) for row in reply.rows for value in row.values())

    def products(self, obsids: Sequence[int], batch: int | None = None) -> pd.DataFrame:
        """Every product of some observations, one row per observation asked for and ``dataURI``.

        Parameters
        ----------
        obsids : sequence of int
            Product group ids.
        batch : int, optional
            Observations per query (``Nobs_per_batch``); None: as many as MAST answers in a few seconds.

        Returns
        -------
        DataFrame
            Columns of ``tables.PRODUCTS_FROM_MAST``. Observations for which MAST did not answer are in
            ``failures["products"]``.

        Raises
        ------
        ArchiveError
            As for :meth:`observations`.
        """
        if self._ahead and self._ahead.obsids.issuperset(obsids):
            ahead, left = self._ahead, self._ahead.obsids.difference(obsids)
            # Each list is handed out once: who asks again wants a new one.
            self._ahead = replace(ahead, obsids=left) if left else None
            table = ahead.answer.result()
            wanted = table["parent_obsid"].isin(obsids)
            return table if wanted.all() else table[wanted].reset_index(drop=True)
        return self._ask_products(obsids, batch)

    def request_products(self, obsids: Sequence[int], batch: int | None = None) -> None:
        """Request products in the background, so that :meth:`products` has them when they are needed.

        For one command, which uses them within moments. Parameters as for :meth:`products`.
        """
        answer: Future[pd.DataFrame] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._ask_products(obsids, batch))
            except BaseException as error:  # raised again by products
                answer.set_exception(error)

        self._ahead = _Ahead(frozenset(obsids), answer)
        # A daemon, so that an interrupted command does not wait for MAST's answer.
        threading.Thread(target=ask, name="products", daemon=True).start()

    def _ask_products(self, obsids: Sequence[int], batch: int | None) -> pd.DataFrame:
        return _joined(self.in_parts("products", obsids, self._products, batch), tables.PRODUCTS_FROM_MAST)

    def _products(self, obsids: Sequence[int]) -> pd.DataFrame:
        params = {"obsid": ",".join(str(obsid) for obsid in obsids)}
        reply = self._ask("Mast.Caom.Products", params, "products", tables.PRODUCTS_FROM_MAST)
        part = typed_table(reply.rows, reply.fields, tables.PRODUCTS_FROM_MAST, "products")
        part["productFilename"] = part["productFilename"].fillna(part["dataURI"].str.replace(r"^.*/", "", regex=True))
        named = part["dataURI"].notna() & part["parent_obsid"].notna()
        self.unusable_rows += int((~named).sum())
        # MAST repeats rows: 94 % of one level-3 observation's are guide-star files listed many times.
        return part[named].drop_duplicates(["parent_obsid", "dataURI"])

    def cloud_paths(self, uris: Sequence[str]) -> dict[str, str]:
        """Keys in the public bucket of files whose names do not determine them, by ``dataURI``.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        """
        found: dict[str, str] = {}
        for start in range(0, len(uris), PATHS_PER_REQUEST):
            asked = {"uri": list(uris[start : start + PATHS_PER_REQUEST]), "use_cloud_path": "true"}
            try:
                response = self._session.get(f"{self.server}/api/v0.1/path_lookup/", params=asked)
                response.raise_for_status()
                reply = dict(response.json())
            except (requests.RequestException, ValueError, TypeError) as error:
                raise as_sentence(error, self.server) from None
            for uri, told in reply.items():
                path = told.get("path") if isinstance(told, dict) else None
                if path:
                    # MAST has been seen to send both s3://bucket/key and /key.
                    found[uri] = path.removeprefix("s3://").lstrip("/").removeprefix(f"{BUCKET}/")
        return found

    def keywords(self, instrument: str, filters: list[Filter], columns: Sequence[str] = ()) -> pd.DataFrame:
        """Instrument keywords, one row per FITS file: checksums, versions, dates.

        Parameters
        ----------
        instrument : str
            ``nircam``, ``nirspec``, ``niriss``, ``miri``, ``fgs``, or ``GUIDE_STARS`` for guide-star files,
            which no instrument's service lists.
        filters : list of dict
            Mashup filters (``{"paramName": ..., "values": [...]}``).
        columns : sequence of str
            Default: those of ``tables.KEYWORDS_FROM_MAST``.

        Returns
        -------
        DataFrame
            Columns of ``tables.KEYWORDS_FROM_MAST``.

        Raises
        ------
        ArchiveError
            As for :meth:`observations`.
        """
        asked = list(columns or tables.KEYWORDS_FROM_MAST)
        what = f"{instrument} keywords"
        service = f"Mast.Jwst.Filtered.{instrument.capitalize()}"
        if instrument == GUIDE_STARS:
            # Some of its columns differ, so all are requested; the file name is in fileName.
            service, asked = "Mast.Jwst.Filtered.GuideStar", ["*"]
            spelled = {"filename": "fileName"}
            filters = [{**each, "paramName": spelled.get(each["paramName"], each["paramName"])} for each in filters]
        reply = self._ask(service, {"columns": ",".join(asked), "filters": filters}, what, asked)
        return typed_table(reply.rows, reply.fields, tables.KEYWORDS_FROM_MAST, what)

    def in_parts(self, what: str, items: Sequence[Any], ask: Any, size: int | None) -> list[Any]:
        """The replies of `ask` for a long list, in batches; see :func:`adaptive.in_parts`.

        Items that fail alone are left out and listed in ``failures[what]``.

        Raises
        ------
        ArchiveError
            If MAST does not answer at all.
        """
        failed = self.failures.setdefault(what, {})

        def ask_some(part: Sequence[Any]) -> Any:
            # Retrying with half the list is worth more than repeating the same query.
            self._session.patient = len(part) == 1
            try:
                return ask(part)
            finally:
                self._session.patient = True

        answers = in_parts(f"{self.server} {what}", items, ask_some, size, at_a_time=self.max_queries)
        for item in items:
            failed.pop(item, None)
        failed |= {item: str(error) for item, error in answers.failed.items()}
        return answers.replies

    def _ask(
        self, service: str, params: Params, what: str, asked: Collection[str], identity: Sequence[str] = ()
    ) -> Reply:
        reply = self._mashup.ask(service, params, what, identity)
        absent = sorted(set(asked) - {"*"} - set(actual_names(asked, reply.fields)))
        if reply.fields:
            self.absent_columns[what] = absent
        if refusal := self._mashup.refusal(service):
            self.refused_columns[what] = refusal
            lost = f"it has no {', '.join(absent)}" if absent else "no column is missing from its answer"
            self.warn(f"{refusal.rstrip('.')}; all columns were requested instead; {lost}")
        return reply


def _spellings(keys: Sequence[str]) -> list[str]:
    """MAST has recorded the same program both as 2733 and as 02733."""
    return sorted({*keys, *(key.lstrip("0") for key in keys)})


def _jwst_filters(t_min: tuple[float, float] | None) -> list[Filter]:
    filters: list[Filter] = [{"paramName": "obs_collection", "values": ["JWST"]}]
    if t_min:
        filters.append({"paramName": "t_min", "values": [{"min": t_min[0], "max": t_min[1]}]})
    return filters


def _proposal_filter(keys: Sequence[str]) -> Filter:
    return {"paramName": "proposal_id", "values": _spellings(keys)}


def _joined(parts: Sequence[pd.DataFrame], schema: tables.Schema) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else tables.empty(schema)


OBS_COLUMNS = ("t_max", "t_exptime", "t_obs_release", "dataproduct_type", "target_name", "filters", "obs_title")
OBS_COLUMNS += ("proposal_pi", "dataRights", "dataURL", "jpegURL", "provenance_name", "s_ra", "s_dec", "s_region")
"""Optional columns that the page, the release dates and the tables use."""
