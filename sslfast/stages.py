"""The training stages of a study: pre-train an encoder, classify over it frozen, and the baseline.

Each takes data, a split and settings, and returns what it made with its run record. The workflow's
scripts call these; so may a script of yours. With `checkpoint`, a file, a stage that was killed goes on
from its last whole epoch when it is called again (see `Checkpoint`); remove the file when you have stored
what the stage returned.
"""

import hashlib
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner
from fastai.torch_core import noop
from sklearn.metrics import confusion_matrix, f1_score
from torch import nn

from .callbacks import Diverged, History, PrintEpochs, SeedEpochs
from .checkpoints import Checkpoint
from .data.augment import Augment
from .data.images import ImageData
from .data.loaders import classify_dls, pretrain_dls, test_dl
from .data.splits import Split
from .device import resolve_device
from .errors import ConfigError
from .features import resolve_views
from .fractions import canonical
from .learners import classifier_learner, supervised_learner
from .methods import METHODS
from .models import AutoEncoder, create_encoder, initialised_with, load_encoder
from .precision import resolve_precision
from .records import PHASES, RunRecord, Spec, read_record
from .version import code_version, versions

__all__ = [
    "FitSettings",
    "RunSettings",
    "classify",
    "encoder_header",
    "pretrain",
    "run_settings",
    "settings_of",
    "supervised",
]

N_PICTURES = 8  # validation images of which an encoder's reconstructions are kept, the same for every u of a seed
N_MISTAKES = 8
_NO_PICTURES = np.empty((0, 0, 0, 0), np.uint8)


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train. `schedule`: `constant` or `one_cycle` (then `lr` is its peak).

    `views` is for classifiers over a frozen encoder (see `resolve_views`), and so is `pretrain`: the
    settings that the encoder was made with.
    """

    epochs: int = 10
    lr: float = 1e-3
    wd: float = 0.0
    schedule: str = "constant"
    dropout: float = 0.4
    views: str | int = "auto"
    pretrain: Mapping | None = None


@dataclass(frozen=True)
class RunSettings:
    """What every stage shares: the study's name, batches, augmentation, budget, machine."""

    study: str = "study"
    batch_size: int = 128
    augment: Mapping = field(default_factory=dict)
    budget: str = "epochs"
    device: str | torch.device = "cpu"
    threads: int = 1
    precision: str = "auto"


def pretrain(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    method: str = "autoencoder",
    encoder: str = "original",
    u: object = 1,
    pool: str = "all",
    l: object = None,  # noqa: E741
    checkpoint: str | Path | None = None,
) -> tuple[nn.Module, RunRecord, np.ndarray]:
    """An encoder pre-trained by `method` on fraction `u` of the pool, its record, and pictures.

    Pictures, uint8 `[K, H, W, C]`: what the network rebuilds of some validation images; none (K = 0)
    from a network that rebuilds nothing. Method `random` (the control, u = 0) trains nothing. `l` is for
    pool `rest`, and needed there. Raises `ConfigError` for an unknown method or encoder.
    """
    if pool == "rest" and l is None and method != "random":
        raise ConfigError("l: missing; with pool: rest an encoder belongs to one labelled fraction")
    rows = split.unlabelled(u, pool, l if l is not None else 0)
    spec = _spec(data, split, run, method, encoder, u=u, n_unlabelled=len(rows), l=l, pool=pool)
    clock = _Clock()
    if method == "random":
        with initialised_with(split.seed, "encoder"):
            control = create_encoder(encoder, data.train.channels, data.train.image_size)
        return control, _record("pretrain", spec, run, fit, clock, history=[]), _NO_PICTURES
    if method not in METHODS:
        raise ConfigError(f"methods: found {method!r}, expected one of {', '.join(METHODS)}")
    n_batches = _n_batches(run, len(split.pool("all")))
    with clock.phase("data"):
        dls = pretrain_dls(data, split, rows, n_batches=n_batches, **_loading(data, run))
        learn = METHODS[method](dls, encoder, seed=split.seed, precision=run.precision)
    history, diverged = _fit("pretrain", learn, data, split, spec, run, fit, clock, checkpoint)
    record = _record("pretrain", spec, run, fit, clock, history=history, diverged=diverged)
    pictures = _NO_PICTURES if diverged else _reconstructions(learn, split)
    return learn.encoder.cpu(), record, pictures


