"""Starting and stopping, who-am-I, and control from another process."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from jwst_mast_assets.embedded_archive import Catalogue, EmbeddedArchive, Fault, serve
from jwst_mast_assets.embedded_archive.exchange import Response
from jwst_mast_assets.embedded_archive.protocol import ArchiveServer
from jwst_mast_assets_tests.embedded_archive.clients import UNCAL


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org"])
def test_only_this_machine_is_served(host):
    with pytest.raises(ValueError, match="not a loopback address"):
        serve(host=host)


def test_the_port_is_free_again_after_stopping():
    with EmbeddedArchive(Catalogue()) as first:
        port = int(first.url.rpartition(":")[2])
    with EmbeddedArchive(Catalogue(), port=port) as second:
        assert second.url.endswith(f":{port}")
        with pytest.raises(OSError, match="in use"):
            EmbeddedArchive(Catalogue(), port=port).start()


def test_an_archive_that_is_not_running_has_no_url():
    with pytest.raises(RuntimeError):
        print(EmbeddedArchive(Catalogue()).url)


def test_a_connection_serves_one_request_after_another(archive):
    ends = set()
    with closing(http.client.HTTPConnection(archive.url.removeprefix("http://"), timeout=10)) as connection:
        for path in ("/whoami", "/nowhere", f"/api/v0.1/Download/file?uri=mast:JWST/product/{UNCAL}"):
            for method in ("GET", "HEAD"):
                connection.request(method, path)
                reply = connection.getresponse()
                assert bool(reply.read()) == (method == "GET")
                assert int(reply.headers["Content-Length"]) > 0
                ends.add(connection.sock.getsockname())
    assert len(ends) == 1


def test_what_is_sent_does_not_wait_for_more():
    no_delay = []

    class Watched(ArchiveServer):
        def shutdown_request(self, request):
            no_delay.append(request.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().shutdown_request(request)

    server = Watched("127.0.0.1", 0, lambda request: Response(b"", headers={"x": request.path}, cut=True))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert requests.get(f"http://127.0.0.1:{server.server_port}/path", timeout=10).headers["x"] == "/path"
    server.stop()
    thread.join()
    assert no_delay == [1]


def test_two_thousand_requests_from_forty_clients_at_once(archive):
    def ask(_):
        with requests.Session() as session:
            url = f"{archive.url}/api/v0.1/Download/file?uri=mast:JWST/product/{UNCAL}"
            return {session.get(url, headers={"Range": "bytes=0-9"}, timeout=60).content for _ in range(50)}

    with ThreadPoolExecutor(40) as clients:
        assert set().union(*clients.map(ask, range(40))) == {archive.content(UNCAL)[:10]}
    assert len(archive.requests) == 2000
    assert {entry.sent for entry in archive.requests} == {10}


@pytest.mark.parametrize("fault", [Fault("stall", seconds=600), Fault("slow", seconds=600), Fault("slow", rate=1000)])
def test_stopping_cuts_what_is_under_way(archive, download, fault):
    archive.faults.add(fault)
    with ThreadPoolExecutor(1) as client:
        reply = client.submit(download, UNCAL, timeout=60)
        while not archive.requests:
            time.sleep(0.01)
        started = time.monotonic()
        archive.stop()
        assert isinstance(reply.exception(timeout=30), requests.RequestException)
        assert time.monotonic() - started < 30


def test_an_idle_client_does_not_keep_the_archive_from_stopping():
    with EmbeddedArchive(Catalogue()) as archive, requests.Session() as session:
        session.get(f"{archive.url}/whoami", timeout=10)
        url = archive.url
        archive.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{url}/whoami", timeout=10)


def test_a_stopped_archive_starts_again_with_what_it_holds(archive, download):
    archive.reprocess(UNCAL)
    archive.stop()
    archive.start()
    assert download(UNCAL).content == archive.content(UNCAL)


def test_served_in_the_foreground_until_interrupted():
    with EmbeddedArchive(Catalogue()) as other:
        port = other.url.rpartition(":")[2]
    command = [sys.executable, "-c", f"from jwst_mast_assets.embedded_archive import serve; serve(port={port})"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            try:
                assert requests.get(f"http://127.0.0.1:{port}/whoami", timeout=10).json()["anon"]
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        assert (process.wait(timeout=30), process.communicate()[1]) == (0, "")
    finally:
        process.kill()


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
