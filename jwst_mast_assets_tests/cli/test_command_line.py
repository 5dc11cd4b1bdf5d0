"""What the commands do with their options: precedence, tables, exit status, and where the original stumbles."""

import dagster as dg
import pytest
from astropy.table import Table

from jwst_mast_assets.cli.options import build_parser, config_of
from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets_tests.defs.running import CHECKS_OF_A_DOWNLOAD, checks_evaluated
from jwst_mast_assets_tests.page_reader import read_page

DAY = ("--propID", "1138", "--date_select", "2022-04-10T12:00:00", "2022-04-10T23:00:00")
"""Observation 5 of program 1138: ten detectors."""
UNCAL = {
    f"jw01138005001_02101_00001_nrc{d}_uncal.fits" for d in ("along", "blong", *(m + n for m in "ab" for n in "1234"))
}


def test_a_query_prints_and_saves_the_tables_and_downloads_nothing(archive, command):
    outcome = command.query(*DAY, "--savetables", "mine")
    assert outcome.status == 0
    for title in ("Selected Products", "Observations", "Summary propID/obsnum"):
        assert f"### {title}:" in outcome.out
    assert command.data() == set()
    assert len(Table.read(command.root / "mine.selprod.ecsv")) == 10
    assert Table.read(command.root / "mine.summary.ecsv")["_uncal.fits"].tolist() == [10]
    assert {f"mine.{kind}.txt" for kind in ("selprod", "obs", "summary")} <= command.files()


def test_a_download_fetches_says_so_and_a_second_one_finds_all_there(archive, command):
    first = command.download(*DAY)
    assert first.status == 0
    assert "### Downloading 10 files, " in first.out
    assert f"free in {command.root}: " in first.out
    assert "### Download complete: 10 files, " in first.out
    assert "y/n" not in first.out
    assert command.data() == UNCAL
    second = command.download(*DAY)
    assert second.status == 0
    said = [line for line in second.out.splitlines() if line.startswith("### ") and ":" in line]
    assert said[-1] == "### Nothing to fetch: all 10 selected files are already there"
    assert all(title.endswith(":") for title in said[:-1])


def test_the_commands_run_the_checks_of_their_jobs_and_no_audit(archive, command):
    assert command.download(*DAY, "--sca", "a1").status == 0
    with dg.DagsterInstance.get() as instance:
        # In one run, as nobody is asked in between.
        (run,) = instance.get_runs()
        assert run.job_name == "jwst_download"
        assert checks_evaluated(instance, run.run_id) == CHECKS_OF_A_DOWNLOAD


def test_what_is_announced_is_what_is_fetched_also_without_the_check_in_the_tables(archive, command):
    argv = (*DAY, "--sca", "a1", "--skip_check_if_outfile_exists")
    assert "### Downloading 1 file, " in command.download(*argv).out
    again = command.download(*argv)
    assert (again.status, again.err) == (0, "")
    assert "### Nothing to fetch: all 1 selected files" in again.out


def test_skipdownload_lists_only(archive, command):
    assert command.download(*DAY, "-n").status == 0
    assert command.data() == set()


def test_a_failed_file_makes_the_status_1_and_is_named_and_the_others_are_there(archive, command):
    archive.faults.add(Fault("status", match="nrca3_uncal.fits", status=404))
    outcome = command.download(*DAY)
    assert outcome.status == 1
    assert "jw01138005001_02101_00001_nrca3_uncal.fits" in outcome.err
    assert "Traceback" not in outcome.err
    assert command.data() == {name for name in UNCAL if "nrca3" not in name}


def test_a_public_file_that_mast_does_not_give_out_yet_is_named_and_the_status_is_0(archive, command, monkeypatch):
    name = "jw01138005001_02101_00001_nrca3_uncal.fits"
    monkeypatch.setattr(archive.catalogue.files[name], "migrated", False)
    outcome = command.download(*DAY)
    assert outcome.status == 0
    assert "9 files, " in outcome.out
    assert "0 failed; 1 waiting" in outcome.out
    assert f"waiting: {name}: MAST lists it as public but does not provide it yet (HTTP status 401)" in outcome.out
    assert outcome.err == ""
    assert command.data() == UNCAL - {name}


