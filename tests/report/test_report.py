"""The report is one page that needs nothing else, tells what is missing, and shows no more than was found."""

import base64
import functools
import io
import math
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from builders import BATCH, UPDATES, examples_of, grid, noise, realistic, run_record, tables
from grids import checked
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from sklearn.datasets import load_digits

from sslfast.analysis.code import code_now
from sslfast.analysis.data_needed import data_needed
from sslfast.analysis.results import Settings, analyse
from sslfast.analysis.scores import scores
from sslfast.analysis.times import time_to_threshold
from sslfast.analysis.units import unit_of
from sslfast.errors import ConfigError
from sslfast.report import figures
from sslfast.report.drawing import write_figure
from sslfast.report.drawing.training import in_training
from sslfast.report.figures import (
    all_figures,
    f1_against_unlabelled,
    score_map,
    self_supervised_against_supervised,
    wall_clock,
)
from sslfast.report.figures import (
    data_needed as needed_figure,
)
from sslfast.report.figures import (
    time_to_threshold as time_figures,
)
from sslfast.report.page import PAGES, write_report

LOST = "a loss was not finite in epoch 2"
STUDY = checked(title="Digits")
TABLES = {"scores", "contrasts", "plateau", "label_equivalence", "surface", "what_next", "cells_to_run", "claims"}
TABLES |= {
    "unusual",
    "still_rising",
    "time_to_threshold",
    "data_needed",
    "cells",
    "history",
    "controls",
    "evaluations",
    "evaluation_order",
    "length_check",
    "equal_passes",
}
SMALL = {"us": ["0", "1"], "ls": ["0.5"]}
TWELVE = ["0", "0.01", "0.03", "0.05", "0.07", "0.09", "0.1", "0.3", "0.5", "0.7", "0.9", "1"]


def one_diverged(**run):
    return LOST if (run["seed"], run["u"]) == (1, 1) else realistic(**run)


EDGES = {
    "five seeds": grid(realistic, us=["0", "0.1", "1"], ls=["0.05", "0.5"], seeds=range(5), seconds_pretrain=600),
    "one seed": grid(realistic, seeds=[0], **SMALL),
    "two seeds": grid(realistic, seeds=[0, 1], **SMALL),
    "a diverged run and a missing cell": grid(one_diverged, **SMALL)[1:],
    "a single unlabelled fraction": grid(realistic, us=["1"], ls=["0.5"]),
    "only the control": grid(realistic, us=["0"], ls=["0.5"]),
    "no baseline": grid(realistic, baseline=False, **SMALL),
    "identical scores that never reach the threshold": grid(lambda **_: 0.201, **SMALL),
    "no score above 0": grid(lambda **_: 0.0, **SMALL),
    "no score below 1": grid(lambda **_: 1.0, **SMALL),
    "scores of 0 and 1": grid(lambda u, seed, **_: LOST if seed == u == 1 else float(seed == 0), **SMALL),
    "all reach it in the first epoch": grid(lambda **_: 0.8, epochs=1, **SMALL),
    "no control": grid(realistic, us=["0.1", "1"], ls=["0.5"]),
    "several encoders": grid(realistic, encoders=["original", "conv"], **SMALL),
    "pool rest": grid(realistic, pool="rest", us=["0", "1"], ls=["0.05", "0.5"], seconds_pretrain=600),
    "nothing lasted an epoch": grid(lambda **_: LOST, curve=[], **SMALL),
    "a budget of updates": grid(realistic, us=["0", "0.1", "1"], ls=["0.02", "0.5"], budget="updates", epochs=40),
}

# figures that have nothing to show in one of these studies
NOTHING_TO_SAY = {
    "a single unlabelled fraction": {"against_controls"},
    "only the control": {
        "self_supervised_against_supervised",
        "against_controls",
        "score_map",
        "embeddings",
        "reconstructions",
    },
    "no baseline": {"self_supervised_against_supervised"},
    "identical scores that never reach the threshold": {"data_needed"},
    "no score above 0": {"data_needed"},
    "no score below 1": {"mistakes"},
    "no control": {"against_controls"},
    "nothing lasted an epoch": {*all_figures()} - {"embeddings", "images_as_seen", "reconstructions"},
}


