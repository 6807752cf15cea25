"""The config of a study: checked against its schema, filled with defaults, in one canonical form."""

import copy
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from ..errors import LONGEST, ConfigError, printable, shown
from ..files import user_path
from .base_nets import base_of, claim_net, encoders_of, leave_out, only_encoders
from .datasets import FILE_KEYS, FOLDER_KEYS, NAMED, WHICH_FILES, dataset_names, image_keys
from .encoder_names import check_encoder, encoders
from .fractions import canonical_list
from .methods import methods
from .names import BASE, PIXELS, RANDOM, SHUFFLED, SUPERVISED, names_of_folder
from .own import claim_encoder, claim_method
from .stages import STAGES, evaluations, first_to_judge

__all__ = ["check_config", "evaluation_settings", "method_settings", "read_schema"]

# More is a slip of the keyboard, and would fill the memory with job names.
MAX_SEEDS = 1000
MAX_CELLS = 200_000
MOST_LISTED = 20  # known keys in a message, which stays one line
DEEPEST = 2  # maps and lists within each other
SECTIONS = tuple(stage.section for stage in STAGES.values() if stage.trains)
_OTHER = {"updates": "epochs", "epochs": "updates"}
LARGEST = 2**1024  # a whole number that is no float any more


def read_schema(path: str | Path) -> dict:
    """The JSON schema stored as YAML at `path`, with the names of all data sets, methods, encoders and evaluations."""
    text = Path(path).read_text(encoding="utf-8")
    named: dict[str, Iterable[str]] = {
        "methods": methods(),
        "encoders": encoders(),
        "widened": [name for name, kind in encoders().items() if kind.widened],
        "datasets": dataset_names(),
        "scaled": [name for name, entry in NAMED.items() if "image_size" in entry.keys],
        "not mirrored": [name for name, entry in NAMED.items() if not entry.mirrored],
    }
    for key, names in named.items():
        text = text.replace(f"<{key}>", ", ".join(f"`{name}`" for name in names))
    schema = yaml.safe_load(text)
    schema["properties"]["dataset"]["enum"] = list(dataset_names())
    schema["properties"]["evaluate"]["items"]["enum"] = list(evaluations())
    schema["properties"]["judged_by"]["enum"] = [*evaluations(), None]
    return schema


