"""Code by name, `module:name` or `file.py:name`, read as text: what it declares is known without importing it."""

import ast
import functools
import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ConfigError, one_line, shown

__all__ = ["Definition", "Source", "declared", "definitions"]

_NAME = re.compile(r"[A-Za-z_]\w{0,59}", re.ASCII)


@dataclass(frozen=True)
class Definition:
    """A class or function as its file defines it. `parameters`: its own or those of `__init__`; None where unknown.

    `any_more`: whether it takes any others, too (`**kwargs`); `marks`: its decorators' keywords, by the decorator's
    name.
    """

    name: str
    parameters: tuple[str, ...] | None
    any_more: bool
    marks: dict[str, dict]


@dataclass(frozen=True)
class Source:
    """Where a class or function is: `attribute` of `place`, the path of a file or the name of a module."""

    place: str
    attribute: str

    @classmethod
    def of(cls, text: object, key: str, beside: str | Path = ".") -> "Source":
        """What `text` names, `my_nets.py:Small` (a path from the folder `beside`) or `my_package.nets:Small`.

        Raises `ConfigError`, which begins with `key`, if there is no such file, module or name in it. Nothing is
        imported for that.
        """
        place, _, attribute = str(text).rpartition(":")
        file = place.endswith(".py")
        stem = Path(place).stem if file else place
        if not _NAME.fullmatch(attribute) or not all(_NAME.fullmatch(part) for part in stem.split(".")):
            raise ConfigError(
                f"{key}: found {shown(text)}, expected file.py:name or module:name, of letters, digits, _"
            )
        found = cls(str((Path(beside) / Path(place).expanduser()).absolute()) if file else place, attribute)
        try:
            names = _bound(found.path.read_text(encoding="utf-8"))
        except (OSError, ModuleNotFoundError):
            where = f"file {found.place}" if file else f"module {place} (install it, or name a file: my_file.py:name)"
            raise ConfigError(f"{key}: found {shown(text)}, but there is no {where}") from None
        except (SyntaxError, ValueError) as error:
            reason = f"{found.place} cannot be read ({one_line(error)})"
            raise ConfigError(f"{key}: found {shown(text)}, but {reason}") from None
        if attribute not in names:
            known = ", ".join(name for name in names if not name.startswith("_"))[:200] or "no public names"
            raise ConfigError(f"{key}: found {shown(text)}, but {found.place} has no {attribute}; it has {known}")
        return found

    @property
    def name(self) -> str:
        """What it is called in grids, records and names of files: `my_nets.Small`."""
        return f"{Path(self.place).stem if self._is_file else self.place}.{self.attribute}"

    @property
    def text(self) -> str:
        """`place:attribute`, which `of` reads."""
        return f"{self.place}:{self.attribute}"

    @property
    def path(self) -> Path:
        """The file that it is in. Raises `ModuleNotFoundError`."""
        return Path(self.place) if self._is_file else _file_of(self.place)

    @property
    def definition(self) -> Definition:
        """Its definition, read from its file."""
        found = definitions(self.path)
        return next((d for d in found if d.name == self.attribute), Definition(self.attribute, None, True, {}))

    @property
    def digest(self) -> str:
        """8 hexadecimal digits that change with the code of its file; for a module, with any file of its package.

        Comments do not change them.
        """
        return _digest(tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in self._files()))

    def load(self) -> Any:
        """The class or function itself; its file or module is imported. Raises `ConfigError`."""
        try:
            module = _import_file(self.path, self.digest) if self._is_file else importlib.import_module(self.place)
            return getattr(module, self.attribute)
        except Exception as error:  # whatever the code of others raises
            raise ConfigError(f"{self.text}: cannot be imported ({one_line(error)}); mend it and run again") from error

    @property
    def _is_file(self) -> bool:
        return self.place.endswith(".py")

    def _files(self) -> list[Path]:
        if self._is_file or "." not in self.place:
            return [self.path]
        top = importlib.util.find_spec(self.place.partition(".")[0])
        folders = top.submodule_search_locations if top else None
        return sorted(path for folder in folders or () for path in Path(folder).rglob("*.py"))


def definitions(path: Path) -> tuple[Definition, ...]:
    """The classes and functions of the file at `path`, in order. Nothing is imported."""
    return _definitions(path, path.stat().st_mtime_ns)


def declared(package: str, mark: str) -> dict[str, tuple[Source, Definition]]:
    """The definitions marked `@mark(…)` in the files of `package`, by the name that the mark gives them, or their own.

    `package.__path__` may name further folders. Packages above it are imported, its modules are not.
    """
    spec = importlib.util.find_spec(package)
    return _declared(package, tuple(spec.submodule_search_locations or ()) if spec else (), mark)


@functools.cache
def _declared(package: str, folders: tuple[str, ...], mark: str) -> dict[str, tuple[Source, Definition]]:
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.py")):
            for definition in definitions(path):
                if mark in definition.marks:
                    name = definition.marks[mark].get("name") or definition.name
                    found[name] = Source(f"{package}.{path.stem}", definition.name), definition
    return dict(sorted(found.items()))


@functools.cache
def _definitions(path: Path, _mtime: int) -> tuple[Definition, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(_definition(node) for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))


def _definition(node: ast.ClassDef | ast.FunctionDef) -> Definition:
    marks = {}
    for mark in node.decorator_list:
        name, given = (mark.func, mark.keywords) if isinstance(mark, ast.Call) else (mark, [])
        if isinstance(name, ast.Name):
            first = {"name": mark.args[0]} if isinstance(mark, ast.Call) and mark.args else {}
            values = {**first, **{k.arg: k.value for k in given if k.arg}}
            marks[name.id] = {key: _value(value) for key, value in values.items()}
    if isinstance(node, ast.ClassDef):
        call = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    else:
        call = node
    if call is None:
        return Definition(node.name, None, True, marks)
    arguments = call.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    own = names[1:] if isinstance(node, ast.ClassDef) else names
    return Definition(node.name, tuple(own), bool(arguments.kwarg or arguments.vararg), marks)


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:  # no literal
        return None


def _bound(text: str) -> list[str]:
    """The names that the code `text` defines or imports at its top level."""
    names: dict[str, None] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = None
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= dict.fromkeys(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names |= dict.fromkeys(target.id for target in node.targets if isinstance(target, ast.Name))
    return list(names)


def _file_of(module: str) -> Path:
    """The file of an installed `module`; no package above it is imported to find it."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    if not below:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        place = Path(folder).joinpath(*below)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    raise ModuleNotFoundError(module)


@functools.cache
def _digest(files: Sequence[tuple[Path, int, int]]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(f"{path.name}\0{ast.dump(ast.parse(path.read_text(encoding='utf-8')))}\0".encode())
    return digest.hexdigest()[:8]


def _import_file(path: Path, digest: str) -> ModuleType:
    """The module of a file, imported once for each state of its code, under a name that no other module has."""
    name = f"sslfast_own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{digest}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no file of Python code")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # as dataclasses and pickle look there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
