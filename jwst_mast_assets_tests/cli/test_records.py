"""``manifest``, ``diff``, ``status`` and ``calendar`` on what real runs left; and each way to ask them wrongly."""

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest
import yaml
from astropy.table import Table

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.defs.partitions import register_proposals
from jwst_mast_assets.embedded_archive import EmbeddedArchive
from jwst_mast_assets.mast.dates import day_of_mjd, mjd_of
from jwst_mast_assets.mast.file_states import State
from jwst_mast_assets_tests.defs.running import Runner

UNCALS = ("jw01138004001_02101_00001_nrca1_uncal.fits", "jw01138004001_02101_00002_nrca1_uncal.fits")
WANTED: dict[str, Any] = {"filetypes": ["_uncal.fits", "_rate.fits"], "sca": ["a1", "a2"]}


def now():
    return dt.datetime.now(dt.timezone.utc)


class Story(NamedTuple):
    """What happened in an output folder."""

    root: Path
    fetched: str
    reprocessed: str
    release: float


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """1138: two of twelve files reprocessed and fetched again, a third one reprocessed. 9231: not public yet."""
    folder = tmp_path_factory.mktemp("story")
    home = folder / "home"
    home.mkdir()
    today = mjd_of(now())
    with (
        pytest.MonkeyPatch.context() as patch,
        EmbeddedArchive(now=today) as archive,
        dg.instance_for_test(temp_dir=str(home)) as instance,
    ):
        patch.setenv("MAST_SERVER", archive.url)
        for name in ("MAST_API_TOKEN", "JWST_QUERY_CFGFILE"):
            patch.delenv(name, raising=False)
        register_proposals(instance, [1138, 9231])
        runner = Runner(instance, folder / "data")
        assert runner.run(**WANTED).success
        fetched = now().isoformat()
        archive.reprocess(UNCALS)
        assert runner.run(**WANTED).success
        reprocessed = now().isoformat()
        # It began 26 hours ago, its last exposure some minutes later.
        first, last = (f"{day_of_mjd(today + offset)}|09231" for offset in (-2, 0))
        assert runner.run(keys=(first, last)).success
        archive.reprocess("jw01138005001_02101_00001_nrca2_rate.fits")
        assert runner.run(**WANTED, skipdownload=True).success
    return Story(runner.root, fetched, reprocessed, today + 364)


