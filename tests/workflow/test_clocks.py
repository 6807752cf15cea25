"""Files whose dates say nothing, as where the clocks of a cluster's nodes differ: the content counts."""

import os
import time

import pytest
from studies import TINY

HOUR = 3600


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_files_from_a_node_whose_clock_is_ahead_repeat_nothing_and_changed_ones_do(finished, profile):
    inputs = [*finished.folder.glob("results/tiny/splits/*"), *finished.folder.glob("results/tiny/encoders/*")]
    assert len(inputs) == 1 + 2
    call = ("--workflow-profile", f"profiles/{profile}")
    dates = {path: path.stat().st_mtime_ns for path in inputs}
    changed = finished.folder / "results/tiny/encoders/autoencoder-conv-u0.2-s0.safetensors"
    before = changed.read_bytes()
    try:
        for path in inputs:
            os.utime(path, (time.time() + HOUR,) * 2)
        assert finished.planned(*call, config=TINY) == {}
        changed.write_bytes(before + b" ")
        os.utime(changed, (time.time() + HOUR,) * 2)
        assert finished.planned(*call, config=TINY)["classify"] == 2
    finally:
        changed.write_bytes(before)
        for path, date in dates.items():
            os.utime(path, ns=(date, date))
