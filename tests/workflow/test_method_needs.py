"""A study with methods that need something of their own, a teacher or an encoder: from the config to the report."""

import json
import shutil

import pandas as pd
from every_method import TEACHER, teacher_file
from studies import TINY, Workflow

STUDY = {
    **TINY, "unlabelled": [0, 0.2], "labelled": [0.3], "seeds": 1, "encoders": ["conv", "vit"], "evaluate": ["linear"],
    "methods": ["small", "mae"], "variants": {
        "net": {"method": "base", "net": TEACHER, "weights": "teacher.safetensors", "size": 32},
        "small": {"method": "distill", "teacher": "net"},
    },
}  # fmt: skip


def test_a_pupil_and_a_masked_autoencoder_go_to_the_report_and_follow_the_teachers_weights(tmp_path):
    workflow = Workflow(tmp_path)
    weights = workflow.folder / "config/teacher.safetensors"
    shutil.copy(teacher_file(), weights)
    result = workflow.run("--cores", "2", config=STUDY)
    assert result.returncode == 0, result.stderr[-3000:]
    made = {path.stem: json.loads(path.read_text()) for path in workflow.folder.glob("results/*/records/pretrain/*")}
    assert set(made) == {
        "random-conv-u0-s0", "random-vit-u0-s0", "small-conv-u0.2-s0", "small-vit-u0.2-s0", "mae-vit-u0.2-s0",
    }  # fmt: skip
    assert {record["status"] for record in made.values()} == {"ok"}
    assert made["small-vit-u0.2-s0"]["notes"]["teacher"]["source"] == "file teacher.safetensors"
    assert str(workflow.folder) not in json.dumps([*made.values()])
    pretraining = pd.read_csv(next(workflow.folder.glob("results/*/tables/pretraining.csv")))
    assert pretraining.explained.notna().any()
    page = next(workflow.folder.glob("reports/*/report.html")).read_text()
    assert "small" in page and "mae" in page
    assert "teacher of small: timm." in page and "file teacher.safetensors" in page
    assert workflow.planned(config=STUDY) == {}
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    again = workflow.planned(config=STUDY)
    assert (again["pretrain"], again["classify"]) == (2, 2) and "supervised" not in again
