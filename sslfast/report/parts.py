"""The parts of the page in their order, and for each figure how it is drawn and what numbers stand behind it."""

import numpy as np
import pandas as pd

from ..analysis.checks import SUPERVISED
from ..analysis.results import Results
from ..analysis.units import UPDATES
from ..study.records import Spec
from . import figures
from .examples import Examples, rmse
from .large import few

__all__ = ["FIGURES", "PARTS", "behind", "draw"]

FIGURES = {  # name: heading
    "f1_against_unlabelled": "F1 against unlabelled data",
    "self_supervised_against_supervised": "Self-supervised against supervised",
    "against_controls": "Against encoders that learned nothing",
    "across_evaluations": "Evaluated in other ways",
    "accuracy_in_training": "Accuracy in training",
    "f1_in_training": "F1 in training",
    "time_to_threshold": "Time to the threshold",
    "wall_clock": "Wall-clock",
    "score_map": "Score by both amounts of data",
    "data_needed": "Data needed for a given accuracy",
    "embeddings": "What encoders find alike",
    "reconstructions": "What encoders rebuild",
    "inventions": "What networks invent",
    "confusion": "Which classes are taken for which",
    "mistakes": "The most confident mistakes",
}
OF_IMAGES = (
    "embeddings",
    "reconstructions",
    "inventions",
    "confusion",
    "mistakes",
)  # drawn only where the images are at hand
PARTS = {  # id: heading, figures
    "unlabelled": ("What unlabelled images add", ["f1_against_unlabelled"]),
    "against": (
        "Is it better than training on the labels alone?",
        ["self_supervised_against_supervised", "against_controls", "across_evaluations"],
    ),
    "training": ("How training goes", ["accuracy_in_training", "f1_in_training"]),
    "time": ("What it costs in time", ["time_to_threshold", "wall_clock"]),
    "amounts": ("How much data a score takes", ["score_map", "data_needed"]),
    "images": ("What it looks like", [*OF_IMAGES]),
}


def draw(results: Results, examples: Examples | None) -> dict[str, figures.Drawing]:
    """Each of `FIGURES` by its name, without those `OF_IMAGES` where there are no examples."""
    whole, s = results, results.settings
    results, _ = few(whole)
    cells, history, tables = results.cells, results.history, results.tables
    metric = s.metric.removeprefix("test_")
    scores, times = tables["scores"], tables["time_to_threshold"]
    of_images = {name: getattr(figures, name)(examples) for name in OF_IMAGES} if examples else {}
    return {
        "f1_against_unlabelled": figures.against_unlabelled(scores, tables["plateau"], cells, metric),
        "self_supervised_against_supervised": figures.self_supervised_against_supervised(
            whole.tables["contrasts"], whole.tables["label_equivalence"], metric, s.delta
        ),
        "against_controls": figures.against_controls(tables["controls"], results.judged_by, metric),
        "across_evaluations": figures.across_evaluations(tables["evaluations"], metric),
        "accuracy_in_training": figures.in_training(history, cells, "accuracy"),
        "f1_in_training": figures.in_training(history, cells, "macro_f1"),
        "time_to_threshold": figures.time_to_threshold(times, cells, s.threshold_metric, s.threshold, results.unit),
        "wall_clock": figures.wall_clock(scores, cells),
        "score_map": figures.score_map(whole.cells, whole.tables["scores"], tables["surface"], metric),
        "data_needed": figures.data_needed(tables["data_needed"], cells),
        **of_images,
    }


def behind(results: Results, examples: Examples | None) -> dict[str, pd.DataFrame]:
    """The numbers that each figure shows, to take along."""
    whole = results.tables
    results, _ = few(results)
    cells, history, tables = results.cells, results.history, results.tables
    contrasts, scores, every = whole["contrasts"], tables["scores"], whole["scores"]
    return {
        "f1_against_unlabelled": scores.drop(columns=["seconds_pretrain", "seconds_classify"]),
        "self_supervised_against_supervised": contrasts[contrasts.against == SUPERVISED],
        "against_controls": tables["controls"],
        "across_evaluations": tables["evaluations"],
        "accuracy_in_training": figures.training_curves(history, cells, "accuracy"),
        "f1_in_training": figures.training_curves(history, cells, "macro_f1"),
        "time_to_threshold": tables["time_to_threshold"].drop(columns=_not_told(results)),
        "wall_clock": scores[["encoder", "l", "method", "u", "n_seeds", "seconds_pretrain", "seconds_classify"]],
        "score_map": every[["encoder", "l", "method", "u", "n_labelled", "n_unlabelled", "mean", "low", "high"]],
        "data_needed": tables["data_needed"],
        **(_of_images(examples) if examples else {}),
    }


def _not_told(results: Results) -> list[str]:
    """Columns about a unit in which this study is not told: numbers of validations are no epochs."""
    return [f"{of}epochs" for of in ("", "restricted_", "budget_")] if results.unit == UPDATES else []


def _of_images(examples: Examples) -> dict[str, pd.DataFrame]:
    names, names_of = examples.classes, ("encoder", "method", "u", "n_unlabelled")
    rebuilt = [
        dict(zip(names_of, _who(r.spec), strict=True)) | {"rmse_of_these": rmse(r.images, examples.originals)}
        for r in examples.rebuilt
    ]
    counts = [
        {"cell": cell, "true": names[y], "predicted": names[x], "test_images": n}
        for cell, outcome in examples.outcomes.items()
        for y, row in enumerate(outcome.confusion)
        for x, n in enumerate(row)
    ]
    wrong = [
        {"cell": cell, "test_image": m["image"], "true": names[m["true"]], "predicted": names[m["predicted"]]}
        | {"confidence": m["confidence"]}
        for cell, outcome in examples.outcomes.items()
        for m in outcome.mistakes
    ]
    points = [
        {**dict(zip(names_of, _who(e.spec), strict=True)), "class": names[k], "x": x, "y": y}
        for e in examples.embeddings
        for (x, y), k in zip(e.points.tolist(), e.classes.tolist(), strict=True)
    ]
    made = [
        {**dict(zip(names_of, _who(p.spec), strict=True)), "kind": p.kind, "images": int(np.prod(p.images.shape[:-3]))}
        for p in examples.invented
    ]
    return {
        "embeddings": pd.DataFrame(points, columns=[*names_of, "class", "x", "y"]),
        "inventions": pd.DataFrame(made, columns=[*names_of, "kind", "images"]),
        "reconstructions": pd.DataFrame(rebuilt, columns=[*names_of, "rmse_of_these"]),
        "confusion": pd.DataFrame(counts, columns=["cell", "true", "predicted", "test_images"]),
        "mistakes": pd.DataFrame(wrong, columns=["cell", "test_image", "true", "predicted", "confidence"]),
    }


def _who(spec: Spec) -> tuple[str, str, float, int]:
    return spec.encoder, spec.method, float(spec.u), spec.n_unlabelled
