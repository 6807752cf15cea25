"""fastai callbacks that record a fit (history, time to a score), end it if it diverges, and guard its invariants."""

import math
import random
import time
from dataclasses import dataclass

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import get_model, rank_distrib

from ..data.augment import TensorTarget
from ..data.batches import BatchDL, undistributed
from ..errors import ConfigError
from ..seeds import derive_seed

__all__ = [
    "Diverged",
    "EpochWatcher",
    "FrozenEncoderGuard",
    "History",
    "PrintEpochs",
    "ReconstructInput",
    "SeedEpochs",
    "SeededFits",
    "TimeToAccuracy",
]


class FrozenEncoderGuard(Callback):
    """Proves that a frozen encoder is bit-identical before and after every fit.

    Compares parameters and buffers (BatchNorm statistics). Raises `RuntimeError` if any changed. Does nothing while the
    encoder is unfrozen.
    """

    def before_fit(self):
        self.before, model = None, get_model(self.model)
        if model.frozen:
            for parameter in model.encoder.parameters():
                parameter.grad = None  # with a gradient from an unfrozen fit, weight decay would go on
            self.before = {k: v.detach().clone() for k, v in model.encoder.state_dict().items()}

    def after_fit(self):
        if self.before is None:
            return
        now = get_model(self.model).encoder.state_dict()
        changed = [k for k, v in now.items() if not torch.equal(v, self.before[k])]
        self.before = None
        if changed:
            raise RuntimeError(f"the frozen encoder changed during the fit: {', '.join(changed)}")


class ReconstructInput(Callback):
    """Makes the de-normalised input the target, for DataLoaders whose batches have no image as their target."""

    order = -5

    def before_batch(self):
        x = undistributed(self.learn.dls.valid).after_batch.decode((self.xb[0],))[0]
        x = x.as_subclass(torch.Tensor)
        scale = 1.0 if x.is_floating_point() else 255.0  # decoding may go all the way back to uint8 values
        self.learn.yb = (TensorTarget(x.to(self.xb[0].device).float() / scale),)


