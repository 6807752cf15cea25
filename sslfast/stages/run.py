"""One run of a stage on its way to a record: what it is, how it trains, how long that takes and how it ends."""

import hashlib
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner
from fastai.torch_core import noop
from torch import nn

from ..data.augment import Augment
from ..data.images import ImageData
from ..data.splits import Split
from ..evaluation import StoredFeatures
from ..models import BaseNet
from ..study.fractions import canonical
from ..study.length import FULL, Length, length_of
from ..study.records import PHASES, RunRecord, Spec
from ..study.stage_table import STAGES
from ..study.version import code_version, versions
from ..training.callbacks import Diverged, History, PrintEpochs, SeedEpochs
from ..training.checkpoints import Checkpoint
from ..training.collapse import Collapsed
from ..training.precision import resolve_precision
from .settings import FitSettings, RunSettings

__all__ = ["StageRun", "expected_of", "nets_of", "notes_of", "spec_of"]


class StageRun:
    """A run of the stage `name`; `spec` says which, `fit` and `run` how.

    `notes`: see `RunRecord`; `features`: measures of the encoder that a classifier stands on; `seconds_pretrain`:
    how long that took. A run is `ok` until `end` says otherwise.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        data: ImageData,
        split: Split,
        run: RunSettings,
        fit: FitSettings,
        notes: Mapping | None = None,
        features: Mapping | None = None,
        seconds_pretrain: float = 0.0,
    ):
        self.name, self.spec, self.data, self.split, self.run, self.fit = name, spec, data, split, run, fit
        self.notes, self.features = dict(notes or {}), dict(features or {})
        self.seconds = dict.fromkeys(PHASES, 0.0) | {"pretrain": seconds_pretrain}
        self.status = "ok"
        self.reason: str | None = None
        self.history: list[dict] = []

    @property
    def precision(self) -> str:
        return resolve_precision(self.run.precision, self.run.device)

    @property
    def code(self) -> str:
        """The version of the code that the run depends on."""
        made = self.fit.method if self.name == "pretrain" else (self.fit.pretrain or {}).get("method")
        return code_version(self.name, made or self.spec.method, self.spec.encoder)

    @property
    def batch_size(self) -> int:
        return self.fit.batch_size or self.run.batch_size

    @property
    def length(self) -> Length:
        """How long the run trains."""
        n = self.spec.n_unlabelled if self.name == "pretrain" else self.spec.n_labelled
        return length_of(self.name, asdict(self.fit), self.run.budget, n, self.batch_size, self.spec.length)

    def loading(self, augment: Augment | None = None) -> dict:
        """What the loaders of the run are made with, by default with the study's augmentation."""
        augment, length = self.augment if augment is None else augment, self.length
        return {
            "bs": length.batch_size, "augment": augment, "device": self.run.device, "n_batches": length.batches,
        }  # fmt: skip

    @property
    def augment(self) -> Augment:
        return Augment.of(self.spec.dataset, self.run.augment)

    @contextmanager
    def phase(self, name: str):
        """Seconds of wall-clock inside count as `name`."""
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start

    def features_of(self, encoder: nn.Module) -> StoredFeatures | None:
        """Where features of `encoder` lie, if it is a base net, as it is for all seeds, or shuffled or trained further.

        They are named after its weights, the images, the code and all else that they depend on; of other encoders None.
        """
        return self.stored(encoder) if isinstance(encoder, BaseNet) else None

    def stored(self, net: BaseNet) -> StoredFeatures:
        """Where features of `net` lie."""
        device, folder = torch.device(self.run.device), None
        if self.run.features:
            told = [net.digest, self.data.fingerprint, code_version("pretrain"), device.type, self.run.threads]
            key = hashlib.sha256(repr([*told, self.precision, versions()]).encode()).hexdigest()[:16]
            folder = Path(self.run.features) / key
        return StoredFeatures(net, self.data, self.split, folder, device, self.precision)

    def end(self, status: str, reason: str) -> None:
        """The run has no result, for this reason."""
        self.status, self.reason = status, reason

    def train(self, learn: Learner, checkpoint: str | Path | None, **about: object) -> bool:
        """Fit `learn`; whether it ended well. `about`: what else a checkpoint belongs to."""
        torch.set_num_threads(self.run.threads)
        torch.backends.cudnn.deterministic = True  # else a GPU sums gradients in whatever order it comes to them
        data, run, fit = self.data, self.run, self.fit
        print(
            f"{data.name} ({data.fingerprint}): {len(learn.dls.train_ds)} images to train on,"
            f" {len(learn.dls.valid_ds)} to validate, {len(data.test)} to test;"
            f" {run.device}, {self.precision}, threads {run.threads}",
            flush=True,
        )
        learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, ProgressCallback)))
        learn.logger = noop
        learn.add_cbs([SeedEpochs(self.split.seed), history := History(), PrintEpochs(), diverged := Diverged()])
        if self.name == "pretrain":
            learn.add_cb(collapsed := Collapsed())
        if checkpoint is not None:
            learn.add_cb(saved := Checkpoint(checkpoint, keep=True, **self.about(), **about))
        with self.phase(phase := "pretrain" if self.name == "pretrain" else "classify"):
            go = learn.fit_one_cycle if fit.schedule == "one_cycle" else learn.fit
            go(self.length.rounds, fit.lr, wd=fit.wd)
        if checkpoint is not None:
            self.seconds[phase] += saved.seconds
        self.history = history.rows
        if diverged.epoch_diverged:
            within = "in" if self.run.budget == "epochs" else "within"
            self.end("diverged", f"a loss was not finite {within} {self._until(diverged.epoch_diverged)}")
        elif self.name == "pretrain" and collapsed.epoch_collapsed:
            until = self._until(collapsed.epoch_collapsed)
            self.end("collapsed", f"all images had the same features or embeddings after {until}")
        return self.status == "ok"

    def _until(self, epoch: int) -> str:
        return f"epoch {epoch}" if self.run.budget == "epochs" else f"{self.history[epoch - 1]['updates']:,} updates"

    def about(self) -> dict:
        """Which run it is: spec, settings, images, split, precision."""
        table = pd.util.hash_pandas_object(self.split.table).to_numpy()
        about = {"stage": self.name, "spec": asdict(self.spec), "settings": self.settings()}
        about |= {"code_version": self.code, "data": self.data.fingerprint, "split": hashlib.sha256(table).hexdigest()}
        return about | {"precision": self.precision}

    def record(self, test: dict | None = None) -> RunRecord:
        """The record, with the results on the test images if there are any."""
        print(f"{self.status}: {self.reason}" if self.reason else self.status, flush=True)
        return RunRecord(
            stage=self.name,
            spec=self.spec,
            status=self.status,
            reason=self.reason,
            history=self.history,
            test=test,
            seconds=self.seconds,
            settings=self.settings(),
            device=str(self.run.device),
            threads=self.run.threads,
            precision=self.precision,
            versions=versions(),
            code_version=self.code,
            notes=self.notes,
            features=self.features,
        )

    def settings(self) -> dict:
        """What training depended on beside the spec."""
        fit = asdict(self.fit)
        names = STAGES[self.name].settings
        own = {name: fit[name] for name in names if name != "length"}
        if "length" in names:
            own[self.run.budget] = self.length.amount
        made = {"batch_size": self.batch_size, "budget": self.run.budget, **own, "augment": asdict(self.augment)}
        if self.name == "pretrain" and fit["start"]:
            made["start"] = dict(fit["start"])
        method = fit["method"] or (fit["pretrain"] or {}).get("method")
        code = {name: self.run.own[name]["code"] for name in (self.spec.encoder, method) if name in self.run.own}
        return made | ({"own_code": code} if code else {})


