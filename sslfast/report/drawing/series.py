"""What figures share: the lines of a study, panels by number of labels, and the words for a setting."""

from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from ...analysis.base_nets import frozen_nets
from ...analysis.words import count, fraction, seeds
from ...study.names import RANDOM, SUPERVISED
from .style import METHOD_STYLES, STYLE, Drawing

CONTROL = "#D55E00"
MARKERS = "osD^vPX*<>hpd8"
CROWDED = 7  # bars a panel, above which their names stand upright


class Series:
    """One line or bar of a panel: the baseline, the random control, or a method at one fraction."""

    def __init__(self, method: str, u: float, colour: str, marker: str, dash, several: bool):
        self.method, self.u, self.colour, self.marker, self.dash, self.several = (
            method,
            u,
            colour,
            marker,
            dash,
            several,
        )
        self.hatch = {SUPERVISED: "//", RANDOM: ".."}.get(method, "")

    @property
    def name(self) -> str:
        named = {SUPERVISED: "supervised", RANDOM: "u = 0 (random)"}
        return named.get(self.method, f"{self.method}, u = {self.u:g}" if self.u else f"{self.method} (existing net)")

    @property
    def short(self) -> str:
        own = f"{self.method[:4]} {self.u:g}" if self.several else f"{self.u:g}"
        own = own if self.u else self.method[:8]
        return {SUPERVISED: "sup.", RANDOM: "0"}.get(self.method, own)

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        rows = table[table.method == self.method]
        return rows if np.isnan(self.u) else rows[rows.u == self.u]

    def line(self) -> dict:
        return {"color": self.colour, "ls": self.dash, "label": self.name}


def all_series(cells: pd.DataFrame) -> list[Series]:
    """The lines of a study in the order of its bars: control, methods by fraction, baseline."""
    cells = cells[["method", "u"]].drop_duplicates()
    names, found = methods(cells), []
    several = len(names) > 1
    if (cells.method == RANDOM).any():
        found.append(Series(RANDOM, 0.0, CONTROL, "o", ":", several))
    fractions = sorted(cells.u[(cells.u > 0)].unique())
    for m, method in enumerate(names):
        if method in frozen_nets(cells):
            colour, marker, dash = METHOD_STYLES[m % len(METHOD_STYLES)]
            found.append(Series(method, 0.0, colour, marker, dash, several))
    shades = matplotlib.colormaps["cividis"](np.linspace(0.05, 0.88, max(len(fractions), 2)))
    for m, method in enumerate(names):
        for i, u in enumerate(fractions):
            if ((cells.method == method) & (cells.u == u)).any():
                own, marker, dash = METHOD_STYLES[m % len(METHOD_STYLES)]
                if several:
                    colour = _lighter(own, 0.55 * (1 - (i + 1) / len(fractions)))
                else:
                    colour, marker = matplotlib.colors.to_hex(shades[i]), MARKERS[(i + 1) % len(MARKERS)]
                found.append(Series(method, u, colour, marker, dash, several))
    if (cells.method == SUPERVISED).any():
        found.append(Series(SUPERVISED, float("nan"), "#000000", "s", "--", several))
    return found


def _lighter(colour: str, share: float) -> str:
    """`colour` mixed with a `share` of white: of several methods, each keeps its own, the paler the fewer images."""
    red, green, blue = (part + share * (1 - part) for part in matplotlib.colors.to_rgb(colour))
    return matplotlib.colors.to_hex((red, green, blue))


def methods(cells: pd.DataFrame) -> list[str]:
    """The ways of pre-training; the control alone where there is no other."""
    return sorted(set(cells.method) - {SUPERVISED, RANDOM}) or [RANDOM]


class Row:
    """A row whose columns are attributes, also those named as pandas' own methods (`mean`)."""

    def __init__(self, row: pd.Series):
        self.__dict__.update(row.to_dict())


def setting(row) -> str:
    """A setting in words: who, u and l as fractions and counts. `row` has method, encoder, u, l and both counts."""
    named = {SUPERVISED: "supervised baseline", RANDOM: "random encoder (u = 0)"}
    if row.u == 0 and row.method not in named:
        named = {row.method: f"{row.method} (existing net)"}
    who = named.get(row.method) or f"{row.method}, u = {fraction(row.u)} ({count(row.n_unlabelled)} unlabelled images)"
    return f"{who}, {row.encoder} encoder; l = {fraction(row.l)} ({count(row.n_labelled)} labels)"


