"""A person's own methods and encoders in a study: found, named and checked without importing them.

A `Study` that uses any holds them as `own`, by the names that they have in grids and records: `my_nets.Small`
is `Small` of `my_nets.py`. No other file than these is ever imported.
"""

from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError, shown
from .names import SHUFFLED
from .source import Source
from .study import Study

__all__ = ["GIVEN", "claim_encoder", "claim_method", "own_code", "source_of"]

GIVEN = ("dls", "encoder", "seed", "precision")  # what a study calls a learner factory with, beside its options


def claim_encoder(text: object, own: dict, beside: str | Path) -> str:
    """What the study calls the encoder at `text`: `my_nets.Small` for `my_nets.py:Small`. Its source is noted in `own`.

    `beside`: the folder that relative paths start from. Raises `ConfigError` if there is no such encoder, or it cannot
    be called with channels and image size.
    """
    source = Source.of(text, "encoders", beside)
    found = source.definition
    if found.parameters is not None and len(found.parameters) < 2 and not found.any_more:
        raise ConfigError(
            f"encoders: found {shown(text)}, which takes ({', '.join(found.parameters)}), expected a class or function"
            f" that is called as {source.attribute}(channels, image_size)"
        )
    return _noted(source, "encoders", own)


def claim_method(text: object, key: str, own: dict, beside: str | Path) -> tuple[str, tuple[str, ...] | None]:
    """What the study calls the learner factory at `text` (`my_methods.py:byol_learner`), and its options: the
    parameters that a config may set, None where its file does not tell. Its source is noted in `own`.

    Raises `ConfigError`, which begins with `key`, if there is no such factory, or it cannot be called as others are.
    """
    source = Source.of(text, key, beside)
    found = source.definition
    names = found.parameters
    if names is not None and (names[:1] != ("dls",) or not (found.any_more or {*GIVEN} <= {*names})):
        raise ConfigError(
            f"{key}: found {shown(text)}, which takes ({', '.join(names)}), expected a learner factory, that is called"
            f" as {source.attribute}(dls, encoder, seed=…, precision=…)"
        )
    options = None if names is None else tuple(n for n in names if n not in (*GIVEN, "loss_func", "metrics", "cbs"))
    return _noted(source, key, own), options


def own_code(study: Study, encoder: str | None = None, method: str | None = None) -> dict[str, str]:
    """The digests of a person's own code that a job of `study` depends on, by name; mostly none.

    `encoder`, `method`: the job's; the method may be a variant, or a shuffled control.
    """
    name = (method or "").removeprefix(SHUFFLED)
    name = study.variants.get(name, {}).get("method", name)
    return {key: study.own[key]["code"] for key in (encoder, name) if key and key in study.own}


def source_of(own: Mapping, name: str) -> Source | None:
    """Where the code called `name` in a study's `own` is; None for what is this package's.

    Raises `ConfigError` if it has changed since the config was checked.
    """
    if name not in own:
        return None
    source = Source(*own[name]["source"].rsplit(":", 1))
    if not source.path.exists() or source.digest != own[name]["code"]:
        raise ConfigError(f"{source.place}: changed since the study looked; run it again")
    return source


def _noted(source: Source, key: str, own: dict) -> str:
    entry = {"source": source.text, "code": source.digest}
    if own.setdefault(source.name, entry) != entry:
        raise ConfigError(
            f"{key}: found {source.text} and {own[source.name]['source']}, which would both be called {source.name};"
            " rename one of the files"
        )
    return source.name
