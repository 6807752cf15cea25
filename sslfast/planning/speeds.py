"""What short trials measured: how fast jobs of each kind are on this machine, and what they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

__all__ = ["Speed", "Speeds", "merged"]


@dataclass(frozen=True)
class Speed:
    """What jobs of one kind take.

    Seconds: `once`, for a fit beside its epochs (the first batches are slower); `trained`, `encoded` and `tested`, for
    an image so used (see `Work`); `fitted`, for an image that an evaluation without epochs is made from (for
    neighbours, a pair of images); `valid`, for a validation image in an epoch; `epoch`, for an epoch beside its images
    (metrics, checkpoint); `data`, to make loaders and network; `outside`, for a validation image, what records do not
    time (measures of features, pictures).

    Bytes: `memory`, the most that a process held for itself, without what is memory-mapped; `files`, what a job leaves,
    without the `row` of its record for each epoch; `checkpoint`, while it trains; `features`, of an image, which a
    study keeps where a base net made them.
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
    have it. `kinds`: the `Speed` of each kind of job (`Job.kind`); `problems`: why other kinds have none. By encoder:
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
    """The mean of what processes side by side measured; for memory and files, the most."""
    most = ("memory", "files", "checkpoint", "features")
    values = {f.name: [getattr(speed, f.name) for speed in found] for f in fields(Speed)}
    return Speed(**{name: max(v) if name in most else sum(v) / len(v) for name, v in values.items()})
