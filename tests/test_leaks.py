"""Many cells in one process take no more memory, files or threads than a few."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("n_cells", [100, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to see what a process holds")
def test_many_cells_in_one_process_hold_no_more_than_20(n_cells, tmp_path, own_data_root):
    (tmp_path / "tmp").mkdir()
    script = Path(__file__).with_name("many_cells.py")
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "SSLFAST_DATA": str(own_data_root)}
    # glibc gives blocks from this size on back as they are freed: what is left is held, not kept to be used again
    env |= {"MALLOC_MMAP_THRESHOLD_": str(2**18), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, script, str(n_cells), tmp_path], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found[-1]["cells"] == n_cells
    warm, last = found[1], found[-1]
    assert last["objects"] - warm["objects"] < n_cells - warm["cells"], "an object a cell stays"
    assert last["files"] <= warm["files"]
    assert last["threads"] <= warm["threads"]
    assert last["left"] == 0
    # memory between two cells still goes up and down a little: its floor must not rise
    early, late = ([row["memory"] for row in part] for part in (found[1 : len(found) // 2], found[len(found) // 2 :]))
    assert min(late) < min(early) + 5, found
