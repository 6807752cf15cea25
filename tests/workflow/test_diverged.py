"""Training that diverges is a result: the study goes on, and its report says so."""

import json

import pandas as pd
from studies import TINY, Workflow


def test_a_study_whose_training_diverges_goes_on_to_its_report(tmp_path):
    workflow = Workflow(tmp_path)
    absurd = {"epochs": 3, "lr": 1.0e30}
    config = {**TINY, "labelled": [0.3], "pretrain": absurd, "supervised": absurd}
    result = workflow.run(config=config)
    assert result.returncode == 0, result.stderr
    records = {}
    for path in (tmp_path / "results/tiny/records").rglob("*.json"):
        record = json.loads(path.read_text())
        records[f"{path.parent.name}/{record['spec']['method']}"] = record["status"], record["reason"]
    not_finite = "a loss was not finite in epoch 1"
    assert records == {
        "pretrain/random": ("ok", None),
        "pretrain/autoencoder": ("diverged", not_finite),
        "classify/random": ("ok", None),
        "classify/autoencoder": ("failed", f"its encoder is not usable: {not_finite}"),
        "supervised/supervised": ("diverged", not_finite),
    }
    cells = pd.read_csv(tmp_path / "results/tiny/tables/cells.csv")
    assert sorted(cells.status) == ["diverged", "failed", "ok"]
    assert "diverged" in (tmp_path / "reports/tiny/report.html").read_text()
    log = (tmp_path / "results/tiny/logs/supervised/conv-l0.3-s0.log").read_text()
    assert f"diverged: {not_finite}" in log
