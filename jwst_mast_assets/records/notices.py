"""Notices to people, sent with the apprise library, which must be installed: ``pip install jwst_mast_assets[notify]``.

The addresses contain passwords and keys; no message, error or log shows one.
"""

import datetime as dt
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jwst_mast_assets.mast.config import Config, load_config
from jwst_mast_assets.mast.connection import TOKEN_PAGE
from jwst_mast_assets.mast.sizes import human_bytes
from jwst_mast_assets.records.files import read_json, write_json
from jwst_mast_assets.records.store import STATE_FOLDER

TOKEN_IDLE_DAYS = 10
TOKEN_DAYS = 60
WARN_DAYS = 3
"""Number of days before a token expires on which a notice is sent."""


class Notice(NamedTuple):
    """A message to people."""

    title: str
    body: str
    kind: str = "info"
    """``info``, ``success``, ``warning`` or ``failure``, as apprise has them."""


class Addresses(NamedTuple):
    """Where notices go. Shows only how many there are."""

    urls: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Addresses({len(self.urls)})"

    __str__ = __repr__


def notice_addresses(config: Config | None = None) -> Addresses:
    """The addresses in ``$JWST_NOTIFY_URLS``, separated by spaces; else those of ``notify_urls``; none: no notices.

    Raises
    ------
    ConfigError
        If the configuration cannot be read.
    """
    if told := os.environ.get("JWST_NOTIFY_URLS", "").split():
        return Addresses(tuple(told))
    return Addresses(tuple(url.get_secret_value() for url in (config or load_config()).notify_urls))


def send(notice: Notice, addresses: Addresses) -> list[str]:
    """Send a notice to every address.

    Returns
    -------
    list of str
        What went wrong, one sentence per address, without the address; nothing is raised.
    """
    if not addresses.urls:
        return []
    try:
        import apprise
    except ImportError:
        return ["notify_urls is set, but apprise is not installed: pip install 'jwst_mast_assets[notify]'"]
    problems = []
    with _kept_quiet():
        for number, url in enumerate(addresses.urls, start=1):
            try:
                target = apprise.Apprise()
                if not target.add(url):
                    problems.append(f"notify_urls: address {number} is not one that apprise knows")
                elif not target.notify(body=notice.body, title=notice.title, notify_type=notice.kind):
                    problems.append(f"a notice could not be sent to address {number} of notify_urls")
            except Exception as error:
                problems.append(
                    f"a notice could not be sent to address {number} of notify_urls ({type(error).__name__})"
                )
    return problems


def new_data(proposals: Sequence[str], totals: dict[str, Any], page: str = "") -> Notice | None:
    """What a download brought; None if it fetched nothing.

    Parameters
    ----------
    proposals : sequence of str
    totals : dict
        Of the run: ``fetched`` (files), ``bytes_fetched``, ``present``, ``selected``; ``changed``, a sentence, if
        it replaced files; ``restored``, another, if it put files back.
    page : str
        Where the page is.
    """
    if not totals.get("fetched"):
        return None
    what = "files restored" if totals.get("restored") else "new data"
    title = f"{what} for {_numbers(proposals)}: {_files(totals['fetched'])}, {human_bytes(totals['bytes_fetched'])}"
    lines = [f"{totals['present']} of {totals['selected']} selected files are on disk."]
    lines = [f"{totals[name]}." for name in ("changed", "restored") if totals.get(name)] + lines
    return Notice(title, "\n".join([*lines, *([page] if page else [])]), "success")


def failed(proposals: Sequence[str], days: str, reasons: Sequence[str], run_id: str) -> Notice:
    """A download failed: which, and why."""
    why = "\n".join(dict.fromkeys(reasons)) or "The run ended without giving a reason."
    return Notice(f"download of {_numbers(proposals)} failed ({days})", f"{why}\nRun {run_id}", "failure")


def short_list(proposals: Sequence[str], lists: Sequence[str]) -> Notice:
    """MAST's list was shorter than what is on record, also when it was asked again; one sentence for each list."""
    kept = "What is on record is kept, and the lists are asked for again."
    return Notice(f"MAST lists less of {_numbers(proposals)} than before", "\n".join([*lists, kept]), "warning")


class TokenState(NamedTuple):
    """What is known about a token: when it was first seen and last used, and when its end was last reported."""

    first_seen: dt.datetime
    last_used: dt.datetime
    told: dt.datetime | None = None


def note_token(root: Path, token: str, now: dt.datetime, used: dt.datetime | None = None) -> TokenState:
    """Record that a token is there, by its hash, and when it was used.

    Parameters
    ----------
    root : Path
        The output folder; the file is ``<root>/.jwst_mast_assets/token.json``. Another token starts a new record.
    token : str
    now, used : datetime
        Aware. `used`: the last time that MAST saw it; default: as known.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path, digest = _token_path(root), _digest(token)
    known = _read_token(path, digest)
    # Earlier runs used a different token, or none.
    state = known or TokenState(now, now)
    if used and used > state.last_used:
        state = state._replace(last_used=used)
    if state != known:
        _write_token(path, digest, state)
    return state


def token_ends(state: TokenState, now: dt.datetime) -> Notice | None:
    """A warning if the token expires within three days, unless there was one in the last day, or after it expired."""
    if state.told and now - state.told < dt.timedelta(days=1):
        return None
    idle = state.last_used + dt.timedelta(days=TOKEN_IDLE_DAYS)
    old = state.first_seen + dt.timedelta(days=TOKEN_DAYS)
    end, why = min(
        (idle, f"it was last used on {state.last_used:%Y-%m-%d}"), (old, f"it is valid for {TOKEN_DAYS} days")
    )
    if end - now > dt.timedelta(days=WARN_DAYS) or (state.told and state.told >= end):
        return None
    verb = "expires on" if end > now else "has expired since"
    return Notice(
        f"the MAST token {verb} {end:%Y-%m-%d}",
        f"At the latest: {why}, and was first seen here on {state.first_seen:%Y-%m-%d}. "
        f"Get a new one at {TOKEN_PAGE} and set MAST_API_TOKEN.",
        "warning",
    )


def mark_told(root: Path, token: str, state: TokenState, now: dt.datetime) -> None:
    """Record that the end of a token was reported.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    _write_token(_token_path(root), _digest(token), state._replace(told=now))


def _token_path(root: Path) -> Path:
    return root / STATE_FOLDER / "token.json"


def _digest(token: str) -> str:
    return hashlib.sha256(b"jwst_mast_assets token " + token.encode()).hexdigest()[:16]


def _read_token(path: Path, digest: str) -> TokenState | None:
    known = read_json(path)
    if known.pop("token", None) != digest:
        return None
    try:
        return TokenState(**{name: value and dt.datetime.fromisoformat(value) for name, value in known.items()})
    except (ValueError, TypeError):
        return None


def _write_token(path: Path, digest: str, state: TokenState) -> None:
    moments = {name: value and value.isoformat() for name, value in state._asdict().items()}
    write_json(path, {"token": digest, **moments})


_QUIET = threading.Lock()


@contextmanager
def _kept_quiet() -> Iterator[None]:
    """Silence the log of apprise, which would show the addresses that it cannot read or reach."""
    logger = logging.getLogger("apprise")
    with _QUIET:
        before, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = before


def _numbers(proposals: Sequence[str]) -> str:
    numbers = [proposal.lstrip("0") for proposal in proposals]
    return ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")


def _files(number: int) -> str:
    return f"{number} file{'s' if number != 1 else ''}"
