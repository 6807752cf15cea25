"""What the rule `plan` tells the planner of the machine and of how a job begins."""

import json
import time
from types import SimpleNamespace

import pytest
from grids import checked

from sslfast.planning import entry_points
from sslfast.runtime.jobs import RunningJob


@pytest.mark.skipif(not entry_points.age_of_process(), reason="this system does not tell how old a process is")
def test_seconds_before_the_script_began_are_those_of_the_start_without_imports(tmp_path, monkeypatch, own_data_root):
    told = []

    def planner(*_, **options):
        told.append(options)
        return {}

    monkeypatch.setattr(entry_points, "make_plan", planner)
    monkeypatch.setattr(entry_points, "plan_text", lambda _: "")
    monkeypatch.setattr(entry_points, "age_of_process", lambda: 5.0)
    study = checked(data_root=str(own_data_root))
    job = RunningJob(
        study,
        {},
        SimpleNamespace(content={}, reports="reports", gpus=2),
        [],
        SimpleNamespace(plan=tmp_path / "plan.json", text=tmp_path / "plan.txt"),
        threads=3,
        began=time.perf_counter() - 4.5,
    )
    entry_points.plan(job)
    assert told[0]["before"] == pytest.approx(0.5, abs=0.4)
    assert (told[0]["cores"], told[0]["gpus"]) == (3, 2)
    assert json.loads((tmp_path / "plan.json").read_text()) == {}
