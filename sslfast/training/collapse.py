"""Detects collapse: whether an encoder still distinguishes images, by the spread of its features and their rank."""

from collections.abc import Iterator

import torch
from fastai.callback.core import CancelFitException
from fastai.learner import Learner, Metric
from fastai.torch_core import to_device
from torch import Tensor, nn

from ..data.batches import BatchDL
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
N_FEW = 64  # with fewer validation images, training images are used, too
# Fewer images are not judged: the features of two always lie on a line, and those of a few may nearly do so by chance.
# Measured on digits of two classes, in 500 draws for each of three encoders. Where the effective rank over all images
# is 1.5, it is below 1.05 in one of a hundred draws of 8 images, and in no draw of 16. Where the spread over all images
# is 0.032, it is at worst 0.009 with 8 images, and 0.012 with 16.
N_JUDGED = 16
LEAST_STD, LEAST_RANK = 0.01, 1.05


def feature_std(features: Tensor) -> float:
    """How far `features` `[N, D]`, scaled to length 1, spread over the sphere: from 0 (all equal) to 1 (evenly).

    It is the standard deviation over images, averaged over the D channels, times √D. Source: Chen & He 2021, SimSiam.
    """
    unit = nn.functional.normalize(features.float(), dim=1)
    return float(unit.std(0, correction=0).mean() * unit.shape[1] ** 0.5)


def effective_rank(features: Tensor) -> float:
    """In how many directions `features` `[N, D]` vary: 0 if all are equal, 1 if on a line, D if equally in all.

    It is the exponential of the entropy of the singular values of the centred features. 0 also for features that are
    not finite. Source: Roy & Vetterli 2007, The effective rank.
    """
    centred = features.float().cpu() - features.float().cpu().mean(0)
    if not torch.isfinite(centred).all():  # the network diverged
        return 0.0
    values = torch.linalg.svdvals(centred)
    if values.sum() == 0:
        return 0.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def probed_features(learn: Learner, n_images: int = N_PROBED) -> Tensor:
    """The features `[n, D]` of up to `n_images` validation images by `learn.encoder`, averaged over positions.

    Images are spread evenly over the validation set, are the same in every call, and are not augmented. If there are
    fewer than 64, training images (without augmentation) are added up to 64, if the loaders are of `image_dls`.
    """
    return _outputs(learn, learn.encoder, n_images).flatten(2).mean(2)


def probed_embeddings(learn: Learner, n_images: int = N_PROBED) -> Tensor:
    """The embeddings `[n, D]` of the same images after the projector, which losses over views compare."""
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
        yield valid.after_batch(to_device(batch, valid.device))[0]  # valid's, since train's would augment


def _spread(n: int, n_wanted: int) -> Tensor:
    """The indices of `n_wanted` evenly spaced images out of `n` (of all, if there are fewer)."""
    return torch.linspace(0, n - 1, min(n, n_wanted)).round().long()


class _OfFeatures(Metric):
    """A measure of the features of some images (see `probed_features`), once per epoch; None below 16 images."""

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
    """`feature_std` of the encoder's features, over up to 512 images."""

    name = "feature_std"
    measure = staticmethod(feature_std)


class EffectiveRank(_OfFeatures):
    """`effective_rank` of the encoder's features, over up to 512 images."""

    name = "effective_rank"
    measure = staticmethod(effective_rank)


class EmbeddingStd(_OfFeatures):
    """`feature_std` after the projector, for methods that compare views.

    At zero their loss gives no gradient, even while the features of the encoder still differ.
    """

    name = "embedding_std"
    measure = staticmethod(feature_std)
    probe = staticmethod(probed_embeddings)


class Collapsed(EpochWatcher):
    """Ends a fit after an epoch in which the features collapsed; `epoch_collapsed` is its number (from 1), or None.

    Collapsed means `feature_std` or `embedding_std` below 0.01, or `effective_rank` below 1.05. Only measures that are
    among the learner's metrics and not None are considered.
    """

    order = 63  # after `Diverged`, since the features of a diverged network mean nothing
    epoch_collapsed: int | None = None

    def begin(self) -> None:
        self.epoch_collapsed = None

    def watch(self, row: dict) -> None:
        least = {"feature_std": LEAST_STD, "embedding_std": LEAST_STD, "effective_rank": LEAST_RANK}
        if any(row[name] is not None and row[name] < limit for name, limit in least.items() if name in row):
            self.epoch_collapsed = row["epoch"]
            raise CancelFitException