class Asked(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    def row(self, first):
        """The cells of the line that begins with a word."""
        (line,) = [line for line in self.lines if line.startswith(first)]
        return [cell.strip() for cell in line.split("  ") if cell.strip()]


@pytest.fixture
def ask(story, capsys):
    def ask(*argv, root=story.root):
        status = main([*argv, "--outrootdir", str(root)])
        return Asked(status, *capsys.readouterr())

    return ask


def one_sentence(asked, *words):
    assert asked.status == 2
    assert asked.out == ""
    assert asked.err.startswith("jwst-mast: ")
    assert asked.err.count("\n") == 1
    for word in words:
        assert word in asked.err


def test_a_folder_that_has_lost_a_table_is_looked_at_without_a_traceback(story, ask, tmp_path):
    shutil.copytree(story.root, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / ".jwst_mast_assets" / "tables" / "obs_table")
    for command in ("status", "calendar", "manifest 1138"):
        asked = ask(*command.split(), root=tmp_path / "data")
        assert (asked.status, asked.err) == (0, ""), command


def test_a_manifest_lists_every_file_with_its_version(ask):
    asked = ask("manifest", "1138")
    assert asked.status == 0
    files = [line.split() for line in asked.lines if line.startswith("01138/")]
    assert len(files) == 12
    assert [path for path, *_ in files] == sorted(path for path, *_ in files)
    versions = {Path(path).name: (cal_ver, crds_ctx) for path, _, _, cal_ver, crds_ctx, *_ in files}
    assert {name for name, version in versions.items() if version == ("1.19.2", "jwst_1413.pmap")} == set(UNCALS)
    assert asked.lines[-1].endswith("(UTC): 12 files, 1.37 MB")


def test_a_manifest_of_an_earlier_time_has_the_versions_of_then(ask, story):
    then, today = ask("manifest", "1138", "--at", story.fetched), ask("manifest", "1138")
    assert "1.19.2" not in then.out
    paths = [[line.split()[0] for line in asked.lines if line.startswith("01138/")] for asked in (then, today)]
    assert paths[0] == paths[1]


def test_a_written_manifest_opens_in_astropy_and_names_what_is_on_disk(ask, story, tmp_path):
    path = tmp_path / "new" / "manifest.ecsv"
    asked = ask("manifest", "1138", "-o", str(path))
    assert asked.out.endswith(f"12 files, 1.37 MB: {path}\n")
    table = Table.read(path)
    assert table.meta["proposal"] == "01138"
    assert (table.meta["files"], table.meta["bytes"]) == (12, int(table["size"].sum()))
    assert table.meta["program"].startswith("jwst_mast_assets ")
    assert str(table["size"].unit) == "byte"
    for row in table:
        assert (story.root / row["path"]).stat().st_size == row["size"]


def test_a_manifest_of_files_that_the_disk_no_longer_has_warns(ask, story, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(story.root, root)
    assert ask("manifest", "1138", root=root).err == ""
    first, second = (next(root.rglob(name)) for name in UNCALS)
    first.unlink()
    second.write_text("no image")
    for argv in (["manifest", "1138"], ["manifest", "1138", "-o", str(tmp_path / "m.ecsv")]):
        assert "1 are missing on disk and 1 have another size" in ask(*argv, root=root).err
    assert ask("manifest", "1138", "--at", story.reprocessed, root=root).err == ""


def test_a_written_manifest_is_the_same_bytes_each_time_and_names_no_machine_and_no_run(ask, story, tmp_path):
    copy = tmp_path / "copied"
    shutil.copytree(story.root, copy)
    for name, root in (("a", story.root), ("b", story.root), ("c", copy)):
        assert ask("manifest", "1138", "-o", str(tmp_path / name), root=root).status == 0
    first = (tmp_path / "a").read_bytes()
    assert first == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    runs = [path.stem.rpartition("-")[2] for path in story.root.glob(".jwst_mast_assets/history/*/*.parquet")]
    assert runs
    for secret in (*runs, str(story.root), os.uname().nodename):
        assert secret.encode() not in first


def test_a_manifest_of_now_can_be_made_again_later_by_the_time_it_names(ask, story, tmp_path):
    now_path, later_path = tmp_path / "now.ecsv", tmp_path / "later.ecsv"
    ask("manifest", "1138", "-o", str(now_path))
    ask("manifest", "1138", "--at", Table.read(now_path).meta["at"], "-o", str(later_path))
    assert now_path.read_bytes() == later_path.read_bytes()


def test_a_difference_says_what_reprocessing_changed(ask, story):
    asked = ask("diff", "1138", story.fetched, story.reprocessed)
    assert asked.status == 0
    assert asked.lines[0].endswith("(UTC): 0 added, 2 changed, 0 superseded, 0 gone")
    assert asked.lines[1:3] == [
        "cal_ver 1.18.0 -> 1.19.2: 2 files",
        "crds_ctx jwst_1364.pmap -> jwst_1413.pmap: 2 files",
    ]
    assert {Path(line.split()[1]).name for line in asked.lines if line.startswith("changed")} == set(UNCALS)


def test_a_difference_until_now_needs_one_date(ask):
    asked = ask("diff", "1138", "2021-12-25")
    assert asked.lines[0].endswith("(UTC): 12 added, 0 changed, 0 superseded, 0 gone")
    assert sum(line.startswith("added") for line in asked.lines) == 12


def test_without_a_change_a_difference_is_one_line(ask, story):
    assert len(ask("diff", "1138", story.reprocessed).lines) == 1


def test_status_shows_every_recorded_proposal_and_totals(ask):
    asked = ask("status")
    assert asked.status == 0
    assert asked.row("01138")[:-1] == ["01138", "30", "12", "11", "1", "0", "0", "0", "1.37 MB", "0 B"]
    assert asked.row("09231")[:-1] == ["09231", "2", "2", "0", "0", "0", "0", "2", "0 B", "202 kB"]
    assert asked.row("total") == ["total", "32", "14", "11", "1", "0", "0", "2", "1.37 MB", "202 kB", "-"]
    checked = dt.datetime.fromisoformat(asked.row("01138")[-1]).replace(tzinfo=dt.timezone.utc)
    assert abs(now() - checked) < dt.timedelta(minutes=10)
    assert "stale: on disk, but MAST has another version of it" in asked.lines
    header, of_1138 = asked.lines[asked.lines.index("last compared (UTC):") + 1 :][:2]
    assert header.split() == ["proposal", "observations", "products", "checksums", "disk"]
    proposal, *times, checksums, disk = of_1138.split()
    assert (proposal, checksums, disk) == ("01138", "-", "-"), "neither has been looked at by a daily job yet"
    compared = [dt.datetime.fromisoformat(time).replace(tzinfo=dt.timezone.utc) for time in times]
    assert all(abs(now() - time) < dt.timedelta(minutes=10) for time in compared)


def test_status_checks_what_is_asked_for(ask, story, tmp_path):
    assert ask("status", "--check").status == 1
    assert ask("status", "9231", "--check").status == 0
    copy = tmp_path / "copied"
    shutil.copytree(story.root, copy)
    next(copy.glob("01138/**/*nrca2_uncal.fits")).unlink()
    assert ask("status", root=copy).row("01138")[3:6] == ["10", "1", "1"]


def test_status_names_the_files_that_are_not_as_they_should_be(ask, story, tmp_path):
    copy = tmp_path / "copied"
    shutil.copytree(story.root, copy)
    gone = min(copy.glob("01138/**/*nrca2_uncal.fits"))
    gone.unlink()
    lines = ask("status", "--details", root=copy).lines
    assert lines[lines.index("missing:") + 1] == f"  {gone.relative_to(copy)}"
    assert lines[lines.index("stale:") + 1].endswith("_nrca2_rate.fits")
    waiting = lines[lines.index("waiting:") + 1]
    assert waiting.startswith("  09231/obsnum01/jw09231")
    assert waiting.endswith(f": exclusive until {day_of_mjd(story.release)}")
    assert "missing:" not in ask("status", root=copy).lines


def test_the_calendar_says_what_becomes_public_when(ask, story):
    asked = ask("calendar")
    assert asked.row(str(day_of_mjd(story.release)))[1:] == ["09231", "1", "2", "202 kB", "0", "to come"]
    assert asked.lines[-1] == "2 files, 202 kB"
    assert ask("calendar", "1138").out == "No selected file is waiting for its release; use --all to see past ones\n"
    assert [line.split()[1] for line in ask("calendar", "--all").lines[1:3]] == ["01138", "09231"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["manifest", "abc"], ["'abc' is not a proposal number"]),
        (["manifest", "1138", "--at", "soon"], ["'soon' is not a date", "2026-01-15"]),
        (["manifest", "1138", "--at", "2022-01-01"], ["Nothing of 01138 was on disk", "its history starts"]),
        (
            ["manifest", "1410"],
            ["of 01410", "(there are records of 01138)", "jwst_download.py --propID 1410 --all_dates"],
        ),
        (["diff", "1138", "2026"], ["'2026' is not a date"]),
        (["diff", "1138", "2022-01-02", "2022-01-01"], ["DATE1 is later than DATE2"]),
        (["status", "1138", "1410"], ["Nothing is recorded of 01410", "--outrootdir"]),
        (["calendar", "0"], ["'0' is not a proposal number"]),
        (["calendar", "1410"], ["Nothing is recorded of 01410"]),
        (["status", "-c", "none.cfg"], ["config file none.cfg"]),
        (["manifest", "1138", "-o", "/dev/null/a.ecsv"], ["/dev/null/a.ecsv cannot be written", "-o"]),
    ],
)
def test_what_cannot_be_answered_is_one_sentence_that_says_what_to_do(ask, argv, words):
    one_sentence(ask(*argv), *words)


