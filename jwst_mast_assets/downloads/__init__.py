"""The download engine: what is on disk, what is to be fetched, fetching it, and looking after it later."""

from jwst_mast_assets.downloads.access import give_modes, open_to_all
from jwst_mast_assets.downloads.audit import audit, failures, not_provided_yet, summary
from jwst_mast_assets.downloads.codes import AWAITED, CODES, FAILURES, FETCHED, PRESENT, Code, Meaning
from jwst_mast_assets.downloads.companions import companions_of
from jwst_mast_assets.downloads.engine import RESULT_COLUMNS, Event, Fetcher, Progress, download, fetch_all
from jwst_mast_assets.downloads.fetch import FETCHED_BY_ANOTHER, Outcome
from jwst_mast_assets.downloads.on_disk import state_on_disk
from jwst_mast_assets.downloads.plan import Item, Plan, plan_download

__all__ = [
    "AWAITED",
    "CODES",
    "FAILURES",
    "FETCHED",
    "FETCHED_BY_ANOTHER",
    "PRESENT",
    "RESULT_COLUMNS",
    "Code",
    "Event",
    "Fetcher",
    "Item",
    "Meaning",
    "Outcome",
    "Plan",
    "Progress",
    "audit",
    "companions_of",
    "download",
    "failures",
    "fetch_all",
    "give_modes",
    "not_provided_yet",
    "open_to_all",
    "plan_download",
    "state_on_disk",
    "summary",
]
