"""Write config/README.md from the schema, so that the two cannot say different things: `make docs`."""

from pathlib import Path

from sslfast.study.config import read_schema

ROOT = Path(__file__).parents[1]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
EVERYTHING = SCHEMA["x-rules"][0]
STUDIES = (
    "config.yaml",
    "folder.yaml",
    "mnist.yaml",
    "cifar10-quick.yaml",
    "cifar10-5seeds.yaml",
    "cifar10.yaml",
    "methods-quick.yaml",
    "methods.yaml",
    "simclr-resnet18.yaml",
    "base-nets.yaml",
    "tuned-net.yaml",
)
HEAD = """# The config

`config.yaml` is the study that plain `snakemake` runs. Another one is chosen whole, not mixed with it:

```
snakemake --cores all --configfile config/cifar10-quick.yaml
snakemake --cores all --config seeds=5            # config.yaml with one key changed
```

| file | study |
| --- | --- |
"""
AFTER_STUDIES = """
Times are those that `snakemake plan` tells on two cores; it tells them for your machine, too.

A key that is misspelt, or a value that cannot work, stops the study with one line before anything
is trained. Numbers may be written `1e-3` or `0.001`; fractions `1`, `1.0` and `"1"` are the same.

## Your own images

How the folder is laid out: [the tutorial](../docs/tutorial.md#1-a-folder).

A study keeps to its images. Its folder may move, grow and shrink: what that affects runs again. Other images under the
name of a study with results (another data set or folder, `image_size`, `channels` or `unlabelled_from`) stop with one
line that names the key to change. So does a folder or data set on the command line where the config's `study` or
`title` were written for another.

```
sslfast init ~/pictures                                   # looks at them, and writes config/pictures.yaml with reasons
snakemake --cores all --config folder=~/pictures          # or at once, with the settings of folder.yaml
```

## Keys

The last column names what a change of the key runs again: the jobs of those rules, and no others; tables (`collect`),
pictures (`examples`) and report follow whatever runs. Where it says 'new',
only boxes of the grid that were not there before; what is taken away stays on disk and leaves tables and report.
A change of `classify` reruns the baseline too, unless `supervised` has its own value; one of `pretrain` all
methods that have none of their own. `classify` does all
evaluations; a change of what one of them is told (`linear`, `knn`, `finetune`, `classify.views`) reruns that one alone.
Rules that a study does not have (`shuffle`, `pixels`) run nothing.

"""


def readme(schema: dict) -> str:
    """The page's text."""
    rows = [
        HEAD + _studies() + AFTER_STUDIES + "| key | values | default | meaning | reruns |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, entry in schema["properties"].items():
        required = key in schema["required"]
        rows.append(_row(key, entry, "**required**" if required else None))
        rows += [_row(f"{key}.{name}", inner, None) for name, inner in entry.get("properties", {}).items()]
    return "\n".join(rows) + "\n"


def _studies() -> str:
    """A row a config file: its first line, which is a comment, says what it is."""
    first = {name: (ROOT / "config" / name).read_text(encoding="utf-8").split("\n", 1)[0] for name in STUDIES}
    return "".join(f"| `{name}` | {line.removeprefix('# ').rstrip('.')} |\n" for name, line in first.items())


def _row(key: str, entry: dict, default: str | None) -> str:
    if default is None:
        plain = "default" in entry and entry["default"] is not None and entry["default"] != {}
        default = f"`{_text(entry['default'])}`" if plain else ""
    return f"| `{key}` | {_values(entry)} | {default} | {entry['description']} | {_reruns(entry)} |"


def _reruns(entry: dict) -> str:
    """Which rules run again; nothing is said of a key that only holds others."""
    if "x-reruns" not in entry:
        return ""
    rules = entry["x-reruns"]
    text = "everything" if rules == EVERYTHING else ", ".join(_without_end(rules)) or "nothing"
    return f"new: {text}" if entry.get("x-grid") else text


def _without_end(rules: list[str]) -> list[str]:
    """The tables and the report follow everything else: said once, above."""
    return rules if rules == ["report"] else [rule for rule in rules if rule not in ("collect", "examples", "report")]


def _values(entry: dict) -> str:
    if "enum" in entry:
        return ", ".join(f"`{_text(v)}`" for v in entry["enum"])
    if "x-expected" in entry:
        return entry["x-expected"]
    kinds = entry.get("type", "")
    names = {"object": "keys below", "array": "list", "integer": "whole number", "string": "text"}
    text = " or ".join(names.get(k, k) for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null")
    items = entry.get("items", {}).get("enum")
    if items:
        text += " of " + ", ".join(f"`{v}`" for v in items)
    bounds = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    limits = [
        f"{sign} {entry[name]}" for name, sign in bounds.items() if name in entry and kinds != ["array", "integer"]
    ]
    return text + (", " + ", ".join(limits) if limits else "")


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


if __name__ == "__main__":
    text = readme(SCHEMA)
    (ROOT / "config/README.md").write_text(text, encoding="utf-8")
