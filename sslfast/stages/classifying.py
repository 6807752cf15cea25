"""Classifiers: over a pre-trained encoder, and the supervised baseline."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.images import ImageData
from ..data.loaders import classify_dls, test_dl
from ..data.splits import Split
from ..errors import ConfigError
from ..learners import classifier_learner, finetune_learner, supervised_learner
from ..models import dropout_of, load_encoder
from ..study.fractions import canonical
from ..study.length import FULL
from ..study.records import RunRecord, read_record
from ..study.stage_table import evaluations
from ..training.cached_views import ReadyFeatures, resolve_views
from .outcome import test_results
from .probing import probe
from .run import StageRun, expected_of, nets_of, notes_of, spec_of
from .settings import FitSettings, RunSettings

__all__ = ["classify", "supervised"]


def classify(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    encoder_file: str | Path,
    pretrain_record: str | Path,
    l: object = 1,  # noqa: E741
    evaluate: str = "head",
    length: str = FULL,
    checkpoint: str | Path | None = None,
) -> tuple[np.ndarray | None, RunRecord]:
    """What the encoder in `encoder_file` is worth with the labels of fraction `l`: test predictions `[N]`, the record.

    `evaluate`, one of `sslfast.study.stage_table.evaluations`: `head`, the study's classifier over the frozen encoder;
    `linear`, logistic regression on its features (see `linear_probe`) and `knn`, their nearest neighbours, with
    `options` of `fit`; `finetune`, encoder and head trained on together. `length`: what the run is called where it is
    not the study's own (see `sslfast.study.length`), with a `share` in `fit` to match. Raises `RecordError` if the file
    is another encoder than the one its record describes. If the encoder diverged or collapsed, the record is `failed`
    and there are no predictions.
    """
    if evaluate not in (known := evaluations()):
        raise ConfigError(f"evaluate: found {evaluate!r}, expected one of {', '.join(known)}")
    kind = known[evaluate]
    made = read_record(pretrain_record)
    stored, fit = made.spec, replace(fit, pretrain=made.settings)
    if stored.pool == "rest" and stored.u != "0" and stored.l != canonical(l, "l"):
        raise ConfigError(
            f"l: {l}, but with pool: rest this encoder belongs to {stored.l}: it may have seen labelled images"
        )
    rows = split.labelled(l)
    fit = replace(fit, dropout=dropout_of(fit.dropout, len(rows)))
    spec = spec_of(
        data, split, run, stored.method, stored.encoder, u=stored.u, n_unlabelled=stored.n_unlabelled, l=l,
        n_labelled=len(rows), pool=stored.pool, length=length,
    )  # fmt: skip
    stage = StageRun(
        kind.name, spec, data, split, run, fit, notes_of(data, split, l), made.features, made.seconds["pretrain"]
    )
    stage.notes |= nets_of(made)
    with stage.phase("data"):
        encoder = load_encoder(encoder_file, own=run.own_file(stored.encoder), **expected_of(made, data, split))
    if made.status != "ok":
        stage.end("failed", f"its encoder is not usable: {made.reason}")
        return None, stage.record()
    if not kind.trains:
        return probe(stage, encoder, rows)
    with stage.phase("data"):
        dls = classify_dls(data, split, rows, **stage.loading())
        options = {"dropout": fit.dropout, "seed": split.seed, "precision": stage.precision}
        if not kind.frozen:
            learn = finetune_learner(dls, encoder, **options)
        else:
            # by all labelled images, so that all cells of an encoder see as many views
            ready = stage.features_of(encoder)
            if ready and run.features:  # where they are kept, whoever comes first has them computed
                for images, wanted in (
                    (data.train, rows),
                    (data.train, split.valid),
                    (data.test, np.arange(len(data.test))),
                ):
                    ready(images, wanted)
            views = "fresh" if ready else resolve_views(fit.views, split.n_labelled, encoder.out_shape, stage.precision)
            stage.fit = replace(fit, views=1 if ready else views)
            learn = classifier_learner(dls, encoder, views=views, **options)
            if ready:  # of each image as it is: the same for all seeds
                learn.add_cb(ReadyFeatures(ready))
    weights = hashlib.sha256(Path(encoder_file).read_bytes()).hexdigest()
    return _train_and_test(stage, learn, checkpoint, weights=weights)


def supervised(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    encoder: str = "original",
    l: object = 1,  # noqa: E741
    length: str = FULL,
    checkpoint: str | Path | None = None,
) -> tuple[np.ndarray | None, RunRecord]:
    """The baseline, encoder and head trained together on the labelled images: predictions and record."""
    rows = split.labelled(l)
    fit = replace(fit, dropout=dropout_of(fit.dropout, len(rows)))
    spec = spec_of(
        data, split, run, "supervised", encoder, u=None, n_unlabelled=0, l=l, n_labelled=len(rows), pool="all",
        length=length,
    )  # fmt: skip
    stage = StageRun("supervised", spec, data, split, run, fit, notes_of(data, split, l))
    with stage.phase("data"):
        dls = classify_dls(data, split, rows, **stage.loading())
        options = {"dropout": fit.dropout, "seed": split.seed, "precision": run.precision}
        learn = supervised_learner(dls, run.encoder(encoder), **options)
    return _train_and_test(stage, learn, checkpoint)


def _train_and_test(stage: StageRun, learn, checkpoint, **about) -> tuple[np.ndarray | None, RunRecord]:
    if not stage.train(learn, checkpoint, **about):
        return None, stage.record()
    data = stage.data
    with stage.phase("evaluate"):
        scores, _ = learn.get_preds(dl=test_dl(data, stage.split, stage.run.device), reorder=False)
        predictions, test = test_results(data.test.y.numpy(), scores.float().cpu().numpy(), data.classes)
    return predictions, stage.record(test)