def test_defaults_then_the_config_file_then_the_command_line(archive, command, tmp_path, monkeypatch):
    config = tmp_path / "my.cfg"
    config.write_text("sca: [b1]\nfiletypes: [rate]\nobsnum2outsubdir: False\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(config))

    def places(*argv):
        assert command.query(*DAY, "-s", "t", *argv).status == 0
        names = Table.read(command.root / "t.selprod.ecsv")["outfilename"].tolist()
        return [name.removeprefix(f"{command.root}/01138/") for name in names]

    assert places() == ["jw01138005001_02101_00001_nrcb1_rate.fits"]
    argv = ("--sca", "b2", "--obsnum2outsubdir", "True")
    assert places(*argv) == ["obsnum05/jw01138005001_02101_00001_nrcb2_rate.fits"]
    other = tmp_path / "other.cfg"
    other.write_text("sca: b3\n")
    assert places("-c", str(other)) == ["obsnum05/jw01138005001_02101_00001_nrcb3_uncal.fits"]


def test_the_command_line_overrides_a_bad_value_in_the_config_file(archive, command, tmp_path):
    config = tmp_path / "my.cfg"
    config.write_text("outrootdir: $NO_SUCH_VARIABLE/x\ninstrument: $NO_SUCH_INSTRUMENT\n")
    outcome = command.query("-c", str(config), "--outrootdir", str(command.root), "-i", "nircam", *DAY)
    assert (outcome.status, outcome.err) == (0, "")


def test_environment_variables_stand_for_any_value(archive, command, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SCA", "b1")
    monkeypatch.setenv("WEEK", "week7")
    config = tmp_path / "my.cfg"
    config.write_text("sca: [a1, $MY_SCA]\nsavetables: t_$WEEK\noutsubdir: '${WEEK}_x'\n")
    assert command.query("-c", str(config), *DAY).status == 0
    table = Table.read(command.root / "week7_x" / "t_week7.selprod.ecsv")
    assert sorted(set(table["sca"])) == ["a1", "b1"]


@pytest.mark.parametrize("argv", [("-lookbacktime", "5"), ("--lookbacktime", "5"), ("-l", "5"), ("--look", "5")])
def test_look_back_has_its_spellings_and_minus_l_one_meaning(argv):
    config = config_of(build_parser("jwst_download.py", "").parse_args(argv))
    assert (config.lookbacktime, config.obsid_list) == (5.0, [])


def test_two_proposals_are_two_proposals(archive, command):
    outcome = command.query("--propID", "743", "1410", "--date_select", "2021-08-12", "2022-02-14", "-s", "t")
    assert outcome.status == 0
    assert "2 proposals: 00743, 01410 (to choose observations, use --obsnums)" in outcome.out
    assert set(Table.read(command.root / "t.summary.ecsv")["proposal_id"]) == {743, 1410}


def test_a_proposal_that_is_excluded_beside_one_that_is_found_is_named(archive, command):
    outcome = command.query("--propID", "743", "2734", "--all_dates", "--instrument", "nircam")
    assert "12 observations of 00743" in outcome.out
    assert "### No observations of proposal 02734 found." in outcome.out
    assert "NIRISS observation" in outcome.out
    assert "instrument: nircam excludes them" in outcome.out


def test_a_day_without_observations_is_named_once(archive, command):
    outcome = command.query("--propID", "743", "--date_select", "2023-01-01")
    assert "### No observations of proposal 00743 found on 2023-01-01." in outcome.out


def test_nothing_found_says_what_there_is_outside_the_dates_and_how_to_get_it(archive, command):
    outcome = command.query("--propID", "743", "-l", "1")
    assert outcome.status == 0
    assert "### No observations of proposal 00743 found from 20" in outcome.out
    assert "12 observations, from 2021-08-03 to 2021-08-12" in outcome.out
    assert "--all_dates" in outcome.out
    assert "--date_select 2021-08-03+" in outcome.out
    assert not command.root.exists()


def test_nothing_found_of_a_proposal_that_has_none(archive, command):
    outcome = command.query("--propID", "99999")
    assert outcome.status == 0
    assert "MAST has none of proposal 99999 at all" in outcome.out


def test_all_dates_takes_the_whole_history(archive, command):
    assert command.query("--propID", "743", "--all_dates", "-s", "t").status == 0
    assert Table.read(command.root / "t.summary.ecsv")["obsnum"].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("proposal", ["2731", "12782"])
def test_a_proposal_is_found_however_mast_records_it(archive, command, proposal):
    assert command.query("--propID", proposal, "--all_dates", "-s", "t", "--calib_levels", "1").status == 0
    assert len(Table.read(command.root / "t.obs.ecsv")) > 0


def test_level3_files_keep_their_observation_number_and_their_place(archive, command):
    argv = ("--propID", "1138", "--date_select", "2022-04-11", "2022-04-12", "--obsnums", "8")
    assert command.query(*argv, "--calib_levels", "3", "-f", "i2d", "-s", "t").status == 0
    table = Table.read(command.root / "t.selprod.ecsv")
    assert table["outfilename"].tolist() == [
        str(command.root / "01138" / "obsnum08" / "jw01138-o008_t001_nircam_clear-f090w_i2d.fits")
    ]


def test_an_invalid_mode_is_warned_of_with_the_valid_ones_and_the_rest_is_done(archive, command):
    outcome = command.query(*DAY, "-i", "nircam", "--obsmode", "msa", "image", "-s", "t")
    assert outcome.status == 0
    assert "WARNING: obsmode: 'msa' is not a mode of nircam" in outcome.err
    assert "coron, grism, image, targacq, wfss" in outcome.err
    assert len(Table.read(command.root / "t.selprod.ecsv")) == 10


def test_a_narrower_run_forgets_nothing(archive, command):
    command.download(*DAY, "--makewebpages", "-f", "uncal")
    outcome = command.download(*DAY, "--makewebpages", "-f", "uncal", "--sca", "a1", "-s", "narrow")
    assert outcome.status == 0
    assert len(Table.read(command.root / "narrow.selprod.ecsv")) == 1
    assert len(Table.read(command.root / "01138" / "01138.selprod.ecsv")) == 10
    assert Table.read(command.root / "01138" / "01138.summary.ecsv")["_uncal.fits"].tolist() == [10]
    page = read_page(command.root / "01138" / "index.html")
    assert all(any(link.endswith(name) for link in page.links) for name in UNCAL)


def test_the_token_is_shown_nowhere(archive, command, monkeypatch):
    monkeypatch.setenv("MAST_API_TOKEN", "")
    archive.tokens.add("my-own-secret")
    outcome = command.download(*DAY, "--sca", "a1", "--token", "my-own-secret", "-vv", "-s", "t")
    assert outcome.status == 0
    assert "my-own-secret" not in outcome.out + outcome.err
    kept = [*command.root.rglob("*"), *command.root.parent.rglob("dagster_home/**/*")]
    assert [path for path in kept if path.is_file() and b"my-own-secret" in path.read_bytes()] == []


def test_public_data_need_no_token_and_a_wrong_one_is_reported_in_one_sentence(archive, command, monkeypatch):
    monkeypatch.setenv("MAST_API_TOKEN", "")
    outcome = command.download(*DAY, "--sca", "a1", "--token", "wrong-one")
    assert outcome.status == 0
    assert len(command.data()) == 1
    assert outcome.err.count("https://auth.mast.stsci.edu/token") == 1
    assert "wrong-one" not in outcome.err


def test_a_page_is_made_from_jpg_alone_and_when_all_was_there_already(archive, command):
    argv = (*DAY, "--sca", "a1", "-f", "jpg")
    assert command.download(*argv).status == 0
    assert "01138/index.html" not in command.files()
    outcome = command.download(*argv, "-w")
    assert outcome.status == 0
    assert "### Nothing to fetch: all " in outcome.out
    page = read_page(command.root / "01138" / "index.html")
    assert any("nrca1" in picture and picture.endswith(".TN.jpg") for picture in page.pictures)


def test_a_page_is_made_without_any_uncal_file(archive, command):
    assert command.download(*DAY, "--sca", "a1", "-f", "rate", "-w").status == 0
    page = read_page(command.root / "01138" / "index.html")
    assert any(link.endswith("jw01138005001_02101_00001_nrca1_rate.fits") for link in page.links)


def test_the_output_folder_is_checked_before_mast_is_asked_for_products(archive, command):
    command.root.parent.mkdir(exist_ok=True)
    command.root.touch()
    outcome = command.download(*DAY)
    assert outcome.status == 2
    assert str(command.root) in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_archive_that_is_not_there_is_named(command, monkeypatch):
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    outcome = command.query(*DAY)
    assert outcome.status == 1
    assert "http://127.0.0.1:9 cannot be reached" in outcome.err


def test_the_exit_status_says_whether_calling_again_may_help(archive, command):
    archive.faults.add(Fault("status", endpoint="invoke", match="Caom.Products", status=503))
    away = command.download(*DAY, "--sca", "a1")
    assert (away.status, "HTTP status 503" in away.err) == (1, True)
    archive.faults.clear()
    too_large = command.download(*DAY, "--sca", "a1", "--max_download_gb", "0.000001")
    assert (too_large.status, "max_download_gb" in too_large.err) == (2, True)
    assert command.data() == set()
    archive.faults.add(Fault("status", endpoint="download", match="nrca1_uncal", status=404))
    assert command.download(*DAY, "--sca", "a1").status == 1


def test_an_earlier_first_day_in_the_file_that_is_given_admits_earlier_observations(own_archive, command, tmp_path):
    own_archive.add_observation(1138, 20, t_min=59000.5)
    argv = ("--propID", "1138", "--date_select", "2020-05-01", "2020-06-30")
    refused = command.download(*argv)
    assert refused.status == 2
    assert "set an earlier first_day in the config file" in refused.err
    early = tmp_path / "early.cfg"
    early.write_text("first_day: 2020-01-01\n")
    outcome = command.download(*argv, "-c", str(early))
    assert (outcome.status, outcome.err) == (0, "")
    assert command.data() == {"jw01138020001_02101_00001_nrca1_uncal.fits"}
