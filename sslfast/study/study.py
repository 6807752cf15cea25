"""`Study`: what a config says, checked and complete, with a name and a type for each of its keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from .image_size import ImageSize

__all__ = ["Prices", "Study", "Threshold"]


class Threshold(TypedDict):
    """What counts as reached: a `value` from 0 to 1 of the score `metric` on validation images."""

    metric: str
    value: float


class Prices(TypedDict):
    """What things cost, and the budget, in one currency; None where that is not said."""

    price_per_label: float | None
    price_per_unlabelled_image: float | None
    price_per_gpu_hour: float | None
    budget: float | None


@dataclass(frozen=True)
class Study:
    """A study, as `check_config` makes it of a config: every default filled in, every value checked.

    Attributes have the names of the config's keys, which config/README.md explains; the key `study` is `name`. The
    sections of methods, and of evaluations that are added, are in `sections`, since their files decide which there are.

    Fractions are canonical text, `unlabelled` and `labelled` increase, `seeds` are numbers. None means that the config
    does not say, or that the data set decides: `image_size` and `channels`, say, where its images have their own. A
    section keeps the config's words, since records and parameters of jobs store it as it is; do not change it.

    Three attributes are no keys of a config, but found by the check: `own`, the person's own code that the study uses,
    by name (see `sslfast.study.own`); `weights_files`, the paths of weights of base nets, by digest; `left_out`, why a
    base net of the config is no part of the study, by name.
    """

    name: str
    title: str
    dataset: str
    valid_fraction: float
    test_fraction: float
    test_seed: int
    unlabelled: tuple[str, ...]
    labelled: tuple[str, ...]
    seeds: tuple[int, ...]
    pool: str
    methods: tuple[str, ...]
    variants: Mapping[str, Mapping[str, Any]]
    controls: tuple[str, ...]
    encoders: tuple[str, ...]
    evaluate: tuple[str, ...]
    evaluate_only: Mapping[str, list[str]]
    budget: str
    check_length: bool
    batch_size: int
    augment: Mapping[str, float]
    pretrain: Mapping[str, Any]
    classify: Mapping[str, Any]
    supervised: Mapping[str, Any]
    finetune: Mapping[str, Any]
    linear: Mapping[str, Any]
    knn: Mapping[str, Any]
    base: Mapping[str, Any]
    threshold: Threshold
    delta: float
    prices: Prices
    device: str
    jobs_per_gpu: int
    precision: str
    threads: int
    folder: str | None = None
    labels: str | None = None
    image_column: str | None = None
    class_column: str | None = None
    follow_links: bool | None = None
    image_size: ImageSize | None = None
    channels: int | None = None
    fit: str | None = None
    max_megapixels: int | None = None
    on_bad_image: str | None = None
    unlabelled_from: str | None = None
    data_root: str | None = None
    checkpoints: str | None = None
    encoder_store: str | None = None
    judged_by: str | None = None
    accuracy_targets: tuple[float, ...] | None = None
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    weights_files: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Study":
        """The study whose `as_config` this is. For a config that a person wrote, use `check_config`."""
        known = {entry.name for entry in fields(cls)} - {"name", "sections"}
        given: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in config.items()}
        name = given.pop("study")
        sections = {key: given.pop(key) for key in [*given] if key not in known}
        return cls(name=name, sections=sections, **given)

    def as_config(self) -> dict[str, Any]:
        """The whole study by key of the config, in plain values that JSON can hold; what is None or was not found is
        left out. It is what Snakemake hands to scripts, and one process to another."""
        keys = [entry.name for entry in fields(self) if entry.name not in ("name", "sections")]
        found = self.values(["study", *keys, *self.sections])
        empty = {key for key in _FOUND if not found[key]}
        return {key: value for key, value in found.items() if value is not None and key not in empty}

    def values(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of `keys`, in the config's form; for code that gets its keys from a list."""
        return {key: self._value(key) for key in keys}

    def section(self, key: str) -> Mapping[str, Any]:
        """The section called `key`; an empty one where the study has none."""
        return self.sections.get(key) or vars(self).get(key, {})

    def _value(self, key: str) -> Any:
        if key in self.sections:
            return self.sections[key]
        value = vars(self)["name" if key == "study" else key]
        return list(value) if isinstance(value, tuple) else value


_FOUND = ("own", "weights_files", "left_out")