class Page(HTMLParser):
    """Tags with their attributes, visible text, and what was opened and not closed."""

    VOID = frozenset({"meta", "br", "hr", "img", "input", "link", "col"})

    def __init__(self, path: Path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags, self.open, self.mismatched, self.texts = [], [], [], []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mismatched.append(tag)

    def handle_data(self, data):
        if not {"style", "svg", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags for name in names if attrs.get(name)]


@dataclass(frozen=True)
class Report:
    cells: pd.DataFrame
    folder: Path
    page: Page

    @property
    def figures(self) -> list[str]:
        """The names of the figures that have something to show in this study."""
        return [name for name in all_figures() if name not in self.left_out]

    left_out: frozenset = frozenset()


def pictures() -> np.ndarray:
    """Handwritten digits, uint8 `[4, 8, 8, 1]`."""
    return np.rint(load_digits().images[:4, ..., None] * (255 / 16)).astype(np.uint8)


def reported(records, folder: Path, left_out=(), **config) -> Report:
    cells, history = tables(records)
    title = config.pop("title", "Digits")  # perhaps one that a config may not have
    study = replace(checked(**config), title=title)
    write_report(cells, history, study, folder, examples=examples_of(records, pictures()))
    # every one of these studies evaluates its encoders in one way, and none has an existing net or invents images
    nothing = {"across_evaluations", "inventions", "ways_to_spend_labels", *left_out}
    return Report(cells, folder, Page(folder / "report.html"), frozenset(nothing))


@pytest.fixture(scope="module")
def report_of(tmp_path_factory):
    """The report of a grid in `EDGES` by its name, made once."""
    return functools.cache(
        lambda name: reported(EDGES[name], tmp_path_factory.mktemp("report"), NOTHING_TO_SAY.get(name, ()))
    )


@pytest.fixture(params=EDGES)
def report(request, report_of) -> Report:
    return report_of(request.param)


# what holds for every study


def test_the_page_is_well_formed(report):
    assert report.page.mismatched == []
    assert report.page.open == []
    assert report.page.source.startswith("<!doctype html>")


def test_the_page_loads_nothing_from_elsewhere(report):
    assert not {tag for tag, _ in report.page.tags} & {"link", "iframe", "object", "embed", "base", "img"}
    assert [attrs for tag, attrs in report.page.tags if tag == "script"] == [{}]  # its own, inline
    (policy,) = (attrs["content"] for _, attrs in report.page.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; ")
    for address in report.page.attributes("src", "href", "xlink:href", "data", "srcset", "action"):
        assert address.startswith(("#", "data:"))
    styles = re.findall(r"url\(\s*['\"]?([^)]*)\)", report.page.source)
    assert all(address.startswith("#") for address in styles)
    assert "@import" not in report.page.source
    assert not [name for _, attrs in report.page.tags for name in attrs if name.startswith("on")]


def test_every_reference_within_the_page_leads_to_one_place(report):
    links = report.page.attributes("href", "xlink:href", "aria-describedby", "aria-labelledby")
    used = {address.removeprefix("#") for address in links if not address.startswith("data:")}
    used |= set(re.findall(r"url\(#([^)]*)\)", report.page.source))
    ids = report.page.attributes("id")
    assert used
    assert {name: ids.count(name) for name in used} == dict.fromkeys(used, 1)
    assert len(ids) == len(set(ids))


def test_every_figure_says_in_words_what_it_shows(report):
    drawings = [attrs for tag, attrs in report.page.tags if tag == "svg"]
    assert [attrs["aria-label"] for attrs in drawings] == [all_figures()[name].heading for name in report.figures]
    assert [attrs["aria-describedby"] for attrs in drawings] == [f"caption-{name}" for name in report.figures]
    captions = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", report.page.source)
    assert len(captions) == len(report.figures)
    assert all((len(text) > 40 and text[0].isupper()) or text[0].isdigit() for text in captions)


def test_every_figure_can_be_taken_along_from_the_page_alone(report):
    links = {attrs["download"]: attrs["href"] for tag, attrs in report.page.tags if "download" in attrs}
    assert set(links) == {f"{name}.{kind}" for name in report.figures for kind in ("csv", "png")}
    for name in report.figures:
        kind, data = links[f"{name}.csv"].split(",", 1)
        assert kind == "data:text/csv;charset=utf-8"
        assert pd.read_csv(io.StringIO(unquote(data))).columns[0] in ("encoder", "target", "cell", "class")
        kind, data = links[f"{name}.png"].split(",", 1)
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert min(picture.size) > 300


def test_who_points_at_a_point_reads_its_numbers(report):
    points = [attrs for _, attrs in report.page.tags if attrs.get("class") == "point"]
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in points)
    told = {attrs["aria-label"] for attrs in points}
    scores = pd.read_csv(report.folder / "tables/scores.csv")
    for row in scores[scores.n_seeds > 0].to_dict("records"):
        score = f"macro-F1 {row['mean']:.3f}"
        labels = f"l = {100 * row['l']:g} % ({row['n_labelled']:,} labels)"
        images = f"{row['n_unlabelled']:,} unlabelled images" if row["u"] > 0 else ""
        n = row["n_seeds"]
        seeds = "1 seed" if n == 1 else f"{n} seeds"
        assert any(all(part in text for part in (score, labels, images, seeds)) for text in told), row


def test_no_number_of_the_page_is_a_nan_or_infinite(report):
    assert not re.search(r"\b(nan|inf|None|NaT)\b", report.page.text)


def test_every_figure_is_there_to_take_along(report):
    folder = report.folder / "figures"
    assert {path.name for path in folder.iterdir()} == {
        f"{n}.{kind}" for n in report.figures for kind in ("png", "svg")
    }
    for name in report.figures:
        with Image.open(folder / f"{name}.png") as image:
            assert min(image.size) > 300
            assert len(image.convert("L").getcolors()) > 2  # not blank
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")


def test_every_table_is_there_to_take_along(report):
    folder = report.folder / "tables"
    assert {path.name for path in folder.glob("*.csv")} == {f"{name}.csv" for name in TABLES}
    assert len(pd.read_csv(folder / "cells.csv")) == len(report.cells)
    scores = pd.read_csv(folder / "scores.csv")
    assert (scores.n_seeds + scores.n_missing).sum() == len(report.cells)


def test_tables_for_snakemakes_report_are_pages_that_need_nothing_else_and_have_something_to_say(report):
    pages = {path.stem: Page(path) for path in (report.folder / "pages").iterdir()}
    assert {"trust"} <= set(pages) <= set(PAGES)
    assert ("verdict" in pages) == ("The verdict by number of labels" in report.page.source)
    assert ("missing" in pages) == ("Runs without a result" in report.page.text)
    for name, page in pages.items():
        assert page.mismatched == page.open == []
        assert page.attributes("src", "href") == []
        assert PAGES[name] in page.text
        assert "td" in {tag for tag, _ in page.tags}
        assert not re.search(r"\b(nan|inf|None|NaT)\b", page.text)


def test_every_run_without_a_result_is_listed_with_its_reason(report):
    n_lost = int((report.cells.status != "ok").sum())
    assert f"{len(report.cells)}, of which {len(report.cells) - n_lost} ok, {n_lost} failed" in report.page.text
    encoders = report.cells[["method", "encoder", "u"]].drop_duplicates()
    n_absent = len(encoders) * report.cells.l.nunique() * report.cells.seed.nunique() - len(report.cells)
    assert ("Runs without a result" in report.page.text) == (n_lost + n_absent > 0)
    assert report.page.text.count("no record of this run") == n_absent
    assert (f"{n_absent} more of the grid have no record" in report.page.text) == (n_absent > 0)
    assert report.page.text.count(LOST) == n_lost


def test_what_limits_trust_is_told(tmp_path, draw_only):
    """Machines that differed, code that is not that of the report, and copies among the images."""
    draw_only()
    records = grid(realistic, **SMALL)
    records[0] = replace(records[0], device="cuda", threads=4)
    cells, history = tables(records)
    notes = {"test_images_also_in_training": 1234, "training_images_repeated": 56}
    found = {"n_labelled": 9, "n_unlabelled_only": 0, "classes": ["a"], "image_size": 8, "channels": 1, "notes": notes}
    write_report(cells, history, STUDY, tmp_path, found)
    text = Page(tmp_path / "report.html").text
    assert "cpu, cuda; threads per job: 1, 4" in text
    assert "0123456789ab (the report was made by other code)" in text
    assert "1,234 test images are training images, too, pixel for pixel" in text
    assert "56 training images are copies" in text
    write_report(cells.assign(code_version=code_now(cells)), history, STUDY, tmp_path, {**found, "notes": {}})
    text = Page(tmp_path / "report.html").text
    assert "pixel for pixel" not in text and "copies" not in text and "was made by" not in text


def test_fewer_than_five_seeds_are_called_exploratory(report):
    assert ("exploratory" in report.page.text) == (report.cells.seed.nunique() < 5)


def test_the_verdict_stands_on_top_before_any_figure(report):
    card = next(i for i, (_, attrs) in enumerate(report.page.tags) if attrs.get("class") == "card")
    first = next(i for i, (_, attrs) in enumerate(report.page.tags) if attrs.get("class") == "drawing")
    assert card < first
    text = (report.folder / "summary.md").read_text(encoding="utf-8")
    (headline,) = re.findall(r"^\*\*(.*\.)\*\*$", text, re.MULTILINE)
    assert headline in report.page.text
    for question in ("More unlabelled images?", "What to get next?", "How sure is this?"):
        assert question in text
        assert question in report.page.text


def test_every_header_of_a_table_says_what_it_heads(report):
    headers = [attrs for tag, attrs in report.page.tags if tag == "th"]
    assert headers
    assert {attrs.get("scope") for attrs in headers} <= {"row", "col"}


# what holds for one


def test_prices_change_the_advice_and_nothing_else(report_of, tmp_path, draw_only):
    without = report_of("five seeds")
    draw_only()
    cheap = reported(EDGES["five seeds"], tmp_path, prices={"price_per_label": 0.001, "budget": 1})
    assert "Without prices nothing is recommended" in without.page.text
    assert "Without prices" not in cheap.page.text
    for name in TABLES - {"what_next", "cells_to_run"}:
        assert (cheap.folder / f"tables/{name}.csv").read_bytes() == (
            without.folder / f"tables/{name}.csv"
        ).read_bytes()


def test_a_price_that_cannot_be_is_named(tmp_path):
    with pytest.raises(ConfigError, match="price_per_label: found -1"):
        reported(grid(realistic, **SMALL), tmp_path, prices={"price_per_label": -1})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Report:
    """The original study's grid, with five seeds."""
    ls = ["0.1", "0.3", "0.5", "0.7", "0.9"]
    return reported(grid(realistic, us=TWELVE, ls=ls, epochs=100, seeds=range(5)), tmp_path_factory.mktemp("large"))


def test_the_page_of_a_large_grid_stays_small(large):
    assert len(large.cells) == (12 + 1) * 5 * 5
    assert (large.folder / "report.html").stat().st_size < 3_000_000


@pytest.mark.parametrize("rows, drawn", [([("net", 0.0)], False), ([("net", 0.0), ("vae", 1.0)], True)])
def test_a_study_of_existing_nets_alone_has_no_line_over_unlabelled_images(rows, drawn):
    cells = pd.DataFrame([("supervised", np.nan), *rows], columns=["method", "u"])
    of_study = SimpleNamespace(any_score=True, whole=SimpleNamespace(cells=cells))
    assert f1_against_unlabelled.FIGURE.says(of_study) == drawn


def test_several_ways_of_pretraining_are_named_and_told_apart(tmp_path, draw_only):
    draw_only("f1_against_unlabelled")
    cells, history = tables(grid(realistic, us=["0", "0.1", "1"], ls=["0.05", "0.5"], encoders=["original", "conv"]))
    other = {"method": "contrast"}
    learned = cells[cells.method == "autoencoder"].assign(**other, test_macro_f1=lambda rows: rows.test_macro_f1 + 0.05)
    cells = pd.concat([cells, learned], ignore_index=True)
    history = pd.concat([history, history[history.method == "autoencoder"].assign(**other)], ignore_index=True)
    write_report(cells, history, STUDY, tmp_path)
    page = Page(tmp_path / "report.html")
    ways = [f"{method}, {encoder}" for method in ("autoencoder", "contrast") for encoder in ("original", "conv")]
    assert all(way in page.text for way in ways)
    found = analyse(cells, history).tables
    curves = f1_against_unlabelled.draw(found["scores"], found["plateau"], cells, "macro_f1")
    names = [text.get_text() for text in curves.legends[0].get_texts()]
    assert names == ["supervised", "autoencoder", "contrast"]
    _, first, _, second, _ = curves.axes[0].lines
    for look in ("color", "marker", "linestyle"):
        assert getattr(first, f"get_{look}")() != getattr(second, f"get_{look}")()


def test_what_people_and_errors_wrote_is_shown_as_text(tmp_path):
    hostile = "</title><script>alert(1)</script> & \"'"
    records = grid(lambda seed, **_: f"<img src=x onerror={hostile}>" if seed == 1 else 0.8, **SMALL)
    page = reported(records, tmp_path, title=hostile).page
    assert [tag for tag, _ in page.tags].count("script") == 1  # the page's own
    assert "img" not in {tag for tag, _ in page.tags}
    assert page.mismatched == page.open == []
    assert f"{hostile}: what is unlabelled data worth?" in page.text
    assert f"<img src=x onerror={hostile}>" in page.text


def test_the_same_tables_give_the_same_files(report_of, tmp_path):
    first, second = report_of("one seed").folder, reported(EDGES["one seed"], tmp_path).folder
    written = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(written) == 2 + 2 * len(report_of("one seed").figures) + len(TABLES) + len({*PAGES} - {"missing"})
    for path in written:
        assert (first / path).read_bytes() == (second / path).read_bytes(), path


@pytest.mark.parametrize(
    "name, pretraining, n_runs",
    [
        ("five seeds", 2 * 5 * 600, 4 * 2 * 5),  # pool all: an encoder for each of two fractions and five seeds
        ("pool rest", 1 * 2 * 3 * 600, 3 * 2 * 3),  # and for each labelled fraction too
    ],
)
def test_pretraining_is_counted_once_an_encoder(name, pretraining, n_runs, report_of):
    minutes = (pretraining + n_runs * 6) / 60  # every classifier took 6 seconds
    assert f"{minutes:.0f} minutes of job time" in report_of(name).page.text


# figures

TINY = '''"""How many runs a study has."""

from sslfast.report.drawing import Drawing
from sslfast.report.figure import Figure


def draw(cells):
    figure = Drawing(figsize=(4, 3))
    figure.subplots().bar(0, len(cells))
    return figure


FIGURE = Figure(
    heading="Runs of this study",
    part="time",
    place=9,
    category="Time",
    says=lambda m: len(m.whole.cells) > 6,
    draw=lambda m: draw(m.shown.cells),
    numbers=lambda m: m.shown.cells[["encoder", "seed"]],
    caption=lambda m: f"{len(m.whole.cells)} runs were counted; {m.seeds}. It does not show how they went.",
)
'''


def test_a_figure_is_one_file_and_left_out_where_it_has_nothing_to_show(tmp_path, monkeypatch, draw_only):
    (tmp_path / "runs_counted.py").write_text(TINY)
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(tmp_path)])
    draw_only("runs_counted", "time_to_threshold", "wall_clock")
    page = reported(grid(realistic, **SMALL), tmp_path / "report").page
    assert "9 runs were counted; 3 seeds." in page.text
    headings = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg"]
    assert headings[headings.index("Wall-clock") + 1] == "Runs of this study"
    assert {"runs_counted.csv", "runs_counted.png"} <= set(page.attributes("download"))
    assert figures.captions()["runs_counted"] == "How many runs a study has."
    page = reported(grid(realistic, seeds=[0], **SMALL), tmp_path / "report").page
    assert "Runs of this study" not in page.source
    assert not list((tmp_path / "report/figures").glob("runs_counted.*")), "the earlier drawing is gone, too"


