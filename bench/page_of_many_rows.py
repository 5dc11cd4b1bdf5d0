"""The page of 5,000 exposures: size, time to build, time to first paint, time to filter. Needs Chromium."""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from jwst_mast_assets.mast.config import Config
from jwst_mast_assets.webpage import write_page

sys.path.insert(0, str(Path(__file__).parents[1]))
from jwst_mast_assets_tests.webpage.proposals import DETECTORS, Proposal, exposure_keywords, write_fits

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
FILTER = """(word) => new Promise((done) => {
  const field = document.getElementById("filter"), start = performance.now();
  field.value = word;
  field.dispatchEvent(new Event("input"));
  const before = document.getElementById("count").textContent;
  const watch = () => (document.getElementById("count").textContent !== before)
    ? done(performance.now() - start - 60) : setTimeout(watch, 1);
  watch();
})"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        proposal = Proposal(Config(outrootdir=folder))
        for number in range(ROWS):
            detector = DETECTORS[number % 10]
            obs_id = f"jw01138{number // 500 + 1:03d}001_02101_{number // 10 % 50 + 1:05d}_{detector}"
            for suffix in ("_uncal.fits", "_uncal.jpg", "_rate.fits", "_rate.jpg", "_cal.fits", "_cal.jpg"):
                proposal.add(obs_id, suffix)
        tables = proposal.tables()
        for number, file in enumerate(tables[1].itertuples()):
            if file.filetype == "_uncal.fits":
                write_fits(Path(str(file.outfilename)), exposure_keywords(number % 50, str(file.sca)))
        for what in ("first time", "again, headers known"):
            start = time.perf_counter()
            page = write_page(proposal.config, proposal.key, *tables)
            print(f"built ({what}): {time.perf_counter() - start:.2f} s, {page.rows} rows")
        print(f"size: {page.path.stat().st_size / 1e6:.2f} MB")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page()
            tab.goto(page.path.as_uri())
            tab.wait_for_timeout(500)
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            print(f"first paint: {tab.evaluate(paint):.0f} ms")
            for word in ("nrca1", "00012_nrcb3", "f115w"):
                print(f"filter {word!r}: {tab.evaluate(FILTER, word):.0f} ms")
            browser.close()


if __name__ == "__main__":
    main()
