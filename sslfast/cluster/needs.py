"""The memory and time that a job requests from a cluster: measured values, with a generous margin.

Too little does no lasting harm: a training job that the cluster ends resumes after its last epoch, and the next attempt
requests more. Too much makes the job wait longer in the queue.
"""

import math

from ..study.base_nets import is_net
from ..study.encoder_names import check_encoder, encoders
from ..study.stage_table import STAGES

__all__ = ["memory_mb", "training_mb", "training_minutes"]

# A process with torch and fastai takes 270 MB; a job on CIFAR-10 takes 360 to 530 MB, without the images, which are
# memory-mapped and shared (benchmarks/README.md, h). The main memory that a CUDA context takes was not measured.
_PROCESS, _GPU = 1_500, 3_000  # MB
# kB per pixel of a batch, for an encoder that does not declare its own. Measured while training: 0.3 to 0.6 for conv,
# 5.7 to 5.9 for resnet18 (autoencoder and simclr).
_LARGE = 12
# Cost of a pass, in passes of `conv`, for an encoder that does not declare its own. Measured for resnet18: 14
# (autoencoder) and 48 (simclr).
_LARGE_COST = 40
_VIEWS = 8  # views per image whose features are computed once
_START, _LONGEST = 10, 24 * 60  # minutes: part of every request, and the most; a longer job resumes in its next attempt


def memory_mb(n_images: int, side: int, attempt: int = 1, copies: float = 1) -> int:
    """MB for a job that reads `n_images` RGB images of `side` pixels and holds so many `copies` of them in memory."""
    return attempt * math.ceil(_PROCESS + copies * n_images * 3 * side**2 / 1e6)


def training_mb(encoder: str, batch_size: int, n_images: int, side: int, attempt: int = 1, gpu: bool = False) -> int:
    """MB for a job that trains or evaluates `encoder` in batches of `batch_size` images of `side` pixels."""
    _, width, kilobytes = _weight(encoder)
    batch = batch_size * side**2 * kilobytes * width / 1e3
    return memory_mb(n_images, side, attempt) + attempt * math.ceil(batch + _GPU * gpu)


def training_minutes(stage: str, encoder: str, seen: float, n_images: float, side: int, attempt: int = 1) -> int:
    """Minutes, at most a day, for a job of `stage` that sees `seen` training images, `n_images` of them different."""
    cost, width, _ = _weight(encoder)
    cost *= max(width, 1) ** 2 * max(side / 32, 1) ** 2
    about = STAGES[stage]
    images = seen + _VIEWS * cost * n_images if about.frozen else seen * cost
    return min(_LONGEST, attempt * (_START + math.ceil(images / about.rate / 60)))


def _weight(encoder: str) -> tuple[float, float, float]:
    """The cost of a pass relative to `conv`, the factor on channels, and kB per pixel of a batch."""
    if is_net(encoder):
        return _LARGE_COST, 1.0, _LARGE
    name = check_encoder(encoder)
    kind = encoders().get(name.base)
    cost, kilobytes = (None, None) if kind is None else (kind.cost, kind.kilobytes)
    return cost or _LARGE_COST, name.width, kilobytes or _LARGE
