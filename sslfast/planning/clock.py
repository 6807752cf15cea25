"""Callbacks that time the parts of a fit, and end it once enough is known."""

import time

import torch
from fastai.callback.core import Callback, CancelFitException, CancelTrainException

__all__ = ["FitClock", "FitEnd"]


class FitClock(Callback):
    """Times training, validation and the rest of each epoch of the first fit that it sees."""

    order = -2000  # first of all: what others do at an event counts as theirs

    def __init__(self):
        self.rows, self.over = [], False

    def before_epoch(self):
        self.row = {"began": self._now(), "images": 0, "train": 0.0, "valid": 0.0, "prepared": 0.0}

    def before_train(self):
        self.phase, self.first = self._now(), None

    before_validate = before_train

    def before_batch(self):
        if self.first is None:
            self.first = self._now()
            if not self.over:
                self.row["prepared"] += self.first - self.phase
        if self.learn.training and not self.over:
            self.row["images"] += len(self.learn.xb[0])

    def after_train(self):
        self.row["train"] = self._now() - (self.first or self.phase)

    def after_validate(self):
        if not self.over:  # predictions after a fit come here, too
            self.row["valid"] = self._now() - (self.first or self.phase)

    def after_epoch(self):
        self.row["whole"] = self._now() - self.row["began"]
        self.rows.append(self.row)

    def after_fit(self):
        self.over = self.over or bool(self.rows)

    def measured(self, fit_seconds: float) -> dict[str, float]:
        """Seconds: `trained` an image, `valid` a validation epoch, `epoch` what an epoch takes beside, `prepared`
        before the first batches (features computed once), `once` for all else that is not done every epoch.

        The first epoch is slower than others, and counted apart. `fit_seconds`: what the whole fit took.
        """
        first, *others = self.rows
        n, images = len(others), sum(row["images"] for row in others)
        trained = sum(row["train"] for row in others) / images
        valid = sum(row["valid"] for row in others) / n
        epoch = sum(max(0.0, row["whole"] - row["train"] - row["valid"]) for row in others) / n
        usual = (n + 1) * (epoch + valid) + trained * (images + first["images"])
        once = max(0.0, fit_seconds - first["prepared"] - usual)
        return {"trained": trained, "valid": valid, "epoch": epoch, "prepared": first["prepared"], "once": once}

    def _now(self) -> float:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return time.perf_counter()


class FitEnd(Callback):
    """Ends a fit after about `seconds`, though not before its second epoch; an epoch trains for a third of them."""

    order = 2000  # last of all: the others have seen an epoch that ends here

    def __init__(self, seconds: float):
        self.seconds = seconds

    def before_fit(self):
        self.began = time.perf_counter()

    def before_train(self):
        self.deadline = time.perf_counter() + self.seconds / 3

    def after_batch(self):
        if self.training and self.iter and time.perf_counter() > self.deadline:  # never before the second batch
            raise CancelTrainException

    def after_cancel_train(self):
        self.recorder.cancel_train = False  # a short epoch has a training loss as well; fastai would leave it out

    def after_epoch(self):
        if self.epoch and time.perf_counter() - self.began > self.seconds:
            raise CancelFitException
