"""A few days of the bench of a living archive, by a clock that is turned."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench" / "living_archive.py"


def test_every_file_is_what_a_living_archive_has_and_came_within_the_promised_time(tmp_path):
    command = [sys.executable, BENCH, "--proposals", "2", "--days", "2", "--observations", "1", "--step", "360"]
    command += ["--kills", "1.5", "--faults", "0.03", "--folder", tmp_path / "living"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 not; 0 expectations fulfilled too late, 0 not yet" in done.stdout
    for kind in ("new", "reprocessed"):
        assert f"  {kind} " in done.stdout