def test_what_figures_say_of_themselves_is_read_without_libraries_that_draw():
    program = "import sys; from sslfast.report.figures import captions; print(len(captions()))"
    program += "; print([m for m in ('matplotlib', 'pandas', 'numpy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == [str(len(all_figures())), "[]"]


def bars(axes) -> dict[float, float]:
    """Height of each bar by its position on the x axis."""
    return {round(bar.get_x() + bar.get_width() / 2, 6): bar.get_height() for bar in axes.patches}


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def drawn(figure):
    """The figure laid out, so that its texts have places."""
    FigureCanvasAgg(figure).draw()
    return figure


def time_figure(records):
    cells, history = tables(records)
    times = time_to_threshold(cells, history, "macro_f1", 0.4)
    return time_figures.draw(times, cells, "macro_f1", 0.4, unit_of(cells, history)), times


def test_there_is_no_bar_where_the_threshold_was_never_reached():
    figure, _ = time_figure(
        grid(lambda method, **_: {"autoencoder": 0.8, "random": 0.3, "supervised": 0.7}[method], **SMALL)
    )
    epochs, seconds = figure.axes
    assert bars(epochs) == {1: 2, 2: 2}  # the control, at 0, has none
    assert bars(seconds) == {1: 14, 2: 4}  # with 10 seconds of pre-training, and without
    assert texts(epochs) == ["0/3", "3/3", "3/3"]


