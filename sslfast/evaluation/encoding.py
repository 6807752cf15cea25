"""The features that a frozen encoder gives to images without augmentation: the input of every evaluation."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.augment import Augment
from ..data.batches import BatchDL
from ..data.images import ImageData, ImageSet
from ..data.loaders import ImageRows, eval_batch
from ..data.splits import Split
from ..errors import ConfigError, DataError
from ..training.precision import resolve_precision

__all__ = [
    "POOLINGS",
    "Encoded",
    "Scores",
    "clean_batches",
    "encode",
    "encode_batches",
    "encode_cell",
    "encode_pixels",
    "prove_same",
]

POOLINGS = ("mean", "flatten")
MOST_VALUES = 4096  # limit on an image's flattened features; a colour image of 32 × 32 pixels has 3,072 values


@dataclass(frozen=True)
class Encoded:
    """Features float32 `[N, D]` and classes `[N]` of a cell's images.

    `train`, `train_y`: the labelled images. `valid`, `valid_y`: validation images, by which an evaluation chooses its
    settings. `test`: features only, so that no setting can be chosen by test labels. `n_classes`: those of the data
    set; some may have no labelled image.
    """

    train: np.ndarray
    train_y: np.ndarray
    valid: np.ndarray
    valid_y: np.ndarray
    test: np.ndarray
    n_classes: int


@dataclass(frozen=True)
class Scores:
    """Class probabilities float32 `[N, n_classes]` of validation and test images; `notes`: the chosen settings."""

    valid: np.ndarray
    test: np.ndarray
    notes: dict


def encode_cell(
    encoder: nn.Module,
    data: ImageData,
    split: Split,
    rows: np.ndarray,
    *,
    device: str | torch.device = "cpu",
    precision: str = "auto",
    pooling: str = "mean",
    features: Callable[[ImageSet, np.ndarray], np.ndarray] | None = None,
) -> Encoded:
    """The features of the labelled images at `rows`, of validation images, and of all test images (see `encode`).

    There are at most as many validation images as labelled images. Their labels choose settings, and a person with few
    labels for training does not have more for choosing. Source: Oliver et al. 2018, Realistic evaluation of deep
    semi-supervised learning algorithms.

    `features`: a function from (images, rows) to features that were computed before (see `StoredFeatures`).

    Example: `linear_probe(encode_cell(encoder, data, split, split.labelled(0.1)))`.
    """
    features = features or partial(encode, encoder, split=split, device=device, precision=precision, pooling=pooling)
    of_valid = split.valid[split.samples(len(rows))]
    train, valid = (features(data.train, part) for part in (rows, of_valid))
    test = features(data.test, np.arange(len(data.test)))
    y = data.train.y.numpy()
    return Encoded(train, y[rows], valid, y[of_valid], test, len(data.classes))


def encode_pixels(data: ImageData, split: Split, rows: np.ndarray) -> Encoded:
    """Like `encode_cell`, but the features of an image are its pixels: the control `pixels`."""
    return encode_cell(nn.Identity(), data, split, rows, precision="float32", pooling="flatten")


def encode(
    encoder: nn.Module,
    images: ImageSet,
    rows: np.ndarray,
    split: Split,
    *,
    device: str | torch.device = "cpu",
    precision: str = "auto",
    pooling: str = "mean",
) -> np.ndarray:
    """Features float32 `[N, D]` of the images at `rows`, normalised by the statistics of `split`, not augmented.

    `pooling`: `mean` over the feature map (D = C), or `flatten` (D = C · h · w); a map of more than 4,096 values is
    first shrunk, by averages over squares. The encoder is copied, and the copy runs in eval mode without gradients.
    Raises `RuntimeError` if the copy is not bit-identical to the encoder afterwards, `DataError` if features are not
    finite (the encoder diverged), `ConfigError` for another `pooling`.
    """
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling: found {pooling!r}, expected {' or '.join(POOLINGS)}")
    device = torch.device(device)
    frozen = copy.deepcopy(encoder).to(device).eval()
    found = encode_batches(frozen, images, rows, split, device, precision, pooling)
    prove_same(encoder, frozen)
    return found


def encode_batches(
    frozen: nn.Module,
    images: ImageSet,
    rows: np.ndarray,
    split: Split,
    device: torch.device,
    precision: str,
    pooling: str,
) -> np.ndarray:
    """Like `encode`, but without a copy and a check: `frozen` has to be in eval mode and on `device`."""
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device) == "bfloat16")
    parts = []
    with torch.no_grad():
        for x in clean_batches(images, rows, split, device):
            with autocast:
                features = frozen(x)
            parts.append(_pooled(features.float(), pooling))
    found = torch.cat(parts).cpu().numpy() if parts else np.empty((0, 0), np.float32)
    if broken := len(found) - int(np.isfinite(found).all(axis=1).sum()):
        raise DataError(
            f"encoder: {broken} of {len(found)} images have features that are not finite, expected numbers;"
            " its pre-training diverged, so pre-train it anew, with a lower lr"
        )
    return found


def clean_batches(
    images: ImageSet, rows: np.ndarray, split: Split, device: str | torch.device = "cpu"
) -> Iterator[Tensor]:
    """The images at `rows` as a network gets them, without augmentation: batches float32 `[B, C, H, W]` on `device`."""
    tfms = Augment().transforms(split.mean, split.std, images.image_size, reconstruct=False)
    dataset = ImageRows(images, rows, split_idx=1, labels=False)
    device = torch.device(device)
    loader = BatchDL(dataset, bs=eval_batch(dataset, device), after_batch=tfms, device=device)
    for (x,) in loader:
        yield x.as_subclass(Tensor)


def _pooled(features: Tensor, pooling: str) -> Tensor:
    """`[N, C, h, w]` → `[N, D]`; features `[N, D]` stay as they are."""
    if features.ndim == 2:
        return features
    if pooling == "mean":
        return features.mean((2, 3))
    square = 1
    n, c, h, w = features.shape
    while c * -(-h // square) * -(-w // square) > MOST_VALUES and square < max(h, w):
        square += 1
    if square > 1:
        features = F.avg_pool2d(features, square, ceil_mode=True)
    return features.reshape(n, -1)  # channel by channel, whatever the memory layout


def prove_same(encoder: nn.Module, used: nn.Module) -> None:
    """Raises `RuntimeError` unless `used`, a copy of `encoder`, is still bit-identical to it."""
    after = used.state_dict()
    changed = [name for name, value in encoder.state_dict().items() if not _identical(value, after[name])]
    if changed:
        raise RuntimeError(f"the frozen encoder changed while it encoded: {', '.join(changed)}")


def _identical(a: Tensor, b: Tensor) -> bool:
    a, b = (t.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for t in (a, b))  # as bytes, since NaN ≠ NaN
    return torch.equal(a, b)