def classify(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    encoder_file: str | Path,
    pretrain_record: str | Path,
    l: object = 1,  # noqa: E741
    checkpoint: str | Path | None = None,
) -> tuple[np.ndarray | None, RunRecord]:
    """A classifier over the frozen encoder in `encoder_file`: test predictions `[N]` and the record.

    Raises `RecordError` if the file is another encoder than the one its record describes. If the
    encoder diverged, the record is `failed` and there are no predictions.
    """
    made = read_record(pretrain_record)
    stored, fit = made.spec, replace(fit, pretrain=made.settings)
    if stored.pool == "rest" and stored.method != "random" and stored.l != canonical(l, "l"):
        raise ConfigError(
            f"l: {l}, but with pool: rest this encoder belongs to {stored.l}: it may have seen labelled images"
        )
    expected = {"method": stored.method, "encoder": stored.encoder, "u": stored.u, "seed": split.seed}
    expected |= {"l": stored.l, "pool": stored.pool, "n_unlabelled": stored.n_unlabelled}
    expected |= {"dataset": data.name, "image_size": data.train.image_size, "channels": data.train.channels}
    # with another validation set it may have seen the images that this cell validates on
    expected |= {"fingerprint": data.fingerprint, "valid_fraction": split.valid_fraction}
    expected |= {"code_version": code_version()}
    rows = split.labelled(l)
    spec = _spec(
        data, split, run, stored.method, stored.encoder, u=stored.u, n_unlabelled=stored.n_unlabelled, l=l,
        n_labelled=len(rows), pool=stored.pool,
    )  # fmt: skip
    clock = _Clock(pretrain=made.seconds["pretrain"])
    notes = _notes(data, split, l)
    if made.status != "ok":
        reason = f"its encoder is not usable: {made.reason}"
        load_encoder(encoder_file, **expected)
        return None, _record("classify", spec, run, fit, clock, history=[], failed=reason, notes=notes)
    with clock.phase("data"):
        encoder = load_encoder(encoder_file, **expected)
        dls = classify_dls(data, split, rows, n_batches=_n_batches(run, split.n_labelled), **_loading(data, run))
        precision = resolve_precision(run.precision, run.device)
        # by all labelled images, so that all cells of an encoder see as many views
        fit = replace(fit, views=resolve_views(fit.views, split.n_labelled, encoder.out_shape, precision))
        learn = classifier_learner(
            dls, encoder, dropout=fit.dropout, seed=split.seed, precision=precision, views=fit.views
        )
    weights = hashlib.sha256(Path(encoder_file).read_bytes()).hexdigest()
    return _train_and_test("classify", learn, data, split, spec, run, fit, clock, notes, checkpoint, weights=weights)


def supervised(
    data: ImageData,
    split: Split,
    run: RunSettings,
    fit: FitSettings,
    *,
    encoder: str = "original",
    l: object = 1,  # noqa: E741
    checkpoint: str | Path | None = None,
) -> tuple[np.ndarray | None, RunRecord]:
    """The baseline, encoder and head trained together on the labelled images: predictions and record."""
    rows = split.labelled(l)
    spec = _spec(data, split, run, "supervised", encoder, u=None, n_unlabelled=0, l=l, n_labelled=len(rows), pool="all")
    clock = _Clock()
    with clock.phase("data"):
        dls = classify_dls(data, split, rows, n_batches=_n_batches(run, split.n_labelled), **_loading(data, run))
        learn = supervised_learner(dls, encoder, dropout=fit.dropout, seed=split.seed, precision=run.precision)
    notes = _notes(data, split, l)
    return _train_and_test("supervised", learn, data, split, spec, run, fit, clock, notes, checkpoint)


def encoder_header(record: RunRecord) -> dict:
    """What `save_encoder` should store with an encoder, so that `classify` can tell it from any other."""
    keep = ("dataset", "fingerprint", "valid_fraction", "method", "encoder", "u", "l", "pool", "seed", "n_unlabelled")
    return {name: getattr(record.spec, name) for name in keep} | {"code_version": record.code_version}


def settings_of(kind: type, values: Mapping):
    """`kind` (`FitSettings` or `RunSettings`) from the entries of `values` that it knows."""
    return kind(**{f.name: values[f.name] for f in fields(kind) if f.name in values})


def run_settings(config: Mapping, threads: int) -> RunSettings:
    """The `RunSettings` of a study's config, on the device that it means on this machine."""
    return settings_of(RunSettings, {**config, "threads": threads, "device": str(resolve_device(config["device"]))})


class _Clock:
    """Seconds of wall-clock by phase."""

    def __init__(self, **already: float):
        self.seconds = dict.fromkeys(PHASES, 0.0) | already

    @contextmanager
    def phase(self, name: str):
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


def _spec(data, split, run, method, encoder, *, u, n_unlabelled, l, pool, n_labelled=0) -> Spec:  # noqa: E741
    return Spec(
        study=run.study,
        dataset=data.name,
        fingerprint=data.fingerprint,
        valid_fraction=split.valid_fraction,
        method=method,
        encoder=encoder,
        u=None if u is None else canonical(u, "u"),
        n_unlabelled=n_unlabelled,
        l=None if l is None else canonical(l, "l"),
        n_labelled=n_labelled,
        pool=pool,
        seed=split.seed,
    )


def _notes(data: ImageData, split: Split, l: object) -> dict:  # noqa: E741
    """What a reader of the results should know: images left out, classes given one image more than their share."""
    return {"classes_rounded_up": split.n_rounded_up(l), "images_skipped": data.notes.get("images_skipped", 0)}


def _loading(data: ImageData, run: RunSettings) -> dict:
    return {"bs": run.batch_size, "augment": Augment.of(data.name, run.augment), "device": run.device}


