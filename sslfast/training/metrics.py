"""Losses and metrics: cross-entropy, RMSE in pixel units, macro-F1 over a whole set."""

from fastai.learner import Metric
from fastai.metrics import F1Score
from torch import Tensor
from torch.nn import functional as F

__all__ = ["RMSE", "CrossEntropy", "MacroF1", "PixelLoss", "RMSELoss"]


class CrossEntropy:
    """Cross-entropy between class scores `[N, n_classes]` and classes `[N]`, fastai's without its conversions.

    `reduction`: `mean` or `none`. Knows for `predict` and `show_results` that scores become
    probabilities by softmax and a class by argmax.
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
        """The likeliest class `[N]`."""
        return scores.argmax(-1)


class PixelLoss:
    """What losses between images have in common: `reduction`, `eps`, and that a reconstruction is shown as it is."""

    def __init__(self, reduction: str = "mean", eps: float = 1e-12):
        self.reduction, self.eps = reduction, eps

    def root(self, squares: Tensor) -> Tensor:
        """√(`squares` + `eps`)."""
        # A clone, as the gradient of a root needs the root as it was, and fastai's GradientAccumulation divides losses
        # in place.
        return squares.add(self.eps).sqrt().clone()

    def decodes(self, pred: Tensor) -> Tensor:
        """Reconstructions as they are: pixels in [0, 1]."""
        return pred


class RMSELoss(PixelLoss):
    """Root mean squared error between images, pixels in [0, 1].

    `reduction="mean"`: the square root of the mean squared error over all values of the batch, a
    scalar; `"none"`: the same an image, `[N]`. `eps` keeps the gradient finite at a perfect match.
    Raises `ValueError` where the shapes differ (broadcasting would hide a wrong decoder).
    """

    def __call__(self, pred: Tensor, target: Tensor) -> Tensor:
        if pred.shape != target.shape:
            raise ValueError(f"reconstruction is {list(pred.shape)}, the image {list(target.shape)}")
        pred, target = (t.as_subclass(Tensor) for t in (pred, target))
        if self.reduction == "none":
            return self.root(((pred - target) ** 2).flatten(1).mean(1))
        return self.root(F.mse_loss(pred, target))


class RMSE(Metric):
    """Root mean squared error over a whole set of images, pixels in [0, 1]; the same for any batch size."""

    def reset(self):
        self.squares, self.count = 0.0, 0

    def accumulate(self, learn):
        difference = learn.pred.detach().float() - learn.yb[0].as_subclass(Tensor).float()
        # of all processes that train together; summed on in Python's float64, which MPS lacks
        self.squares += float(learn.to_detach(difference.square().sum()))
        self.count += difference.numel()

    @property
    def value(self):
        return (self.squares / self.count) ** 0.5 if self.count else None

    @property
    def name(self):
        return "rmse"


def MacroF1() -> Metric:
    """The mean over classes of their F1, over a whole set: fastai's `F1Score`, scikit-learn's `f1_score`.

    A class counts if it occurs among the labels or the predictions.
    """
    metric = F1Score(average="macro")
    metric.name = "macro_f1"
    return metric
