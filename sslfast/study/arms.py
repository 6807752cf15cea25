"""The arms of a config: its methods, the variants of them, and base nets, each with all of its settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, shown
from .base_nets import claim_net, net_of
from .methods import methods
from .names import BASE, PIXELS, RANDOM, SHUFFLED, SUPERVISED
from .own import claim_method
from .schema import KINDS, fits, valid_section

__all__ = ["with_arms"]


def with_arms(config: Mapping, schema: Mapping, own: dict, beside: str | Path) -> tuple[dict, dict[str, str]]:
    """`config` with every setting of `variants` and `base` filled in, and with `weights_files`; and, by name, why
    weights are missing of those base nets that the study can do without.

    `config`: with all other sections complete. A person's own methods are noted in `own`. Raises `ConfigError` for an
    arm that cannot be trained, or an unknown name in `methods`.
    """
    nets, files, missing = _nets(config, schema, beside)
    variants = {name: {"method": BASE, **net} for name, net in nets.items() if name != BASE}
    full = {**config, BASE: nets.get(BASE, config[BASE]), "weights_files": files}
    full["variants"] = {
        name: variants.get(name) or _variant(name, given, full, nets, schema, own, beside)
        for name, given in config["variants"].items()
    }
    for name in {*config["methods"]} & _taught():
        full[name] = {**config[name], "teacher": _net_called(config[name]["teacher"], f"{name}.teacher", nets)}
    known = (*methods(), BASE, *full["variants"])
    if unknown := [name for name in config["methods"] if name not in known]:
        hint = "; the random control is u = 0" if unknown[0] == RANDOM else ""
        raise ConfigError(
            f"methods: found {shown(unknown[0])}, expected {', '.join(known)} or a name in variants{hint}"
        )
    return full, missing


def _nets(config: Mapping, schema: Mapping, beside: str | Path) -> tuple[dict, dict[str, str], dict[str, str]]:
    """The base nets that the config uses, by name (`base`, or a variant's); the paths of their files of weights, by
    digest; and, by name, why weights are missing of those that the config can do without."""
    named = {name: dict(given) for name, given in config["variants"].items() if given.get("method") == BASE}
    starts = [given.get("start") for given in config["variants"].values()]
    if BASE in (*config["methods"], *starts, *_teachers(config)):
        named[BASE] = {}
    nets, missing = {}, {}
    files: dict[str, str] = {}
    for name, given in named.items():
        key = name if name == BASE else f"variants.{name}"
        if name != BASE:
            _check_name(name, schema)
        given.pop("method", None)
        given = {**config[BASE], **valid_section(given, schema["properties"][BASE], key)}
        arm, why = claim_net(given, key, files, beside)
        if why:
            missing[name] = why
        nets[name] = {**arm, "on_missing": given["on_missing"]}
    return nets, files, missing


def _variant(
    name: str, given: Mapping, config: Mapping, nets: Mapping, schema: Mapping, own: dict, beside: str | Path
) -> dict:
    """A variant's settings; what it leaves out is as in its method's section."""
    _check_name(name, schema)
    given = dict(given)
    method, start = given.pop("method", None), given.pop("start", None)
    if ":" in str(method):
        method, options = claim_method(method, f"variants.{name}.method", own, beside)
        section, usual = _own_section(options, schema), {"batch_size": config["batch_size"], **config["pretrain"]}
    elif method in methods():
        section, usual = schema["properties"][method], config[method]
    else:
        expected = f"expected one of {', '.join([*methods(), BASE])}, or my_methods.py:my_learner"
        raise ConfigError(f"variants.{name}.method: found {shown(method)}, {expected}")
    given = valid_section(given, section, f"variants.{name}")
    made = {"method": method, **usual, **given}
    if method in _taught():
        made["teacher"] = _net_called(made["teacher"], f"variants.{name}.teacher", nets)
    return made if start is None else {**made, "start": _net_called(start, f"variants.{name}.start", nets)}


def _check_name(name: str, schema: Mapping) -> None:
    items = schema["properties"]["methods"]["items"]
    taken = name in (*methods(), BASE, PIXELS, RANDOM, SUPERVISED) or str(name).startswith(SHUFFLED)
    if not fits(name, items) or taken:
        raise ConfigError(f"variants: found {shown(name)}, expected {items['x-expected']}, and no method's own name")


def _taught() -> set[str]:
    """The methods that learn from a teacher."""
    return {name for name, kind in methods().items() if kind.teacher}


def _teachers(config: Mapping) -> list[object]:
    """What the config calls the teachers of its arms."""
    variants = [given for given in config["variants"].values() if given.get("method") in _taught()]
    named = [given.get("teacher", config[given["method"]]["teacher"]) for given in variants]
    return [*named, *(config[name]["teacher"] for name in config["methods"] if name in _taught())]


def _net_called(name: object, key: str, nets: Mapping) -> dict:
    """The base net that the config has under `name`."""
    named = [net for net in nets if net != BASE]
    if name not in (*named, BASE):
        known = f"one of {', '.join(named)}" if named else "the name of a base net in variants"
        raise ConfigError(f"{key}: found {shown(name)}, expected {known}, or {BASE}")
    return net_of(nets[name])


def _own_section(options: Sequence[str] | None, schema: Mapping) -> dict:
    """The schema of the settings of a person's own method: those of training, and the `options` of its factory (None
    allows any)."""
    keys = {**{name: {"type": list(KINDS)} for name in options or ()}, **schema["x-own"]}
    return {"type": "object", "additionalProperties": options is None, "properties": keys}