@pytest.mark.parametrize("argv", [["manifest", "1138"], ["diff", "1138", "2022-01-01"], ["status"], ["calendar"]])
def test_in_an_empty_output_folder_nothing_is_recorded_and_none_is_made(ask, tmp_path, argv):
    one_sentence(ask(*argv, root=tmp_path / "data"), "Nothing is recorded", str(tmp_path / "data"), "jwst_download.py")
    assert not (tmp_path / "data").exists()


def test_the_output_folder_comes_from_the_config_file(story, tmp_path, capsys):
    path = tmp_path / "my.cfg"
    path.write_text(f"outrootdir: {story.root.parent}\noutsubdir: {story.root.name}\n")
    assert main(["status", "-c", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{story.root}\n")


def test_the_commands_do_without_dagster_and_end_quietly_when_nobody_reads_on(story):
    code = (
        "import sys; from jwst_mast_assets.cli.main import main; "
        "status = main(sys.argv[1:]); assert 'dagster' not in sys.modules; sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "manifest", "1138", "--outrootdir", str(story.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


def test_status_for_other_programs_has_the_same_numbers(ask):
    (row,) = json.loads(ask("status", "1138", "--format", "json").out)
    lines = ask("status", "1138", "--format", "prometheus").out.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert row["proposal"] == "01138"
    assert row["stale"] > 0
    for state in ("present", "stale", "missing"):
        assert values[f'jwst_files{{proposal="01138",state="{state}"}}'] == str(row[state])
    assert values['jwst_bytes_on_disk{proposal="01138"}'] == str(row["bytes"])
    checked = dt.datetime.fromisoformat(f"{row['last_checked']}+00:00").timestamp()
    assert values['jwst_last_checked_timestamp_seconds{proposal="01138"}'] == f"{checked:.0f}"
    # each metric is described once, before its values
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert list(dict.fromkeys(name.partition("{")[0] for name in values)) == named
    assert ask("status", "1138", "--format", "json", "--check").status == 1


def test_the_examples_of_alerts_use_metrics_that_there_are(ask):
    there = {line.partition("{")[0] for line in ask("status", "--format", "prometheus").out.splitlines()}
    rules = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "alerts.yaml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert set(re.findall(r"jwst_\w+", rule["expr"])) <= there
        for state in re.findall(r'state="(\w+)"', rule["expr"]):
            assert State(state)
