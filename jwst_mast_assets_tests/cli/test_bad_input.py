"""Bad input: one sentence, exit status 2, nothing written and MAST not asked."""

import pytest


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["-i", "nircamm"], "instrument: unknown instrument 'nircamm'; did you mean 'nircam'? Known: nircam, nirspec"),
        (["-i", "hst"], "instrument: unknown instrument 'hst'; Known: nircam"),
        (["--sca", "zz"], "sca: unknown detector 'zz'; Known: a1"),
        (["--sca", "a1", "nrs11"], "sca: unknown detector 'nrs11'; did you mean 'nrs1'?"),
        (["--outcolumns_obsTable", "obsnun"], "outcolumns_obsTable: unknown column 'obsnun'; did you mean 'obsnum'?"),
        (["--sortcols_productTable", "sise"], "sortcols_productTable: unknown column 'sise'; did you mean 'size'?"),
        (["--sortcols_summaryTable", "date_min"], "sortcols_summaryTable: unknown column 'date_min'"),
        (
            ["--mastcolumns_obsTable", "obs_idd"],
            "mastcolumns_obsTable: unknown column 'obs_idd'; did you mean 'obs_id'?",
        ),
        (["-d", "soon"], "date_select: 'soon' cannot be read; examples: 2021-08-11"),
        (["-d", "2021-02-30+"], "date_select: '2021-02-30+' cannot be read"),
        (["-d", "1", "2", "3"], "date_select: takes one value, value+, value-, or two values; 3 were given"),
        (["--obsnums", "0"], "obsnums: 0 is not an observation number (1 to 999)"),
        (["--obsnums", "1000"], "obsnums: 1000 is not an observation number (1 to 999)"),
        (["-l", "-1"], "lookbacktime: should be greater than or equal to 0, not '-1'"),
        (["-l", "week"], "lookbacktime: "),
        (["--propID", "123456"], "propID: '123456' is not a proposal number (1 to 99999)"),
        (["--outrootdir", "$NO_SUCH_NAME/x"], "outrootdir: the environment variable $NO_SUCH_NAME is not defined"),
        (["--outsubdir", "x$NO_SUCH_NAME"], "outsubdir: the environment variable $NO_SUCH_NAME is not defined"),
        (["-s", "$NO_SUCH_NAME"], "savetables: the environment variable $NO_SUCH_NAME is not defined"),
        (["-f", "$NO_SUCH_NAME"], "filetypes: the environment variable $NO_SUCH_NAME is not defined"),
        (["-c", "nowhere.cfg"], "config file nowhere.cfg: cannot be read (No such file or directory)"),
        (["-c", "broken.cfg"], "config file broken.cfg: is not YAML: "),
        (["-c", "list.cfg"], "config file list.cfg: must contain lines like 'instrument: nircam', not a list"),
        (["-c", "unknown.cfg"], "config file unknown.cfg: unknown parameter 'instrumnt'; did you mean 'instrument'?"),
        (["--login", "me", "secret"], "--login: MAST only accepts tokens"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(archive, command, tmp_path, argv, sentence):
    (tmp_path / "broken.cfg").write_text("sca: [a1\nfiletypes: uncal\n")
    (tmp_path / "list.cfg").write_text("- nircam\n- a1\n")
    (tmp_path / "unknown.cfg").write_text("instrumnt: nircam\n")
    before = set(tmp_path.rglob("*"))
    outcome = command.download("--propID", "743", *argv)
    assert outcome.status == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert set(tmp_path.rglob("*")) == before
    assert archive.requests == []


@pytest.mark.parametrize("argv", [["--no_such_option"], ["--propID"], ["-l"], ["positional"]])
def test_an_unknown_option_or_one_without_its_value_is_bad_usage(archive, command, argv):
    assert command.query(*argv).status == 2
    assert archive.requests == []


def test_help_names_every_parameter(command):
    from jwst_mast_assets.mast.config import Config, parameters_with
    from jwst_mast_assets.mast.parameter_roles import Role

    outcome = command.query("--help")
    assert outcome.status == 0
    for name in Config.model_fields:
        assert (f"--{name} " in outcome.out) == (
            name not in parameters_with(Role.PIPELINE, Role.NO_OPTION) or name == "verbose"
        )
