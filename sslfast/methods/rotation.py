"""Rotation: an encoder learns by how many quarter turns an image was turned, so it must know what is upright."""

from collections.abc import Mapping, Sequence

import torch
from fastai.learner import Learner
from fastai.metrics import accuracy
from fastai.torch_core import TensorCategory
from torch import Tensor, nn

from ..data.loaders import plain_dls
from ..data.show import show_images
from ..data.views import Views
from ..errors import ConfigError
from ..models import as_encoder, feature_shape, image_shape, initialised_with
from ..models.projectors import Embedder, create_projector
from ..training.lean import learner_of
from ..training.losses import CrossEntropy
from ..training.precision import resolve_precision
from .base import as_shown, method
from .own_views import OwnViews

__all__ = ["QuarterTurns", "TurnLoss", "rotation_learner"]

TURNS = 4
MOST_TURNED = 45  # degrees; a loader that turns images so far leaves nothing to tell


@method(own_views=True, square=True)
def rotation_learner(
    dls,
    encoder: str | nn.Module = "original",
    projector: Sequence[int] = (256,),
    views: Views | Mapping | None = None,
    seed: int | None = None,
    precision: str = "auto",
    **kwargs,
) -> Learner:
    """A Learner that trains an encoder to tell by how many quarter turns images were turned; `.encoder` is the encoder.

    `dls`, `encoder`: as in `simclr_learner`. From every image of a batch one view is made, which is then shown in all
    four turns. `views`: see `Views`; by default a crop of half the area or more, perhaps mirrored, in the same colours.
    `projector`: widths of the layers between encoder and classes. `seed` fixes the initial weights and all that fits
    draw. Metric: accuracy; chance is 0.25. `precision`: see `resolve_precision`. Of no use where up and down do not
    differ; so `ConfigError` is raised for fastai's own loaders that turn images upside down, or by 45° and more; and
    for images that are not square. Flips of `image_dls` loaders are left out.

    Slower than the autoencoder: 0.61 (0.56 to 0.65) times as many images per second (`conv`, 32 pixels, batches of
    256, one CPU thread, bfloat16; `benchmarks/methods.py`). Each image takes the memory of four: use smaller batches.

    Source: Gidaris, Singh and Komodakis 2018, Unsupervised Representation Learning by Predicting Image Rotations.
    """
    shape = image_shape(dls)
    if shape[1] != shape[2]:
        raise ConfigError(
            f"dls: found images of {shape[1]} × {shape[2]} pixels, expected squares for rotation, as the shape of an"
            " image would tell a quarter turn: one number for image_size, or for Resize"
        )
    if turning := _turning(dls):
        raise ConfigError(
            f"dls: found {turning} among the transforms, expected none that turn images for rotation, which learns what"
            " is upright: aug_transforms(flip_vert=False, max_rotate=10)"
        )
    dls, encoder = plain_dls(dls), as_encoder(encoder, dls, seed)
    with initialised_with(seed, "projector"):
        head = create_projector(feature_shape(encoder, shape)[0], projector, n_out=TURNS)
    model = Embedder(encoder, head, resolve_precision(precision, dls.device))
    turns = QuarterTurns(Views.of(views, shape[0], crop=0.5, jitter=0, grey=0))
    return learner_of(
        dls, model, kwargs, loss_func=TurnLoss(), metrics=[accuracy], cbs=[turns], shows=_show_turns, seed=seed
    )


def _turning(dls) -> str | None:
    """What in fastai's own loaders turns images so far that nobody can tell what was upright."""
    for tfm in (*dls.train.after_item.fs, *dls.train.after_batch.fs):
        if type(tfm).__name__ == "DihedralItem" and tfm.p:
            return "DihedralItem"
        for part in getattr(tfm, "aff_fs", ()):  # of affine transforms, which fastai puts together into one
            name, options = getattr(getattr(part, "func", None), "__name__", ""), getattr(part, "keywords", {})
            if name == "dihedral_mat" and options.get("p", 1):
                return "Dihedral (flip_vert=True)"
            if name == "rotate_mat" and options.get("max_deg", 0) >= MOST_TURNED and options.get("p", 1):
                return f"Rotate by up to {options['max_deg']:g}°"
    return None


def _show_turns(learn: Learner, batch: tuple, max_n: int = 9, **kwargs):
    """Draw images of `batch` after 0, 1, 2, 3, 0, … quarter turns, with the true and the predicted turn in degrees."""
    x, _, turns, predicted = learn.get_preds(dl=[batch], with_input=True, with_decoded=True)
    each = torch.arange(len(x))
    turned, true, found = (part.as_subclass(Tensor)[each, each % TURNS] for part in (x, turns, predicted))
    names = [f"{90 * n}°" for n in range(TURNS)]
    return show_images(as_shown(learn, turned), (true, found), vocab=names, max_n=max_n, **kwargs)


class QuarterTurns(OwnViews):
    """Gives the model each image after 0 to 3 quarter turns, `[N, 4, C, H, W]`, and the loss these numbers, `[N, 4]`.

    Turns are anticlockwise.
    """

    def __init__(self, views: Views):
        super().__init__()
        self.views = views

    def before_batch(self):
        images = self.views(self.clean_images(), self.stream, 1)[:, 0]
        turned = torch.stack([images.rot90(n, (2, 3)) for n in range(TURNS)], 1)
        turns = torch.arange(TURNS, device=images.device).expand(len(images), -1)
        self.learn.xb, self.learn.yb = (self.normalized(turned),), (TensorCategory(turns),)


class TurnLoss(CrossEntropy):
    """Cross-entropy between scores `[N, 4, 4]` (N images, each in four turns, four classes) and turns `[N, 4]`.

    `reduction`: `mean`, or `none` for one value per image, `[N]`.
    """

    def __call__(self, scores: Tensor, turns: Tensor) -> Tensor:
        loss = super().__call__(scores.flatten(0, 1), turns.flatten())
        return loss if self.reduction == "mean" else loss.view(turns.shape).mean(1)