def test_bars_are_updates_where_those_are_counted():
    figure, _ = time_figure(grid(lambda **_: 0.8, budget="updates", **SMALL))
    updates, seconds = figure.axes
    assert bars(updates) == {0: 2 * UPDATES, 1: 2 * UPDATES, 2: 2 * UPDATES}
    assert updates.get_ylabel() == "updates to macro-F1 0.4"
    assert "seconds" in seconds.get_ylabel()


def test_there_is_no_bar_where_half_or_fewer_got_there():
    records = grid(lambda method, seed, **_: 0.8 if seed == 0 else 0.2, seeds=[0, 1], **SMALL)
    figure, _ = time_figure(records)
    assert [bars(axes) for axes in figure.axes] == [{}, {}]
    assert texts(figure.axes[0]) == ["1/2", "1/2", "1/2"]


def test_nothing_reached_is_a_figure_without_bars():
    figure, times = time_figure(grid(lambda **_: 0.2))
    assert times.epochs.isna().all()
    assert all(not axes.patches for axes in figure.axes)
    assert all(texts(axes) == ["0/3"] * 4 for axes in figure.axes)


def test_bars_begin_at_0():
    figure, _ = time_figure(grid(realistic, us=TWELVE, ls=["0.5"]))
    drawn(figure)
    assert all(axes.get_ylim()[0] == 0 for axes in figure.axes)


