"""Limits that several processes share, each of them a real one."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jwst_mast_assets.embedded_archive import Fault
from jwst_mast_assets.mast import shared_limits
from jwst_mast_assets.mast.archive import Archive
from jwst_mast_assets.mast.errors import ArchiveError
from jwst_mast_assets.mast.shared_limits import GaveUp, SharedLimits

PROGRAM = str(Path(sys.executable).parent / "jwst_download.py")

HOLD = """
import sys, time
from pathlib import Path
from jwst_mast_assets.mast.shared_limits import SharedLimits
with SharedLimits(Path(sys.argv[1]), 1).connection(lambda: False):
    print("has it", flush=True)
    time.sleep(600)
"""

SPEND = """
import sys
from pathlib import Path
from jwst_mast_assets.mast.shared_limits import SharedLimits
limits = SharedLimits(Path(sys.argv[1]), 1, 1.0)
input()
for _ in range(10):
    limits.spend(50_000, lambda: False)
"""


@pytest.fixture(autouse=True)
def _recorded(tmp_path):
    """The output folder has records already."""
    (tmp_path / ".jwst_mast_assets").mkdir()


def gives_up_after(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def slots(root):
    """The slot files of an output folder, in order."""
    return sorted((root / shared_limits.FOLDER).glob("connection*"))


def test_commands_at_the_same_time_stay_within_max_connections_together(archive, tmp_path):
    archive.faults.add(Fault("slow", endpoint="download", seconds=0.1))
    root, days = tmp_path / "data", ("2022-04-10", "2022-04-14", "2022-04-10")
    root.mkdir()
    commands = [
        subprocess.Popen(
            [PROGRAM, "--propID", "1138", "--date_select", day, f"{day}T23:59:59", "--yes"]
            + ["--outrootdir", str(root), "--max_connections", "3", "--sca", "a1", "a2", "along"],
            env={**os.environ, "DAGSTER_HOME": str(tmp_path / f"home{number}")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, day in enumerate(days)
    ]
    outputs = [command.communicate(timeout=400)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0, 0], outputs
    assert archive.most_at_once == 3
    fetched = [each.uri for each in archive.requests if each.endpoint == "download" and each.method == "GET"]
    assert len(fetched) == len(set(fetched)) > 10


def test_a_killed_process_keeps_no_connection(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "has it\n"
        limits = SharedLimits(tmp_path, 1)
        with pytest.raises(GaveUp), limits.connection(gives_up_after(0.5)):
            pass
        holder.send_signal(signal.SIGKILL)
        with limits.connection(gives_up_after(60)):
            held = json.loads(slots(tmp_path)[0].read_text())
        assert held["pid"] == os.getpid()
    finally:
        holder.kill()
        holder.communicate()


def test_a_slot_that_another_machine_has_just_signed_is_not_taken(tmp_path):
    limits = SharedLimits(tmp_path, 1)
    with limits.connection(lambda: False):
        pass
    slot = slots(tmp_path)[0]
    assert slot.read_text() == ""
    slot.write_text('{"host": "another.example.org", "pid": 7}')
    with pytest.raises(GaveUp), limits.connection(gives_up_after(0.5)):
        pass
    old = time.time() - shared_limits.STALE - 5
    os.utime(slot, (old, old))
    with limits.connection(gives_up_after(60)):
        assert json.loads(slot.read_text())["host"] == shared_limits.HOST


def test_a_slot_shows_every_few_seconds_that_its_holder_is_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_limits, "BEAT", 0.05)
    monkeypatch.setattr(shared_limits, "BEATS", shared_limits._Beats())
    with SharedLimits(tmp_path, 1).connection(lambda: False):
        slot = slots(tmp_path)[0]
        os.utime(slot, (0, 0))
        end = time.monotonic() + 60
        while slot.stat().st_mtime == 0:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_thread_that_waits_for_a_connection_gets_one_from_a_busy_process(tmp_path):
    busy, other, stop = SharedLimits(tmp_path, 1), SharedLimits(tmp_path, 1), threading.Event()

    def request_all_the_time():
        while not stop.is_set():
            with busy.connection(stop.is_set):
                time.sleep(0.02)

    thread = threading.Thread(target=request_all_the_time)
    thread.start()
    try:
        for _ in range(5):
            with other.connection(gives_up_after(60)):
                pass
    finally:
        stop.set()
        thread.join()


def test_connections_that_are_kept_open_are_closed_where_others_wait(tmp_path):
    limits, other, closed = SharedLimits(tmp_path, 1), SharedLimits(tmp_path, 1), []
    with limits.connection(lambda: False, lambda: closed.append("nobody waits")):
        pass
    with (
        limits.connection(lambda: False, lambda: closed.append("had one")),
        pytest.raises(GaveUp),
        other.connection(gives_up_after(0.3), lambda: closed.append("waited")),
    ):
        pass
    assert closed == ["waited", "had one"]


def test_a_query_with_little_time_does_not_wait_for_a_connection_for_ever(archive, tmp_path):
    with SharedLimits(tmp_path, 1).connection(lambda: False):
        mast = Archive(retries=0, time_limit=0.5, limits=SharedLimits(tmp_path, 1))
        with pytest.raises(ArchiveError):
            mast.observations(["1138"])
    assert archive.requests == []


def test_an_empty_folder_that_may_be_a_mount_point_is_left_empty(tmp_path):
    root = tmp_path / "mount_point"
    root.mkdir()
    with SharedLimits(root, 1).connection(lambda: False):
        pass
    assert list(root.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_not_created(tmp_path):
    limits = SharedLimits(tmp_path / "not_mounted", 1)
    with limits.connection(lambda: False), pytest.raises(GaveUp), limits.connection(gives_up_after(0.3)):
        pass
    assert not limits.root.exists()


def test_processes_share_the_bandwidth(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", SPEND, str(tmp_path)], stdin=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    time.sleep(1)
    start = time.monotonic()
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=100)
    # 1 MB in all, at 1 MB per second
    assert time.monotonic() - start > 0.9


def test_a_clock_that_was_changed_does_not_stop_downloads(tmp_path):
    limits = SharedLimits(tmp_path, 1, 1.0)
    limits.spend(1, lambda: False)
    (tmp_path / shared_limits.FOLDER / "bandwidth").write_text(repr(time.time() + 1e6))
    start = time.monotonic()
    limits.spend(1000, lambda: False)
    assert time.monotonic() - start < 30
