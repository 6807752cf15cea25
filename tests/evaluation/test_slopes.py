"""The figure of methods across evaluations shows what the table says."""

import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from builders import noise, results_table

from sslfast.analysis.evaluations import evaluation_scores
from sslfast.report.drawing import write_figure
from sslfast.report.figures import across_evaluations

MEANS = {"knn": {"byol": 0.5, "simclr": 0.6, "random": 0.4}, "head": {"byol": 0.62, "simclr": 0.55, "random": 0.45}}


def scores_of(**options):
    parts = []
    for evaluate, of in MEANS.items():

        def score(method, seed, of=of, **_):
            return of.get(method, 0.5) + noise(0.01, method, seed)

        parts.append(results_table(score, methods=["byol", "simclr"], **{"us": (0, 1), "ls": (0.1,), **options}))
        parts[-1]["evaluate"] = evaluate
    cells = pd.concat(parts, ignore_index=True)
    return evaluation_scores(cells[(cells.method != "supervised") | (cells.evaluate == "head")])


def lines(axes):
    return {tuple(np.round(line.get_ydata().astype(float), 6)) for line in axes.lines if line.get_ls() != "None"}


def test_a_line_joins_each_methods_means_in_the_order_of_the_axis():
    scores = scores_of()
    (axes,) = across_evaluations.draw(scores, "macro_f1").axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["head", "nearest\nneighbours"]
    means = scores.pivot(index="method", columns="evaluate", values="mean")[["head", "knn"]]
    assert {tuple(np.round(row, 6)) for row in means.to_numpy()} <= lines(axes)


def test_each_amount_has_a_row_and_each_number_of_labels_a_column():
    figure = across_evaluations.draw(scores_of(us=(0, 0.1, 1), ls=(0.1, 0.5)), "macro_f1")
    assert len(figure.axes) == 4
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "macro-F1, test\n4,500 unlabelled (u = 0.1)",
        "macro-F1, test\n45,000 unlabelled (u = 1)",
    ]


def test_every_point_says_its_score_interval_seeds_and_rank(tmp_path):
    scores = scores_of()
    write_figure(across_evaluations.draw(scores, "macro_f1"), tmp_path / "figure")
    said = [e.text for e in ElementTree.parse(tmp_path / "figure.svg").iter() if e.tag.endswith("title")]
    assert len(said) == len(scores) == 8
    row = scores[(scores.method == "byol") & (scores.evaluate == "knn")].iloc[0]
    assert any(
        text.startswith("byol, u = 100 % (45,000 unlabelled images)")
        and f"macro-F1 {row['mean']:.3f} [{row.low:.3f}, {row.high:.3f}], 5 seeds; 3 of 4 by knn" in text
        for text in said
    )


def test_the_legend_fits_below_a_single_panel():
    figure = across_evaluations.draw(scores_of(), "macro_f1")
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize("n", [0, 1])
def test_few_seeds_or_no_results_are_drawn_without_intervals(n):
    scores = scores_of(seeds=range(1))
    if not n:
        scores = scores.assign(mean=math.nan, n_seeds=0)
    figure = across_evaluations.draw(scores, "macro_f1")
    assert len(lines(figure.axes[0])) == 4 * n
