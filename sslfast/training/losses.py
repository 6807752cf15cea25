"""Losses: cross-entropy between scores and classes, RMSE between images in pixel units."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["CrossEntropy", "PixelLoss", "RMSELoss"]


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

    def root(self, squares: Tensor) -> Tensor:
        """√(`squares` + `eps`)."""
        # The gradient of a root needs the root as it was, and fastai's GradientAccumulation divides a loss in place: so
        # what is returned is a copy.
        return squares.add(self.eps).sqrt().clone()

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
            return self.root(((pred - target) ** 2).flatten(1).mean(1))
        return self.root(F.mse_loss(pred, target))
