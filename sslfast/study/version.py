"""What code and libraries a result was made with.

Code is told by what a stage imports: an edit to one method changes what that method made, and nothing else.
"""

import ast
import functools
import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .datasets import NAMED
from .encoder_names import encoders
from .methods import methods
from .names import RANDOM, SHUFFLED, SUPERVISED
from .source import Source
from .stage_table import STAGES

__all__ = ["code_version", "file_version", "reading_version", "report_version", "versions"]

ROOT = Path(__file__).parents[1]
# The files whose imports are a stage's code. A cell's are `_CELL`, and the files of its method and encoder.
_STAGES = {
    "split": ("data/splits.py",),
    "pretrain": ("stages/pretraining.py",),
    SUPERVISED: ("stages/classifying.py",),
    "pixels": ("stages/probing.py",),
}
_CELL = ("stages/classifying.py", *_STAGES["pretrain"])
_READING = ("data/datasets.py", "data/splits.py")
_REPORTING = ("analysis", "report")
# These cannot change a training result: what surrounds a job, what reads results, which jobs there are and what they
# are called, what errors say. What methods and encoders declare is code of their own files.
_NOT_TRAINING = (
    *_REPORTING, "cluster", "planning", "runtime", "__init__.py", "errors.py", "study/arms.py", "study/config.py",
    "study/encoder_names.py", "study/grid.py", "study/methods.py", "study/own.py", "study/schema.py",
    "study/shorter.py", "study/source.py", "study/stage_table.py", "study/study.py", "study/version.py",
)  # fmt: skip


@functools.cache
def code_version(stage: str | None = None, method: str | None = None, encoder: str | None = None) -> str:
    """12 hexadecimal digits that change with the code that a run depends on, but not with comments or docstrings.

    `stage`: the run's, None for all code that trains; `method`: the one that made its encoder (not the name of a
    variant), and `encoder`: what that is called, where it has any. A cell depends on the code that made its encoder,
    too. Imports count wherever they stand, also within functions; what is loaded by name, as methods, encoders and
    evaluations are, is looked up. A person's own code is not included (see `own_code`).
    """
    if stage is None:
        return _digest(path for path in _all_files() if not path.startswith(_NOT_TRAINING))
    roots = [*_STAGES.get(stage, _CELL)]
    kind = methods().get((method or RANDOM).removeprefix(SHUFFLED))
    if kind and stage != SUPERVISED:
        roots += _file_of_source(kind.learner)
    if encoder and (net := encoders().get(encoder.partition("_x")[0])):
        roots += _file_of_source(net.source)
    if stage in STAGES and STAGES[stage].scores:
        roots += _file_of_source(Source(*STAGES[stage].scores.split(":")))
    return _digest(_closure(tuple(roots)))


@functools.cache
def report_version() -> str:
    """The same for the code that makes tables and reports of the results."""
    beside = ("/examples.py", "data/found.py")
    files = [path for path in _all_files() if path.startswith(_REPORTING) or path.endswith(beside)]
    return _digest(files)


@functools.cache
def reading_version() -> str:
    """The same for the code that makes arrays of image files, so that arrays that older code stored are made anew."""
    loaders = [file for entry in NAMED.values() for file in _file_of_source(entry.loader)]
    return _digest(_closure((*_READING, *loaders)))


def file_version(path: str | Path) -> str:
    """The same for a single Python file, wherever it lies: it changes with what the file does, not with comments."""
    return _file_digest(path)[:12]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for name in ("sslfast", "torch", "fastai", "torchvision", "numpy", "scikit-learn", "snakemake"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _digest(files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{_content(name)}\0".encode())
    return digest.hexdigest()[:12]


def _file_digest(path: str | Path) -> str:
    return hashlib.sha256(_meaning(Path(path).read_text(encoding="utf-8")).encode()).hexdigest()


@functools.cache
def _content(name: str) -> str:
    """Of Python its digest, of a template the text."""
    return _file_digest(ROOT / name) if name.endswith(".py") else (ROOT / name).read_text(encoding="utf-8")


def _all_files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in (*ROOT.rglob("*.py"), *ROOT.rglob("*.j2"))]


@functools.cache
def _closure(roots: tuple[str, ...]) -> frozenset[str]:
    """The package's files that those of `roots` import, directly or through others, and `roots`."""
    found, ahead = set(), list(roots)
    while ahead:
        if (name := ahead.pop()) not in found and not name.startswith(_NOT_TRAINING):
            found.add(name)
            ahead += _imports(name)
    return frozenset(found)


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """The package's files that the file `name` imports from."""
    found = []
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.ImportFrom):
            if (module := _module(name, node)) is not None:
                for alias in node.names:
                    found += _defined_in(module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == ROOT.name:
                    found += _file_of(alias.name.split(".")[1:])
    return tuple(dict.fromkeys(found))


def _module(name: str, node: ast.ImportFrom) -> list[str] | None:
    """The parts of the module, within the package, that `node` in the file `name` imports from."""
    parts = node.module.split(".") if node.module else []
    if node.level:
        above = name.split("/")[: -node.level]
        return [*above, *parts]
    return parts[1:] if parts[:1] == [ROOT.name] else None


def _defined_in(module: list[str], name: str) -> list[str]:
    """The file that defines `name` of `module`: a module in it, or the one that its `__init__` imports it from."""
    if inner := _file_of([*module, name]):
        return inner
    file = next(iter(_file_of(module)), "")
    if not file.endswith("__init__.py"):
        return [file] if file else []
    for node in _tree(file).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            original = next(alias.name for alias in node.names if name == (alias.asname or alias.name))
            if (source := _module(file, node)) is not None:
                return _defined_in(source, original)
    return [file]


def _file_of(parts: list[str]) -> list[str]:
    path = "/".join(parts)
    return [name for name in (f"{path}.py", f"{path}/__init__.py".lstrip("/")) if (ROOT / name).is_file()][:1]


def _file_of_source(source: Source) -> list[str]:
    """The package's file that `source` is in; none for one from elsewhere."""
    package, *below = source.place.split(".")
    return _file_of(below) if package == ROOT.name else []


@functools.cache
def _tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
