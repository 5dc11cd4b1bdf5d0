"""The page in a real browser, opened from disk: it draws, sorts, filters and shows, and requests nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.webpage import write_page
from jwst_mast_assets.webpage.archive_page import write_archive_page
from jwst_mast_assets_tests.browsing import HOSTILE, Watched, chromium
from jwst_mast_assets_tests.webpage.proposals import Proposal, fill

WIDE, PHONE = (1400, 900), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder: a proposal of two observations, one with a hostile target, and the page of all proposals."""
    proposal = Proposal(Config(outrootdir=str(tmp_path_factory.mktemp("pages") / "data")))
    fill(proposal)
    proposal.add("jw01138-c1006_t001_nircam_clear-f200w", "_i2d.fits", obsnums="2,12")
    observations, files, summary = proposal.tables()
    squares = [f"POLYGON ICRS {ra} 10 {ra + 0.02} 10 {ra + 0.02} 10.02 {ra} 10.02" for ra in (150, 150.03, 150.06)]
    observations = observations.assign(s_region=squares[: len(observations)])
    observations.loc[1, "target_name"] = HOSTILE
    # So that files and rows know their observation.
    files["parent_obsid"] = files["obsnum"].map(observations.set_index("obsnum")["obsid"])
    write_page(proposal.config, proposal.key, observations, files, summary)
    write_archive_page(proposal.config.root)
    return proposal.config.root


class Opened(Watched):
    """A page from disk, with what went wrong in it."""

    def goto(self, path: Path, address: str = "") -> Page:
        self.page.goto(path.as_uri() + address)
        return self.page


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
    opened = Opened(page)
    yield opened
    page.close()
    assert opened.problems == []


def rows(page: Page) -> list[str]:
    return page.locator("section.rows:not([hidden]) tbody tr .name").all_text_contents()


def cells(page: Page, column: str) -> list[str]:
    return page.locator(f'#exposure td[data-label="{column}"]').all_text_contents()


