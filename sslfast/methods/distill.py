"""Distillation: an encoder learns to give the features that an existing net gives, on images without labels."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from fastai.learner import Learner
from fastai.metrics import AccumMetric
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import BatchDL
from ..data.images import ImageSet
from ..data.loaders import ImageRows, plain_dls
from ..data.show import show_images
from ..data.views import Views
from ..models import as_encoder, base_encoder, feature_shape, image_shape, initialised_with
from ..models.projectors import Embedder, create_projector
from ..study.base_nets import is_net
from ..training.lean import learner_of
from ..training.precision import resolve_precision
from .base import as_shown, method
from .own_views import OwnViews

__all__ = ["FeatureLoss", "TeacherFeatures", "distill_learner", "explained", "standardised"]


@method(own_views=True, teacher=True)
def distill_learner(
    dls,
    encoder: str | nn.Module = "original",
    teacher: str | nn.Module = "timm.tf_efficientnet_lite0",
    views: Views | Mapping | None = None,
    features: Callable[[ImageSet, np.ndarray], np.ndarray] | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to give the features of another net, its `teacher`; `.encoder` is the encoder.

    `dls`: `image_dls(…).pretrain`, whose flips and noise are left out, or any fastai image DataLoaders. `encoder`: a
    name, or a module to a feature map `[N, C, h, w]`; one linear layer after it, from the mean over positions, serves
    training only. `teacher`: a net with the weights of its library (`timm.resnet18`, see `base_encoder`), a learner, a
    module to a feature map, whose mean over positions counts, or the file of an encoder. It is not trained. `seed`
    fixes the initial weights and all that fits draw. `precision`: see `resolve_precision`.

    The encoder sees a view of an image (`views`, see `Views`: by default parts of half its area or more, mirrored or
    not, in its own colours), the teacher the image as it is. So its features are computed once an image, at the start
    of the first fit, where the loaders are of `image_dls`; `features` gives those of an image set's rows, `[N, D]`
    with rows that nobody asked for left empty, where they are stored (see `StoredFeatures.filled`). With other loaders
    the teacher sees every batch. To show it every view instead is better, and takes a pass of it for each (Beyer).

    Loss: `FeatureLoss`, the mean squared difference to the teacher's features, each image's standardised. Metric:
    `explained`, over the validation set.

    Sources: Hinton et al. 2015, Distilling the Knowledge in a Neural Network; Romero et al. 2015, FitNets (features as
    targets, through a layer of the student's own); Baevski et al. 2022, data2vec (standardised targets); Beyer et al.
    2022, A good teacher is patient and consistent. lightly-train, which recommends distillation for images without
    labels, takes squares behind a linear layer, too (its `distillationv2`, position by position).
    """
    shape = image_shape(dls)
    if isinstance(teacher, str) and is_net(teacher):
        teacher = base_encoder(teacher, dls=dls)
    teacher = as_encoder(teacher, dls)
    dls, encoder = plain_dls(dls), as_encoder(encoder, dls, seed)
    width = feature_shape(teacher, shape)[0]
    with initialised_with(seed, "projector"):
        head = create_projector(feature_shape(encoder, shape)[0], (width,))
    model = Embedder(encoder, head, resolve_precision(precision, dls.device))
    taught = TeacherFeatures(teacher, Views.of(views, shape[0], crop=0.5, jitter=0, grey=0), features)
    metrics = [AccumMetric(explained, flatten=False)]
    return learner_of(
        dls, model, kwargs, loss_func=FeatureLoss(), metrics=metrics, cbs=[taught], shows=_show_nearest, seed=seed
    )


class FeatureLoss:
    """Mean squared difference between predicted and true features `[N, D]`, in float32.

    `reduction`: `mean`, or `none` for a value an image, `[N]`.
    """

    def __init__(self, reduction: str = "mean"):
        self.reduction = reduction

    def __call__(self, predicted: Tensor, features: Tensor) -> Tensor:
        if predicted.shape != features.shape:
            raise ValueError(f"predicted features are {list(predicted.shape)}, the teacher's {list(features.shape)}")
        loss = (predicted.as_subclass(Tensor).float() - features).square().mean(1)
        return loss.mean() if self.reduction == "mean" else loss


