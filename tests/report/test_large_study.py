"""Large studies: their conclusions are true, their figures show what a person can read, and their tables hold all."""

from dataclasses import replace

import pandas as pd
import pytest
from recorded import marked, write_study

from sslfast.analysis.against_config import check_against_config
from sslfast.analysis.image_summary import read_summary
from sslfast.analysis.results import analyse
from sslfast.analysis.tables import collect, collect_pretraining, write_tables
from sslfast.report.figures import all_figures
from sslfast.report.large import few
from sslfast.report.material import Material
from sslfast.report.page import report_settings, write_report
from sslfast.study.examples import read_examples

GRID = {"labelled": [n / 10 for n in range(1, 11)], "unlabelled": [0, *(n / 20 for n in range(1, 21))], "seeds": 3}
SHOWN = " Shown are 6 of 10 labelled and 16 of 20 unlabelled fractions; the tables hold all."


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A grid of recorded cells: (study, folder, cells, history)."""
    folder = tmp_path_factory.mktemp("study") / "made-up"
    study, records, pretrained = write_study({**GRID, "encoders": ["conv"]}, folder)
    cells, history = collect(records)
    assert len(cells) == 10 * (21 + 1) * 3
    check_against_config(cells, read_summary(folder / "images.json"), study, folder)
    assert len(collect_pretraining(pretrained)) == 2 * 21 * 3
    return study, folder, cells, history


@pytest.fixture(scope="module")
def results(large):
    study, _, cells, history = large
    return analyse(cells, history, report_settings(study))


def check_truth(tables, study):
    found = marked(tables, study)
    assert {kind: wrong for kind, (_, wrong) in found.items() if kind != "worth in labels"} == {
        "verdicts": [],
        "plateaus": [],
    }
    n, wrong = found["worth in labels"]
    assert n > 100
    assert len(wrong) < 0.1 * n
    assert found["verdicts"][0] > 5


def test_conclusions_from_recorded_cells_are_those_that_are_true(large, results, tmp_path):
    write_tables(results.tables, [tmp_path], kinds=["csv"])
    check_truth(tmp_path, large[0])


def test_figures_of_a_large_grid_show_some_of_its_fractions_and_say_so(results):
    smaller, sentence = few(results)
    assert sentence == SHOWN
    assert sorted(smaller.cells.l.unique()) == [0.1, 0.3, 0.5, 0.6, 0.8, 1]
    us = sorted(smaller.cells.u.dropna().unique())
    assert (us[0], us[1], us[-1], len(us)) == (0, 0.05, 1, 17)
    figures = all_figures()
    part, whole = Material(smaller, results), Material(results, results)
    said = {name: f for name, f in figures.items() if f.says(whole)}
    numbers = {name: f.numbers(whole if f.every else part) for name, f in said.items()}
    for name in {name for name, f in said.items() if not f.every} - {"data_needed", "against_controls"}:
        assert sorted(numbers[name].l.unique()) == [0.1, 0.3, 0.5, 0.6, 0.8, 1], name
    needed = numbers["data_needed"]
    assert set(needed.value[needed.given == "l"]) <= {0.1, 0.3, 0.5, 0.6, 0.8, 1}
    for name in ("score_map", "self_supervised_against_supervised"):
        assert numbers[name].l.nunique() == 10
    assert smaller.tables["scores"].merge(results.tables["scores"]).shape == smaller.tables["scores"].shape


def test_several_methods_share_the_lines(results):
    learned = results.cells[results.cells.u > 0]
    methods = pd.concat([learned.assign(method=f"way{n}") for n in range(4)])
    assert few(replace(results, cells=methods))[1].startswith(" Shown are 6 of 10 labelled and 4 of 20 unlabelled")


def test_a_small_grid_is_shown_whole(large, results):
    study, _, cells, history = large
    small = cells[cells.l.isin([0.1, 0.5, 1]) & (cells.u.isin([0, 0.5, 1]) | cells.u.isna())]
    made = analyse(small, history.merge(small[["method", "u", "l", "seed"]]), report_settings(study))
    assert few(made) == (made, "")


@pytest.mark.long
def test_the_report_of_a_large_grid_is_whole(large, tmp_path):
    study, folder, cells, history = large
    images, examples = read_summary(folder / "images.json"), read_examples(folder / "examples.npz")
    write_report(cells, history, study, tmp_path, images, examples)
    check_truth(tmp_path / "tables", study)
    page, figures = (tmp_path / "report.html").read_text(), all_figures()
    said = [f for name, f in figures.items() if f'id="caption-{name}"' in page]
    assert page.count(SHOWN.strip()) == len([f for f in said if not f.every]) > 5
    results = analyse(cells, history, report_settings(study))
    drawn = figures["time_to_threshold"].draw(Material(few(results)[0], results))
    assert len(drawn.axes) == 2 * 6