def test_data_needed_has_a_bar_where_reached_and_says_so_where_not():
    cells, _ = tables(
        grid(lambda method, l, **_: 0.3 + l / 2 + (0.2 if method == "autoencoder" else 0), us=["0", "1"])  # noqa: E741
    )
    figure = needed_figure.draw(data_needed(cells, [0.5, 0.7]), cells)
    first, second, below, _ = figure.axes
    assert bars(first) == {0: 500, 1: 50, 2: 500}
    assert bars(second) == {1: 500}
    assert texts(first) == ["500", "50", "500"]
    assert texts(second) == ["not reached", "500", "not reached"]
    assert "not reached" not in texts(below)
    assert below.get_ylabel() == "unlabelled images needed"


def test_pretraining_stands_under_the_classifier():
    cells, _ = tables(grid(realistic, seconds_pretrain=30, **SMALL))
    (axes,) = wall_clock.draw(scores(cells), cells).axes
    stacked = [(round(bar.get_x() + 0.4), bar.get_y(), bar.get_height()) for bar in axes.patches]
    assert stacked == [(0, 0, 0), (0, 0, 6), (1, 0, 30), (1, 30, 6), (2, 0, 0), (2, 0, 6)]


def test_a_run_that_stopped_does_not_bend_the_curve_of_the_others():
    curves = {0: [0.2, 0.4, 0.6], 1: [0.3, 0.5, 0.7], 2: [0.9]}
    cells, history = tables(
        run_record(seed=seed, curve=curve, problem=LOST if seed == 2 else None) for seed, curve in curves.items()
    )
    (axes,) = in_training(history, cells, "macro_f1").axes
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata() == pytest.approx([0.25, 0.45, 0.65])


