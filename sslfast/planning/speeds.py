"""What a probe measured: how fast jobs of each kind are on this machine, and what they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

__all__ = ["Speed", "Speeds", "merged"]


@dataclass(frozen=True)
class Speed:
    """Of one kind of job, in seconds and bytes.

    `once`: what a fit takes beside its epochs (the first batches are slower); `trained`, `encoded`, `tested`: an image
    (see `Work`); `fitted`: of an evaluation without epochs, an image that it is made from (of neighbours, a pair of
    images); `valid`: a validation image and epoch; `epoch`: an epoch beside both (metrics, checkpoint); `data`: making
    loaders and network; `outside`: a validation image, for what records do not time (measures of features, pictures).
    `memory`: the most that a process held for itself, without what is memory-mapped; `files`: what it leaves, without
    the `row` of each epoch; `checkpoint`: while it trains; `features`: an image's, of a base net, which a study keeps.
    """

    once: float = 0.0
    trained: float = 0.0
    encoded: float = 0.0
    valid: float = 0.0
    epoch: float = 0.0
    tested: float = 0.0
    fitted: float = 0.0
    data: float = 0.0
    outside: float = 0.0
    memory: float = 0.0
    files: float = 0.0
    row: float = 0.0
    checkpoint: float = 0.0
    features: float = 0.0


@dataclass(frozen=True)
class Speeds:
    """Of a machine on which `side_by_side` jobs run at once, each slowed by the others.

    `start`: seconds from a job's start until it has its images and split; `split`: to make a split; `device` as records
    have it. `kinds`: the `Speed` of each kind of job (`Job.kind`), `problems`: why others have none. By encoder:
    `views`, what `classify.views` means, and `values` of an image's features.
    """

    side_by_side: int
    start: float
    split: float = 0.0
    device: str = "cpu"
    kinds: Mapping[str, Speed] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, int | str] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)


def merged(found: Sequence[Speed]) -> Speed:
    """The mean of what processes side by side measured; of memory and files the most."""
    most = ("memory", "files", "checkpoint", "features")
    values = {f.name: [getattr(speed, f.name) for speed in found] for f in fields(Speed)}
    return Speed(**{name: max(v) if name in most else sum(v) / len(v) for name, v in values.items()})
