"""An evaluation is one function and one entry of the table: a tiny one goes the whole way from config to report."""

import numpy as np
import pytest
from grids import sizes, speeds

from sslfast.analysis.evaluations import said
from sslfast.analysis.results import analyse
from sslfast.analysis.tables import collect
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.evaluation import Scores
from sslfast.models import save_encoder
from sslfast.planning.estimate import Estimator
from sslfast.planning.plan import plan_of
from sslfast.planning.speeds import Speed
from sslfast.planning.text import plan_text
from sslfast.report.page import report_settings, write_report
from sslfast.stages import FitSettings, RunSettings, classify, encoder_header, pretrain, supervised
from sslfast.study.config import check_config, read_schema
from sslfast.study.depends import evaluation_settings
from sslfast.study.grid import jobs_of
from sslfast.study.records import write_record
from sslfast.study.stage_table import STAGES, Stage

from builders import SCHEMA, SCHEMA_FILE  # isort: skip

GIVEN = {
    "dataset": "digits", "unlabelled": [0, 1], "labelled": [0.1], "seeds": 2, "encoders": ["conv"], "budget": "epochs",
    "evaluate": ["head", "means"], "precision": "float32", **{name: {"epochs": 1} for name in ("pretrain", "classify")},
}  # fmt: skip


def nearest_mean(encoded, device="cpu"):
    """The class whose labelled images have the nearest mean."""
    means = np.stack([encoded.train[encoded.train_y == c].mean(0) for c in range(encoded.n_classes)])
    distances = (np.square(x[:, None] - means).sum(2) for x in (encoded.valid, encoded.test))
    near = [1 / (1 + d) for d in distances]
    return Scores(*(n / n.sum(1, keepdims=True) for n in near), {})


@pytest.fixture
def means(monkeypatch):
    """The evaluation `means`, for one test."""
    entry = Stage("means", evaluate="means", said="nearest means", label="means", scores=f"{__name__}:nearest_mean")
    monkeypatch.setitem(STAGES, entry.name, entry)


def test_without_its_entry_it_is_unknown():
    with pytest.raises(ConfigError, match="evaluate: found 'means', expected one of head, linear, knn, finetune"):
        check_config(GIVEN, SCHEMA)


@pytest.mark.usefixtures("means")
def test_an_entry_of_the_table_takes_an_evaluation_from_the_config_to_the_report(digits, tmp_path):
    study = check_config(GIVEN, read_schema(SCHEMA_FILE))
    jobs = jobs_of(study)
    mine = [job for job in jobs if job.stage == "means"]
    assert {job.name for job in mine} == {
        f"means/{box}-l0.1-s{seed}" for box in ("random-conv-u0", "autoencoder-conv-u1") for seed in (0, 1)
    }
    plan = plan_of(
        jobs, jobs, Estimator(study, sizes(study), speeds(study, Speed(fitted=0.001, encoded=0.001))), slots=1
    )
    (row,) = [row for row in plan["stages"] if row["stage"] == "means"]
    assert row["jobs"] == 4 and row["encoded"] > 0 and not row["unknown"]
    assert "\nmeans " in plan_text({**plan, "machine": MACHINE, "images_in_memory": 0})

    paths = records(digits, study, tmp_path)
    cells, history = collect(paths)
    scores = cells[(cells.evaluate == "means") & (cells.method == "autoencoder")].test_accuracy
    assert len(scores) == 2 and scores.min() > 0.5  # of ten classes
    results = analyse(cells, history, report_settings(study))
    assert said("means") == "nearest means"
    assert results.judged_by == "head" and set(results.tables["evaluations"].evaluate) == {"head", "means"}
    write_report(cells, history, study, tmp_path / "report")
    assert "nearest means" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


MACHINE = {"cores": 1, "gpus": 0, "threads": 1, "device": "cpu", "load": None, "memory": None, "disk": 1e12}


def records(digits, study, folder) -> list:
    """The records of the whole study, made by its stages."""
    run = RunSettings(study="own", budget="epochs", precision="float32", batch_size=study.batch_size)
    fit, paths = FitSettings(epochs=1), []

    def keep(record):
        paths.append(folder / f"{record.box.name}.json")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        write_record(record, paths[-1])
        return paths[-1]

    for seed in study.seeds:
        split = make_split(digits, seed)
        keep(supervised(digits, split, run, fit, encoder="conv", l="0.1")[1])
        for method, u in (("random", "0"), ("autoencoder", "1")):
            encoder, made, _ = pretrain(digits, split, run, fit, method=method, encoder="conv", u=u)
            save_encoder(encoder, weights := folder / f"{method}-{seed}.safetensors", **encoder_header(made))
            of = {"encoder_file": weights, "pretrain_record": keep(made), "l": "0.1"}
            paths.pop()  # that of an encoder is no cell
            own = evaluation_settings(study, "means")
            for evaluate, settings in (("head", fit), ("means", FitSettings(**own))):
                keep(classify(digits, split, run, settings, evaluate=evaluate, **of)[1])
    return paths
