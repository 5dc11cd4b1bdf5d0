"""The page in a real browser: its script runs without errors, sorts and filters."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from jwst_mast_assets.webpage import write_page
from jwst_mast_assets_tests.webpage.conftest import Proposal

PROBE = """<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
</script>"""

STEPS = """<script>
const names = () => [...document.querySelectorAll("table.main tbody tr")].filter((row) => !row.hidden)
  .map((row) => row.querySelector(".name").textContent);
const head = (text) => [...document.querySelectorAll("table.main thead th")].find((th) => th.textContent === text);
const shows = {};
shows.all = names().length;
head("NGROUPS").querySelector("button").click();
const groups = () => {
  const column = head("NGROUPS").cellIndex;
  return [...document.querySelector("table.main").tBodies[0].rows].map((row) => Number(row.cells[column].textContent));
};
shows.ascending = groups().every((value, index, all) => !index || all[index - 1] <= value);
shows.sorted = head("NGROUPS").getAttribute("aria-sort");
head("NGROUPS").querySelector("button").click();
shows.descending = groups().every((value, index, all) => !index || all[index - 1] >= value);
const choose = (id, value) => {
  const select = document.getElementById(id);
  select.value = value;
  select.dispatchEvent(new Event("change"));
};
choose("by-sca", "a2");
shows.detector = names().length;
choose("by-obsnum", "2");
shows.both = names().length;
choose("by-sca", "");
choose("by-obsnum", "");
document.querySelector("a[data-obsnum='1']").click();
shows.linked = names().length;
choose("by-obsnum", "");
document.getElementById("filter").value = "NIRCAM_clear-f200w_i2d.jpg";
document.getElementById("filter").dispatchEvent(new Event("input"));
setTimeout(() => {
  shows.filtered = names().length;
  shows.count = document.getElementById("count").textContent;
  document.getElementById("pictures").click();
  shows.plain = getComputedStyle(document.querySelector("td.figure img")).display;
  shows.errors = errors;
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(shows);
  document.body.append(result);
}, 300);
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.fail("chromium is not installed: this test needs it (Debian: apt-get install chromium)")
    return found


def dump(chromium: str, page: Path, profile: Path) -> str:
    options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    options += " --disable-component-update --disable-sync --virtual-time-budget=3000 --dump-dom"
    command = [chromium, *options.split(), f"--user-data-dir={profile}", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_script_sorts_and_filters(filled: Proposal, chromium: str, tmp_path: Path):
    page = write_page(filled.config, filled.key, *filled.tables()).path
    html = page.read_text().replace("<head>", f"<head>{PROBE}").replace("</body>", f"{STEPS}</body>")
    probed = page.with_name("probed.html")
    probed.write_text(html)
    result = re.search(r'<pre id="result">(.*?)</pre>', dump(chromium, probed, tmp_path / "profile"))
    assert result, "the script stopped on its way"
    expected = (
        '{"all":14,"ascending":true,"sorted":"ascending","descending":true,"detector":4,"both":2,"linked":7,'
        '"filtered":2,"count":"2 of 14 rows","plain":"none","errors":[]}'
    )
    assert result[1] == expected


OF_SEVERAL = """<script>
const select = document.getElementById("by-obsnum");
const shown = [...select.options].map(({ value }) => {
  select.value = value;
  select.dispatchEvent(new Event("change"));
  const rows = [...document.querySelectorAll("tr[data-obsnum]")].filter((row) => !row.hidden);
  return [value, rows.filter((row) => row.querySelector(".name").textContent.includes("c1006")).length];
});
const result = document.createElement("pre");
result.id = "result";
result.textContent = JSON.stringify({ shown, errors });
document.body.append(result);
</script>"""


def test_level3_of_several_observations_is_shown_under_each_of_their_numbers(
    filled: Proposal, chromium: str, tmp_path: Path
):
    filled.add("jw01138-c1006_t001_nircam_clear-f200w", "_i2d.fits", obsnums="2,12")
    page = write_page(filled.config, filled.key, *filled.tables()).path
    html = page.read_text().replace("<head>", f"<head>{PROBE}").replace("</body>", f"{OF_SEVERAL}</body>")
    probed = page.with_name("probed.html")
    probed.write_text(html)
    result = re.search(r'<pre id="result">(.*?)</pre>', dump(chromium, probed, tmp_path / "profile"))
    assert result, "the script stopped on its way"
    assert result[1] == '{"shown":[["",1],["1",0],["2",1],["12",1]],"errors":[]}'
