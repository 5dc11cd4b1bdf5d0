"""The only module that talks to MAST: its tables through astroquery's portal API, its files over one session.

``$MAST_SERVER`` moves all of it: columns config, invoke, download, whoami.
"""

import json
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import requests

# The class behind astroquery.mast.Observations: the only one that takes a session and addresses of our own.
from astroquery.mast.discovery_portal import PortalAPI

from jwst_mast_assets.mast import names, tables
from jwst_mast_assets.mast.errors import ArchiveError, ArchiveUnavailable, ConfigError, TokenError
from jwst_mast_assets.mast.session import CONNECT_TIMEOUT, MastSession

DEFAULT_SERVER = "https://mast.stsci.edu"
TOKEN_PAGE = "https://auth.mast.stsci.edu/token"

QUERY_TIMEOUT = 600.0
"""Seconds without a byte before a query is given up; astroquery's own figure."""

PATHS_PER_REQUEST = 40
"""Files per question for places in the cloud, as astroquery asks."""

BUCKET = "stpubdata"
"""MAST's public bucket."""

Filter = dict[str, Any]

GUIDE_STARS = "guidestar"
"""Stands, beside the instruments, for the keyword service of guide-star files (``_gs-``)."""


@dataclass(frozen=True)
class Identity:
    """Who MAST takes us for."""

    anonymous: bool
    name: str = ""