def check_config(config: Mapping, schema: Mapping, beside: str | Path = ".") -> dict:
    """The config with defaults filled in, fractions canonical and increasing, seeds a list.

    `beside`: the folder that paths of a person's own code are looked up from, that of the config's file. What is found
    is noted as `own` (see `sslfast.study.own`).

    Raises `ConfigError`, one line that names the key, for anything that cannot work.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"config: found {shown(config)}, expected keys and values")
    _check_size(config)
    config = _numbers(copy.deepcopy(dict(config)), schema)
    problems = list(_Validator(schema).iter_errors(config))
    if problems:
        unknown = [p for p in problems if p.validator == "additionalProperties"]  # often the cause of the rest
        raise ConfigError(_explain(unknown[0] if unknown else best_match(problems), schema))
    strange = _of_other_data(config)
    if given := [key for key in strange if config.get(key) is not None]:
        raise ConfigError(f"{given[0]}: given, but dataset is {config['dataset']}; it is for dataset: folder only")
    for key in ("folder", "data_root", "checkpoints", "unlabelled_from", "encoder_store"):
        if config.get(key):
            user_path(config[key], key)
    title = config.get("title") or ""
    if title != printable(title) or {"<", ">"} & set(title):  # Snakemake's own report would take a tag for one
        raise ConfigError(f"title: found {shown(title)}, expected one line of text without < and >")
    _check_units(config, schema)
    config = _defaults(dict(config), schema)
    config = {key: value for key, value in config.items() if key not in strange} | {"folder": config.get("folder")}
    _check_elsewhere(config)
    own: dict = {}
    config["encoders"] = [_encoder(name, own, beside) for name in config["encoders"]]
    if len(set(config["encoders"])) < len(config["encoders"]):
        raise ConfigError(f"encoders: found {shown(config['encoders'])}, expected each once")
    of_folder = names_of_folder(config["folder"]) if config["dataset"] == "folder" and config["folder"] else None
    name, called = of_folder or (config["dataset"], None)
    config["title"] = (config.get("title") or "").strip() or (config.get("study") or called or name)
    config["study"] = config.get("study") or name
    config["supervised"] = {**config["classify"], **config["supervised"]}
    config["finetune"] = {**config["classify"], **config["finetune"]}
    for stage in ("supervised", "finetune"):
        config[stage].pop("views", None)  # these train their encoder, and always see fresh images
    for method in methods():
        config[method] = {"batch_size": config["batch_size"], **config["pretrain"], **config.get(method, {})}
    unit = _OTHER[config["budget"]]
    for section in (*SECTIONS, *methods()):
        config[section].pop(unit, None)
    missing = _nets(config, schema, beside)
    config["variants"] = {
        name: given if given.get("method") == BASE else _variant(name, given, config, schema, own, beside)
        for name, given in config["variants"].items()
    }
    for name in set(config["methods"]) & _taught():
        config[name]["teacher"] = _net_called(config[name]["teacher"], f"{name}.teacher", config)
    if own:
        config["own"] = own
    known = (*methods(), BASE, *config["variants"])
    if unknown := [name for name in config["methods"] if name not in known]:
        hint = "; the random control is u = 0" if unknown[0] == "random" else ""
        raise ConfigError(
            f"methods: found {shown(unknown[0])}, expected {', '.join(known)} or a name in variants{hint}"
        )
    config = leave_out(config, missing)
    _check_encoders(config)
    for key in ("unlabelled", "labelled"):
        config[key] = canonical_list(config[key], key)
    if "0" in config["labelled"]:
        raise ConfigError("labelled: found 0, expected fractions above 0 (a classifier needs labels)")
    pretrains, all_labelled = config["unlabelled"] != ["0"], "1" in config["labelled"]
    if config["pool"] == "rest" and config["dataset"] != "folder" and pretrains and all_labelled:
        raise ConfigError("labelled: 1 leaves no unlabelled images with pool: rest; use less, or pool: all")
    if config["judged_by"] not in (None, *config["evaluate"]):
        raise ConfigError(
            f"judged_by: found {config['judged_by']}, expected one of evaluate ({', '.join(config['evaluate'])})"
        )
    _check_only(config)
    if isinstance(config["seeds"], int):
        if config["seeds"] > MAX_SEEDS:
            raise ConfigError(f"seeds: found {config['seeds']}, expected {MAX_SEEDS} or less, or a list of seeds")
        config["seeds"] = list(range(config["seeds"]))
    if len(set(config["seeds"])) < len(config["seeds"]):
        raise ConfigError(f"seeds: found {shown(config['seeds'])}, expected each seed once")
    axes = ("unlabelled", "labelled", "seeds", "encoders", "methods", "evaluate")
    n_cells = math.prod(len(config[key]) for key in axes)
    if n_cells > MAX_CELLS:
        raise ConfigError(
            f"unlabelled: found {n_cells:,} cells with all fractions and seeds, expected {MAX_CELLS:,} or less"
        )
    if config["dataset"] == "folder" and not config["folder"]:
        raise ConfigError("folder: missing; dataset: folder needs the path of your images here")
    return config


def method_settings(config: Mapping, name: str) -> dict:
    """How encoders called `name` are made, a method or a variant: `method`, epochs, lr, …, and its `options`.

    `config`: a checked one. The control `random` has none; a shuffled encoder's are those of its method. A base net has
    `options` only, which are also the `start` of a method that goes on from one.
    """
    name = name.removeprefix(SHUFFLED)
    if name == RANDOM:
        return {}
    given = dict(config["variants"].get(name) or {"method": name, **config[name]})
    if given["method"] == BASE:
        return {"method": BASE, "options": base_of(config, name)}
    training = {key: given.pop(key) for key in ("method", config["budget"], "lr", "schedule", "wd", "batch_size")}
    training |= {key: given.pop(key) for key in ("start",) if key in given}
    return {**training, "options": given}


def evaluation_settings(config: Mapping, stage: str) -> dict:
    """How an evaluation's `stage` (as records name it: `classify`, `linear`, …) is done, from a checked config."""
    own = config.get(STAGES[stage].section, {})
    return own if STAGES[stage].trains else {"options": own}


