"""``jwst-mast proposals``, ``--watch``, and what does not make a proposal watched."""

import re
from typing import NamedTuple

import dagster as dg
import pytest

from jwst_mast_assets.cli.main import main
from jwst_mast_assets.cli.runs import open_instance
from jwst_mast_assets.records.ledger import Ledger
from jwst_mast_assets.records.store import TableStore
from jwst_mast_assets.records.watched import WatchList

DAY = ("--propID", "1138", "--date_select", "2022-04-10T12:00:00", "2022-04-10T23:00:00", "--sca", "a1")


class Said(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def proposals(command, capsys):
    """``jwst-mast proposals ...`` with the output folder and instance of ``command``."""

    def call(*words: str) -> Said:
        status = main(["proposals", *words])
        return Said(status, *capsys.readouterr())

    return call


def watched(command):
    return WatchList(TableStore(command.root)).read()


def keys():
    with open_instance() as instance:
        return sorted(instance.get_dynamic_partitions("proposal"))


def test_a_query_or_a_download_makes_nothing_watched(archive, command, proposals):
    assert command.query("--date_select", "2022-04-10", "2022-04-11").status == 0
    assert command.download(*DAY).status == 0
    assert watched(command) == []
    listed = proposals("list")
    assert "no proposal is watched; watch one with: " in listed.out
    assert "jwst-mast proposals add 1138\n" in listed.out
    assert "not watched, only partition keys in Dagster: 01138" in listed.out


def test_a_download_with_watch_does(archive, command):
    outcome = command.download(*DAY, "--watch")
    assert outcome.status == 0
    assert "watched from now on: 01138" in outcome.out
    assert watched(command) == ["01138"]
    assert "watched from now on" not in command.download(*DAY, "--watch").out
    assert command.download("--watch", "--date_select", "2022-04-10", "2022-04-11").status == 2
    assert command.query(*DAY, "--watch").status == 2


def test_add_says_what_there_is_and_how_soon_it_comes(archive, command, proposals):
    said = proposals("add", "2731", "1138")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("01138: ")
    assert " files, " in lines[0]
    assert lines[0].endswith("; the first files within 10 minutes")
    assert watched(command) == ["01138", "02731"]
    assert keys() == ["01138", "02731"]
    assert proposals("list").out.splitlines() == ["01138", "02731"]


def test_what_is_on_disk_already_is_not_to_be_fetched(archive, command, proposals, tmp_path, monkeypatch):
    (tmp_path / "my.cfg").write_text(f"outrootdir: {command.root}\nsca: [a1]\nobsnums: [5]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    assert "of it to fetch" not in proposals("add", "1138").out
    command.download(*DAY)
    assert "of it to fetch" in proposals("add", "1138").out


def test_add_refuses_what_mast_does_not_know_and_takes_the_others(archive, command, proposals):
    said = proposals("add", "1138", "99998", "2221", "12x")
    assert said.status == 1
    assert "99998: not watched, because MAST has no program of this number. " in said.err
    assert "02221: not watched, because its observations are only planned so far: MAST has no data" in said.err
    assert "12x: not watched, because '12x' is not a proposal number" in said.err
    assert "--force" in said.err
    assert said.err.splitlines()[-1] == "jwst-mast: 1 of 4 proposals watched from now on: 01138"
    assert watched(command) == ["01138"]
    assert proposals("add", "99998", "--force").status == 0
    assert watched(command) == ["01138", "99998"]


def test_add_changes_nothing_if_mast_does_not_answer(command, proposals, monkeypatch):
    monkeypatch.setenv("MAST_SERVER", "http://127.0.0.1:9")
    said = proposals("add", "1138")
    assert said.status == 1
    assert "cannot be reached" in said.err
    assert "nothing was changed" in said.err
    assert said.err.count("\n") == 1
    assert not command.root.exists()
    assert keys() == []
    assert proposals("add", "1138", "--force").status == 0
    assert watched(command) == ["01138"]


def test_add_needs_an_output_folder(archive, command, proposals, monkeypatch):
    monkeypatch.delenv("JWSTDOWNLOAD_OUTDIR")
    said = proposals("add", "1138")
    assert (said.status, said.out) == (2, "")
    assert "No output folder is set" in said.err
    assert proposals("add", "1138", "--outrootdir", str(command.root)).status == 0
    assert watched(command) == ["01138"]


@pytest.mark.parametrize("given", ["abc", "0", "123456"])
def test_add_refuses_what_is_no_number(archive, command, proposals, given):
    said = proposals("add", given)
    assert said.status == 2
    assert "is not a proposal number" in said.err
    assert said.err.count("\n") == 1
    assert watched(command) == []


def test_remove_removes_whatever_list_shows(command, proposals):
    WatchList(TableStore(command.root)).add(["01138", "01410"])
    with open_instance() as instance:
        instance.add_dynamic_partitions("proposal", ["01138", "01410", "02731", "1410", " 2731", "abc"])
    shown = proposals("list").out
    assert "skipped, not a proposal in five digits: ' 2731' '1410' 'abc'; remove with: " in shown
    assert shown.rstrip().endswith("proposals remove ' 2731' '1410' 'abc'")
    assert proposals("remove", "1410", " 2731", "abc").out.splitlines() == [
        "removed the partition key ' 2731'",
        "removed the partition key '1410'",
        "removed the partition key 'abc'",
    ]
    assert keys() == ["01138", "01410", "02731"]
    assert watched(command) == ["01138", "01410"]
    assert "no longer watched (its files stay)" in proposals("remove", "1410").out
    assert "it was not watched" in proposals("remove", "2731").out
    assert (keys(), watched(command)) == (["01138"], ["01138"])
    assert proposals("remove", "2731").status == 1


def test_remove_says_that_the_config_file_still_names_a_proposal(command, proposals, tmp_path, monkeypatch):
    (tmp_path / "my.cfg").write_text("propID: [1138]\n")
    monkeypatch.setenv("JWST_QUERY_CFGFILE", str(tmp_path / "my.cfg"))
    assert proposals("list").out.splitlines() == ["01138"]
    assert "propID in the config file names it" in proposals("remove", "1138").out


def test_a_folder_of_the_version_before_keeps_what_was_registered_also_if_a_query_comes_first(
    archive, command, proposals
):
    with open_instance() as instance:
        instance.add_dynamic_partitions("proposal", ["01410"])
    ledger = command.root / ".jwst_mast_assets" / "ledger"
    ledger.mkdir(parents=True)
    (ledger / "01410.json").write_text("{}")
    assert command.query(*DAY).status == 0
    assert proposals("list").out.splitlines()[0] == "01410"
    assert watched(command) == ["01410"]


def test_a_home_of_the_version_before_keeps_what_was_registered_also_if_nothing_was_downloaded(
    archive, command, proposals, tmp_path
):
    home = tmp_path / "dagster_home"
    # As that version left it: Dagster's folders, and a registered proposal.
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs(limit=1)
        instance.add_dynamic_partitions("proposal", ["01410"])
    assert command.query(*DAY).status == 0
    assert proposals("list").out.splitlines()[0] == "01410"
    assert watched(command) == ["01410"]
    assert proposals("remove", "1410").status == 0
    # Once only: what a query registers now is not watched, in no folder.
    assert keys() == ["01138"]
    assert command.query(*DAY, "--outrootdir", str(tmp_path / "other")).status == 0
    assert proposals("list", "--outrootdir", str(tmp_path / "other")).out.startswith("no proposal is watched")


def test_status_is_of_the_watched_proposals_and_names_the_others_and_what_was_skipped(archive, command, capsys):
    assert command.download(*DAY).status == 0
    assert command.query("--propID", "1410", "--date_select", "2022-02-13", "2022-02-15").status == 0
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "01138" in shown
    assert "01410" in shown
    WatchList(TableStore(command.root)).add(["01138"])
    ledger = command.root / ".jwst_mast_assets" / "ledger"
    ledger.mkdir(exist_ok=True)
    (ledger / "skipped.json").write_text('{"skipped": ["the partition key \'1410\' is not a proposal"]}')
    assert main(["status"]) == 0
    table, _, notes = capsys.readouterr().out.partition("recorded but not watched: ")
    assert "01410" not in table
    others, note = notes.splitlines()
    assert others.startswith("01410 (")
    assert others.endswith("status --all shows them)")
    assert note == "note: the partition key '1410' is not a proposal"


def test_status_names_odd_partition_keys_until_they_are_removed(archive, command, proposals, capsys):
    assert command.download(*DAY, "--watch").status == 0
    with open_instance() as instance:
        instance.add_dynamic_partitions("proposal", ["1410"])
    assert main(["status"]) == 0
    note = "note: the partition key '1410' is not a proposal in five digits and is skipped; remove it with: "
    assert capsys.readouterr().out.count(note) == 1
    # The sensor writes down the same sentence.
    Ledger(TableStore(command.root)).note_skipped([f"{note.removeprefix('note: ')}..."])
    assert proposals("remove", "1410").status == 0
    assert main(["status"]) == 0
    assert "note: " not in capsys.readouterr().out


def test_status_of_a_proposal_that_was_just_added_says_what_is_to_come(archive, command, proposals, capsys):
    assert proposals("add", "2731").status == 0
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "Nothing is recorded yet.\n" in shown
    assert re.search(r"watched, and to be downloaded while \S*jwst-mast serve runs: 02731\n", shown)
    assert main(["status", "--check"]) == 1
    assert command.download(*DAY, "--watch").status == 0
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "01138" in shown.partition("watched, and to be downloaded")[0]
    assert shown.rstrip().endswith("serve runs: 02731")
