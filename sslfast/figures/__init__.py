"""The report's figures, from the analysis' tables. Each returns a matplotlib `Figure`.

Colours: cividis for the ordered fractions, vermillion for the random control (the middle of cividis
is grey), black dashes for the supervised baseline; never red against green, and never colour alone.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..analysis.checks import CELL_KEY, SUPERVISED
from ..files import replacing

__all__ = [
    "against_epochs",
    "against_unlabelled",
    "data_needed",
    "self_supervised_against_supervised",
    "time_to_threshold",
    "wall_clock",
    "write_figure",
]

STYLE = {
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
MARKERS = "osD^vPX*<>hpd8"
CROWDED = 7  # bars a panel, above which their names stand upright
METRIC_NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}


def write_figure(figure: Figure, stem: str | Path) -> None:
    """Write `<stem>.png` and `<stem>.svg`, the same bytes for the same figure."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": Path(stem).name}):
        for suffix, options in ((".png", {"dpi": 150}), (".svg", {"metadata": {"Date": None}})):
            with replacing(f"{stem}{suffix}") as scratch:
                figure.savefig(scratch, **options)
            figure.set_layout_engine(None)  # it has its layout now: both files show the same, in half the time


def against_epochs(history: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Figure:
    """Validation `metric` against epochs: a panel a labelled fraction, a line an unlabelled fraction.

    Only runs that finished: a mean over fewer seeds after one stops would jump.
    """
    figure, panels = _panels(cells, height=3.0)
    history = history.merge(cells.loc[cells.status == "ok", CELL_KEY], on=CELL_KEY)
    for panel in panels:
        part = history[(history.encoder == panel.encoder) & (history.l == panel.l)]
        for series in _series(cells):
            runs = series.of(part)
            if runs.empty:
                continue
            curve = runs.groupby("epoch")[metric].agg(["mean", "min", "max"])
            panel.axes.plot(curve.index, curve["mean"], **series.line(), lw=1.4)
            panel.axes.fill_between(curve.index, curve["min"], curve["max"], color=series.colour, alpha=0.12, lw=0)
        panel.axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if panel.last:
            panel.axes.set_xlabel("epochs")
    _finish(figure, panels, f"{METRIC_NAMES[metric]}, validation", _legend_lines(cells))
    return figure


def against_unlabelled(scores: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Figure:
    """Test `metric` against the number of unlabelled images: seeds as dots, mean and interval, baseline as band."""
    figure, panels = _panels(cells, height=3.0)
    column = f"test_{metric}"
    for panel in panels:
        rows, runs = panel.of(scores), panel.of(cells)
        baseline = rows[rows.method == SUPERVISED]
        if len(baseline):
            base = baseline.iloc[0]
            panel.axes.axhline(base["mean"], color="black", ls="--", lw=1.2, label="supervised")
            panel.axes.axhspan(base["low"], base["high"], color="black", alpha=0.08, lw=0)
        for method, marker in zip(_methods(cells), MARKERS, strict=False):
            curve = rows[rows.method.isin([method, "random"])].sort_values("u")
            dots = runs[runs.method.isin([method, "random"])]
            x, colour = _positions(curve.u), "#0072B2"
            panel.axes.plot(x, curve["mean"], marker=marker, mfc="white", ms=5, color=colour, lw=1.4, label=method)
            panel.axes.fill_between(x, curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
            panel.axes.plot(_positions(dots.u, curve.u), dots[column], ".", color=colour, alpha=0.6, ms=4)
            panel.axes.set_xticks(x, _apart(x, [_fraction(u) for u in curve.u]))
        if panel.last:
            panel.axes.set_xlabel("unlabelled fraction u (0: random encoder)")
    handles = panels[0].axes.get_legend_handles_labels()
    _finish(figure, panels, f"{METRIC_NAMES[metric]}, test", handles)
    return figure


def time_to_threshold(times: pd.DataFrame, cells: pd.DataFrame, metric: str, threshold: float) -> Figure:
    """Epochs and seconds to the threshold as bars, labelled by how many seeds got there; no bar where too few did."""
    figure, panels = _panels(cells, height=2.6, rows=("epochs", "seconds_with_pretrain"))
    for panel in panels:
        rows = panel.of(times)
        for x, series in enumerate(_series(cells)):
            row = series.of(rows)
            if row.empty:
                continue
            row = row.iloc[0]
            value = row[panel.row]
            if np.isfinite(value):
                panel.axes.bar(x, value, color=series.colour, hatch=series.hatch, edgecolor="white", width=0.8)
            height = value if np.isfinite(value) else 0
            _write_above(panel.axes, f"{row.n_reached:.0f}/{row.n_seeds:.0f}", x, height, cells)
        _name_bars(panel.axes, cells, panel.last)
    label = f"to {METRIC_NAMES[metric]} {threshold:g}"
    names = {"epochs": f"epochs {label}", "seconds_with_pretrain": f"seconds {label},\npre-training included"}
    for panel in panels:
        if panel.first:
            panel.axes.set_ylabel(names[panel.row])
    _finish(figure, panels, None, None)
    return figure


def wall_clock(scores: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Seconds of training a cell: pre-training stacked under the classifier."""
    figure, panels = _panels(cells, height=2.6)
    handles = {}
    for panel in panels:
        rows = panel.of(scores)
        for x, series in enumerate(_series(cells)):
            row = series.of(rows)
            if row.empty:
                continue
            below = row.seconds_pretrain.iloc[0]
            if not np.isfinite(below):
                continue
            handles["pre-training"] = panel.axes.bar(x, below, color="#0072B2", width=0.8)
            handles["classifier, or supervised training"] = panel.axes.bar(
                x, row.seconds_classify.iloc[0], bottom=below, color="#E69F00", hatch="//", edgecolor="white", width=0.8
            )
        _name_bars(panel.axes, cells, panel.last)
    _finish(figure, panels, "seconds of training", (list(handles.values()), list(handles)))
    return figure


def data_needed(needed: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Labelled images needed for each target accuracy by u, and unlabelled ones by l; no bar where not reached."""
    encoders, targets = sorted(cells.encoder.unique()), sorted(needed.target.unique())
    kinds = [(encoder, given) for encoder in encoders for given in ("u", "l")]
    with matplotlib.rc_context(STYLE):
        width, height = max(4.5, 3.1 * len(targets)), 2.6 * len(kinds) if targets else 2.6
        figure = Figure(figsize=(width, height), layout="constrained")
        if not targets:
            figure.text(0.5, 0.5, "no target accuracy within what the study reached", ha="center")
            return figure
        axes = figure.subplots(len(kinds), len(targets), sharey="row", squeeze=False)
        for i, (encoder, given) in enumerate(kinds):
            for j, target in enumerate(targets):
                part = needed[(needed.encoder == encoder) & (needed.target == target) & (needed.given == given)]
                _needed_bars(axes[i, j], part.rename(columns={"value": given}), given, cells)
                if given == "u":
                    name = f"accuracy {target:g}" + (f", {encoder}" if len(encoders) > 1 else "")
                    axes[i, j].set_title(name, fontsize=9)
            axes[i, 0].set_ylabel(("labelled" if given == "u" else "unlabelled") + " images needed")
    return figure


def _needed_bars(axes, part: pd.DataFrame, given: str, cells: pd.DataFrame) -> None:
    if given == "u":
        bars = [(series.of(part), series.colour, series.hatch) for series in _series(cells)]
        _name_bars(axes, cells, last=True)
    else:
        labels = sorted(cells.l.unique())
        bars = [(part[(part.l == v) & (part.method == m)], "#0072B2", "") for m in _methods(cells) for v in labels]
        axes.set_xticks(range(len(bars)), [_fraction(v) for _ in _methods(cells) for v in labels], fontsize=8)
        axes.set_xlim(-0.6, len(bars) - 0.4)
        axes.set_xlabel("labelled fraction l")
    for x, (row, colour, hatch) in enumerate(bars):
        count = row.n_needed.iloc[0] if len(row) else float("nan")
        if np.isfinite(count):
            axes.bar(x, count, color=colour, hatch=hatch, edgecolor="white", width=0.8)
            _write_above(axes, f"{count:,.0f}", x, count, cells)
        else:
            axes.annotate(
                "not reached", (x, 0), (0, 4), textcoords="offset points", rotation=90, ha="center", va="bottom",
                fontsize=7, color="#555555", annotation_clip=False,
            )  # fmt: skip


def self_supervised_against_supervised(differences: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Figure:
    """Self-supervised minus supervised by labelled fraction, paired by seed, with 95 % intervals."""
    encoders = sorted(differences.encoder.unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 0.4 + 3.2 * max(1, len(encoders))), layout="constrained")
        axes = figure.subplots(max(1, len(encoders)), 1, squeeze=False)[:, 0]
        for ax, encoder in zip(axes, encoders, strict=False):
            part = differences[differences.encoder == encoder]
            labels = sorted(part.l.unique())
            all_series = [s for s in _series(cells) if s.method != SUPERVISED]
            ax.axhline(0, color="black", ls="--", lw=1.2)
            for k, series in enumerate(all_series):
                row = series.of(part).set_index("l").reindex(labels)
                x = np.arange(len(labels)) + (k - (len(all_series) - 1) / 2) * 0.7 / len(all_series)
                errors = [row.difference - row.low, row.high - row.difference]  # NaN, too few seeds: no bar
                ax.errorbar(
                    x, row.difference, yerr=errors, fmt=series.marker, color=series.colour, capsize=3,
                    label=series.name, ms=5,
                )  # fmt: skip
            counts = part.groupby("l").n_labelled.first()
            ax.set_xticks(range(len(labels)), [f"{_fraction(v)}\n({counts[v]:,} images)" for v in labels])
            ax.set_xlim(-0.5, len(labels) - 0.5)
            ax.set_xlabel("labelled fraction l")
            ax.set_ylabel(f"test {METRIC_NAMES[metric]},\nself-supervised − supervised")
            if len(encoders) > 1:
                ax.set_title(encoder)
            handles = ax.get_legend_handles_labels()
        if encoders:
            figure.legend(*handles, loc="outside right upper", fontsize=8)
    return figure


class _Series:
    """One line or bar of a panel: the baseline, the random control, or a method at one fraction."""

    def __init__(self, method: str, u: float, colour: str, marker: str):
        self.method, self.u, self.colour, self.marker = method, u, colour, marker
        self.hatch = {SUPERVISED: "//", "random": ".."}.get(method, "")

    @property
    def name(self) -> str:
        named = {SUPERVISED: "supervised", "random": "u = 0 (random)"}
        return named.get(self.method, f"{self.method}, u = {_fraction(self.u)}")

    @property
    def short(self) -> str:
        return {SUPERVISED: "sup.", "random": "0"}.get(self.method, _fraction(self.u))

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        rows = table[table.method == self.method]
        return rows if np.isnan(self.u) else rows[rows.u == self.u]

    def line(self) -> dict:
        style = {SUPERVISED: "--", "random": ":"}.get(self.method, "-")
        return {"color": self.colour, "ls": style, "label": self.name}


def _series(cells: pd.DataFrame) -> list[_Series]:
    found = []
    if (cells.method == "random").any():
        found.append(_Series("random", 0.0, "#D55E00", "o"))
    fractions = sorted(cells.u[(cells.u > 0)].unique())
    shades = matplotlib.colormaps["cividis"](np.linspace(0.05, 0.88, max(len(fractions), 2)))
    for m, method in enumerate(_methods(cells)):
        for i, u in enumerate(fractions):
            found.append(_Series(method, u, matplotlib.colors.to_hex(shades[i]), MARKERS[(i + 1 + m) % len(MARKERS)]))
    if (cells.method == SUPERVISED).any():
        found.append(_Series(SUPERVISED, float("nan"), "#000000", "s"))
    return found


def _methods(cells: pd.DataFrame) -> list[str]:
    return sorted(set(cells.method) - {SUPERVISED, "random"}) or ["random"]


class _Panel:
    """Axes of one encoder and labelled fraction; `first` in its row, `last` in its column."""

    def __init__(self, axes, encoder: str, l: float, row: str, first: bool, last: bool):  # noqa: E741
        self.axes, self.encoder, self.l, self.row, self.first, self.last = axes, encoder, l, row, first, last

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table.encoder == self.encoder) & (table.l == self.l)]


def _panels(cells: pd.DataFrame, height: float, rows=("",)) -> tuple[Figure, list[_Panel]]:
    """A column a labelled fraction; a row an encoder and entry of `rows`."""
    labels, encoders = sorted(cells.l.unique()), sorted(cells.encoder.unique())
    kinds = [(encoder, row) for encoder in encoders for row in rows]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1 + 2.7 * len(labels), 0.6 + height * len(kinds)), layout="constrained")
        axes = figure.subplots(len(kinds), len(labels), sharey="row", squeeze=False)
    panels = []
    for i, (encoder, row) in enumerate(kinds):
        for j, label in enumerate(labels):
            count = cells.n_labelled[cells.l == label].iloc[0]
            title = f"l = {_fraction(label)} ({count:,} labels)"
            if row == rows[0]:
                axes[i, j].set_title(f"{title}\n{encoder}" if len(encoders) > 1 else title, fontsize=9)
            panels.append(_Panel(axes[i, j], encoder, label, row, first=j == 0, last=i == len(kinds) - 1))
    return figure, panels