def score_text(row, name: str) -> str:
    """A setting with its score `mean`, interval (`low`, `high`) and number of seeds."""
    interval = f" [{row.low:.3f}, {row.high:.3f}]" if np.isfinite(row.low) else " (no interval)"
    return f"{setting(row)}: {name} {row.mean:.3f}{interval}, {seeds(int(row.n_seeds))}"


class Panel:
    """Axes of one encoder and labelled fraction; `first` in its row, `last` in its column."""

    def __init__(self, axes, encoder: str, l: float, row: str, first: bool, last: bool):  # noqa: E741
        self.axes, self.encoder, self.l, self.row, self.first, self.last = axes, encoder, l, row, first, last

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table.encoder == self.encoder) & (table.l == self.l)]


def panels(cells: pd.DataFrame, height: float, rows=("",)) -> tuple[Drawing, list[Panel]]:
    """One column per labelled fraction; one row per encoder and entry of `rows`."""
    labels, encoders = sorted(cells.l.unique()), sorted(cells.encoder.unique())
    kinds = [(encoder, row) for encoder in encoders for row in rows]
    with matplotlib.rc_context(STYLE):
        figure = Drawing(figsize=(1 + 2.7 * len(labels), 0.6 + height * len(kinds)))
        axes = figure.subplots(len(kinds), len(labels), sharey="row", squeeze=False)
    made = []
    for i, (encoder, row) in enumerate(kinds):
        for j, label in enumerate(labels):
            title = f"{count(cells.n_labelled[cells.l == label].iloc[0])} labels (l = {label:g})"
            if row == rows[0]:
                axes[i, j].set_title(f"{title}\n{encoder}" if len(encoders) > 1 else title, fontsize=9)
            made.append(Panel(axes[i, j], encoder, label, row, first=j == 0, last=i == len(kinds) - 1))
    return figure, made


def bars(made: list[Panel], table: pd.DataFrame, cells: pd.DataFrame) -> Iterator[tuple[Panel, int, Series, pd.Series]]:
    """Each bar of `made`: its panel, place, series and row of `table`; then the bars of the panel are named."""
    every = all_series(cells)
    for panel in made:
        rows = panel.of(table)
        for x, series in enumerate(every):
            row = series.of(rows)
            if len(row):
                yield panel, x, series, row.iloc[0]
        name_bars(panel.axes, every, panel.last)


def finish(figure: Drawing, panels: list[Panel], ylabel: str | None, legend) -> None:
    """Name the y axes, and put the legend (handles, names) under the panels."""
    for panel in panels:
        if panel.first and ylabel:
            panel.axes.set_ylabel(ylabel)
    if legend:
        handles, names = legend
        longest = max(map(len, names), default=0)
        columns = int(figure.get_figwidth() / (0.5 + 0.075 * longest))  # inches that a line and its name take
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(max(columns, 1), 6), fontsize=8, frameon=False
        )


def legend_lines(cells: pd.DataFrame):
    """Handles and names of all lines of a study."""
    lines = [Line2D([], [], **series.line()) for series in all_series(cells)]
    return lines, [line.get_label() for line in lines]


def name_bars(axes, every: list[Series], last: bool) -> None:
    """Name the bars of `every` series, upright where there are many."""
    names = [series.short for series in every]
    crowded = len(names) > CROWDED
    axes.set_xticks(range(len(names)), names, rotation=90 if crowded else 0, fontsize=7 if crowded else 8)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.12 if crowded else 0.08)
    if last:
        axes.set_xlabel("unlabelled fraction u")


def write_above(axes, text: str, x: float, y: float, crowded: bool) -> None:
    """Write `text` above the bar at `x` that ends at `y`, upright where it is `crowded`."""
    rotation = 90 if crowded else 0
    axes.annotate(
        text, (x, y), (0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=7, rotation=rotation
    )


def positions(values: pd.Series, all_values: pd.Series | None = None) -> np.ndarray:
    """Fractions on a log axis, with 0 a step to the left of the smallest that is not."""
    positive = sorted(v for v in (values if all_values is None else all_values).unique() if v > 0)
    left = np.log10(positive[0]) - 0.6 if positive else 0.0
    return np.array([np.log10(v) if v > 0 else left for v in values])


def apart(x: np.ndarray, names: list[str], gap: float = 0.14) -> list[str]:
    """The names that fit on an axis: others than the ends become empty where closer than `gap` of its length."""
    room, kept = gap * np.ptp(x), [len(x) - 1] if len(x) else []
    for i in range(len(x) - 1):
        if all(abs(x[i] - x[k]) >= room for k in kept):
            kept.append(i)
    return [name if i in kept else "" for i, name in enumerate(names)]
