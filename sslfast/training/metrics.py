"""Metrics over a whole set: RMSE in pixel units, macro-F1. Losses are in `losses`."""

import numpy as np
from fastai.learner import Metric
from fastai.metrics import F1Score
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

__all__ = ["RMSE", "MacroF1", "scored"]


class RMSE(Metric):
    """Root mean squared error over a whole set of images, pixels in [0, 1]; independent of the batch size."""

    def reset(self):
        self.squares, self.count = 0.0, 0

    def accumulate(self, learn):
        difference = learn.pred.detach().float() - learn.yb[0].as_subclass(Tensor).float()
        # the mean over all processes that train together; added up in Python: MPS has no float64
        self.squares += float(learn.to_detach(difference.square().sum()))
        self.count += difference.numel()

    @property
    def value(self):
        return (self.squares / self.count) ** 0.5 if self.count else None

    @property
    def name(self):
        return "rmse"


def MacroF1() -> Metric:
    """Macro-F1, the mean of the classes' F1, over a whole set: fastai's `F1Score` (scikit-learn's `f1_score`).

    A class counts if it occurs among the labels or the predictions.
    """
    metric = F1Score(average="macro")
    metric.name = "macro_f1"
    return metric


def scored(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`accuracy` and `macro_f1`, 0 to 1, of classes `[N]`, by scikit-learn; macro-F1 as in `MacroF1`."""
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "macro_f1": float(f1_score(true, predicted, average="macro")),
    }
