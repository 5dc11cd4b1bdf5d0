"""Exclusive and restricted files, and the token that opens them: who gets what, and who sees the token."""

from pathlib import Path

import pytest

from jwst_mast_assets.downloads import Code, download, summary
from jwst_mast_assets.embedded_archive import EmbeddedArchive, Fault
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets_tests.downloads.holdings import (
    CAL,
    OTHER,
    PRIVATE,
    assert_fetched,
    cell,
    config_for,
    fetch,
    md5_of,
    products_for,
)


def test_a_private_file_without_a_token_is_no_error(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL)
    assert [cell(files, PRIVATE, "dl_code"), cell(files, PRIVATE, "dl_str")] == [Code.EXCLUSIVE, "exclusive"]
    assert "until 2129-12-0" in cell(files, PRIVATE, "dl_message")
    assert cell(files, CAL, "dl_code") == Code.DOWNLOADED
    assert not [request for request in embedded.requests if PRIVATE in request.uri]


@pytest.mark.parametrize("release", [None, 59_000.0], ids=["unknown", "passed"])
def test_a_private_file_is_tried_where_its_release_is_unknown_or_passed(
    release: float | None, embedded: EmbeddedArchive, tmp_path: Path
) -> None:
    config = config_for(tmp_path)
    products = products_for(embedded, config, [PRIVATE]).assign(t_obs_release=release)
    products["t_obs_release"] = products["t_obs_release"].astype("Float64")
    files = download(products, config, Archive(embedded.url))
    assert files["dl_code"].tolist() == [Code.EXCLUSIVE]
    assert [request.status for request in embedded.requests if request.endpoint == "download"] == [401]


@pytest.mark.parametrize("token", [None, "good-token"])
def test_a_public_file_that_mast_does_not_give_out_yet_is_waited_for(
    token: str | None, own_archive: EmbeddedArchive, tmp_path: Path
) -> None:
    own_archive.release(1345, migrated=False)
    config = config_for(tmp_path)
    files = fetch(own_archive, config, PRIVATE, CAL, token=token)
    assert files["dl_str"].to_dict() == {PRIVATE: "waiting", CAL: "downloaded"}
    assert "does not provide it yet (HTTP status 401)" in cell(files, PRIVATE, "dl_message")
    assert [request.status for request in own_archive.requests if PRIVATE in request.uri] == [401]
    assert (summary(files)["waiting"], summary(files)["failed"]) == (1, 0)
    own_archive.catalogue.migrate(1345)
    assert_fetched(fetch(own_archive, config, PRIVATE), own_archive)


def test_a_restricted_file_is_waited_for_and_the_older_one_kept(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    config = config_for(tmp_path)
    fetch(embedded, config, CAL)
    embedded.faults.add(Fault("status", status=403, match="nrca1_cal.fits"))
    files = fetch(embedded, config.model_copy(update={"clobber": True}), CAL, token="good-token")
    assert files["dl_str"].tolist() == ["waiting"]
    message = files["dl_message"].item()
    assert "MAST restricts access to it (HTTP status 403), and your token does not grant it" in message
    assert message.endswith("the older version is kept")
    assert md5_of(files["outfilename"].item()) == embedded.md5(CAL)


def test_a_token_gives_private_files_and_is_asked_about_once(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL, token="good-token")
    assert_fetched(files, embedded)
    assert [request.endpoint for request in embedded.requests].count("whoami") == 1


def test_a_dead_token_stops_no_public_file_and_exclusive_ones_wait(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    files = fetch(embedded, config_for(tmp_path), PRIVATE, CAL, token="stale-token")
    assert_fetched(files.loc[[CAL]], embedded)
    assert cell(files, PRIVATE, "dl_str") == "exclusive"
    assert "waiting for a token" in cell(files, PRIVATE, "dl_message")
    downloads = [request for request in embedded.requests if request.endpoint == "download"]
    assert "stale-token" not in str([request.headers for request in downloads])


def test_a_token_without_access_is_reported(embedded: EmbeddedArchive, tmp_path: Path) -> None:
    embedded.faults.add(Fault("status", status=403, match="mirimage"))
    files = fetch(embedded, config_for(tmp_path), PRIVATE, token="good-token")
    assert files["dl_str"].tolist() == ["exclusive"]
    assert "your token does not grant access" in files["dl_message"].item()


def test_the_token_is_in_no_message_or_log(
    embedded: EmbeddedArchive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    embedded.tokens.add("s3cr3t-token")
    embedded.faults.add(Fault("drop", match="nrca1", after_bytes=10), Fault("status", match="nrca2", status=500))
    files = fetch(embedded, config_for(tmp_path, download_retries=1), CAL, OTHER, token="s3cr3t-token")
    assert files["dl_code"].tolist() == [Code.FAILED, Code.FAILED]
    assert "s3cr3t" not in files.to_string() + caplog.text + repr(Archive(embedded.url, "s3cr3t-token"))
