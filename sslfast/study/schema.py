"""The schema of configs: read from its file, and used to check a config."""

import copy
import difflib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from ..errors import LONGEST, ConfigError, printable, shown
from .datasets import NAMED, dataset_names
from .encoder_names import encoders
from .methods import methods
from .stage_table import evaluations

__all__ = ["KINDS", "fits", "key_text", "read_schema", "valid", "valid_section", "with_defaults"]

MOST_LISTED = 20  # at most so many known keys in a message, so that it stays one line
DEEPEST = 2  # levels of maps and lists in a config
LARGEST = 2**1024  # whole numbers from here on do not fit into a float
KINDS = {  # what messages call the schema's types
    "array": "a list",
    "object": "keys and values",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "number": "a number",
    "null": "nothing",
}


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


def valid(config: Mapping, schema: Mapping) -> dict:
    """A copy of `config`, with text such as `1e-3` made a number. `ConfigError` for what `schema` does not allow."""
    if not isinstance(config, Mapping):
        raise ConfigError(f"config: found {shown(config)}, expected keys and values")
    _check_size(config)
    read = _numbers(copy.deepcopy(dict(config)), schema)
    problems = list(_Validator(schema).iter_errors(read))
    if problems:
        unknown = [p for p in problems if p.validator == "additionalProperties"]  # often the cause of the rest
        raise ConfigError(_explain(unknown[0] if unknown else best_match(problems), schema))
    return read


def valid_section(section: Mapping, schema: Mapping, key: str) -> dict:
    """The same for a `section` that stands at `key`; `schema`: the section's own."""
    read = _numbers(dict(section), schema)
    if problems := list(_Validator(schema).iter_errors(read)):
        raise ConfigError(f"{key}.{_explain(best_match(problems), schema)}")
    return read


def fits(value: object, schema: Mapping) -> bool:
    """Whether `schema` allows `value`."""
    return _Validator(schema).is_valid(value)


def with_defaults(config: Mapping, schema: Mapping) -> dict:
    """A valid `config` with the defaults of `schema` for what nobody gave."""
    full = dict(config)
    for key, entry in schema["properties"].items():
        if "default" in entry and full.get(key) is None:
            full[key] = copy.deepcopy(entry["default"])
        if "properties" in entry and isinstance(full.get(key), dict):
            full[key] = with_defaults(full[key], entry)
    return full


def _check_size(value: object, key: str = "", depth: int = -1) -> None:
    """`ConfigError` for what other checks would not survive: huge numbers, and lists that hold themselves."""
    if depth > DEEPEST:
        raise ConfigError(f"{key}: found lists or maps within each other, expected {DEEPEST} levels or less")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise ConfigError(f"{key or 'config'}: found a number of {value.bit_length()} bits, expected a smaller one")
    if isinstance(value, Mapping):
        for name, content in value.items():
            _check_size(name, key, depth)
            _check_size(content, f"{key}.{key_text(name)}" if key else key_text(name), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for content in value:
            _check_size(content, key, depth + 1)


def key_text(key: object) -> str:
    """A key of a config as a message may show it, whatever it is."""
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


def _explain(problem: ValidationError, schema: Mapping) -> str:
    key = ".".join(str(part) for part in problem.absolute_path if not isinstance(part, int))
    found = f"found {shown(problem.instance)}"
    if problem.validator == "additionalProperties":
        known = list(problem.schema["properties"])
        name = next(k for k in problem.instance if k not in known)
        within = [section for section, entry in schema["properties"].items() if name in entry.get("properties", {})]
        if not key and within:
            several = " or another section" if len(within) > 1 else ""
            return f"{key_text(name)}: unknown key; did you mean {within[0]}.{name}{several}?"
        close = difflib.get_close_matches(str(name), known, n=1)
        listed = (
            f"known keys are {', '.join(known)}" if len(known) <= MOST_LISTED else "config/README.md lists all keys"
        )
        hint = f"did you mean {close[0]}?" if close else listed
        return f"{f'{key}.' if key else ''}{key_text(name)}: unknown key; {hint}"
    if problem.validator == "required":
        name = next(k for k in problem.validator_value if k not in problem.instance)
        return f"{name}: missing; {_lower(schema['properties'][name]['description'])}"
    if problem.validator == "minItems" and "x-expected" not in problem.schema:
        return f"{key}: empty, expected at least one value"
    if problem.validator == "uniqueItems":
        return f"{key}: {found}, expected each value once"
    expected = {
        "enum": lambda v: "one of " + ", ".join(map(str, v)),
        "type": lambda v: " or ".join(KINDS[kind] for kind in ([v] if isinstance(v, str) else v)),
        "minimum": lambda v: f"{v} or more",
        "maximum": lambda v: f"{v} or less",
        "exclusiveMinimum": lambda v: f"more than {v}",
        "exclusiveMaximum": lambda v: f"less than {v}",
    }.get(problem.validator, lambda v: f"{problem.validator} {v}")
    return f"{key}: {found}, expected {problem.schema.get('x-expected') or expected(problem.validator_value)}"


def _lower(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")


def _is_number(_, value) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    )


_Validator = extend(  # JSON Schema lets NaN and infinity pass as numbers; no key of a study can be either
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number)
)
