"""Hooks of mkdocs (`make docs`): pages from outside docs/, links for files and site, the API's names."""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = {  # pages that stay where people look for them
    "config/README.md": "config.md",
    "reports/README.md": "files.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    for path, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, **_):
    """Links lead to pages of the site; the text of one to anything else, which is a file, stays."""
    name = page.file.src_uri
    folder = next((posixpath.dirname(path) for path, as_ in OUTSIDE.items() if as_ == name), "docs")

    def lead(link: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        target = OUTSIDE.get(target, posixpath.relpath(target, "docs"))
        return f"]({target}{link[2] or ''})" if not target.startswith("..") else "]"

    return LINK.sub(lead, markdown).replace("<!-- public names -->", _api())


def _api() -> str:
    """A heading, signature and docstring for each public name, read from the source without importing it."""
    body = ast.parse((ROOT / "sslfast/__init__.py").read_text(encoding="utf-8")).body
    public = next(s.value for s in body if isinstance(s, ast.Assign) and s.targets[0].id == "_PUBLIC")
    return "\n\n".join(f"::: {module}.{name}" for name, module in sorted(ast.literal_eval(public).items()))
