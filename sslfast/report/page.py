"""Write a study's report: the analysis once, then figures, tables, summary and one self-contained page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import pandas as pd

from ..analysis.best_arms import arms_table
from ..analysis.decision import Prices
from ..analysis.planned import planned_and_measured
from ..analysis.results import Results, Settings, analyse
from ..analysis.summary import main_table, summary
from ..analysis.tables import write_tables
from ..analysis.units import UPDATES
from ..analysis.words import LOOKING_AGAIN
from ..errors import printable
from ..files import replacing
from ..study.examples import Examples
from ..study.study import Study
from .drawing import write_figure
from .drawing.letters import Letters
from .figure import PARTS, Figure
from .figures import all_figures
from .large import few
from .made_of import made_of
from .material import NO_EXAMPLES, Material
from .original_study import beside_original
from .pieces import csv_uri, inline_svg, png_uri, table_html, table_page
from .trust import facts, missing, planned_table
from .what_next_tables import options_table, runs_table

__all__ = ["PAGES", "report_settings", "write_report"]

PAGES = {  # name: title of a table that Snakemake's report shows
    "verdict": "The verdict by number of labels",
    "what_next": "What to get next",
    "trust": "How far to trust it",
    "missing": "Runs without a result",
    "claims": "The claims of the original study",
}

LONGEST = 100  # rows of a table that stands in the page; longer ones are for taking along


@dataclass(frozen=True)
class Shown:
    """A figure of the page: `svg` to stand inline, `caption` (claim first), its numbers as `table` (HTML), and the
    addresses of its `data` and `picture`, which hold them."""

    name: str
    heading: str
    caption: str
    svg: str
    table: str
    data: str
    picture: str


def write_report(
    cells: pd.DataFrame,
    history: pd.DataFrame,
    study: Study,
    folder: str | Path,
    images: Mapping | None = None,
    examples: Examples | None = None,
    plan: Mapping | None = None,
    shorter: pd.DataFrame | None = None,
    unchecked: str = "",
    image_noise: pd.DataFrame | None = None,
) -> None:
    """Write `report.html`, `summary.md`, `figures/*.png|svg`, `tables/*.csv` and `pages/*.html` under `folder`.

    `study` gives the title and what the analysis is asked (`report_settings`). `images`: what
    the data set holds (`ImageData.summary`), to say what the study is made of. `examples`: images to show (without
    them, the page has no figures of images). `plan`: what the runs were expected to take (`read_plan`). `shorter`,
    `unchecked` and `image_noise`: see `analyse`. Runs that failed are counted and shown as missing, never a reason to
    stop.
    """
    folder = Path(folder)
    results = analyse(cells, history, report_settings(study), shorter, unchecked, image_noise)
    if examples:  # folders may have names that neither tables nor pages can hold
        examples = replace(examples, classes=tuple(map(printable, examples.classes)))
    letters = Letters.of(examples.classes if examples else ())
    with letters.drawn():
        parts = _parts(results, examples, folder / "figures", letters)
    write_tables({**results.tables, "cells": cells, "history": history}, [folder / "tables"], kinds=["csv"])
    with replacing(folder / "summary.md") as scratch:
        scratch.write_text(summary(results), encoding="utf-8")
    made = facts(results, study.title, images or {}) | letters.said()
    _write_pages(results, made, folder / "pages")
    page = _template().render(
        title=printable(study.title),
        verdict=results.verdict,
        main_table=table_html(main_table(results), row_header=True),
        ways=_ways(results),
        delta=100 * results.settings.delta,
        judged=results.judged,
        by_updates=results.unit == UPDATES,
        made_of=made_of(images or {}),
        images=[figure for part in parts if part["id"] == "made_of" for figure in part["figures"]],
        parts=[part for part in parts if part["id"] != "made_of"],
        passes=results.tables["equal_passes"].sentence.tolist(),
        advice=results.tables["what_next"].drop_duplicates(["encoder", "method"]).sentence.tolist(),
        options=table_html(options_table(results.tables["what_next"])),
        runs=table_html(runs_table(results)),
        looking_again=LOOKING_AGAIN,
        claims=table_html(_claims(results), row_header=True),
        original=table_html(beside_original(results, images or {}), row_header=True),
        facts=made,
        missing=missing(results.every),
        planned=table_html(planned_table(planned_and_measured(cells, plan)), row_header=True),
        planned_at=printable(str((plan or {}).get("made", ""))),
    )
    with replacing(folder / "report.html") as scratch:
        scratch.write_text(page, encoding="utf-8")


def report_settings(study: Study) -> Settings:
    """What the analysis is asked by `study`."""
    return Settings(
        delta=study.delta,
        threshold=study.threshold["value"],
        threshold_metric=study.threshold["metric"],
        targets=study.accuracy_targets,
        prices=Prices(**study.prices),
        judged_by=study.judged_by,
    )


def _parts(results: Results, examples: Examples | None, folder: Path, letters: Letters) -> list[dict]:
    """The parts of the page with the figures that have something to show, whose files are written to `folder`."""
    whole, (fewer, left_out) = Material(results, results, examples or NO_EXAMPLES), few(results)
    part = replace(whole, shown=fewer)
    shown: dict[str, list[Shown]] = {name: [] for name in PARTS}
    for name, figure in all_figures().items():
        if figure.says(whole):
            material = whole if figure.every else part
            shown[figure.part].append(_show(name, figure, material, "" if figure.every else left_out, folder, letters))
        else:  # nor may one of an earlier report stay
            for kind in ("png", "svg"):
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
    return [{"id": name, "heading": PARTS[name], "figures": own} for name, own in shown.items() if own]


def _show(name: str, figure: Figure, material: Material, left_out: str, folder: Path, letters: Letters) -> Shown:
    write_figure(figure.draw(material), folder / name)
    if letters.lacking:  # a browser has more fonts, so drawings keep the names
        named = replace(material.examples, classes=letters.names)
        write_figure(figure.draw(replace(material, examples=named)), folder / name, [".png"])
    numbers = figure.numbers(material)
    return Shown(
        name=name,
        heading=figure.heading,
        caption=figure.caption(material) + left_out,
        svg=inline_svg(folder / f"{name}.svg", figure.heading, f"caption-{name}"),
        table=table_html(numbers) if len(numbers) <= LONGEST else "",
        data=csv_uri(numbers),
        picture=png_uri(folder / f"{name}.png"),
    )


def _write_pages(results: Results, made: Mapping[str, str], folder: Path) -> None:
    tables = {
        "verdict": main_table(results),
        "what_next": options_table(results.tables["what_next"]),
        "trust": pd.DataFrame(made.items(), columns=["what", "is"]),
        "missing": pd.DataFrame(missing(results.every)),
        "claims": _claims(results),
    }
    for name, table in tables.items():
        if table.empty:  # nor may one of an earlier report stay
            (folder / f"{name}.html").unlink(missing_ok=True)
            continue
        with replacing(folder / f"{name}.html") as scratch:
            scratch.write_text(table_page(PAGES[name], table), encoding="utf-8")


def _ways(results: Results) -> str:
    """All ways to spend the labels, where an existing net is one of them."""
    return table_html(arms_table(results.tables["arms"]), row_header=True) if "arms" in results.tables else ""


def _claims(results: Results) -> pd.DataFrame:
    claims = results.tables["claims"].rename(columns={"outcome": "here"})
    several = len(claims.drop_duplicates(["encoder", "method"])) > 1
    return claims[["claim", *["encoder", "method"] * several, "here", "evidence"]]


def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("sslfast.report")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2")