def test_epochs_are_the_axis_of_a_study_that_counts_them():
    cells, history = tables(grid(realistic, **SMALL))
    for known in (history, history.assign(updates=np.nan)):
        (axes,) = in_training(known, cells, "macro_f1").axes
        assert axes.get_xlabel() == "epochs"
        assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert axes.child_axes == []


def test_updates_are_the_axis_of_a_study_that_counts_them_with_the_images_seen_above():
    cells, history = tables(grid(realistic, us=["1"], ls=["0.02", "0.5"], budget="updates"))
    figure = drawn(in_training(history, cells, "macro_f1"))
    for axes, batch in zip(figure.axes, (20, BATCH), strict=True):  # of 20 labels, a batch has all
        assert axes.get_xlabel() == "updates"
        assert axes.lines[0].get_xdata().tolist() == [UPDATES, 2 * UPDATES, 3 * UPDATES]
        (above,) = axes.child_axes
        assert above.get_xlabel() == "images seen"
        assert above.get_xlim() == pytest.approx([batch * x for x in axes.get_xlim()])


def test_where_batches_differ_no_axis_tells_the_images_for_all_lines():
    cells, history = tables(grid(realistic, us=["1"], ls=["0.5"], budget="updates"))
    halved = history.images.where(history.method == "supervised", history.images / 2)
    (axes,) = in_training(history.assign(images=halved), cells, "macro_f1").axes
    assert axes.child_axes == []
    (axes,) = in_training(history.assign(images=np.nan), cells, "macro_f1").axes
    assert axes.child_axes == []


