"""Write a study's report: the analysis once, then figures, tables, summary and one self-contained page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from .. import figures
from ..analysis.card import card
from ..analysis.checks import SUPERVISED
from ..analysis.decision import Prices
from ..analysis.results import Results, Settings, analyse, main_table, summary
from ..analysis.tables import write_tables
from ..files import replacing
from .captions import captions
from .html import inline_svg, table_html
from .trust import facts, missing

__all__ = ["FIGURES", "write_report"]

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
    """A figure of the page: `svg` to stand inline, `caption` (claim first), and the `table` behind it (HTML)."""

    name: str
    heading: str
    caption: str
    svg: str
    table: str


def write_report(
    cells: pd.DataFrame, history: pd.DataFrame, config: Mapping, folder: str | Path, images: Mapping | None = None
) -> None:
    """Write `report.html`, `summary.md`, `figures/*.png|svg` and `tables/*.csv` under `folder`.

    `config`: the study's checked config (title, threshold, accuracy_targets, delta, prices). `images`: what the data
    set holds (`ImageData.summary`), for the table of how it was made. Runs that failed are
    counted and shown as missing, never a reason to stop.
    """
    folder = Path(folder)
    results = analyse(cells, history, settings_of(config))
    drawn = draw(results, history)
    for name, figure in drawn.items():
        figures.write_figure(figure, folder / "figures" / name)
    write_tables({**results.tables, "cells": cells, "history": history}, [folder / "tables"], kinds=["csv"])
    with replacing(folder / "summary.md") as scratch:
        scratch.write_text(summary(results), encoding="utf-8")
    texts, shown = captions(results), _behind(results)
    sections = [
        Section(name, heading, texts[name], inline_svg(folder / f"figures/{name}.svg"), table_html(shown.get(name)))
        for name, heading in FIGURES.items()
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sslfast"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        title=config["title"],
        card=card(results.cells, results.tables, results.settings.delta),
        main_table=table_html(main_table(results), row_header=True),
        delta=100 * results.settings.delta,
        sections=sections,
        next_sentences=results.tables["what_next"].drop_duplicates(["encoder", "method"]).sentence.tolist(),
        claims=results.tables["claims"].to_dict("records"),
        facts=facts(cells, config, images or {}),
        missing=missing(cells),
    )
    with replacing(folder / "report.html") as scratch:
        scratch.write_text(page, encoding="utf-8")


def settings_of(config: Mapping) -> Settings:
    """What the analysis is asked by a study's config."""
    return Settings(
        delta=config.get("delta", Settings.delta),
        threshold=config["threshold"]["value"],
        threshold_metric=config["threshold"]["metric"],
        targets=config.get("accuracy_targets"),
        prices=Prices(**(config.get("prices") or {})),
    )


def draw(results: Results, history: pd.DataFrame) -> dict[str, figures.Figure]:
    """Each of `FIGURES` by its name."""
    cells, tables, s = results.cells, results.tables, results.settings
    against = tables["contrasts"][tables["contrasts"].against == SUPERVISED]
    times = tables["time_to_threshold"]
    return {
        "f1_against_unlabelled": figures.against_unlabelled(tables["scores"], cells, "macro_f1"),
        "self_supervised_against_supervised": figures.self_supervised_against_supervised(against, cells, "macro_f1"),
        "f1_against_epochs": figures.against_epochs(history, cells, "macro_f1"),
        "accuracy_against_epochs": figures.against_epochs(history, cells, "accuracy"),
        "time_to_threshold": figures.time_to_threshold(times, cells, s.threshold_metric, s.threshold),
        "wall_clock": figures.wall_clock(tables["scores"], cells),
        "data_needed": figures.data_needed(tables["data_needed"], cells),
    }


def _behind(results: Results) -> dict[str, pd.DataFrame]:
    tables = results.tables
    return {
        "f1_against_unlabelled": tables["scores"],
        "self_supervised_against_supervised": tables["contrasts"],
        "time_to_threshold": tables["time_to_threshold"],
        "wall_clock": tables["scores"],
        "data_needed": tables["data_needed"],
    }
