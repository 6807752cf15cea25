"""What a stage is told: how to train, and what all stages of a study share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..errors import ConfigError
from ..runtime.device import resolve_device
from ..study.methods import Method, method_of, methods
from ..study.own import source_of
from ..study.study import Study

__all__ = ["FitSettings", "RunSettings", "run_settings"]


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train. `schedule`: `constant` or `one_cycle` (then `lr` is its peak).

    `updates`: a number, or `auto` (see `enough_updates`); `epochs` count in their place with a budget of epochs.
    `share`: of that length, for a run that is to be shorter than its study's.

    `batch_size`: images a batch, where not that of the whole study. For pre-training: `method`, where it
    goes by another name in the study, its `options`, and `start`, the base net that it goes on from (`net`, `weights`,
    `size`). For classifiers: `dropout` in the head, `views` over
    a frozen encoder (see `resolve_views`), and `pretrain`, the settings that the encoder was made with.
    """

    updates: int | str = "auto"
    epochs: int = 10
    share: float = 1.0
    lr: float = 3e-3
    wd: float = 0.0
    schedule: str = "one_cycle"
    batch_size: int | None = None
    method: str | None = None
    options: Mapping = field(default_factory=dict)
    dropout: float | str = "auto"
    views: str | int = "auto"
    pretrain: Mapping | None = None
    start: Mapping | None = None


@dataclass(frozen=True)
class RunSettings:
    """What every stage shares: the study's name, batches, augmentation, machine, and what length is counted in
    (`budget`: `updates` or `epochs`).

    `own`: the person's own code that it uses (see `sslfast.study.own`). `weights_files`: where weights of base
    nets lie, by digest; `features`: the folder in which features of those are kept (see `StoredFeatures`).
    """

    study: str = "study"
    batch_size: int = 128
    augment: Mapping = field(default_factory=dict)
    budget: str = "updates"
    device: str | torch.device = "cpu"
    threads: int = 1
    precision: str = "auto"
    own: Mapping = field(default_factory=dict)
    weights_files: Mapping = field(default_factory=dict)
    features: str | None = None

    def encoder(self, name: str) -> str:
        """What `create_encoder` makes the encoder called `name` of: the name, or where a person's own is."""
        source = source_of(self.own, name)
        return name if source is None else source.text

    def own_file(self, name: str) -> str | None:
        """Where the encoder called `name` is, if it is a person's own (see `load_encoder`)."""
        return self.encoder(name) if name in self.own else None

    def method(self, name: str) -> Method:
        """The method called `name`. Raises `ConfigError` if there is none."""
        source, known = source_of(self.own, name), methods()
        if source is None and name not in known:
            raise ConfigError(f"methods: found {name!r}, expected one of {', '.join(known)}")
        return known[name] if source is None else method_of(source)


def run_settings(study: Study, threads: int, uses_device: bool = True) -> RunSettings:
    """The `RunSettings` of `study`, on the device that it means on this machine.

    Raises `DeviceError` if that is not here and the job `uses_device`.
    """
    return RunSettings(
        study=study.name,
        batch_size=study.batch_size,
        augment=study.augment,
        budget=study.budget,
        device=str(resolve_device(study.device, uses_device)),
        threads=threads,
        precision=study.precision,
        own=study.own,
        weights_files=study.weights_files,
        features=str(Path("results", study.name, "features")),
    )