def _encoder(name: object, own: dict, beside: str | Path) -> str:
    if ":" in str(name):
        return claim_encoder(name, own, beside)
    if check_encoder(name).base == "own":
        raise ConfigError(f"encoders: found {shown(name)}; name one of your own by its file, as my_nets.py:Small")
    return str(name)


def _nets(config: dict, schema: Mapping, beside: str | Path) -> dict[str, str]:
    """Check the base nets that the config names; why there are no weights here of those that it can do without."""
    section, usual = schema["properties"][BASE], config[BASE]
    files: dict[str, str] = {}
    named = {name: dict(given) for name, given in config["variants"].items() if given.get("method") == BASE}
    starts = [given.get("start") for given in config["variants"].values()]
    if BASE in (*config["methods"], *starts, *_teachers(config)):
        named[BASE] = {"method": BASE}
    missing = {}
    for name, own in named.items():
        key = name if name == BASE else f"variants.{name}"
        given = _numbers({entry: value for entry, value in own.items() if entry != "method"}, section)
        _check_name(name, schema) if name != BASE else None
        if problems := list(_Validator(section).iter_errors(given)):
            raise ConfigError(f"{key}.{_explain(best_match(problems), section)}")
        given = {**usual, **given}
        arm, why = claim_net(given, key, files, beside)
        if why:
            missing[name] = why
        config["variants"] = {**config["variants"], name: {"method": BASE, **arm, "on_missing": given["on_missing"]}}
    if BASE in named:
        config[BASE] = {key: value for key, value in config["variants"].pop(BASE).items() if key != "method"}
    if files:
        config["weights_files"] = files
    return missing


def _check_encoders(config: Mapping) -> None:
    """`ConfigError` for a method that can train none of the study's encoders."""
    for name in config["methods"]:
        only = " or ".join(only_encoders(config, name))
        if only and base_of(config, name) is not None:
            raise ConfigError(f"variants.{name}.start: given, but its method trains {only} alone; leave start out")
        if not encoders_of(config, name):
            found = ", ".join(config["encoders"])
            raise ConfigError(f"encoders: found {found}, but {name} trains {only} alone; add that to encoders")


def _check_name(name: str, schema: Mapping) -> None:
    items = schema["properties"]["methods"]["items"]
    taken = name in (*methods(), BASE, PIXELS, RANDOM, SUPERVISED) or str(name).startswith(SHUFFLED)
    if not _Validator(items).is_valid(name) or taken:
        raise ConfigError(f"variants: found {shown(name)}, expected {items['x-expected']}, and no method's own name")


def _variant(name: str, given: Mapping, config: Mapping, schema: Mapping, own: dict, beside: str | Path) -> dict:
    """A variant's settings, those that it leaves out as its method has them."""
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
    given = _numbers(given, section)
    if problems := list(_Validator(section).iter_errors(given)):
        raise ConfigError(f"variants.{name}.{_explain(best_match(problems), section)}")
    made = {"method": method, **usual, **given}
    if method in _taught():
        made["teacher"] = _net_called(made["teacher"], f"variants.{name}.teacher", config)
    return made if start is None else {**made, "start": _net_called(start, f"variants.{name}.start", config)}


def _taught() -> set[str]:
    """The methods that learn from a teacher."""
    return {name for name, kind in methods().items() if kind.teacher}


