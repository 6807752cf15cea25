"""What code and libraries a result was made with."""

import ast
import functools
import hashlib
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["code_version", "reading_version", "report_version", "versions"]

# a change in these rooms and files cannot change a training result
_REPORTING = ("analysis", "report")
_READING = (
    "datasets.py",
    "decoding.py",
    "elsewhere.py",
    "folder.py",
    "formats.py",
    "images.py",
    "labels.py",
    "layout.py",
    "listing.py",
    "looking.py",
    "scaling.py",
    "sources.py",
    "splits.py",
    "torchvision_sets.py",
)
_NOT_TRAINING = (
    *_REPORTING,
    "cluster",
    "planning",
    "runtime",
    "config.py",
    "encoder_store.py",
    "errors.py",
    "examples.py",
    "identity.py",
    "show.py",
)


@functools.cache
def code_version() -> str:
    """12 hexadecimal digits that change with the code that trains, but not with comments or docstrings."""
    return _digest(lambda parts: not parts & set(_NOT_TRAINING))


@functools.cache
def report_version() -> str:
    """The same for the code that makes tables and reports of the results."""
    return _digest(lambda parts: bool(parts & {*_REPORTING, "examples.py"}))


@functools.cache
def reading_version() -> str:
    """The same for the code that makes arrays of image files: what older code stored is not taken for what it makes."""
    return _digest(lambda parts: bool(parts & set(_READING)))


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for name in ("sslfast", "torch", "fastai", "torchvision", "numpy", "scikit-learn", "snakemake"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _digest(wanted: Callable[[set[str]], bool]) -> str:
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted((*root.rglob("*.py"), *root.rglob("*.j2"))):
        relative = path.relative_to(root)
        if wanted(set(relative.parts)):
            text = path.read_text(encoding="utf-8")
            digest.update(f"{relative}\0{_meaning(text) if path.suffix == '.py' else text}\0".encode())
    return digest.hexdigest()[:12]


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
