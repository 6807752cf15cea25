"""Losses and metrics: cross-entropy, RMSE in pixel units, macro-F1 over a whole set."""

from fastai.learner import Metric
from fastai.metrics import F1Score
from torch import Tensor
from torch.nn import functional as F

__all__ = ["RMSE", "CrossEntropy", "MacroF1", "PixelLoss", "RMSELoss"]


class CrossEntropy:
    """Cross-entropy between class scores `[N, n_classes]` and classes `[N]`: fastai's, without its conversions.

    `reduction`: `mean` or `none`. For fastai's `predict` and `show_results`, `activation` turns scores into
    probabilities and `decodes` into classes.
    """

    y_int = True

    def __init__(self, reduction: str = "mean"):
        self.reduction = reduction

    def __call__(self, scores: Tensor, classes: Tensor) -> Tensor:
        return F.cross_entropy(scores, classes.as_subclass(Tensor), reduction=self.reduction)

    def activation(self, scores: Tensor) -> Tensor:
        """Probabilities `[N, n_classes]`."""
        return scores.softmax(-1)

    def decodes(self, scores: Tensor) -> Tensor:
        """The most probable class `[N]`."""
        return scores.argmax(-1)


class PixelLoss:
    """Base of losses between images. `reduction`: `mean` or `none`; `eps`: see the loss."""

    def __init__(self, reduction: str = "mean", eps: float = 1e-12):
        self.reduction, self.eps = reduction, eps

    def decodes(self, pred: Tensor) -> Tensor:
        """The reconstruction as fastai shows it, unchanged: pixels in [0, 1]."""
        return pred


class RMSELoss(PixelLoss):
    """Root mean squared error between images, pixels in [0, 1].

    `reduction="mean"`: the square root of the mean squared error over all values of the batch, a scalar; `"none"`: one
    value per image, `[N]`. `eps` keeps the gradient finite at a perfect match. Raises `ValueError` if the shapes
    differ, since broadcasting would hide a wrong decoder.
    """

    def __call__(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"reconstruction is {list(pred.shape)}, the image {list(target.shape)}")
        pred, target = (t.as_subclass(Tensor) for t in (pred, target))
        if self.reduction == "none":
            return ((pred - target) ** 2).flatten(1).mean(1).add(self.eps).sqrt()
        return F.mse_loss(pred, target).add(self.eps).sqrt()


class RMSE(Metric):
    """Root mean squared error over a whole set of images, pixels in [0, 1]; independent of the batch size."""

    def reset(self):
        self.squares, self.count = 0.0, 0

    def accumulate(self, learn):
        difference = learn.pred.detach().float() - learn.yb[0].as_subclass(Tensor).float()
        self.squares += float(difference.square().sum())  # added up in Python: MPS has no float64
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
