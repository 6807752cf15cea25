"""Whether an encoder still tells images apart: how far its features spread, and in how many directions."""

from collections.abc import Iterator

import torch
from fastai.callback.core import CancelFitException
from fastai.learner import Learner, Metric
from fastai.torch_core import to_device
from torch import Tensor, nn

from ..data.loaders import BatchDL
from ..models.heads import at_rest
from .callbacks import EpochWatcher

__all__ = [
    "Collapsed",
    "EffectiveRank",
    "EmbeddingStd",
    "FeatureStd",
    "effective_rank",
    "feature_std",
    "probed_embeddings",
    "probed_features",
]

N_PROBED = 512
N_FEW = 64  # validation images, below which training images are looked at, too
# Fewer images are not judged. Those of two lie on a line whatever the encoder, and so do a few more, nearly, by chance.
# Tried on digits of two classes, 500 draws of three encoders: of features that have 1.5 directions in all images, 8
# images have less than 1.05 once in a hundred draws, 16 never; a spread of 0.032 is at worst 0.009 with 8 and 0.012
# with 16.
N_JUDGED = 16
LEAST_STD, LEAST_RANK = 0.01, 1.05


def feature_std(features: Tensor) -> float:
    """How far `features` `[N, D]`, scaled to length 1, spread over the sphere: 0 all alike, 1 evenly over it.

    The standard deviation over images, a mean over the D channels, times √D. Source: Chen & He 2021, SimSiam.
    """
    unit = nn.functional.normalize(features.float(), dim=1)
    return float(unit.std(0, correction=0).mean() * unit.shape[1] ** 0.5)


def effective_rank(features: Tensor) -> float:
    """How many directions `features` `[N, D]` have: from 1, all on a line, to D, alike in all; 0 for a point.

    The exponential of the entropy of the singular values of the centred features. Source: Roy & Vetterli 2007.
    """
    centred = features.float().cpu() - features.float().cpu().mean(0)
    if not torch.isfinite(centred).all():  # of a network that diverged
        return 0.0
    values = torch.linalg.svdvals(centred)
    if values.sum() == 0:
        return 0.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def probed_features(learn: Learner, n_images: int = N_PROBED) -> Tensor:
    """The features `[n, D]`, a mean over positions, that `learn.encoder` has of validation images; never augmented.

    The images are the same whenever this is called, and spread evenly over the validation set. Where that holds fewer
    than 64, training images without augmentation make them up to 64, as far as there are any (with loaders of
    `image_dls`).
    """
    return _outputs(learn, learn.encoder, n_images).flatten(2).mean(2)


def probed_embeddings(learn: Learner, n_images: int = N_PROBED) -> Tensor:
    """The same images after the projector, `[n, D]`: what a loss over views compares."""
    return _outputs(learn, learn.model, n_images)


def _outputs(learn: Learner, network: nn.Module, n_images: int) -> Tensor:
    with at_rest(network):
        return torch.cat([network(x.as_subclass(Tensor)).float() for x in _clean_images(learn, n_images)])


def _clean_images(learn: Learner, n_images: int) -> Iterator[Tensor]:
    train, valid = learn.dls.train, learn.dls.valid
    if not isinstance(valid, BatchDL):
        yield valid.one_batch()[0][:n_images]
        return
    n_valid = len(valid.dataset)
    yield from (batch[0] for batch in valid.batches(_spread(n_valid, n_images)))
    n_more = min(N_FEW, n_images) - n_valid
    if n_more > 0 and isinstance(train, BatchDL):
        images = train.dataset.on(valid.device)
        batch = images.batch(_spread(len(images), n_more).to(images.device))
        yield valid.after_batch(to_device(batch, valid.device))[0]  # not train's, which augments


def _spread(n: int, n_wanted: int) -> Tensor:
    """Places of `n_wanted` of `n` images (or of all), evenly spaced."""
    return torch.linspace(0, n - 1, min(n, n_wanted)).round().long()


class _OfFeatures(Metric):
    """A measure of the features of some images (see `probed_features`), once an epoch; None of fewer than 16."""

    probe = staticmethod(probed_features)

    def reset(self):
        self.learn = None

    def accumulate(self, learn):
        self.learn = learn

    @property
    def value(self):
        features = () if self.learn is None else self.probe(self.learn)
        return self.measure(features) if len(features) >= N_JUDGED else None


class FeatureStd(_OfFeatures):
    """`feature_std` of the encoder's features of up to 512 images."""

    name = "feature_std"
    measure = staticmethod(feature_std)


class EffectiveRank(_OfFeatures):
    """`effective_rank` of the encoder's features of up to 512 images."""

    name = "effective_rank"
    measure = staticmethod(effective_rank)


class EmbeddingStd(_OfFeatures):
    """`feature_std` of what comes out of the projector, for methods that compare views: a loss that has made all
    images alike there teaches the encoder nothing more, whose own features may stay apart for long."""

    name = "embedding_std"
    measure = staticmethod(feature_std)
    probe = staticmethod(probed_embeddings)


class Collapsed(EpochWatcher):
    """Ends a fit after an epoch whose features tell no images apart; `epoch_collapsed` says which, from 1, or is None.

    That is: `feature_std` or `embedding_std` below 0.01, or `effective_rank` below 1.05, as far as they are among the
    learner's metrics and there are images enough to tell.
    """

    order = 63  # after `Diverged`: features of a network that diverged say nothing
    epoch_collapsed: int | None = None

    def begin(self) -> None:
        self.epoch_collapsed = None

    def watch(self, row: dict) -> None:
        least = {"feature_std": LEAST_STD, "embedding_std": LEAST_STD, "effective_rank": LEAST_RANK}
        if any(row[name] is not None and row[name] < limit for name, limit in least.items() if name in row):
            self.epoch_collapsed = row["epoch"]
            raise CancelFitException