def test_a_page_speaks_of_epochs_or_of_updates_and_never_of_both(report_of):
    by_updates, by_epochs = report_of("a budget of updates"), report_of("five seeds")
    assert "epoch" not in by_updates.page.text
    told = "\n".join(by_updates.page.attributes("aria-label"))
    assert "on validation images after 2,000 updates (64,000 images seen)" in told  # 40 validations
    assert "epoch" not in told
    captions = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", by_epochs.page.source)
    assert not [text for text in captions if "update" in text]
    assert "Epochs and seconds until the validation score" in by_epochs.page.text
    assert "Updates and seconds until the validation score" in by_updates.page.text
    assert "Still rising at the end: the supervised baseline with 50 and 500 labels (+" in by_epochs.page.text
    assert "Still rising" not in by_updates.page.text


def test_data_of_a_figure_count_what_the_study_counts(report_of):
    for name, length, other in (("a budget of updates", "updates", "epoch"), ("five seeds", "epoch", "updates")):
        links = {a["download"]: a["href"] for t, a in report_of(name).page.tags if "download" in a}
        curves = pd.read_csv(io.StringIO(unquote(links["f1_in_training.csv"].split(",", 1)[1])))
        assert length in curves and other not in curves


@pytest.mark.parametrize("n_seeds", [1, 2, 3])
def test_a_difference_has_an_error_bar_only_where_it_has_an_interval(n_seeds):
    axes, tables_ = forest(grid(realistic, seeds=range(n_seeds), us=["0", "1"], ls=["0.05", "0.5"]))
    (container,) = axes.containers
    lengths = [
        float(segment[-1][0] - segment[0][0]) for segment in container.lines[2][0].get_segments() if len(segment)
    ]
    expected = tables_["contrasts"][tables_["contrasts"].primary]
    assert container.lines[0].get_xdata() == pytest.approx((100 * expected.difference).tolist())
    if n_seeds < 3:
        assert all(math.isnan(length) for length in lengths)
    else:
        assert lengths == pytest.approx((100 * (expected.high - expected.low)).tolist())


def test_each_difference_says_what_it_is_worth_in_labels():
    axes, tables_ = forest(grid(realistic, us=["0", "1"], ls=["0.05", "0.2", "0.5"]))
    worth = tables_["label_equivalence"]
    worth = worth[worth.u == 1].sort_values("l")
    expected = [
        f"{row.ratio:.2g}×" if row.ratio == row.ratio else row.text.split(" [")[0] for row in worth.itertuples()
    ]
    assert [text for text in texts(axes) if text.endswith("×") or text[0] in "<>"] == expected
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["50 labels", "200 labels", "500 labels"]


def forest(records):
    """The axes of the forest plot, and the tables behind it."""
    cells, _ = tables(records)
    found = analyse(cells).tables
    figure = self_supervised_against_supervised.draw(found["contrasts"], found["label_equivalence"], "macro_f1", 0.015)
    return figure.axes[0], found


def curve_figure(records, **settings):
    cells, _ = tables(records)
    found = analyse(cells, settings=Settings(**settings)).tables
    return f1_against_unlabelled.draw(found["scores"], found["plateau"], cells, "macro_f1"), found


def test_the_mean_and_every_seed_are_drawn_against_unlabelled_data():
    figure, found = curve_figure(grid(realistic, us=["0", "0.1", "1"], ls=["0.5"]))
    baseline, means, seeds, *_ = figure.axes[0].lines
    scored = found["scores"]
    ours = scored[scored.method != "supervised"].sort_values("u")
    assert means.get_ydata() == pytest.approx(ours["mean"].tolist())
    assert np.diff(means.get_xdata()).tolist() == pytest.approx([0.6, 1.0])  # u = 0 stands beside a log axis
    assert len(seeds.get_ydata()) == 9
    assert baseline.get_ydata()[0] == pytest.approx(scored[scored.method == "supervised"]["mean"].item())


