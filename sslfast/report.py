"""The report of a study: figures, tables and one self-contained page, from the collected tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from . import figures
from .analysis.checks import SUPERVISED
from .analysis.contrasts import contrasts
from .analysis.data_needed import data_needed
from .analysis.intervals import MIN_SEEDS, mean_interval
from .analysis.scores import accuracy_targets, scores
from .analysis.tables import write_tables
from .analysis.times import time_to_threshold
from .files import replacing

__all__ = ["FIGURES", "write_report"]

SETTLED_SEEDS = 5  # below, the report calls itself exploratory

FIGURES = {  # name: heading
    "f1_against_unlabelled": "F1 against unlabelled data",
    "self_supervised_against_supervised": "Self-supervised against supervised",
    "f1_against_epochs": "F1 against epochs",
    "accuracy_against_epochs": "Accuracy against epochs",
    "time_to_threshold": "Time to the threshold",
    "wall_clock": "Wall-clock",
    "data_needed": "Data needed for a given accuracy",
}


@dataclass(frozen=True)
class Section:
    """A figure of the page: `svg` to stand inline, `caption` (claim first), `alt` for those who cannot see it."""

    name: str
    heading: str
    caption: str
    svg: str
    table: str


def write_report(
    cells: pd.DataFrame, history: pd.DataFrame, config: Mapping, folder: str | Path, images: Mapping | None = None
) -> None:
    """Write `report.html`, `figures/*.png|svg` and `tables/*.csv` under `folder`.

    `config`: the study's checked config (title, threshold, accuracy_targets). `images`: what the data
    set holds (`ImageData.summary`), for the table of how it was made. Runs that failed are
    counted and shown as missing, never a reason to stop.
    """
    folder = Path(folder)
    metric, threshold = config["threshold"]["metric"], config["threshold"]["value"]
    targets = accuracy_targets(cells, config.get("accuracy_targets"))
    tables = {
        "scores": scores(cells),
        "differences": contrasts(cells),
        "time_to_threshold": time_to_threshold(cells, history, metric, threshold),
        "data_needed": data_needed(cells, targets),
    }
    drawn = {
        "f1_against_unlabelled": figures.against_unlabelled(tables["scores"], cells, "macro_f1"),
        "self_supervised_against_supervised": figures.self_supervised_against_supervised(
            tables["differences"], cells, "macro_f1"
        ),
        "f1_against_epochs": figures.against_epochs(history, cells, "macro_f1"),
        "accuracy_against_epochs": figures.against_epochs(history, cells, "accuracy"),
        "time_to_threshold": figures.time_to_threshold(tables["time_to_threshold"], cells, metric, threshold),
        "wall_clock": figures.wall_clock(tables["scores"], cells),
        "data_needed": figures.data_needed(tables["data_needed"], cells),
    }
    for name, figure in drawn.items():
        figures.write_figure(figure, folder / "figures" / name)
    write_tables({**tables, "cells": cells, "history": history}, [folder / "tables"], kinds=["csv"])
    captions = _captions(cells, tables, metric, threshold, targets)
    shown = {
        "f1_against_unlabelled": tables["scores"],
        "self_supervised_against_supervised": tables["differences"],
        "time_to_threshold": tables["time_to_threshold"],
        "wall_clock": tables["scores"],
        "data_needed": tables["data_needed"],
    }
    sections = [
        Section(name, heading, captions[name], _inline(folder / "figures" / f"{name}.svg"), _html(shown.get(name)))
        for name, heading in FIGURES.items()
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sslfast"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        title=config["title"],
        findings=findings(cells, tables["differences"]),
        sections=sections,
        facts=_facts(cells, config, images or {}),
        missing=_missing(cells),
        exploratory=_n_seeds(cells) < SETTLED_SEEDS,
        n_seeds=_n_seeds(cells),
    )
    with replacing(folder / "report.html") as scratch:
        scratch.write_text(page, encoding="utf-8")


def findings(cells: pd.DataFrame, differences: pd.DataFrame) -> list[str]:
    """What the study found, a sentence a labelled fraction: all unlabelled images against the baseline."""
    sentences = []
    learned = differences[differences.method != "random"]
    for (encoder, label), group in learned.groupby(["encoder", "l"]):
        row = group.sort_values("u").iloc[-1]
        cell = cells[(cells.encoder == encoder) & (cells.l == label)]
        ours = mean_interval(cell[(cell.method == row.method) & (cell.u == row.u)].test_macro_f1)
        theirs = mean_interval(cell[cell.method == SUPERVISED].test_macro_f1)
        if not row.n_seeds:
            sentences.append(f"{row.n_labelled:,} labels ({encoder}): not known, no seed has both runs.")
            continue
        sentences.append(
            f"{row.n_labelled:,} labels ({encoder}): {_outcome(row)}. Macro-F1 {ours.text()} with"
            f" {row.n_unlabelled:,} unlabelled images, {theirs.text()} supervised;"
            f" difference {mean_text(row)}, {_seeds(row.n_seeds)}."
        )
    return sentences


def mean_text(row) -> str:
    """A difference with its interval, signed."""
    if row.low != row.low:
        return f"{row.difference:+z.3f} (no interval below {MIN_SEEDS} seeds)"
    return f"{row.difference:+z.3f} [{row.low:+z.3f}, {row.high:+z.3f}]"


def _outcome(row) -> str:
    if row.low > 0:
        return f"pre-training ({row.method}) helped"
    if row.high < 0:
        return "the supervised baseline was better"
    return "no difference shown"


def _captions(cells, tables, metric, threshold, targets) -> dict[str, str]:
    n, n_test = _n_seeds(cells), int(cells.n_test.max())
    name = figures.METRIC_NAMES[metric]
    base = f"{_seeds(n)}; {n_test:,} test images"
    interval = "95 % t intervals over seeds" if n >= MIN_SEEDS else "too few seeds for intervals"
    times = tables["time_to_threshold"]
    never = int((times.n_reached == 0).sum())
    best = tables["scores"].dropna(subset=["mean"]).sort_values("mean")
    learned = tables["differences"][tables["differences"].method != "random"]
    ahead, behind = int((learned.low > 0).sum()), int((learned.high < 0).sum())
    unknown = int(learned.low.isna().sum())
    top = best.iloc[-1] if len(best) else None
    top_text = (
        f"Best of the grid: {top.method} with {top.n_labelled:,} labels, macro-F1 {top['mean']:.3f}." if top is not None
        else "No run finished."
    )  # fmt: skip
    epochs = (
        "Mean over seeds, shaded from the lowest to the highest seed, on validation images; without runs that did"
        " not finish. {base}. Validation"
        " guides no choice here; test scores are in the figures above."
    )
    unreached = ", ".join(f"{target:g}" for target in targets) or "none"
    return {
        "f1_against_unlabelled": (
            f"{top_text} Dots are seeds, lines means, shading and the dashed band {interval}; {base}. It does"
            " not show what more data than the grid's would give."
        ),
        "self_supervised_against_supervised": (
            f"In {ahead} of {len(learned)} pre-trained settings the frozen encoder beat the supervised baseline, in"
            f" {behind} it lost, in {len(learned) - ahead - behind - unknown} the interval holds 0"
            + (f", in {unknown} too few seeds have both runs for an interval" if unknown else "")
            + f". Paired by seed, {interval}; {base}. Not corrected for the number of comparisons."
        ),
        "f1_against_epochs": epochs.format(base=base),
        "accuracy_against_epochs": epochs.format(base=base),
        "time_to_threshold": (
            f"{never} of {len(times)} settings never reached {name} {threshold:g} on the validation images. Bars are"
            " medians over seeds, labelled by how many seeds got there; no bar where half or fewer did. Seconds are"
            f" wall-clock on {_devices(cells)}, and differ between machines."
        ),
        "wall_clock": (
            "Mean seconds of training a cell, pre-training (shared by all labelled fractions, unless the pool is"
            f" 'rest') under the classifier; {base}, {_devices(cells)}, {int(cells.threads.max())} thread(s) a job."
            " Jobs ran side by side, so seconds do not add up to waiting time."
        ),
        "data_needed": (
            "Above, the fewest labels of the grid with which the mean test accuracy reaches each target"
            f" ({unreached}), for each unlabelled fraction; below, the fewest unlabelled images, for each labelled"
            f" fraction (0: a random encoder is enough). 'Not reached' where none of the grid does. {base}. Between"
            " the grid's fractions nothing is"
            " interpolated."
        ),
    }


def _facts(cells: pd.DataFrame, config: Mapping, images: Mapping) -> dict[str, str]:
    ok = int((cells.status == "ok").sum())
    rounded_up = int(cells.classes_rounded_up.max()) if "classes_rounded_up" in cells else 0
    notes = images.get("notes", {})
    facts = {
        "data set": f"{config['title']} ({cells.dataset.iloc[0]})",
        "runs": f"{len(cells)}, of which {ok} ok, {len(cells) - ok} failed or diverged",
        "seeds": ", ".join(str(s) for s in sorted(cells.seed.unique())),
        "pool": ", ".join(sorted(cells[cells.method != SUPERVISED].pool.unique())),
        "budget": ", ".join(sorted(cells.budget.dropna().unique())),
        "test images": f"{int(cells.n_test.max()):,}, used once a cell, at the end",
        "device": f"{_devices(cells)}, {int(cells.threads.max())} thread(s) a job, {cells.precision.iloc[0]}",
        "training time": f"{(cells.seconds_classify.sum() + _pretrain_seconds(cells)) / 60:.0f} minutes of job time",
        "code": ", ".join(sorted(cells.code_version.unique())),
        "versions": ", ".join(
            f"{c.removeprefix('version_')} {' and '.join(sorted(cells[c].dropna().unique()))}"
            for c in cells
            if c.startswith("version_")
        ),
    }
    if images:
        facts["images"] = (
            f"{images['n_labelled']:,} with labels, for training and validation, {images['n_unlabelled_only']:,}"
            f" without; {len(images['classes'])} classes; {images['image_size']} × {images['image_size']} pixels,"
            f" {images['channels']} channel(s)"
        )
    if notes.get("images_skipped"):
        some = ", ".join(notes.get("skipped", [])[:5])
        facts["images skipped"] = f"{notes['images_skipped']:,} could not be read and were left out ({some}, …)"
    if notes.get("files_ignored"):
        facts["files passed over"] = f"{notes['files_ignored']:,} that are no images in a class folder"
    if rounded_up:
        facts["rounded up"] = f"up to {rounded_up} classes got one labelled image more than their share"
    return facts


def _missing(cells: pd.DataFrame) -> list[dict]:
    rows = cells[cells.status != "ok"][["method", "encoder", "u", "l", "seed", "status", "reason"]]
    return rows.assign(u=rows.u.map("{:g}".format).replace("nan", "–"), l=rows.l.map("{:g}".format)).to_dict("records")


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n != 1 else ''}"


def _pretrain_seconds(cells: pd.DataFrame) -> float:
    key = ["encoder", "method", "u", "seed"] + (["l"] if (cells.pool == "rest").any() else [])
    return float(cells.drop_duplicates(key).seconds_pretrain.sum())


def _devices(cells: pd.DataFrame) -> str:
    return ", ".join(sorted(cells.device.unique()))


def _n_seeds(cells: pd.DataFrame) -> int:
    return int(cells.seed.nunique())


def _inline(path: Path) -> str:
    svg = path.read_text(encoding="utf-8")
    return svg[svg.index("<svg") :]


def _html(table: pd.DataFrame | None) -> str:
    if table is None:
        return ""
    # sentences are for the text, and 'never' is a dash like everything that has no number
    table = table.drop(columns="sentence", errors="ignore").replace([float("inf"), float("-inf")], float("nan"))
    return table.to_html(index=False, border=0, na_rep="–", float_format=lambda v: f"{v:.4g}", escape=True)
