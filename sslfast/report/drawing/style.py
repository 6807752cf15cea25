"""How every figure looks, and how it is written: a picture, and a drawing whose points say what they are.

Colours: Okabe and Ito's for methods, with a marker and a dash each; cividis for ordered fractions; vermillion for the
random control and black dashes for the supervised baseline; never red against green, never colour alone.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...files import replacing

__all__ = ["METHOD_STYLES", "METRIC_NAMES", "STYLE", "Drawing", "short", "write_figure"]

STYLE: dict[Any, Any] = {  # keys of matplotlib's rcParams, whose type older versions lack
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "legend.frameon": False,
}
METRIC_NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}
METHOD_STYLES = [  # colour, marker, dash; no two of the first four are told apart by red against green
    ("#0072B2", "o", "-"),
    ("#E69F00", "s", (0, (6, 1.5))),
    ("#CC79A7", "D", (0, (3, 1, 1, 1))),
    ("#56B4E9", "^", (0, (1, 1))),
    ("#F0E442", "v", (0, (8, 2, 2, 2))),
    ("#009E73", "P", (0, (2, 2))),
    ("#882255", "X", (0, (4, 1))),
    ("#999999", "<", (0, (1, 3))),
]
LONG = re.compile(r"(\.\d\d)\d+")  # digits of coordinates that nobody can see
REFERENCE = re.compile(r"#([\w.-]+)")
DPI = 150  # of a picture
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


class Drawing(Figure):
    """A figure whose points and bars carry a text that a reader gets who hovers over them or tabs to them."""

    def __init__(self, **options):
        super().__init__(**options, layout="constrained")
        self.notes: dict[str, list[str]] = {}

    def note(self, artist: Artist, texts: Sequence[str]) -> None:
        """Say `texts` of `artist`: one of a bar or line, or one for each marker of a line of markers."""
        name = f"note-{len(self.notes)}"
        artist.set_gid(name)
        self.notes[name] = list(texts)


def short(name: str, length: int = 14) -> str:
    """A class name that fits beside a picture, and that matplotlib does not take for a formula."""
    name = "".join(c if c.isprintable() else " " for c in name)
    return (name if len(name) <= length else name[: length - 1] + "…").replace("$", r"\$")


def write_figure(figure: Figure, stem: str | Path, kinds: Sequence[str] = (".png", ".svg")) -> None:
    """Write `<stem>.png` and `<stem>.svg`, the same bytes for the same figure."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": Path(stem).name}):
        of_kind: dict[str, dict[str, Any]] = {".png": {"dpi": DPI}, ".svg": {"metadata": {"Date": None}}}
        _lay_out(figure)
        for suffix in kinds:
            with replacing(f"{stem}{suffix}") as scratch:
                figure.savefig(scratch, **of_kind[suffix])
                if suffix == ".svg":
                    scratch.write_text(_with_notes(scratch, getattr(figure, "notes", {})), encoding="utf-8")


def _lay_out(figure: Figure) -> None:
    """Give the figure its layout, that of its picture, once: matplotlib makes one by drawing all of it in vain."""
    if (engine := figure.get_layout_engine()) is not None:
        FigureCanvasAgg(figure)
        figure.set_dpi(DPI)
        engine.execute(figure)
        figure.set_layout_engine(None)


def _with_notes(path: Path, notes: dict[str, list[str]]) -> str:
    """The drawing at `path` with its notes as titles, and without names that nothing refers to."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.parse(path).getroot()  # noqa: S314 - our own drawing, of a moment ago
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    named = {found: element for element in root.iter() if (found := element.get("id"))}
    for name, texts in notes.items():
        group = named[name]
        markers = group.findall(f".//{{{SVG}}}use")
        for element, text in zip(markers if len(markers) == len(texts) else [group], texts, strict=False):
            element.set("class", "point")
            element.set("role", "img")
            element.set("tabindex", "0")
            element.set("aria-label", text)
            title = ElementTree.Element(f"{{{SVG}}}title")
            title.text = text
            element.insert(0, title)
    for line in root.iter(f"{{{SVG}}}path"):
        line.set("d", LONG.sub(r"\1", line.get("d", "").replace("\n", "")))
    used = set(REFERENCE.findall(ElementTree.tostring(root, encoding="unicode")))
    for name, element in named.items():
        if name not in used:
            del element.attrib["id"]
    return ElementTree.tostring(root, encoding="unicode") + "\n"
