"""fastai callbacks: what a study needs to know about a fit, and what it must be sure of."""

import math
import time
from dataclasses import dataclass

import torch
from fastai.callback.core import Callback, CancelFitException

from .data.augment import TensorTarget
from .seeds import derive_seed

__all__ = ["Diverged", "FrozenEncoderGuard", "History", "ReconstructInput", "SeedEpochs", "TimeToAccuracy"]

AFTER_RECORDER = 61


class FrozenEncoderGuard(Callback):
    """Proves that a frozen encoder stood still: bit-identical before and after every fit.

    Parameters and buffers (BatchNorm statistics) are compared. Raises `RuntimeError` if any
    changed. Does nothing while the encoder is unfrozen.
    """

    def before_fit(self):
        self.before = None
        if self.model.frozen:
            for parameter in self.model.encoder.parameters():
                parameter.grad = None  # left by an unfrozen fit, it would go on decaying the weights
            self.before = {k: v.detach().clone() for k, v in self.model.encoder.state_dict().items()}

    def after_fit(self):
        if self.before is None:
            return
        changed = [k for k, v in self.model.encoder.state_dict().items() if not torch.equal(v, self.before[k])]
        self.before = None
        if changed:
            raise RuntimeError(f"the frozen encoder changed during the fit: {', '.join(changed)}")


class ReconstructInput(Callback):
    """Makes the (de-normalised) input the target, for DataLoaders that do not bring their own target."""

    order = -5

    def before_batch(self):
        x = self.learn.dls.valid.after_batch.decode((self.xb[0],))[0]
        x = x.as_subclass(torch.Tensor)
        scale = 1.0 if x.is_floating_point() else 255.0  # decoding may go all the way back to uint8 values
        self.learn.yb = (TensorTarget(x.to(self.xb[0].device).float() / scale),)


class SeedEpochs(Callback):
    """Restarts the global generators (dropout) every epoch, so that an epoch's draws depend on (seed, epoch) only."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_train(self):
        torch.manual_seed(derive_seed(self.seed, "dropout", self.epoch))


class Diverged(Callback):
    """Ends a fit after an epoch whose losses are not finite; `epoch_diverged` says which, from 1."""

    order = AFTER_RECORDER
    epoch_diverged: int | None = None

    def before_fit(self):
        self.epoch_diverged = None

    def after_epoch(self):
        if not all(math.isfinite(loss) for loss in self.recorder.values[-1][:2]):
            self.epoch_diverged = self.epoch + 1
            raise CancelFitException


class History(Callback):
    """One dict an epoch: `epoch` (from 1), losses, metrics, cumulative `seconds` and `images` seen.

    `seconds` is the wall-clock from the start of the fit, validation included. The training loss is
    fastai's smoothed one.
    """

    order = AFTER_RECORDER - 1

    def before_fit(self):
        self.rows, self.images, self.start = [], 0, time.perf_counter()

    def after_batch(self):
        if self.training:
            self.images += len(self.xb[0])

    def after_epoch(self):
        if not hasattr(self.learn, "recorder") or getattr(self.learn, "final_record", None) is None:
            return
        names = self.recorder.metric_names[1:-1] if self.recorder.add_time else self.recorder.metric_names[1:]
        values = [None if v is None else float(v) for v in self.recorder.values[-1]]
        self.rows.append(
            {"epoch": self.epoch + 1, **dict(zip(names, values, strict=True))}
            | {"seconds": time.perf_counter() - self.start, "images": self.images}
        )


@dataclass
class Reached:
    """When a threshold was first reached: epochs (from 1), seconds of fit, training images seen."""

    epochs: int
    seconds: float
    images: int


class TimeToAccuracy(Callback):
    """Notes the first epoch whose validation `metric` is at or above `threshold`.

    After the fit, `reached` is a `Reached`, or None: a run that never gets there has no time to
    accuracy. Raises `KeyError` at the start of the fit if the learner has no such metric.
    Source: DAWNBench (Coleman et al. 2017), time to accuracy.
    """

    order = AFTER_RECORDER

    def __init__(self, metric: str = "macro_f1", threshold: float = 0.4):
        self.metric, self.threshold = metric, threshold
        self.reached: Reached | None = None

    def before_fit(self):
        self.reached, self.images, self.start = None, 0, time.perf_counter()
        names = list(self.recorder.metric_names)
        if self.metric not in names:
            raise KeyError(f"metric {self.metric!r} is not recorded; there are {', '.join(names[1:-1])}")
        self.column = names.index(self.metric) - 1

    def after_batch(self):
        if self.training:
            self.images += len(self.xb[0])

    def after_epoch(self):
        if self.reached is None and self.recorder.values[-1][self.column] >= self.threshold:
            self.reached = Reached(self.epoch + 1, time.perf_counter() - self.start, self.images)
