"""The page of all proposals: made of what their own pages left to be said of them; a page of somebody else is kept."""

import datetime as dt
import json

import pandas as pd

from jwst_mast_assets.downloads.codes import Code
from jwst_mast_assets.webpage import write_page
from jwst_mast_assets.webpage.archive_page import write_archive_page
from jwst_mast_assets_tests.webpage.proposals import NOT_RELEASED, Proposal

NOW = dt.datetime(2025, 6, 1, 12, tzinfo=dt.timezone.utc)


def test_it_says_what_came_what_was_reprocessed_and_what_becomes_public_next(filled: Proposal):
    filled.add("jw01138009001_02101_00001_nrca1", "_uncal.fits", t_obs_release=NOT_RELEASED, dl_code=Code.EXCLUSIVE)
    events = [
        ("downloaded", "2025-05-30", 5_000_000),
        ("replaced", "2025-05-30", 2_000_000),
        ("stale", "2025-05-31", 9),
    ]
    history = pd.DataFrame(
        [{"event": event, "when": f"{day}T10:00:00", "size": size, "dataURI": "x"} for event, day, size in events]
    )
    write_page(filled.config, filled.key, *filled.tables(), now=NOW, history=history)
    path = write_archive_page(filled.config.root, NOW)
    assert path is not None
    html = " ".join(path.read_text(encoding="utf-8").split())
    assert '<dt>came in the last week</dt><dd>2</dd><dd class="quiet">7 MB</dd>' in html
    assert "<dt>of these reprocessed</dt><dd>1</dd>" in html
    assert "2025-05-30: 7 MB in 2 files" in html
    assert "<td>2129-12-06</td>" in html
    assert html.count('<li><a href="01138/index.html#picture=') == 2
    assert "Imaging of a globular cluster" in html


def test_it_is_left_as_it_is_where_nothing_but_the_time_has_changed(filled: Proposal):
    write_page(filled.config, filled.key, *filled.tables(), now=NOW)
    path = write_archive_page(filled.config.root, NOW)
    assert path is not None
    before = path.stat().st_mtime_ns
    assert write_archive_page(filled.config.root, NOW + dt.timedelta(minutes=10)) == path
    assert path.stat().st_mtime_ns == before


def test_an_index_that_is_not_ours_is_kept(filled: Proposal):
    write_page(filled.config, filled.key, *filled.tables(), now=NOW)
    own = filled.config.root / "index.html"
    own.write_text("<h1>My survey</h1>")
    assert write_archive_page(filled.config.root, NOW) is None
    assert own.read_text() == "<h1>My survey</h1>"


def test_a_damaged_record_of_a_proposal_leaves_out_only_that_one(filled: Proposal):
    write_page(filled.config, filled.key, *filled.tables(), now=NOW)
    cards = filled.config.root / ".jwst_mast_assets" / "pages"
    (cards / "09999.card.json").write_text("{")
    assert json.loads((cards / "01138.card.json").read_text())["proposal"] == "01138"
    path = write_archive_page(filled.config.root, NOW)
    assert path is not None
    assert "01138/index.html" in path.read_text()