def spec_of(data, split, run, method, encoder, *, u, n_unlabelled, l, pool, n_labelled=0, length=FULL) -> Spec:  # noqa: E741
    """The `Spec` of a run over `data` and `split`; `u` and `l` in any spelling of a fraction."""
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
        length=length,
    )


def expected_of(made: RunRecord, data: ImageData, split: Split) -> dict:
    """What the header of an encoder's file must say for it to be the one that `made` describes (see `load_encoder`)."""
    spec = made.spec
    named = ("method", "encoder", "u", "l", "pool", "n_unlabelled", "length")
    return {
        **{name: getattr(spec, name) for name in named},
        "seed": split.seed,
        "dataset": data.name,
        "image_size": data.train.image_size,
        "channels": data.train.channels,
        # with another validation set it may have seen the images that a cell validates on
        "fingerprint": data.fingerprint,
        "valid_fraction": split.valid_fraction,
        "code_version": code_version("pretrain", made.settings.get("method") or spec.method, spec.encoder),
        **({"own_code": made.settings["own_code"]} if "own_code" in made.settings else {}),
    }


def notes_of(data: ImageData, split: Split, l: object) -> dict:  # noqa: E741
    """What a reader of the results should know: images left out, classes given one image more than their share."""
    return {"classes_rounded_up": split.n_rounded_up(l), "images_skipped": data.notes.get("images_skipped", 0)}


def nets_of(made: RunRecord) -> dict:
    """The notes on an encoder that are on existing nets: which it is or went on from, and which taught it."""
    return {name: made.notes[name] for name in ("base_net", "teacher") if name in made.notes}
