"""What the commands print: for a person, a narrow terminal, a pipe, and a reader that has gone."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.runs import open_instance
from jwst_mast_assets.cli.screen import as_lines, wrapped
from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault

DAY = ("--propID", "1138", "--date_select", "2022-04-10")
ONE = (*DAY, "--sca", "nrca1", "--obsnums", "5")
TABLE = pd.DataFrame(
    {
        "proposal": pd.Series(["01138", "total"], dtype="string"),
        "files": pd.Series([30, 30], dtype="Int64"),
        "on disk": ["3.02 MB", "0 B"],
        "path": ["01138/obsnum05/jw01138005001_02101_00001_nrca1_uncal.fits", None],
    }
)


def test_a_table_has_text_to_the_left_numbers_and_sizes_to_the_right_and_a_dash_for_nothing():
    assert as_lines(TABLE[["proposal", "files", "on disk"]].assign(none=None)) == [
        "proposal  files  on disk  none",
        "01138        30  3.02 MB  -",
        "total        30      0 B  -",
    ]


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_table_is_never_wider_than_the_terminal_and_says_what_it_leaves_out(width):
    lines = as_lines(TABLE, width, ["path"])
    assert max(map(len, lines)) <= width
    assert any("_nrca1_uncal.fits" in line for line in lines)
    assert "(no room for: " in "".join(lines)
    assert max(map(len, as_lines(TABLE))) > 80


def test_each_thing_is_said_once_and_what_was_made_is_named(archive, command):
    outcome = command.download(*ONE, "-w")
    name = "jw01138005001_02101_00001_nrca1_uncal.fits"
    assert outcome.out.count(name) == 1
    for title in ("### Selected Products:", "### Summary propID/obsnum:", "### Download complete: 1 file, "):
        assert outcome.out.count(title) == 1
    folder = command.root / "01138"
    assert f"tables: {folder}/01138.summary.txt, .obs.txt, .selprod.txt\n" in outcome.out
    assert f"page: {folder}/index.html\n" in outcome.out
    assert outcome.err == ""


def test_a_sentence_is_wrapped_between_words_and_a_path_stays_whole():
    path = "/data/archive/of/a/long/name/01138/index.html"
    assert wrapped(f"page: {path}", 40) == ["page:", f"  {path}"]
    assert wrapped(f"\n### free in {path}: 1 GB", 60) == ["", f"### free in {path}: 1", "  GB"]
    assert wrapped("x" * 70, None) == ["x" * 70]


def test_values_that_match_nothing_are_named_even_if_others_match(archive, command):
    outcome = command.query(*DAY, "--obsnums", "5", "999", "-f", "uncal", "rat")
    assert outcome.status == 0
    assert outcome.err.splitlines() == [
        "WARNING: obsnums: 999 matches no observation that was found; proposal 01138 has 4, 5",
        "WARNING: filetypes: 'rat' matches no file; did you mean '_rate.fits'?",
    ]
    # Not every proposal has every type: that is no mistake.
    assert command.query(*DAY, "-f", "uncal", "x1d").err == ""


def test_what_mast_leaves_out_of_its_lists_is_said_and_stays_on_record(command, monkeypatch):
    catalogue = Catalogue()
    for obsnum, start in ((1, 59700.1), (2, 59700.2), (3, 59710.1)):
        catalogue.add_observation(3001, obsnum, start, ["a1"], guide_stars=False)
    everything = ("--propID", "3001", "--all_dates")
    with EmbeddedArchive(catalogue) as archive:
        monkeypatch.setenv("MAST_SERVER", archive.url)
        assert command.download(*everything).err == ""
        files = command.data()
        catalogue.observations[:] = [row for row in catalogue.observations if row["obs_id"].startswith("jw03001002")]
        outcome = command.query(*everything)
        assert outcome.err.splitlines() == [
            "WARNING: MAST's list leaves out 1 recorded observation of 03001 (2022-05-11): it was cut short, or MAST "
            "has withdrawn data; what is on record is kept",
            "WARNING: MAST sent 1 list that may be too short; asking again in 0 s",
            "WARNING: 2022-05-01|03001: MAST lists 1 of 2 observations; what is on record is kept",
        ]
        # Other dates and instruments are not missed where they were not asked for.
        assert command.query("--propID", "3001", "--date_select", "2022-05-01").err.count("leaves out") == 0
        assert command.query(*everything, "--instrument", "miri").err == ""
    assert command.data() == files


def test_an_empty_list_of_a_proposal_that_is_on_record_is_no_success_and_does_not_mean_that_mast_has_nothing(
    own_archive, command
):
    assert command.download(*ONE, "-f", "cal", "--yes").status == 0
    own_archive.faults.add(Fault("short-list", match="Caom.Filtered", rows=0))
    outcome = command.download(*ONE, "-f", "cal", "--yes")
    assert outcome.status == 1
    assert outcome.out.splitlines() == [
        "### Nothing was done, because MAST's list leaves out what is on record; try again later."
    ]
    assert "MAST's list leaves out " in outcome.err


def test_a_download_without_checksums_says_so_once(own_archive, command):
    own_archive.faults.add(Fault("status", endpoint="invoke", match=r"Mast\.Jwst\.Filtered", status=400))
    outcome = command.download(*ONE, "-f", "cal", "--yes")
    assert outcome.status == 0
    [warning] = outcome.err.splitlines()
    assert warning.startswith("WARNING: Files are verified without checksums because MAST's keyword service failed: ")


def test_the_announced_download_includes_the_previews_of_reprocessed_files(own_archive, command):
    argv = (*ONE, "-f", "cal", "jpg", "--yes")
    assert command.download(*argv).status == 0
    own_archive.reprocess("jw01138005001_02101_00001_nrca1_cal.fits", same_size=False)
    said = command.download(*argv).out
    (announced,) = re.findall(r"### Downloading (\d+ files?, [\d.]+ \w+);", said)
    assert f"### Download complete: {announced} fetched" in said


def test_long_tables_are_printed_only_when_asked_for(archive, command):
    argv = (*DAY, "-f", "fits")
    short, long = command.query(*argv).out, command.query(*argv, "-v").out
    assert "120 rows (-v prints them)" in short
    assert short.count("_uncal.fits") < 5
    assert long.count("_rate.fits") > 30
    assert len(short.splitlines()) < 60


def test_quiet_prints_errors_only(archive, command):
    outcome = command.download(*ONE, "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    archive.faults.add(Fault("status", match="nrca2_uncal.fits", status=404))
    outcome = command.download(*DAY, "--sca", "a2", "--obsnums", "5", "-q")
    assert (outcome.status, outcome.out) == (1, "")
    assert "nrca2_uncal.fits" in outcome.err


def test_as_json_each_message_is_an_object_with_its_level_and_tables_are_left_out(archive, command):
    archive.faults.add(Fault("status", match="nrca2_uncal.fits", status=404))
    argv = (*DAY, "--obsnums", "5", "999", "--sca", "nrca1", "nrca2", "--log-format", "json")
    outcome = command.download(*argv)
    entries = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.status == 1
    assert outcome.err == ""
    assert {tuple(entry) for entry in entries} == {("time", "level", "command", "message")}
    assert {entry["command"] for entry in entries} == {"jwst_download.py"}
    told = [(entry["level"], entry["message"]) for entry in entries]
    assert ("warning", "obsnums: 999 matches no observation that was found; proposal 01138 has 4, 5") in told
    assert [level for level, message in told if "nrca2_uncal.fits" in message] == ["error"]
    assert [level for level, message in told if message.startswith("Download incomplete: 1 file, ")] == ["info"]
    assert not any("Selected Products" in message or "date_min" in message for _, message in told)


def test_as_json_what_ends_a_command_is_an_object_too(archive, command):
    outcome = command.query(*DAY, "--instrument", "nircamera", "--log-format", "json")
    assert outcome.status == 2
    (entry,) = map(json.loads, outcome.out.splitlines())
    assert entry["level"] == "error"
    assert "instrument" in entry["message"]


def test_a_failed_file_is_named_once_with_what_to_do(archive, command):
    archive.faults.add(Fault("status", match="nrca1_uncal.fits", status=404))
    outcome = command.download(*ONE)
    assert outcome.status == 1
    assert outcome.err.count("jw01138005001_02101_00001_nrca1_uncal.fits") == 1
    assert outcome.err.splitlines()[-1] == "Run the same command again to fetch only what is missing."
    assert "### Download incomplete: 0 files, 0 B fetched; 1 failed\n" in outcome.out


def test_files_that_are_not_public_are_counted_with_their_date_and_what_to_do(today, command):
    outcome = command.download("--propID", "9231", "--all_dates", "--obsnums", "1")
    assert outcome.status == 0
    assert "### Nothing to fetch yet\n" in outcome.out
    # They are not going to be requested.
    assert "### Downloading" not in outcome.out
    (line,) = [line for line in outcome.out.splitlines() if "exclusive" in line]
    assert line.startswith("2 files are exclusive until 20")
    assert line.endswith("; set MAST_API_TOKEN to fetch them")


def test_exclusive_files_are_not_announced_as_downloads_but_counted_apart(today, command):
    outcome = command.download("--propID", "9231", "1138", "--all_dates", "--sca", "a1", "--obsnums", "1", "5")
    assert re.findall(r"### Downloading (\d+) files?, ", outcome.out) == [str(len(command.data()))]
    assert f"### Download complete: {len(command.data())} file" in outcome.out
    assert "exclusive until" in outcome.out


def test_many_files_that_mast_does_not_provide_yet_are_counted_and_a_few_are_named(archive, command):
    archive.faults.add(Fault("status", match="_uncal.fits", status=401))
    outcome = command.download(*DAY, "--obsnums", "5")
    lines = [line for line in outcome.out.splitlines() if line.startswith("waiting: ")]
    assert len(lines) == 6
    assert "_uncal.fits: MAST lists it as public but does not provide it yet" in lines[0]
    assert re.fullmatch(r"waiting: and 5 more: \S*jwst-mast status 1138 --details", lines[-1])


def test_each_proposal_is_asked_for_in_one_line_however_many_runs_its_days_take(archive, command):
    outcome = command.query("--propID", "1138", "1410", "--all_dates", "--sca", "a1")
    lines = [line for line in outcome.out.splitlines() if line.startswith("Asking MAST")]
    assert len(lines) == 2
    assert re.fullmatch(r"Asking MAST for the files of 01138, 20..-..-.. to 20..-..-..", lines[0])


def test_only_the_command_that_downloads_has_an_option_not_to_ask(command, capsys):
    assert "--yes" not in command.query("--help").out
    assert "--yes" in command.download("--help").out


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("--obsnums", "99"), "of obsnums 4, 5; obsnums: [99] excludes them."),
        (("-f", "calibrated"), "; filetypes: [calibrated] excludes them."),
        (("--sca", "mirimage"), "; sca: [mirimage] excludes them."),
        (("-i", "miri"), "### proposal 01138 has "),
    ],
)
def test_a_selection_that_excludes_everything_says_what_there_is_and_succeeds(archive, command, argv, sentence):
    outcome = command.query(*DAY, *argv)
    assert outcome.status == 0
    assert sentence in outcome.out
    assert "excludes them." in outcome.out


def test_where_nothing_is_selected_nothing_is_downloaded(archive, command):
    outcome = command.download(*DAY, "--obsnums", "99")
    assert outcome.status == 0
    assert "### Nothing is selected: proposal 01138 has " in outcome.out
    assert "### Downloading" not in outcome.out


def test_a_date_without_a_time_means_that_whole_day_and_full_detector_names_are_known(archive, command):
    assert command.download(*DAY, "--sca", "nrca1", "NRCBLONG", "-q").status == 0
    names = command.data()
    assert {name.split("_")[3] for name in names} == {"nrca1", "nrcblong"}
    assert {name[7:10] for name in names} == {"004", "005"}


def test_an_unknown_option_of_a_command_suggests_the_nearest_in_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["status", "--detials"])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "jwst-mast: unknown option --detials; did you mean --details?" in captured.err


def test_an_unknown_option_suggests_the_nearest(command):
    outcome = command.query("--propid", "1138")
    assert outcome.status == 2
    assert "unknown option --propid; did you mean --propID?" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_port_that_is_taken_or_does_not_exist_is_refused_in_one_line(archive, capsys):
    taken = archive.url.rpartition(":")[2]
    for port in (taken, "99999"):
        assert main(["archive", "--port", port]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("jwst-mast: --port: ")
        assert port in captured.err
        assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("folder", ["/dev/null/data", "/proc/data"])
def test_a_folder_that_cannot_be_written_is_one_sentence(archive, command, folder):
    outcome = command.download(*ONE, "--outrootdir", folder)
    assert outcome.status == 2
    assert outcome.err.startswith(f"jwst_download.py: The output folder {folder} cannot be written (")
    assert outcome.err.count("\n") == 1


def test_a_closed_pipe_ends_a_command_silently(archive, command):
    code = "import sys; from jwst_mast_assets.cli.original import query_main; sys.exit(query_main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, *ONE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, "")


def test_a_full_disk_under_dagster_s_records_is_one_sentence(archive, command, tmp_path):
    home = tmp_path / "dagster_home"
    with open_instance():
        pass
    # The limit on the size of files hits Dagster's databases, and none of the small files here, as a full disk would.
    limit = max(path.stat().st_size for path in home.rglob("*.db"))
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from jwst_mast_assets.cli.original import download_main; sys.exit(download_main(sys.argv[1:]))"
    )
    argv = ["--propID", "1138", "--date_select", "2022-04-10", "--sca", "a1", "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    # Dagster may print lines of its own before.
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(f"jwst_download.py: Dagster's records in {home} cannot be used (")
    assert "is the disk full" in sentence
    assert "Traceback" not in done.stderr
