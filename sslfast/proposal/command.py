"""`sslfast init`: look at a folder, propose a config, write it, say what to run."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..data.identity import check_results
from ..data.looking import NoClasses
from ..errors import ConfigError, printable, shown
from ..planning.text import duration, load_line
from ..runtime.device import gpu_here
from ..study.config import check_config, read_schema
from ..study.datasets import image_shape_of
from ..study.names import names_of_folder
from ..study.study import Study
from .choices import choices_for, rungs
from .facts import facts_of
from .fitting import Fit, cores_here, fitted
from .page import as_yaml

__all__ = ["init", "seconds_of", "workflow_root"]

SCHEMA = "workflow/schemas/config.schema.yaml"
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400}
_LATER = ("dataset", "folder", "pool", "unlabelled_from")
_SMALLEST = {"dataset": "folder", "unlabelled": [0, 1], "labelled": [1]}
_NO_CLASSES = """\
Found {n} in {folder}, and no classes. A study needs a few labels: to train, to test, and to tell what more would bring.

Put some images of each class (20 or more; 3 at the very least) where their folder says what they are, and leave the
others without:

  {folder}/train/<class>/…
  {folder}/unlabelled/…

Or let them lie, and name them in a table {folder}/labels.csv, one line an image, of the others none:

  image,class
  {example},cat

Then run this again.
"""


def init(folder: str, choices: Sequence[str], time: str, output: str | None) -> int:
    """Write the config; 0, or 1 where the images have no classes yet, which is told.

    `choices`: `key=value` each; `time`: see `seconds_of`; `output`: the config's path (default, of the study's name
    under `config/`). Raises `SslfastError` for all that cannot be.
    """
    limit, given, root = seconds_of(time), _given(choices), workflow_root()
    if not Path(folder).expanduser().is_dir():
        found = "a file" if os.path.exists(folder) else "nothing"
        raise ConfigError(f"folder: found {found} at {folder}, expected a folder of images")
    schema = read_schema(root / SCHEMA)
    smallest = check_config({**_SMALLEST, "folder": folder, **given}, schema)
    target = Path(output) if output else Path("config") / f"{given.get('study') or names_of_folder(folder)[0]}.yaml"
    _check_new(target, root)
    try:
        facts = facts_of(smallest)
    except NoClasses as error:
        if not error.n_images:
            raise
        print(_without_classes(Path(folder), error.n_images), end="")
        return 1
    print("\n".join([printable(folder), *(f"  {line}" for line in facts.lines())]), flush=True)
    best = choices_for(facts, folder, given)
    study = check_config({key: choice.value for key, choice in best.items()}, schema)
    check_results(study, facts.listing)
    if sys.stderr.isatty():
        print("\nmeasuring how fast this machine is, for 10 to 30 seconds …", file=sys.stderr, flush=True)
    fit = fitted(rungs(best, facts, given, duration(limit)), facts, schema, limit)
    run, (took, *more) = _command(target, root, fit.study), _took(fit, limit)
    head = [f"Proposed by sslfast init for {folder}. It {took}", *more, "Run it with", f"  {run}"]
    head.append("What every key means: config/README.md.")
    text = as_yaml(fit.choices, head)
    check_config(yaml.safe_load(text), schema)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "x", encoding="utf-8") as file:  # never another's
        file.write(text)
    print(f"\n{target}\n")
    print("".join(f"  {line}\n" for line in text.splitlines()))
    print(" ".join([f"It {took}", *more, f"Change in it what you know better, and run\n\n  {run}\n"]))
    return 0


def seconds_of(text: str) -> float:
    """Seconds of a time as people write it: `40min`, `2h`, `1.5 h`, `1d`. Raises `ConfigError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]+)\s*", text.casefold())
    if not match or match[2] not in _UNITS or not float(match[1]):
        raise ConfigError(f"--time: found {shown(text)}, expected a time as 40min, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


def workflow_root() -> Path:
    """Where the workflow lies: this folder, or the repository that sslfast is installed from. Raises `ConfigError`."""
    here = Path.cwd()
    for root in (here, Path(__file__).resolve().parents[2]):
        if (root / "Snakefile").is_file() and (root / SCHEMA).is_file():
            return root
    raise ConfigError(
        f"found no workflow in {here} (Snakefile and workflow/), which runs studies and is not in the package; run this"
        " in a copy of sslfast's repository"
    )


def _given(choices: Sequence[str]) -> dict:
    """Keys and values as a person wrote them."""
    given = {}
    for choice in choices:
        key, equals, value = choice.partition("=")
        if not equals or not key:
            raise ConfigError(f"found {shown(choice)}, expected key=value, as seeds=3")
        if key in _LATER:
            raise ConfigError(f"{key}: given, but init knows one folder's images alone; leave it out, or add it later")
        try:
            given[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"{key}: found {shown(value)}, which is no value of YAML") from None
    return given


def _check_new(target: Path, root: Path) -> None:
    if target.exists():
        raise ConfigError(
            f"{target} is there already, and is not overwritten; run it ({_command(target, root)}), give the new one"
            " another name (--output config/….yaml), or delete it"
        )


def _without_classes(folder: Path, n: int) -> str:
    path = folder.expanduser()
    example = next((found.name for found in sorted(path.iterdir()) if found.is_file()), "IMG_0001.jpg")
    text = _NO_CLASSES.format(n=f"{n:,} images" if n > 1 else "1 image", folder=folder, example=example)
    return "".join(f"{printable(line)}\n" for line in text.splitlines())


def _command(target: Path, root: Path, study: Study | None = None) -> str:
    """What runs the config at `target` from here."""
    parts = ["snakemake", "--cores", "all"]
    parts += ["--snakefile", str(root / "Snakefile")] if root != Path.cwd() else []
    parts += ["--resources", f"gpu={study.jobs_per_gpu}"] if study and gpu_here(study.device) else []
    return shlex.join([*parts, "--configfile", str(target)])


def _took(fit: Fit, limit: float) -> list[str]:
    """How long the study will take, and how that is known, as lines."""
    if fit.seconds is None:
        return [f"takes a time that could not be measured ({fit.problem}); snakemake plan tries again."]
    how = f"{fit.slots} at once, by speeds measured on this machine"
    if fit.size != image_shape_of(fit.study)[1]:
        how += f" with images of {fit.size} pixels"
    lines = [f"takes about {duration(fit.seconds)} here ({how}).", *load_line(fit.load, cores_here())]
    if fit.seconds > limit:
        lines.append(f"No study that can tell anything fits into {duration(limit)}: this is the smallest.")
    return lines