def _finish(figure: Figure, panels: list[_Panel], ylabel: str | None, legend) -> None:
    for panel in panels:
        if panel.first and ylabel:
            panel.axes.set_ylabel(ylabel)
    if legend:
        handles, names = legend
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6), fontsize=8, frameon=False)


def _legend_lines(cells: pd.DataFrame):
    lines = [Line2D([], [], **series.line()) for series in _series(cells)]
    return lines, [line.get_label() for line in lines]


def _name_bars(axes, cells: pd.DataFrame, last: bool) -> None:
    names = [series.short for series in _series(cells)]
    crowded = len(names) > CROWDED
    axes.set_xticks(range(len(names)), names, rotation=90 if crowded else 0, fontsize=7 if crowded else 8)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.12 if crowded else 0.08)
    if last:
        axes.set_xlabel("unlabelled fraction u")


def _write_above(axes, text: str, x: float, y: float, cells: pd.DataFrame) -> None:
    rotation = 90 if len(_series(cells)) > CROWDED else 0
    axes.annotate(
        text, (x, y), (0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=7, rotation=rotation
    )


def _positions(values: pd.Series, all_values: pd.Series | None = None) -> np.ndarray:
    """Fractions on a log axis, with 0 a step to the left of the smallest that is not."""
    positive = sorted(v for v in (values if all_values is None else all_values).unique() if v > 0)
    left = np.log10(positive[0]) - 0.6 if positive else 0.0
    return np.array([np.log10(v) if v > 0 else left for v in values])


def _apart(x: np.ndarray, names: list[str], gap: float = 0.14) -> list[str]:
    """The names that fit on an axis: others than the ends become empty where closer than `gap` of its length."""
    room, kept = gap * np.ptp(x), [len(x) - 1] if len(x) else []
    for i in range(len(x) - 1):
        if all(abs(x[i] - x[k]) >= room for k in kept):
            kept.append(i)
    return [name if i in kept else "" for i, name in enumerate(names)]


def _fraction(value: float) -> str:
    return f"{value:g}"