def standardised(features: Tensor) -> Tensor:
    """`features` `[N, D]` with mean 0 and standard deviation 1 over the D of each image; float32.

    So no image counts more than others, and learning rates do not depend on the teacher.
    """
    return F.layer_norm(features.float(), features.shape[1:])


def explained(predicted: Tensor, features: Tensor) -> Tensor:
    """The share of the variance of `features` `[N, D]` over images that `predicted` tells; 0 for a constant, 1 at best.

    That is R², all dimensions in one sum, with the features' own means as the constant.
    """
    missed = (predicted.as_subclass(Tensor).float() - features).square().sum()
    return 1 - missed / (features - features.mean(0)).square().sum().clamp(min=1e-12)


class TeacherFeatures(OwnViews):
    """Gives the model one view of each image, in validation the image itself, and its loss what the `teacher` gives.

    `of`: where the teacher's features are stored (see `distill_learner`).
    """

    def __init__(self, teacher: nn.Module, views: Views, of: Callable[[ImageSet, np.ndarray], np.ndarray] | None):
        super().__init__()
        self.teacher, self.views, self.of = teacher.eval().requires_grad_(False), views, of
        self.kept: list[tuple[ImageRows, Tensor | np.ndarray]] = []  # of the images of a fit
        self.ready: Callable[[int], Tensor] | None = None

    def before_train(self):
        super().before_train()
        self._find(self.learn.dl)

    def before_validate(self):
        super().before_validate()
        self._find(self.learn.dl)

    def before_batch(self):
        images = self.clean_images()
        seen = self.views(images, self.stream, 1)[:, 0] if self.training else images
        target = self.ready(self.iter) if self.ready else self._taught(self.normalized(images))
        self.learn.xb, self.learn.yb = (self.normalized(seen),), (standardised(target.to(images.device)),)

    def _find(self, dl) -> None:
        """Have the features of the images of `dl` ready, batch by batch, in the order of the pass that now begins."""
        self.ready = None
        if not isinstance(dl, BatchDL):  # which of the images a batch holds is not known
            return
        rows, features = dl.dataset.rows.cpu(), self._features(dl.dataset)
        batches = rows[torch.as_tensor(dl.get_idxs())].split(dl.bs)
        self.ready = lambda number: torch.as_tensor(features[batches[number].numpy()])

    def _features(self, dataset: ImageRows) -> Tensor | np.ndarray:
        """Of all images, by row, with those of `dataset` filled in."""
        for known, features in self.kept:
            if known is dataset:
                return features
        found = self.of(dataset.images, dataset.rows.cpu().numpy()) if self.of else self._computed(dataset)
        if dataset in (self.dls.train.dataset, self.dls.valid.dataset):
            self.kept.append((dataset, found))
        return found

    def _computed(self, dataset: ImageRows) -> np.ndarray:
        rows = dataset.rows.cpu().numpy()
        clean = ImageRows(dataset.images, rows, split_idx=1, labels=False)
        parts = [self._taught(batch[0].as_subclass(Tensor)).cpu().numpy() for batch in self.dls.valid.new(clean)]
        found = np.zeros((len(dataset.images), parts[0].shape[1]), np.float32)
        found[rows] = np.concatenate(parts)
        return found

    def _taught(self, x: Tensor) -> Tensor:
        """What the teacher gives for normalised images `[N, C, H, W]`: `[N, D]`."""
        with torch.no_grad():
            return self.teacher.to(x.device)(x).mean((2, 3))

    def __getstate__(self):  # an exported learner takes the teacher along, not the images
        return {**self.__dict__, "of": None, "kept": [], "ready": None}


def _show_nearest(learn: Learner, batch: tuple, max_n: int = 9, **kwargs):
    """Draw images of `batch`, each beside the one among the others that the encoder takes for the most similar."""
    x, predicted = learn.get_preds(dl=[batch], with_input=True)[:2]
    units = F.normalize(predicted - predicted.mean(0), dim=1)
    nearest = (units @ units.mT).fill_diagonal_(-torch.inf).argmax(1)
    shown = as_shown(learn, x)
    return show_images(shown, (shown[nearest],), beside="most similar", max_n=max_n, **kwargs)