class Archive:
    """MAST's JWST holdings.

    Parameters
    ----------
    server : str, optional
        Default: ``$MAST_SERVER``, else ``https://mast.stsci.edu``.
    token : str, optional
        MAST token; default ``$MAST_API_TOKEN``. Without one public data work.
    read_timeout : float
        Seconds without a byte before a query is given up.
    retries : int
        How often a query is asked again after a dropped connection, 429 or 5xx.
    time_limit : float
        Seconds after which no further query is made, for those who have little time.
    """

    def __init__(
        self,
        server: str | None = None,
        token: str | None = None,
        read_timeout: float = QUERY_TIMEOUT,
        retries: int = 3,
        time_limit: float = math.inf,
    ) -> None:
        self.server = (server or os.environ.get("MAST_SERVER") or DEFAULT_SERVER).rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            raise ConfigError(f"MAST_SERVER must begin with http:// or https://; it is {self.server!r}")
        self.token = token or os.environ.get("MAST_API_TOKEN") or None
        self._identity: Identity | None = None
        self.absent_columns: dict[str, list[str]] = {}
        """Columns that the last replies did not have although they were asked for, by what was asked."""
        self.unusable_rows = 0
        """Rows left out because they lack what identifies them."""
        self._session = MastSession(self.token, read_timeout, retries, self.server)
        self._session.end = time.monotonic() + time_limit
        self._portal = PortalAPI(session=self._session)
        self._portal.MAST_REQUEST_URL = f"{self.server}/api/v0/invoke"
        self._portal.COLUMNS_CONFIG_URL = f"{self.server}/portal/Mashup/Mashup.asmx/columnsconfig"

    def __repr__(self) -> str:
        return f"Archive({self.server!r})"

    @property
    def download_url(self) -> str:
        """Where files come from; ``?uri=<dataURI>`` names one."""
        return f"{self.server}/api/v0.1/Download/file"

    def session(self, read_timeout: float) -> MastSession:
        """A session of its own for one thread that downloads; it does not retry by itself."""
        return MastSession(self.token, read_timeout, 0, self.server, header=True)

    def whoami(self) -> Identity:
        """Who MAST takes us for, with the token that we show; asked once.

        Raises
        ------
        TokenError
            If a token is set and MAST does not accept it.
        ArchiveError
            If MAST does not answer.
        """
        if self._identity:
            return self._identity
        waits = (CONNECT_TIMEOUT, min(60, self._session.read_timeout))
        info = self._sent(lambda: self._session.get(f"{self.server}/whoami", timeout=waits))
        identity = Identity(bool(info.get("anon", True)), str((info.get("attrib") or {}).get("display_name") or ""))
        if self.token and identity.anonymous:
            raise TokenError(
                "MAST does not accept the token in MAST_API_TOKEN: it may have expired (10 days unused, or 60 days "
                f"old); get a new one at {TOKEN_PAGE}, or unset it to work with public data only"
            )
        self._identity = identity
        return identity

    def observations(
        self,
        proposals: Iterable[str | int] = (),
        t_min: tuple[float, float] | None = None,
        instruments: Sequence[str] = (),
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """CAOM observations, planned ones (which have no ``t_min``) left out.

        Parameters
        ----------
        proposals : iterable of str or int
            Program numbers; none: of all programs.
        t_min : (float, float), optional
            First and last start, MJD (UTC), both included.
        instruments : sequence of str
            ``instrument_name`` values, one of which may end in ``%`` for any ending.
        columns : sequence of str
            Columns to ask for beside the required ones; default: ``OBS_COLUMNS``.

        Returns
        -------
        DataFrame
            Columns of ``tables.OBS_FROM_MAST``; those not asked for are missing.

        Raises
        ------
        ArchiveError
            If MAST does not answer, answers with an error, or sends fewer rows than it has.
        """
        filters: list[Filter] = [{"paramName": "obs_collection", "values": ["JWST"]}]
        keys = [names.proposal_key(proposal) for proposal in proposals]
        if keys:
            # MAST has recorded the same program as 2733 and as 02733.
            filters.append({"paramName": "proposal_id", "values": sorted({*keys, *(k.lstrip("0") for k in keys)})})
        if t_min:
            filters.append({"paramName": "t_min", "values": [{"min": t_min[0], "max": t_min[1]}]})
        if instruments:
            exact = [name for name in instruments if not name.endswith("%")]
            pattern = [name for name in instruments if name.endswith("%")]
            filters.append({"paramName": "instrument_name", "values": exact})
            if pattern:
                filters[-1]["freeText"] = pattern[0]
        asked = dict.fromkeys(
            [
                *(n for n, c in tables.OBS_FROM_MAST.items() if c.required),
                *(OBS_COLUMNS if columns is None else columns),
            ]
        )
        rows, fields = self._invoke(
            "Mast.Caom.Filtered", {"columns": ",".join(asked), "filters": filters}, "observations"
        )
        self._note_absent("observations", asked, rows, fields)
        table = tables.from_mast(rows, fields, tables.OBS_FROM_MAST, "observations")
        named = table["obsid"].notna() & table["proposal_id"].notna()
        self.unusable_rows += int((~named).sum())
        taken = named & table["t_min"].notna() & (table["calib_level"].fillna(0) >= 0)
        return table[taken].drop_duplicates("obsid").reset_index(drop=True)

    def count_observations(self, instruments: Sequence[str]) -> int:
        """How many observations MAST has under some ``instrument_name`` values, of all programs.

        Raises
        ------
        ArchiveError
            As for :meth:`observations`.
        """
        filters: list[Filter] = [
            {"paramName": "obs_collection", "values": ["JWST"]},
            {"paramName": "instrument_name", "values": list(instruments)},
        ]
        rows, _ = self._invoke("Mast.Caom.Filtered", {"columns": "COUNT_BIG(*)", "filters": filters}, "observations")
        return sum(int(value) for row in rows for value in row.values())

    def products(self, obsids: Sequence[int], batch: int) -> pd.DataFrame:
        """Every product of some observations, one row per observation asked for and ``dataURI``.

        Parameters
        ----------
        obsids : sequence of int
            Product group ids.
        batch : int
            Observations per query (``Nobs_per_batch``).

        Returns
        -------
        DataFrame
            Columns of ``tables.PRODUCTS_FROM_MAST``.

        Raises
        ------
        ArchiveError
            As for :meth:`observations`.
        """
        parts = [self._products(obsids[start : start + batch]) for start in range(0, len(obsids), batch)]
        filled = [part for part in parts if len(part)]
        return pd.concat(filled, ignore_index=True) if filled else tables.empty(tables.PRODUCTS_FROM_MAST)

    def _products(self, obsids: Sequence[int]) -> pd.DataFrame:
        """One batch; in halves where MAST cannot answer for as many at once."""
        chunk = ",".join(str(obsid) for obsid in obsids)
        try:
            rows, fields = self._invoke("Mast.Caom.Products", {"obsid": chunk}, "products")
        except ArchiveUnavailable:
            if len(obsids) == 1:
                raise
            half = len(obsids) // 2
            return pd.concat([self._products(obsids[:half]), self._products(obsids[half:])], ignore_index=True)
        self._note_absent("products", tables.PRODUCTS_FROM_MAST, rows, fields)
        part = tables.from_mast(rows, fields, tables.PRODUCTS_FROM_MAST, "products")
        named = part["dataURI"].notna() & part["parent_obsid"].notna()
        self.unusable_rows += int((~named).sum())
        part = part[named]
        # MAST repeats rows: 94 % of one level-3 observation's are guide-star files listed many times.
        return part.drop_duplicates(["parent_obsid", "dataURI"])

    def cloud_paths(self, uris: Sequence[str]) -> dict[str, str]:
        """Keys in the public bucket of files whose names do not say them, by ``dataURI``; few requests.

        Raises
        ------
        ArchiveError
            If MAST does not answer.
        """
        found: dict[str, str] = {}
        for start in range(0, len(uris), PATHS_PER_REQUEST):
            asked = {"uri": list(uris[start : start + PATHS_PER_REQUEST]), "use_cloud_path": "true"}
            reply = self._sent(
                lambda asked=asked: self._session.get(f"{self.server}/api/v0.1/path_lookup/", params=asked)
            )
            for uri, told in reply.items():
                path = told.get("path") if isinstance(told, dict) else None
                if path:
                    # MAST has been seen to write s3://bucket/key and /key.
                    found[uri] = path.removeprefix("s3://").lstrip("/").removeprefix(f"{BUCKET}/")
        return found

    def keywords(self, instrument: str, filters: list[Filter], columns: Sequence[str] = ()) -> pd.DataFrame:
        """Instrument keywords, one row per FITS file: checksums, versions, dates.

        Parameters
        ----------
        instrument : str
            ``nircam``, ``nirspec``, ``niriss``, ``miri``, ``fgs``, or ``GUIDE_STARS`` for the files of guide stars,
            which no instrument's service has.
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
        asked = ",".join(columns or tables.KEYWORDS_FROM_MAST)
        service = f"Mast.Jwst.Filtered.{instrument.capitalize()}"
        if instrument == GUIDE_STARS:
            # Its columns are partly others, so all are asked for; the file's name is in fileName.
            service, asked = "Mast.Jwst.Filtered.GuideStar", "*"
            spelled = {"filename": "fileName"}
            filters = [{**each, "paramName": spelled.get(each["paramName"], each["paramName"])} for each in filters]
        rows, fields = self._invoke(service, {"columns": asked, "filters": filters}, f"{instrument} keywords")
        if instrument == GUIDE_STARS:
            rows = [{**row, "filename": row.get("fileName", row.get("filename"))} for row in rows]
        return tables.from_mast(rows, fields, tables.KEYWORDS_FROM_MAST, f"{instrument} keywords")

    def _invoke(self, service: str, params: dict[str, Any], what: str) -> tuple[list[dict[str, Any]], set[str]]:
        """All rows of a Mashup service, and the names of its columns."""
        replies = self._sent(lambda: self._portal.service_request_async(service, params))
        rows: list[dict[str, Any]] = []
        fields: set[str] = set()
        total = 0
        for reply in replies:
            envelope = reply.json()
            if envelope.get("status") == "ERROR":
                # It does not say whether it may pass; too much asked for at once is one of its reasons.
                told = envelope.get("msg") or "no reason given"
                raise ArchiveUnavailable(f"MAST answered the query of {what} with an error: {told}")
            if envelope.get("status") != "COMPLETE":
                raise ArchiveUnavailable(self._not_mast())
            rows += envelope.get("data") or []
            fields |= {field["name"] for field in envelope.get("fields") or []}
            paging = envelope.get("paging") or {}
            # A server has been seen to cut at 50,000 rows and to count only those as filtered.
            total = max(total, paging.get("rowsFiltered") or 0, paging.get("rowsTotal") or 0)
        if len(rows) < total:
            raise ArchiveUnavailable(
                f"MAST sent only {len(rows)} of {total} {what}; try again, or lower Nobs_per_batch"
            )
        return rows, fields

    def _note_absent(self, what: str, asked: Iterable[str], rows: list[dict[str, Any]], fields: set[str]) -> None:
        there = fields | (set(rows[0]) if rows else set())
        if there:
            self.absent_columns[what] = sorted(set(asked) - there)

    def _sent(self, send: Any) -> Any:
        """What a request brought (JSON, or replies); its errors as one sentence each."""
        try:
            result = send()
            if isinstance(result, requests.Response):
                result.raise_for_status()
                return result.json()
            return result
        except requests.HTTPError as error:
            status = error.response.status_code
            kind = ArchiveUnavailable if status == 429 or status >= 500 else ArchiveError
            address = error.response.url.partition("?")[0]
            raise kind(f"MAST answered with HTTP status {status} ({error.response.reason}) at {address}") from None
        except (json.JSONDecodeError, requests.exceptions.JSONDecodeError):
            raise ArchiveUnavailable(self._not_mast()) from None
        except (requests.RequestException, TimeoutError) as error:
            raise ArchiveUnavailable(
                f"MAST at {self.server} cannot be reached ({_reason(error)}); check MAST_SERVER and the network"
            ) from None
        except (AttributeError, KeyError, TypeError):
            # Raised by astroquery where a reply lacks what every reply of MAST has.
            raise ArchiveUnavailable(self._not_mast()) from None

    def _not_mast(self) -> str:
        return f"{self.server} answered with something that is not MAST's JSON; is MAST_SERVER right?"


OBS_COLUMNS = ("t_max", "t_exptime", "t_obs_release", "dataproduct_type", "target_name", "filters", "obs_title")
OBS_COLUMNS += ("proposal_pi", "dataRights", "dataURL", "jpegURL", "provenance_name", "s_ra", "s_dec")
"""Optional columns that the page, the releases and the tables use."""


def _reason(error: Exception) -> str:
    """The innermost cause of a connection error, in a few words and without an object's address."""
    if isinstance(error, requests.Timeout | TimeoutError):
        return "time-out"
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__context__ or cause.__cause__) and isinstance(
        inner, BaseException
    ):
        cause = inner
    return getattr(cause, "strerror", None) or type(cause).__name__
