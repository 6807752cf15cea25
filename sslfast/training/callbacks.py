"""fastai callbacks: what a study needs to know about a fit, and what it must be sure of."""

import math
import time
from dataclasses import dataclass

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import get_model

from ..data.augment import TensorTarget
from ..data.loaders import undistributed
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
    "TimeToAccuracy",
]


class FrozenEncoderGuard(Callback):
    """Proves that a frozen encoder stood still: bit-identical before and after every fit.

    Parameters and buffers (BatchNorm statistics) are compared. Raises `RuntimeError` if any
    changed. Does nothing while the encoder is unfrozen.
    """

    def before_fit(self):
        self.before, model = None, get_model(self.model)
        if model.frozen:
            for parameter in model.encoder.parameters():
                parameter.grad = None  # left by an unfrozen fit, it would go on decaying the weights
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
    """Makes the (de-normalised) input the target, for DataLoaders that do not bring their own target."""

    order = -5

    def before_batch(self):
        x = undistributed(self.learn.dls.valid).after_batch.decode((self.xb[0],))[0]
        x = x.as_subclass(torch.Tensor)
        scale = 1.0 if x.is_floating_point() else 255.0  # decoding may go all the way back to uint8 values
        self.learn.yb = (TensorTarget(x.to(self.xb[0].device).float() / scale),)


class SeedEpochs(Callback):
    """Restarts the global generators (dropout) every epoch, so that an epoch's draws depend on (seed, epoch) only."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_train(self):
        torch.manual_seed(derive_seed(self.seed, "dropout", self.epoch))


class EpochWatcher(Callback):
    """Calls `begin()` when a fit starts to train and `watch(row)` after each of its epochs.

    Not when predicting, validating or in `lr_find`, for which fastai sends the events of a fit too.
    `row`: `epoch` (from 1), `train_loss` (fastai's smoothed one), `valid_loss`, the metrics,
    `seconds` (wall-clock since the fit began, validation included), `updates` and training `images` so far. A fit
    that goes on from a `Checkpoint` begins with the rows of the epochs before it, and its clock there.
    """

    order, run_valid = 61, False  # after the Recorder's 50, whose values it reads
    fitting = False

    def before_fit(self):
        self.fitting = False

    def before_train(self):
        if not self.fitting and not hasattr(self.learn, "lr_finder"):
            self.resume([])

    def resume(self, rows: list[dict]) -> None:
        """Begin as a fit whose epochs so far gave `rows`."""
        last = rows[-1] if rows else {"updates": 0, "images": 0, "seconds": 0.0}
        self.fitting, self.updates, self.images = True, last["updates"], last["images"]
        self.start_time = time.perf_counter() - last["seconds"]
        self.begin()
        for row in rows:
            self.watch(row)

    def after_batch(self):
        if self.fitting:
            x = self.learn.xb[0]  # plain, as fastai's tensors would send `len` through their dispatch
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
        """Forget the last fit."""

    def watch(self, row: dict) -> None:
        """What to do with an epoch's row."""


class History(EpochWatcher):
    """Keeps the rows of the last fit in `rows` (see `EpochWatcher`)."""

    def begin(self) -> None:
        self.rows: list[dict] = []

    def watch(self, row: dict) -> None:
        self.rows.append(row)


class PrintEpochs(EpochWatcher):
    """Prints a line an epoch, for logs: what was measured, by name, and the time since the fit began.

    Where a fit is counted in updates (its loader has `n_batches`), an epoch is only the time between two validations.
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
    """Ends a fit after an epoch whose losses are not finite; `epoch_diverged` says which, from 1, or is None."""

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
    """Notes the first epoch whose validation `metric` is at or above `threshold`.

    After the fit, `reached` is a `Reached`, or None: a run that never gets there has no time to
    accuracy. Raises `ConfigError` at the start of the fit if the learner has no such metric.
    Source: DAWNBench (Coleman et al. 2017), time to accuracy.
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
