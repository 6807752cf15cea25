"""Evaluations that train no network: over the features of an encoder, and a linear probe over raw pixels."""

import importlib
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from ..data.images import ImageData
from ..data.splits import Split
from ..evaluation import Encoded, Scores, encode_cell, encode_pixels, linear_probe
from ..study.records import RunRecord
from ..study.stage_table import STAGES
from .outcome import test_results
from .run import StageRun, notes_of, spec_of
from .settings import FitSettings, RunSettings

__all__ = ["pixels", "probe"]


def probe(stage: StageRun, encoder: nn.Module, rows: np.ndarray) -> tuple[np.ndarray, RunRecord]:
    """The run `stage`, an evaluation that trains no network, over the frozen `encoder` and the images `rows`."""
    torch.set_num_threads(stage.run.threads)
    options = dict(stage.fit.options)
    with stage.phase("data"):
        encoded = encode_cell(
            encoder, stage.data, stage.split, rows, features=stage.features_of(encoder),
            device=stage.run.device, precision=stage.precision, pooling=options.pop("pooling", "flatten"),
        )  # fmt: skip
    with stage.phase("classify"), threadpool_limits(stage.run.threads):
        scores = _function(STAGES[stage.name].scores)(encoded, device=stage.run.device, **options)
    return _tested(stage, encoded, scores)


def pixels(data: ImageData, split: Split, run: RunSettings, *, l: object = 1) -> tuple[np.ndarray, RunRecord]:  # noqa: E741
    """The control without a network, logistic regression on raw pixels: test predictions `[N]` and the record."""
    torch.set_num_threads(run.threads)
    rows = split.labelled(l)
    spec = spec_of(data, split, run, "pixels", "pixels", u=None, n_unlabelled=0, l=l, n_labelled=len(rows), pool="all")
    stage = StageRun("pixels", spec, data, split, run, FitSettings(), notes_of(data, split, l))
    with stage.phase("data"):
        encoded = encode_pixels(data, split, rows)
    with stage.phase("classify"), threadpool_limits(run.threads):
        scores = linear_probe(encoded)
    return _tested(stage, encoded, scores)


def _function(name: str) -> Callable[..., Scores]:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _tested(stage: StageRun, encoded: Encoded, scores: Scores) -> tuple[np.ndarray, RunRecord]:
    stage.notes |= {**scores.notes, "labels_to_choose_by": len(encoded.valid_y)}
    print(", ".join(f"{name} {value}" for name, value in scores.notes.items()), flush=True)
    with stage.phase("evaluate"):
        predictions, test = test_results(stage.data.test.y.numpy(), scores.test, stage.data.classes)
    return predictions, stage.record(test)