def _n_batches(run: RunSettings, n_full: int) -> int | None:
    """With a budget of steps, every epoch has as many batches as one over the full set."""
    return -(-n_full // run.batch_size) if run.budget == "steps" else None


def _fit(
    stage, learn: Learner, data, split, spec, run, fit: FitSettings, clock: _Clock, checkpoint, **about
) -> tuple[list[dict], int | None]:
    """Train: the history, and the epoch in which it diverged, if it did. `about`: what else a checkpoint belongs to."""
    torch.set_num_threads(run.threads)
    precision = resolve_precision(run.precision, run.device)
    print(
        f"{data.name} ({data.fingerprint}): {len(learn.dls.train_ds)} images to train on, {len(learn.dls.valid_ds)}"
        f" to validate, {len(data.test)} to test; {run.device}, {precision}, threads {run.threads}",
        flush=True,
    )
    learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, ProgressCallback)))
    learn.logger = noop
    learn.add_cbs([SeedEpochs(split.seed), history := History(), PrintEpochs(), diverged := Diverged()])
    if checkpoint is not None:
        table = pd.util.hash_pandas_object(split.table).to_numpy()
        about |= {"stage": stage, "spec": asdict(spec), "settings": _settings(stage, spec, run, fit)}
        about |= {"data": data.fingerprint, "split": hashlib.sha256(table).hexdigest(), "precision": precision}
        learn.add_cb(saved := Checkpoint(checkpoint, keep=True, **about))
    with clock.phase(phase := "pretrain" if stage == "pretrain" else "classify"):
        if fit.schedule == "one_cycle":
            learn.fit_one_cycle(fit.epochs, fit.lr, wd=fit.wd)
        else:
            learn.fit(fit.epochs, fit.lr, wd=fit.wd)
    if checkpoint is not None:
        clock.seconds[phase] += saved.seconds
    return history.rows, diverged.epoch_diverged


def _reconstructions(learn: Learner, split: Split) -> np.ndarray:
    if not isinstance(learn.model, AutoEncoder):
        return _NO_PICTURES
    batch = next(learn.dls.valid.batches(torch.from_numpy(split.samples(N_PICTURES))))
    learn.model.eval()
    with torch.no_grad():
        rebuilt = learn.model(batch[0]).as_subclass(torch.Tensor)
    return (rebuilt.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _train_and_test(stage, learn, data, split, spec, run, fit, clock, notes, checkpoint, **about):
    history, diverged = _fit(stage, learn, data, split, spec, run, fit, clock, checkpoint, **about)
    if diverged:
        return None, _record(stage, spec, run, fit, clock, history=history, diverged=diverged, notes=notes)
    with clock.phase("evaluate"):
        scores, _ = learn.get_preds(dl=test_dl(data, split, run.device), reorder=False)
        confidence, predicted = (t.cpu().numpy() for t in scores.float().max(1))
        true = data.test.y.numpy()
        test = _test_results(true, predicted, data.classes) | {"mistakes": _mistakes(true, predicted, confidence)}
    predictions = predicted.astype(np.uint8 if len(data.classes) <= 256 else np.uint16)
    return predictions, _record(stage, spec, run, fit, clock, history=history, test=test, notes=notes)


def _test_results(true: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...]) -> dict:
    labels = np.arange(len(classes))
    by_class = f1_score(true, predicted, labels=labels, average=None, zero_division=0)
    return {
        "accuracy": float((true == predicted).mean()),
        "macro_f1": float(f1_score(true, predicted, average="macro")),
        "f1_by_class": by_class.tolist(),
        "confusion": confusion_matrix(true, predicted, labels=labels).tolist(),
        "classes": list(classes),
    }


def _mistakes(true: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> list[dict]:
    """The wrong predictions of highest softmax probability."""
    wrong = np.flatnonzero(true != predicted)
    first = wrong[np.argsort(-confidence[wrong], kind="stable")][:N_MISTAKES]
    columns = {"image": first, "true": true[first], "predicted": predicted[first], "confidence": confidence[first]}
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def _record(stage, spec, run, fit, clock, *, history, test=None, diverged=None, failed=None, notes=None) -> RunRecord:
    status = "diverged" if diverged else "failed" if failed else "ok"
    reason = f"a loss was not finite in epoch {diverged}" if diverged else failed
    print(f"{status}: {reason}" if reason else status, flush=True)
    return RunRecord(
        stage=stage,
        spec=spec,
        status=status,
        reason=reason,
        history=history,
        test=test,
        seconds=clock.seconds,
        settings=_settings(stage, spec, run, fit),
        device=str(run.device),
        threads=run.threads,
        precision=resolve_precision(run.precision, run.device),
        versions=versions(),
        code_version=code_version(),
        notes=notes or {},
    )


def _settings(stage: str, spec: Spec, run: RunSettings, fit: FitSettings) -> dict:
    """What training depended on beside the spec."""
    settings = {"batch_size": run.batch_size, "budget": run.budget, **asdict(fit)}
    if stage != "classify":
        del settings["views"], settings["pretrain"]
    return {**settings, "augment": asdict(Augment.of(spec.dataset, run.augment))}
