"""An output folder remembers which archive it was filled from."""

import json

import pytest

from jwst_mast_assets.mast.errors import ConfigError, OutputError, WrongArchive
from jwst_mast_assets.records.archive_identity import check, claim, claim_for_embedded, normalized


@pytest.mark.parametrize(
    ("server", "same"),
    [
        ("https://mast.stsci.edu/", "https://mast.stsci.edu"),
        ("HTTPS://MAST.stsci.edu:443", "https://mast.stsci.edu"),
        ("http://127.0.0.1:80//", "http://127.0.0.1"),
        ("http://me:secret@127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://[::1]:8765/mast/", "http://[::1]:8765/mast"),
    ],
)
def test_an_address_has_one_spelling(server, same):
    assert normalized(server) == same


def test_an_address_with_a_port_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"MAST_SERVER is not an address: 'http://127\.0\.0\.1:99999'"):
        normalized("http://127.0.0.1:99999")


@pytest.mark.parametrize("other", ["http://127.0.0.1:8766", "http://127.0.0.2:8765", "https://mast.stsci.edu"])
def test_another_host_or_port_is_another_archive(tmp_path, other):
    claim(tmp_path, "http://127.0.0.1:8765")
    for attempt in (check, claim):
        with pytest.raises(WrongArchive) as refusal:
            attempt(tmp_path, other)
        assert f"{tmp_path} holds files of http://127.0.0.1:8765, but the archive is now {other}" in str(refusal.value)
        assert "set MAST_SERVER=http://127.0.0.1:8765, or choose another output folder" in str(refusal.value)
    check(tmp_path, "http://127.0.0.1:8765/")


def test_a_folder_filled_from_mast_says_that_mast_server_is_to_be_unset(tmp_path):
    claim(tmp_path, "https://mast.stsci.edu")
    with pytest.raises(
        WrongArchive, match=r"unset MAST_SERVER, or choose another output folder with outrootdir or \$J"
    ):
        check(tmp_path, "http://127.0.0.1:8765")


def test_the_first_claim_is_kept(tmp_path):
    claim(tmp_path, "https://mast.stsci.edu")
    before = (tmp_path / ".jwst_mast_assets" / "archive.json").read_text()
    claim(tmp_path, "https://MAST.stsci.edu/")
    assert (tmp_path / ".jwst_mast_assets" / "archive.json").read_text() == before
    assert json.loads(before)["server"] == "https://mast.stsci.edu"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": 1}', '{"server": "http://x:y"}'])
def test_a_damaged_note_is_not_taken_for_a_missing_one(tmp_path, content):
    path = tmp_path / ".jwst_mast_assets" / "archive.json"
    path.parent.mkdir()
    path.write_text(content)
    for attempt in (check, claim, claim_for_embedded):
        with pytest.raises(OutputError, match=f"{path} is damaged"):
            attempt(tmp_path, "https://mast.stsci.edu")
    assert path.read_text() == content


def test_the_embedded_archive_may_move_in_its_own_folder_only(tmp_path):
    own, real = tmp_path / "own", tmp_path / "real"
    claim_for_embedded(own, "http://127.0.0.1:4001")
    claim_for_embedded(own, "http://127.0.0.1:4002")
    check(own, "http://127.0.0.1:4002")
    with pytest.raises(WrongArchive, match="invented files of the embedded archive"):
        check(own, "https://mast.stsci.edu")
    claim(real, "https://mast.stsci.edu")
    with pytest.raises(WrongArchive, match="choose another with --folder"):
        claim_for_embedded(real, "http://127.0.0.1:4002")
    check(real, "https://mast.stsci.edu")