def test_images_come_first_then_observations_then_exposures_each_with_its_picture_first(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    shown = page.locator("h2:visible").all_text_contents()
    assert [text.split()[0] for text in shown] == ["Images", "Observations", "On", "Exposures", "Level-3"]
    assert page.locator("#gallery li").count() == 2
    assert "NIRCAM/IMAGE, F200W" in page.locator("#gallery li").first.inner_text()
    heads = page.locator("#exposure thead th").all_text_contents()
    assert heads[:7] == ["picture", "name", "sca", "FILTER", "PUPIL", "EFFEXPTM", "DATE-BEG"]
    assert page.evaluate("document.documentElement.scrollWidth") == WIDE[0]


def test_a_hostile_target_is_text(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    assert HOSTILE in page.locator("#gallery").inner_text()
    assert HOSTILE in page.locator("table.summary").inner_text()
    assert page.locator("script").count() == 2


def test_columns_sort_up_and_down(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    button = page.locator("#exposure thead button", has_text="EFFEXPTM")
    button.click()
    up = [float(text) for text in cells(page, "EFFEXPTM")]
    assert up == sorted(up)
    assert len(set(up)) > 1
    page.locator("#exposure thead button", has_text="EFFEXPTM").click()
    assert [float(text) for text in cells(page, "EFFEXPTM")] == sorted(up, reverse=True)
    head = page.locator("#exposure th", has_text="EFFEXPTM")
    assert head.get_attribute("aria-sort") == "descending"


def test_the_choice_stands_in_the_address_and_is_restored_from_it(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    assert len(rows(page)) == 15
    page.select_option("#by-sca", "a2")
    assert len(rows(page)) == 4
    page.select_option("#by-obsnum", "2")
    page.fill("#filter", "00001_NRCA2_rate.jpg")
    page.wait_for_function("location.hash.includes('q=')")
    page.locator("#exposure thead button", has_text="FILTER").click()
    found, address = rows(page), page.evaluate("location.hash")
    assert found == ["jw01138002001_02101_00001_nrca2"]
    page.goto("about:blank")
    opened.goto(pages / "01138" / "index.html", address)
    assert rows(page) == found
    assert page.input_value("#filter") == "00001_NRCA2_rate.jpg"
    assert page.locator("#exposure th[aria-sort=ascending]").text_content() == "FILTER"
    page.click("#clear")
    assert len(rows(page)) == 15


def test_level3_of_several_observations_is_shown_under_each_of_their_numbers(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    found = {}
    for number in ("1", "2", "12"):
        page.select_option("#by-obsnum", number)
        found[number] = sum("c1006" in name for name in rows(page))
    assert found == {"1": 0, "2": 1, "12": 1}


def test_a_picture_opens_large_and_keys_lead_to_the_others(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    page.locator("#exposure a.figure").first.click()
    name = page.locator("#viewer-name")
    assert name.text_content() == "jw01138001001_02101_00001_nrca1_cal.jpg"
    page.keyboard.press("ArrowRight")
    assert name.text_content() == "jw01138001001_02101_00002_nrca1_cal.jpg"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    assert page.locator("#viewer-place").text_content() == "12 of 12"
    page.wait_for_function("document.getElementById('viewer-image').naturalWidth === 320")
    shared = page.evaluate("location.hash")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.wait_for_function("location.hash === ''")
    page.goto("about:blank")
    opened.goto(pages / "01138" / "index.html", shared)
    assert name.text_content() == "jw01138002001_02101_00002_nrca3_cal.jpg"


def test_columns_are_chosen(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    assert cells(page, "outfilename") == []
    page.click("#chooser summary")
    page.locator("#columns label", has_text="outfilename").locator("input").check()
    assert cells(page, "outfilename")[0] == "jw01138001001_02101_00001_nrca1_uncal.fits"
    assert "outfilename" in page.evaluate("location.hash")


def test_commands_for_the_chosen_rows(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    page.locator("#exposure tbody input").nth(1).check()
    page.click("#open-copy")
    command, curl = page.input_value("#command"), page.input_value("#curl")
    assert command.startswith("jwst_download.py --propID 1138 --all_dates --obsid_list ")
    assert command.endswith("--filetypes _cal.jpg _rate.fits _rate.jpg _uncal.fits _uncal.jpg")
    assert len(curl.splitlines()) == 5
    assert "https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:JWST/product/jw01138001001_02101_00002" in curl


def test_footprints_and_rows_point_to_each_other(pages: Path, opened: Opened):
    page = opened.goto(pages / "01138" / "index.html")
    row = page.locator("#exposure tbody tr", has_text="jw01138002001").first
    row.hover()
    assert page.locator("path.marked").get_attribute("id") == f"shape{row.get_attribute('data-shape')}"
    page.locator("g.shape[data-obsnum='2']").focus()
    page.keyboard.press("Enter")
    assert {name[7:10] for name in page.locator("#exposure tbody .name").all_text_contents()} == {"002"}


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["01138/index.html", "index.html"])
def test_no_accessibility_check_fails_and_nothing_is_wider_than_the_window(pages, opened, size, scheme, name):
    opened.page.set_viewport_size({"width": size[0], "height": size[1]})
    opened.page.emulate_media(color_scheme=scheme)
    page = opened.goto(pages / name)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_many_rows_are_drawn_as_they_are_scrolled_to(browser: Browser, opened: Opened, tmp_path: Path):
    proposal = Proposal(Config(outrootdir=str(tmp_path / "data")))
    for number in range(1, 1001):
        proposal.add(f"jw01138001001_02101_{number:05d}_nrca1", "_rate.fits")
    page = opened.goto(write_page(proposal.config, proposal.key, *proposal.tables()).path)
    assert 0 < len(rows(page)) < 300
    assert page.locator("#count").text_content() == "1000 rows"
    page.fill("#filter", "_00987_")
    page.wait_for_function("document.getElementById('count').textContent === '1 of 1000 rows'")
    assert rows(page) == ["jw01138001001_02101_00987_nrca1"]