def _teachers(config: Mapping) -> list[object]:
    """What the config calls the teachers of its arms."""
    variants = [given for given in config["variants"].values() if given.get("method") in _taught()]
    named = [given.get("teacher", config[given["method"]]["teacher"]) for given in variants]
    return [*named, *(config[name]["teacher"] for name in config["methods"] if name in _taught())]


def _net_called(name: object, key: str, config: Mapping) -> dict:
    """The base net that the config has under `name`."""
    nets = [arm for arm, given in config["variants"].items() if given.get("method") == BASE]
    if name not in (*nets, BASE):
        known = f"one of {', '.join(nets)}" if nets else "the name of a base net in variants"
        raise ConfigError(f"{key}: found {shown(name)}, expected {known}, or {BASE}")
    return dict(base_of(config, str(name)) or {})


def _own_section(options: Sequence[str] | None, schema: Mapping) -> dict:
    """The schema of a method's settings where its factory says all there is to say: training's, and its `options`."""
    keys = {**{name: {"type": list(_KINDS)} for name in options or ()}, **schema["x-own"]}
    return {"type": "object", "additionalProperties": options is None, "properties": keys}


def _check_size(value: object, key: str = "", depth: int = -1) -> None:
    """`ConfigError` for what the other checks would never finish: YAML can make lists that hold themselves."""
    if depth > DEEPEST:
        raise ConfigError(f"{key}: found lists or maps within each other, expected {DEEPEST} levels or less")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise ConfigError(f"{key or 'config'}: found a number of {value.bit_length()} bits, expected a smaller one")
    if isinstance(value, Mapping):
        for name, content in value.items():
            _check_size(name, key, depth)
            _check_size(content, f"{key}.{_name(name)}" if key else _name(name), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for content in value:
            _check_size(content, key, depth + 1)


def _name(key: object) -> str:
    if isinstance(key, str) and printable(" ".join(key.split())) == key and 0 < len(key) <= LONGEST:
        return key
    return shown(key)


def _numbers(value, schema: Mapping):
    """YAML reads 1e-3, and the command line every number, as text: make numbers where numbers belong."""
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        return {key: _numbers(v, inner.get(key, {})) for key, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v, schema.get("items", {})) for v in value]
    if isinstance(value, str | float) and _takes_numbers(schema):
        try:
            number = float(value)
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        except ValueError:
            pass
    return value


def _takes_numbers(schema: Mapping) -> bool:
    kinds = schema.get("type", [])
    return bool({"number", "integer"} & {*([kinds] if isinstance(kinds, str) else kinds)}) or any(
        isinstance(choice, int | float) for choice in schema.get("enum", [])
    )


def _defaults(config: dict, schema: Mapping) -> dict:
    for key, entry in schema["properties"].items():
        if "default" in entry and config.get(key) is None:
            config[key] = copy.deepcopy(entry["default"])
        if "properties" in entry and isinstance(config.get(key), dict):
            _defaults(config[key], entry)
    return config


def _explain(problem: ValidationError, schema: Mapping) -> str:
    key = ".".join(str(part) for part in problem.absolute_path if not isinstance(part, int))
    found = f"found {shown(problem.instance)}"
    if problem.validator == "additionalProperties":
        known = list(problem.schema["properties"])
        name = next(k for k in problem.instance if k not in known)
        close = difflib.get_close_matches(str(name), known, n=1)
        listed = (
            f"known keys are {', '.join(known)}"
            if len(known) <= MOST_LISTED
            else "config/README.md has all that are known"
        )
        hint = f"did you mean {close[0]}?" if close else listed
        return f"{f'{key}.' if key else ''}{_name(name)}: unknown key; {hint}"
    if problem.validator == "required":
        name = next(k for k in problem.validator_value if k not in problem.instance)
        return f"{name}: missing; {_lower(schema['properties'][name]['description'])}"
    if problem.validator == "minItems":
        return f"{key}: empty, expected at least one value"
    if problem.validator == "uniqueItems":
        return f"{key}: {found}, expected each value once"
    expected = {
        "enum": lambda v: "one of " + ", ".join(map(str, v)),
        "type": lambda v: " or ".join(_KINDS[kind] for kind in ([v] if isinstance(v, str) else v)),
        "minimum": lambda v: f"{v} or more",
        "maximum": lambda v: f"{v} or less",
        "exclusiveMinimum": lambda v: f"more than {v}",
        "exclusiveMaximum": lambda v: f"less than {v}",
    }.get(problem.validator, lambda v: f"{problem.validator} {v}")
    return f"{key}: {found}, expected {problem.schema.get('x-expected') or expected(problem.validator_value)}"


