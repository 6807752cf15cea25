"""Write config/README.md from the schema, so that the two cannot say different things: `make docs`."""

from pathlib import Path

from sslfast.study.config import read_schema

ROOT = Path(__file__).parents[1]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
EVERYTHING = SCHEMA["x-rules"][0]
HEAD = """# The config

`config.yaml` is the study that plain `snakemake` runs. Another one is chosen whole, not mixed with it:

```
snakemake --cores all --configfile config/cifar10-quick.yaml
snakemake --cores all --config seeds=5            # config.yaml with one key changed
```

| file | study |
| --- | --- |
| `config.yaml` | scikit-learn's handwritten digits: no download, a minute or two |
| `mnist.yaml` | MNIST |
| `cifar10-quick.yaml` | CIFAR-10, a small grid for two cores and half an hour |
| `cifar10-5seeds.yaml` | CIFAR-10, more unlabelled fractions and five seeds, for conclusions; less than an hour |
| `cifar10.yaml` | CIFAR-10, the original study's grid |
| `methods-quick.yaml` | CIFAR-10, six ways of pre-training on a tenth of it, a quarter of an hour on two cores |
| `methods.yaml` | CIFAR-10, the same with all images, evaluations and controls, up to 2.5 hours |
| `simclr-resnet18.yaml` | CIFAR-10, SimCLR with a ResNet-18 as published, for a GPU |
| `folder.yaml` | your own images, commented |

A key that is misspelt, or a value that cannot work, stops the study with one line before anything
is trained. Numbers may be written `1e-3` or `0.001`; fractions `1`, `1.0` and `"1"` are the same.

## Your own images

```
my-images/train/<class>/…     or      my-images/<class>/…     or      images anywhere and a table (`labels: labels.csv`)
my-images/test/<class>/…      (optional; else test images are split off, class by class)
my-images/valid/<class>/…     (optional; validation images, or the test images where there is no test/)
my-images/unlabelled/…        (optional, at any depth)
```

Names of these folders may be any usual ones in any case (`Training`, `val`, `dev`, `testing`, `unlabeled`, `unsup`,
`extra`), one level deeper, too, as ZIP files leave them (`seg_train/seg_train/<class>/`). Images of `test/` without
classes are unlabelled ones; so are those that the table has no class of. Unlabelled images that are copies of labelled
ones are left out. Litter of systems, archives and tools (`__MACOSX`, `@eaDir`, `lost+found`, …) is passed over.
What was found, and what is not used and why, is said before anything is trained.

Whatever Pillow reads: PNG, JPEG, TIFF, GIF, WebP, AVIF, JPEG 2000, BMP, PPM and others, told by content; HEIC with
`pip install 'sslfast[heic]'`. Grey of more than 8 bits is scaled by one range for all images: 0.1 % of the training
images' values are darker, 0.1 % brighter. Images are scaled and cropped (see `fit`) to `image_size`, once, and kept
under `data_root`; when a file is added, changed or removed they are read again. Nothing but the folder is read:
a link that leads out of it, or to another folder, stops the study with its name, unless you set `follow_links`.

A study keeps to its images. Its folder may move, grow and shrink: what that affects runs again. Other images under the
name of a study with results (another data set or folder, `image_size`, `channels` or `unlabelled_from`) stop with one
line that names the key to change. So does a data set on the command line where the config's `study` or `title` were
written for another; give it its own:

```
snakemake --cores all --config dataset=folder folder=~/pictures study=pictures title="My pictures"
```

## Keys

The last column names what a change of the key runs again: the jobs of those rules, and no others; tables (`collect`),
pictures (`examples`) and report follow whatever runs. Where it says 'new',
only boxes of the grid that were not there before; what is taken away stays on disk and leaves tables and report.
A change of `classify` reruns the baseline too, unless `supervised` has its own value; one of `pretrain` all
methods that have none of their own. Rules that a study does not have (`evaluate`, `shuffle`, `pixels`) run nothing.

"""


def readme(schema: dict) -> str:
    """The page's text."""
    rows = [HEAD + "| key | values | default | meaning | reruns |", "| --- | --- | --- | --- | --- |"]
    for key, entry in schema["properties"].items():
        required = key in schema["required"]
        rows.append(_row(key, entry, "**required**" if required else None))
        rows += [_row(f"{key}.{name}", inner, None) for name, inner in entry.get("properties", {}).items()]
    return "\n".join(rows) + "\n"


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
