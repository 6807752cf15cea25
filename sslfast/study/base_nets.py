"""Base nets: existing nets with weights from elsewhere, as arms of a grid. Checked without importing torch.

An arm of method `base` is such a net, frozen; an arm with a `start` is a method that goes on from one, on the study's
unlabelled images. Neither is crossed with the study's `encoders`: the net is its encoder. A method may also have one as
its `teacher`, whose features it learns to give.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..errors import ConfigError, shown
from ..files import user_path
from .methods import methods
from .names import BASE, SHUFFLED
from .study import Study

__all__ = [
    "LIBRARIES",
    "NetName",
    "base_of",
    "check_net",
    "claim_net",
    "encoders_of",
    "is_net",
    "learns",
    "leave_out",
    "needs_timm",
    "net_of",
    "nets_of",
    "only_encoders",
    "skippable",
    "teacher_of",
]

_ARM = ("net", "weights", "size")  # what an arm depends on
LIBRARIES = ("timm", "torchvision")
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar")
_NET = re.compile(r"(?P<library>timm|torchvision)\.(?P<model>\w{1,80})(\.(?P<tag>\w{1,80}))?", re.ASCII)


@dataclass(frozen=True)
class NetName:
    """`timm.resnet18.a1_in1k` in its parts: `library`, `model` and, of timm's weights, perhaps a `tag`."""

    library: str
    model: str
    tag: str | None = None

    @property
    def tagged(self) -> str:
        """The model as its library calls it with these weights: `resnet18.a1_in1k`."""
        return f"{self.model}.{self.tag}" if self.tag else self.model


def check_net(name: object, key: str = "net") -> NetName:
    """The parts of a base net's name. Raises `ConfigError`, which begins with `key`, for any other text."""
    match = _NET.fullmatch(name) if isinstance(name, str) else None
    if not match or (match["tag"] and match["library"] != "timm"):
        raise ConfigError(
            f"{key}: found {shown(name)}, expected timm.<model>, perhaps with a tag (timm.resnet18.a1_in1k), or"
            " torchvision.<model>"
        )
    return NetName(match["library"], match["model"], match["tag"])


def is_net(name: str) -> bool:
    """Whether an encoder's name has the form of a base net's, `timm.…` or `torchvision.…`."""
    return _NET.fullmatch(name) is not None


def claim_net(given: Mapping, key: str, files: dict, beside: str | Path) -> tuple[dict, str | None]:
    """What results depend on of a base net: `net`, `weights` and `size`; and why its weights are missing, if they are.

    `given`: its settings, as they stand under `key` of the config. `weights` becomes the name of a library, or the
    digest of a file, whose path is noted in `files`; so the file may move. Raises `ConfigError` for a name of no net,
    and for weights that cannot be its.
    """
    name, weights = check_net(given["net"], f"{key}.net"), given["weights"]
    arm = {"net": given["net"], "weights": name.library, "size": given["size"]}
    if weights in (None, name.library):
        return arm, None
    if weights in LIBRARIES:
        raise ConfigError(
            f"{key}.weights: found {weights}, but the net is {given['net']}; use {name.library} or a file"
        )
    path = (Path(beside) / user_path(weights, f"{key}.weights")).absolute()
    if path.suffix not in SUFFIXES:
        kinds = ", ".join(SUFFIXES)
        raise ConfigError(f"{key}.weights: found {shown(weights)}, expected {name.library} or a file ({kinds})")
    if not path.is_file():
        missing = (
            f"{key}.weights: no file {path}; put the weights of {given['net']} there, name another file, or leave"
            f" weights out to have {name.library}'s own"
        )
        if given["on_missing"] == "error":
            raise ConfigError(missing)
        return {**arm, "weights": f"missing:{path.name}"}, missing
    stat = path.stat()
    digest = _digest(path, stat.st_size, stat.st_mtime_ns)
    files[digest] = str(path)
    return {**arm, "weights": digest}, None


def net_of(settings: Mapping) -> dict:
    """Those `settings` of a base net that results depend on: `net`, `weights` and `size`."""
    return {key: settings[key] for key in _ARM}


def base_of(study: Study, name: str) -> Mapping | None:
    """The base net that the arm `name` (or its shuffled control) stands on, in the form of `claim_net`; None if it
    stands on none."""
    settings = _settings(study, name)
    return net_of(settings) if settings.get("method") == BASE else settings.get("start")


def teacher_of(study: Study, name: str) -> Mapping | None:
    """The base net whose features the arm `name` (or its shuffled control) learns to give; None if it has no
    teacher."""
    teacher = _settings(study, name).get("teacher")
    return teacher if isinstance(teacher, Mapping) else None


def nets_of(study: Study, name: str) -> list[Mapping]:
    """The base nets that the arm `name` needs."""
    return [net for net in (base_of(study, name), teacher_of(study, name)) if net is not None]


def learns(study: Study, name: str) -> bool:
    """Whether the arm `name` learns from unlabelled images; a base net alone, and its control, do not."""
    return _settings(study, name).get("method") != BASE


def encoders_of(study: Study, name: str) -> tuple[str, ...]:
    """The encoders that the arm `name` is made with: those of the study that its method can train, or the net that it
    stands on."""
    base, only = base_of(study, name), only_encoders(study, name)
    own = tuple(encoder for encoder in study.encoders if not only or encoder.partition("_x")[0] in only)
    return own if base is None else (base["net"],)


def only_encoders(study: Study, name: str) -> tuple[str, ...]:
    """The only encoders, without widths, that the method of the arm `name` can train; none for one that takes all."""
    kind = methods().get(_settings(study, name).get("method", name.removeprefix(SHUFFLED)))
    return kind.encoders if kind else ()


def leave_out(study: Study, missing: Mapping[str, str]) -> Study:
    """`study` without the base nets in `missing` (by name, why), and without the arms that go on or learn from them.

    Raises `ConfigError` if no arm is left.
    """
    gone = [(base_of(study, arm), text) for arm, text in missing.items()]
    reasons = {name: [text for net, text in gone if net in nets_of(study, name)] for name in study.methods}
    why = {name: texts[0] for name, texts in reasons.items() if texts}
    kept = tuple(name for name in study.methods if name not in why)
    if not kept:
        raise ConfigError(next(iter(missing.values())))
    return replace(study, methods=kept, left_out={**study.left_out, **why}) if why else study


def needs_timm(study: Study) -> bool:
    """Whether a network of `study` is timm's: an encoder, a base net or a teacher."""
    names = {*study.encoders, *(net["net"] for name in study.methods for net in nets_of(study, name))}
    return any(name.startswith("timm.") for name in names)


def skippable(study: Study) -> list[str]:
    """The base nets that a study does without (`on_missing: skip`) if their library cannot give their weights here."""
    used = [net for name in study.methods for net in nets_of(study, name)]
    arms = ((name, _settings(study, name)) for name in (BASE, *study.variants) if base_of(study, name) in used)
    return [name for name, arm in arms if arm.get("on_missing") == "skip" and arm["weights"] in LIBRARIES]


def _settings(study: Study, name: str) -> Mapping:
    """Those of the arm `name`, or of the one that a shuffled control is made from."""
    name = name.removeprefix(SHUFFLED)
    if name == BASE:
        return {"method": BASE, **study.base}
    return study.variants.get(name) or study.section(name)


@cache
def _digest(path: Path, _size: int, _mtime: int) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