def _check_units(config: Mapping, schema: Mapping) -> None:
    """`ConfigError` for a length in another unit than that of the budget: it would count for nothing."""
    budget = config.get("budget") or schema["properties"]["budget"]["default"]
    unit, sections = _OTHER[budget], {name: config.get(name) for name in (*SECTIONS, *methods())}
    sections |= {f"variants.{name}": own for name, own in (config.get("variants") or {}).items()}
    for name, own in sections.items():
        if isinstance(own, Mapping) and own.get(unit) is not None:
            instead = f"give {name}.{budget}, leave it out, or say budget: {unit}"
            raise ConfigError(f"{name}.{unit}: given, but budget is {budget}; {instead}")


def _of_other_data(config: Mapping) -> list[str]:
    """Keys that mean nothing for the study's data set."""
    if config["dataset"] == "folder":
        return []
    strange = [*WHICH_FILES, *(key for key in FOLDER_KEYS if key not in image_keys(config["dataset"]))]
    if config.get("unlabelled_from"):  # may be a folder
        strange = [key for key in strange if key not in (*FILE_KEYS, "follow_links")]
    return strange


def _check_only(config: Mapping) -> None:
    """`ConfigError` for a choice of encoders to evaluate that cannot be, or would leave some without a verdict."""
    made = [*config["methods"], *config.get("left_out", {})]
    known = [*([RANDOM] if "0" in config["unlabelled"] else []), *made]
    known += [f"{SHUFFLED}{name}" for name in made] if "shuffled" in config["controls"] else []
    judged_by = config["judged_by"] or first_to_judge(config["evaluate"])
    for evaluation, names in config["evaluate_only"].items():
        key = f"evaluate_only.{_name(evaluation)}"
        if evaluation not in config["evaluate"]:
            raise ConfigError(f"{key}: expected one of evaluate ({', '.join(config['evaluate'])})")
        if evaluation == judged_by:
            raise ConfigError(f"{key}: given, but all encoders are judged by it; name another one in judged_by")
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"{key}: found {shown(unknown[0])}, expected some of {', '.join(known)}")


def _check_elsewhere(config: Mapping) -> None:
    columns = [key for key in ("image_column", "class_column") if config.get(key)]
    if columns and not config.get("labels"):
        raise ConfigError(f"{columns[0]}: given, but no labels; say which table has this column (labels: labels.csv)")
    entry, size = NAMED.get(config["dataset"]), config.get("image_size")
    if entry and size and "image_size" in entry.keys and size > entry.side:
        raise ConfigError(f"image_size: found {size}, expected {entry.side} or less for {config['dataset']}")
    if not config["unlabelled_from"]:
        return
    if config["unlabelled_from"] == config["dataset"]:
        raise ConfigError(f"unlabelled_from: found {config['dataset']}, the study's own data set; leave the key out")
    if config["pool"] == "rest":
        raise ConfigError("pool: found rest, but with unlabelled_from no labelled image is in the pool; use all")


_KINDS = {
    "array": "a list",
    "object": "keys and values",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "number": "a number",
    "null": "nothing",
}


def _lower(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")


def _is_number(_, value) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    )


_Validator = extend(  # JSON Schema lets NaN and infinity pass as numbers; no key of a study can be either
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
)