class SeedEpochs(Callback):
    """Seeds torch's global generator before every epoch, so that dropout depends on (seed, epoch) only."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_train(self):
        torch.manual_seed(derive_seed(self.seed, "dropout", self.epoch))


class SeededFits(Callback):
    """What a learner's `seed` fixes besides its initial weights: all that its fits draw.

    Order and augmentation of batches, views, dropout, latents and noise depend on (seed, epoch) and on nothing that
    was drawn before. Epochs count from the first fit of the learner on: a second fit goes on, as one long fit would,
    and a new learner begins anew. Loaders of `image_dls` have a seed of their own, for the order and augmentation of
    batches, so that learners can share these. Python's, numpy's and torch's generators are afterwards as they were
    before the fit. Not fixed: sums whose order a GPU leaves to chance.

    Without a seed, chance is left alone. In both cases `lr_find` uses up no epoch of the loader.
    """

    order = -500  # before all that draw, after Checkpoint

    def __init__(self, seed: int | None = None):
        self.seed, self.done = seed, 0
        self.before: tuple | None = None  # the loader's epoch and the generators, as a fit found them

    def before_fit(self):
        self.before = None

    def before_train(self):
        loader = undistributed(self.dls.train)
        if self.before is None:
            self.first, self.before = self.done, (getattr(loader, "epoch", None), _generators())
        if self.seed is None:
            return
        epoch = self.first + self.epoch
        rank = [rank_distrib()] if rank_distrib() else []  # processes that train together draw each their own
        seed = derive_seed(self.seed, "dropout", epoch, *rank)
        torch.manual_seed(seed)
        if isinstance(loader, BatchDL):
            loader.epoch = epoch
        else:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            loader.rng = random.Random(seed)  # noqa: S311 - fastai's, for the order of batches
        if not hasattr(self.learn, "lr_finder"):
            self.done = epoch + 1

    def after_fit(self):
        if self.before is None:
            return
        (epoch, generators), self.before = self.before, None
        if hasattr(self.learn, "lr_finder") and epoch is not None:
            undistributed(self.dls.train).epoch = epoch
        if self.seed is not None:
            random.setstate(generators[0])
            np.random.set_state(generators[1])
            torch.set_rng_state(generators[2])


def _generators() -> tuple:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


class EpochWatcher(Callback):
    """Base of callbacks that watch a fit: calls `begin()` when training starts, and `watch(row)` after each epoch.

    `row`: `epoch` (from 1), `train_loss` (fastai's smoothed loss), `valid_loss`, the metrics, `seconds` (wall-clock
    since the fit began, validation included), `updates` and training `images` so far. A fit that resumes from a
    `Checkpoint` starts with the rows and the clock of the epochs before. Predictions, validations and `lr_find`, for
    which fastai also sends the events of a fit, are not watched.
    """

    order, run_valid = 61, False  # after the Recorder's 50, whose values it reads
    fitting = False

    def before_fit(self):
        self.fitting = False

    def before_train(self):
        if not self.fitting and not hasattr(self.learn, "lr_finder"):
            self.resume([])

    def resume(self, rows: list[dict]) -> None:
        """Begin, or resume a fit whose epochs so far gave `rows`."""
        last = rows[-1] if rows else {"updates": 0, "images": 0, "seconds": 0.0}
        self.fitting, self.updates, self.images = True, last["updates"], last["images"]
        self.start_time = time.perf_counter() - last["seconds"]
        self.begin()
        for row in rows:
            self.watch(row)

    def after_batch(self):
        if self.fitting:
            x = self.learn.xb[0]  # below as a plain tensor: fastai's dispatch by type would slow `len` down
            self.updates += 1
            self.images += len(x.as_subclass(torch.Tensor) if isinstance(x, torch.Tensor) else x)

    def after_epoch(self):
        if self.fitting:
            names = [name for name in self.recorder.metric_names if name not in ("epoch", "time")]
            values = [None if value is None else float(value) for value in self.recorder.values[-1]]
            row = {"epoch": self.epoch + 1, **dict(zip(names, values, strict=True))}
            done = {"updates": self.updates, "images": self.images}
            self.watch({**row, "seconds": time.perf_counter() - self.start_time, **done})

    def begin(self) -> None:
        """Called when training starts; subclasses forget the last fit here."""

    def watch(self, row: dict) -> None:
        """Called after each epoch with its `row`."""


class History(EpochWatcher):
    """Keeps the rows of the last fit in `rows` (see `EpochWatcher`)."""

    def begin(self) -> None:
        self.rows: list[dict] = []

    def watch(self, row: dict) -> None:
        self.rows.append(row)


class PrintEpochs(EpochWatcher):
    """Prints one line per epoch, for logs: losses and metrics by name, and the seconds since the fit began.

    If the fit is counted in updates (its loader has `n_batches`), the line gives updates instead of epochs.
    """

    def watch(self, row: dict) -> None:
        about = ("epoch", "seconds", "updates", "images")
        values = "  ".join(
            f"{name} {value:.4f}" for name, value in row.items() if name not in about and value is not None
        )
        done, batches = f"epoch {row['epoch']} of {self.n_epoch}", getattr(self.dls.train, "n_batches", None)
        if batches:
            done = f"update {row['updates']:,} of {self.n_epoch * batches:,}"
        print(f"{done}  {values}  {row['seconds']:.1f} s", flush=True)


class Diverged(EpochWatcher):
    """Ends a fit after an epoch with a loss that is not finite; `epoch_diverged` is its number (from 1), or None."""

    order = 62  # after History, which keeps that epoch
    epoch_diverged: int | None = None

    def begin(self) -> None:
        self.epoch_diverged = None

    def watch(self, row: dict) -> None:
        if not all(math.isfinite(row[name]) for name in ("train_loss", "valid_loss") if row.get(name) is not None):
            self.epoch_diverged = row["epoch"]
            raise CancelFitException


@dataclass(frozen=True)
class Reached:
    """When a threshold was first reached: epochs (from 1), seconds of fit, training images seen."""

    epochs: int
    seconds: float
    images: int


class TimeToAccuracy(EpochWatcher):
    """Records when the validation `metric` first reaches `threshold`.

    After the fit, `reached` is a `Reached`, or None: a run that never reaches it has no time to accuracy. Raises
    `ConfigError` at the start of the fit if the learner has no such metric. Source: DAWNBench (Coleman et al. 2017),
    time to accuracy.
    """

    def __init__(self, metric: str = "macro_f1", threshold: float = 0.4):
        self.metric, self.threshold = metric, threshold
        self.reached: Reached | None = None

    def begin(self) -> None:
        self.reached = None
        if self.metric not in (names := list(self.recorder.metric_names)):
            raise ConfigError(f"metric: found {self.metric!r}, expected one that is recorded: {', '.join(names[1:-1])}")

    def watch(self, row: dict) -> None:
        if self.reached is None and row[self.metric] is not None and row[self.metric] >= self.threshold:
            self.reached = Reached(row["epoch"], row["seconds"], row["images"])