def test_a_plateau_is_marked_where_it_is_shown_and_only_there():
    shaky = lambda u, seed: 0.8 - (0.2 if u == 0 else 0) + noise(0.001, u, seed)  # noqa: E731
    flat = grid(lambda u, seed, **_: shaky(u, seed), us=["0", "0.1", "1"], ls=["0.5"])
    figure, found = curve_figure(flat)
    assert found["plateau"].u.tolist() == [0.1]
    assert "plateau from 100" in texts(figure.axes[0])
    figure, _ = curve_figure(grid(realistic, us=["0", "0.1", "1"], ls=["0.5"]))
    assert texts(figure.axes[0]) == ["plateau not shown"]


@pytest.mark.parametrize("us", [TWELVE, TWELVE[1:], ["0", "0.001", "0.01", "0.1", "1"], ["0.5", "0.9", "1"], ["0"]])
def test_names_of_fractions_do_not_overlap_on_the_axis(us):
    figure, _ = curve_figure(grid(realistic, us=us, ls=["0.5"], seeds=[0]))
    drawn(figure)
    labels = [label for label in figure.axes[0].get_xticklabels() if label.get_text()]
    shown = [label.get_text() for label in labels]
    assert (shown[0], shown[-1]) == (us[0], us[-1])
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_lines_of_equal_score_are_drawn_only_from_a_surface_that_may_be_trusted():
    def smooth(method, u, l, **_):  # noqa: E741
        return 0.5 if method == "supervised" else round(0.75 - 0.1 * l**-0.2 - 0.02 * max(u, 0.01) ** -0.2, 3)

    us, ls = ["0.05", "0.1", "0.3", "1"], ["0.1", "0.2", "0.5", "1"]
    cells, _ = tables(grid(smooth, us=us, ls=ls))
    found = analyse(cells).tables
    fitted = found["surface"]
    figure = score_map.draw(cells, found["scores"], fitted, "macro_f1")
    assert fitted[fitted.chosen].extrapolate.item()
    assert len(figure.axes) == 2  # a map and its bar of colours
    dots = figure.axes[0].lines[0]
    assert len(dots.get_xdata()) == 16
    untrusted = score_map.draw(cells, found["scores"], fitted.assign(extrapolate=False), "macro_f1")
    (axes,) = untrusted.axes
    assert not axes.collections
    assert len(texts(axes)) == 4 * (4 + 1)


def test_a_setting_without_a_result_is_an_empty_square_that_says_so():
    cells, _ = tables(grid(lambda u, **run: LOST if u == 1 else realistic(u=u, **run), **SMALL))
    found = analyse(cells).tables
    (axes,) = score_map.draw(cells, found["scores"], found["surface"], "macro_f1").axes
    assert [text for text in texts(axes) if not text.startswith("0.")] == ["none"]


def test_every_series_has_its_own_colour():
    cells, history = tables(grid(realistic, us=TWELVE, ls=["0.5"], seeds=[0]))
    (axes,) = in_training(history, cells, "macro_f1").axes
    assert len({line.get_color() for line in axes.lines}) == len(TWELVE) + 1


def test_a_figure_that_cannot_be_drawn_leaves_no_file(tmp_path):
    cells, _ = tables(grid(realistic, **SMALL))
    figure = wall_clock.draw(scores(cells), cells)
    figure.savefig = lambda path, **_: (Path(path).write_bytes(b"half"), 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_figure(figure, tmp_path / "wall_clock")
    assert list(tmp_path.iterdir()) == []


# importing


def test_reading_results_takes_no_gpu_stack():
    modules = ["study.records", "study.config", "analysis.tables", "analysis.results", "report.figures", "report.page"]
    lines = [f"import sslfast.{module}" for module in modules]
    heavy = ("torch", "torchvision", "fastai", "snakemake")
    lines.append(f"import sys; print(sorted(m for m in {heavy} if m in sys.modules))")
    run = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_drawing_needs_no_screen(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    cells, _ = tables(grid(realistic, **SMALL))
    target = io.BytesIO()
    wall_clock.draw(scores(cells), cells).savefig(target, format="png")
    assert target.getvalue().startswith(b"\x89PNG")
