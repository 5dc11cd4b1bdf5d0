"""Starting and stopping, who-am-I, and control from another process."""

import pytest
import requests

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, serve
from jwst_mast_assets_tests.embedded_archive.conftest import UNCAL


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org"])
def test_only_this_machine_is_served(host):
    with pytest.raises(ValueError, match="not a loopback address"):
        serve(host=host)


def test_the_port_is_free_again_after_stopping():
    with EmbeddedArchive(Catalogue()) as first:
        port = int(first.url.rpartition(":")[2])
    with EmbeddedArchive(Catalogue(), port=port) as second:
        assert second.url.endswith(f":{port}")
        with pytest.raises(OSError):
            EmbeddedArchive(Catalogue(), port=port).start()


def test_an_archive_that_is_not_running_has_no_url():
    with pytest.raises(RuntimeError):
        print(EmbeddedArchive(Catalogue()).url)


def test_whoami(archive):
    url = f"{archive.url}/whoami"
    assert requests.get(url, timeout=10).json()["anon"] is True
    known = requests.get(url, cookies={"mast_token": "good-token"}, timeout=10).json()
    assert known["anon"] is False
    assert known["attrib"]["display_name"]


def test_faults_over_http(archive, download):
    url = f"{archive.url}/_archive/faults"
    fault = requests.post(url, json={"kind": "status", "status": 500}, timeout=10).json()
    assert download(UNCAL).status_code == 500
    assert [(f["id"], f["hits"]) for f in requests.get(url, timeout=10).json()] == [(fault["id"], 1)]
    assert requests.delete(url, params={"id": fault["id"]}, timeout=10).json() == []
    assert download(UNCAL).status_code == 200


@pytest.mark.parametrize("body", [{"kind": "nothing"}, {"kind": "slow", "colour": "red"}, {}])
def test_a_misspelt_fault_over_http_is_refused(archive, body):
    reply = requests.post(f"{archive.url}/_archive/faults", json=body, timeout=10)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_an_observation_added_over_http(archive, invoke):
    body = {"proposal": 1138, "obsnum": 50, "t_min": 60999.5, "detectors": ["a1", "b1"]}
    obsids = requests.post(f"{archive.url}/_archive/observations", json=body, timeout=10).json()["obsids"]
    assert len(obsids) == 2
    assert invoke("Mast.Caom.Products", {"obsid": str(obsids[0])})["data"]


def test_reprocessing_and_release_over_http(archive):
    before = requests.get(f"{archive.url}/_archive/md5", params={"filename": UNCAL}, timeout=10).json()
    changed = requests.post(f"{archive.url}/_archive/reprocess", json={"match": UNCAL}, timeout=10).json()
    assert changed == {"filenames": [UNCAL]}
    after = requests.get(f"{archive.url}/_archive/md5", params={"filename": UNCAL}, timeout=10).json()
    assert (after["size"], after["md5"]) != (before["size"], before["md5"])
    released = requests.post(f"{archive.url}/_archive/release", json={"proposal": 9231}, timeout=10).json()
    assert released["files"] > 0


def test_the_log_over_http(archive, download):
    url = f"{archive.url}/_archive/requests"
    download(UNCAL)
    assert [entry["uri"] for entry in requests.get(url, timeout=10).json()] == [f"mast:JWST/product/{UNCAL}"]
    requests.delete(url, timeout=10)
    assert requests.get(url, timeout=10).json() == []
