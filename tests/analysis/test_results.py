"""From a table of cells to conclusions, whatever shape the study has, in Python and from the command line."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import LOST, cells_of, grid, noise, realistic, results_table, tables
from hostile import try_all, trying
from hypothesis import strategies as st
from scipy import stats

from sslfast.analysis.__main__ import main
from sslfast.analysis.contrasts import contrasts
from sslfast.analysis.data_needed import data_needed
from sslfast.analysis.decision import Prices
from sslfast.analysis.results import Settings, analyse
from sslfast.analysis.scores import scores
from sslfast.analysis.summary import findings, summary, write_results
from sslfast.analysis.times import time_to_threshold
from sslfast.errors import ConfigError, ResultsError
from sslfast.report.page import report_settings
from sslfast.study.config import check_config, read_schema

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "reports" / "cifar10-5seeds" / "tables"
WITH_HISTORY = {
    "scores", "unusual", "contrasts", "plateau", "label_equivalence", "surface", "what_next", "cells_to_run", "claims",
    "controls", "evaluations", "evaluation_order",
    "data_needed", "time_to_threshold", "still_rising", "length_check", "equal_passes",
}  # fmt: skip
PRICES = Prices(price_per_label=0.1, price_per_unlabelled_image=0.01, price_per_gpu_hour=1, budget=50)


def diverged(**run):
    return LOST if (run["seed"], run["u"]) == (1, 1) else realistic(**run)


EDGES = {
    "five seeds": grid(realistic, seeds=range(5)),
    "one seed": grid(realistic, seeds=[0]),
    "two seeds": grid(realistic, seeds=[0, 1]),
    "a missing cell": grid(realistic)[1:],
    "a diverged run": grid(diverged),
    "a setting that always diverged": grid(lambda u, **k: LOST if u == 1 else realistic(u=u, **k)),
    "a curve that is not monotone": grid(lambda **run: 0.6 - 0.2 * (run["u"] == 0.1) + 0.1 * (run["l"] == 0.05)),
    "identical scores": grid(lambda **_: 0.8),
    "no score above 0": grid(lambda **_: 0.0),
    "no score below 1": grid(lambda **_: 1.0),
    "a single unlabelled fraction": grid(realistic, us=["1"]),
    "only the control": grid(realistic, us=["0"]),
    "only the baseline": grid(realistic, us=[]),
    "a single labelled fraction": grid(realistic, ls=["0.5"]),
    "no control": grid(realistic, us=["0.1", "1"]),
    "no baseline": grid(realistic, baseline=False),
    "several encoders": grid(realistic, encoders=["original", "conv"]),
    "pool rest": grid(realistic, pool="rest"),
    "nothing reaches the threshold": grid(lambda **_: 0.2),
    "all reach it in the first epoch": grid(lambda **_: 0.8, epochs=1),
    "nothing finished": grid(lambda **_: LOST),
    "nothing lasted an epoch": grid(lambda **_: LOST, curve=[]),
    "a budget of updates": grid(realistic, budget="updates"),
    "five levels": grid(realistic, us=["0", "0.05", "0.1", "0.5", "1"], ls=["0.05", "0.1", "0.2", "0.5"]),
}


@pytest.mark.parametrize("records", EDGES.values(), ids=EDGES)
def test_every_study_gets_an_answer_that_accounts_for_every_run(records):
    check_answer(records)


@trying(10, 500)
def test_so_does_one_of_extreme_scores(n):
    """Exactly 0 or 1, in some cells or in all, of accuracy and macro-F1 alike or not, with runs that are lost."""

    def holds(data):
        scores = data.draw(st.sampled_from([[0.0], [1.0], [0.0, 1.0], [0.0, LOST], [1.0, LOST], [0.0, 0.5, 1.0, LOST]]))
        check_answer(
            grid(
                lambda **_: data.draw(st.sampled_from(scores)),
                us=data.draw(st.sampled_from([["1"], ["0", "1"], ["0", "0.1", "1"]])),
                ls=data.draw(st.sampled_from([["0.5"], ["0.05", "0.5"]])),
                seeds=range(data.draw(st.integers(1, 3))),
                baseline=data.draw(st.booleans()),
                macro_f1=data.draw(st.sampled_from([None, 0.0, 1.0])),
            )
        )

    try_all(n, holds, st.data())


def check_answer(records):
    cells, history = tables(records)
    results = analyse(cells, history, Settings(prices=PRICES))
    assert set(results.tables) == WITH_HISTORY
    for name, table in results.tables.items():
        if "sentence" in table and len(table):
            assert table.sentence.str.endswith(".").all(), name
            assert not table.sentence.str.contains(r"\bnan\b|\binf\b|None").any(), name
    found, compared = results.tables["scores"], results.tables["contrasts"].query("against == 'supervised'")
    assert (found.n_seeds + found.n_missing).sum() == len(cells)
    assert (compared.n_seeds + compared.n_dropped).sum() == (cells.method != "supervised").sum()
    assert results.tables["time_to_threshold"].n_seeds.sum() == len(cells)
    for table in (found, compared):
        assert not table.low[table.n_seeds < 3].notna().any()
        assert (table.low.dropna() >= (0 if table is found else -1)).all() and (table.high.dropna() <= 1).all()
    assert (found.low.notna() == ((found.n_seeds >= 3) & (found.sd > 0))).all()  # identical scores have no interval
    text = summary(results)
    assert not re.search(r"\b(nan|inf|None)\b", text)
    assert ("**Exploratory**" in text) == (cells.seed.nunique() < 5)


@pytest.mark.parametrize("name", ["one seed", "two seeds"])
def test_below_three_seeds_nothing_is_concluded(name):
    results = analyse(*tables(EDGES[name]), Settings(prices=PRICES))
    t = results.tables
    assert (t["contrasts"].outcome == "unknown").all()
    assert not t["plateau"].shown.any()
    assert set(t["what_next"].action) == {"not settled"}
    assert set(t["claims"].outcome) == {"not settled"}


def test_a_budget_of_updates_several_methods_and_pool_rest_work_together():
    def score(method, u, l, seed, encoder):  # noqa: E741
        return 0.3 + 0.1 * l + 0.02 * (u or 0) + 0.03 * (method == "simclr") + noise(0.002, method, u, l, seed, encoder)

    table = results_table(score, methods=["vae", "simclr"], encoders=["small", "large"], pool="rest")
    results = analyse(table.assign(budget="updates"))
    for name in ("plateau", "surface", "claims", "what_next", "label_equivalence"):
        pairs = results.tables[name][["encoder", "method"]].drop_duplicates()
        assert set(map(tuple, pairs.values)) >= {(e, m) for e in ("small", "large") for m in ("vae", "simclr")}
    assert "simclr (small)" in summary(results) and "vae, large" in summary(results)


def test_the_order_of_rows_and_further_columns_change_nothing():
    cells = cells_of(seeds=range(4))
    shuffled = cells.sample(frac=1, random_state=0).assign(note="x")
    assert summary(analyse(cells)) == summary(analyse(shuffled))


def test_beyond_the_grid_nothing_is_read_off_unless_the_surface_passes_its_check():
    def score(method, u, l, seed, **_):  # noqa: E741
        return 0.7 - 0.1 * (l / 0.5) ** -0.3 - 0.02 * (u or 0.005) ** -0.2 + noise(0.001, method, u, l, seed)

    cells = results_table(score)
    ask = Settings(targets=[0.585])
    assert analyse(cells, settings=ask).tables["data_needed"].query("given == 'u'").beyond.any()
    few = cells[cells.l.isin([0.05, 0.1, 0.5])]
    assert not analyse(few, settings=ask).tables["data_needed"].beyond.any()


def test_another_score_column_can_be_the_judge():
    cells = cells_of().assign(test_accuracy=0.5)
    assert (analyse(cells, settings=Settings(metric="test_accuracy")).tables["scores"]["mean"] == 0.5).all()
    with pytest.raises(ResultsError, match="no column auc"):
        analyse(cells, settings=Settings(metric="auc"))


def test_conclusions_rest_on_the_evaluation_that_was_asked_for(tmp_path):
    head, history = tables(EDGES["five seeds"])
    ours = head.method != "supervised"
    linear = head[ours].assign(evaluate="linear", test_macro_f1=lambda t: t.test_macro_f1 + 0.1)
    cells = pd.concat([head.assign(evaluate="head"), linear])
    history = history.assign(evaluate="head")
    found = {name: analyse(cells, history, Settings(judged_by=name)) for name in (None, "head", "linear")}
    means = {name: results.tables["scores"].set_index(["method", "u", "l"])["mean"] for name, results in found.items()}
    assert means[None].equals(means["head"])
    gained = means["linear"] - means["head"]
    assert np.allclose(gained.drop("supervised", level="method"), 0.1) and (gained.xs("supervised") == 0).all()
    assert found[None].judged_by == "head" and found["linear"].judged_by == "linear"
    assert "judged by a linear probe (1 other evaluation beside it)." in summary(found["linear"])
    assert "judged by" not in summary(analyse(head, history))
    assert found["linear"].history.method.unique().tolist() == ["supervised"]  # a probe has no epochs
    with pytest.raises(ResultsError, match=r"judged_by: found 'knn', expected .* \(head, linear\)"):
        analyse(cells, history, Settings(judged_by="knn"))
    cells.to_csv(tmp_path / "cells.csv")
    assert main([str(tmp_path / "cells.csv"), "--out", str(tmp_path / "out"), "--judged-by", "linear"]) == 0
    written = pd.read_csv(tmp_path / "out/scores.csv").set_index(["method", "u", "l"])["mean"]
    assert np.allclose(written.to_numpy(), means["linear"].to_numpy())


def test_a_table_without_accuracies_is_analysed_without_targets():
    cells = cells_of().drop(columns="test_accuracy")
    assert "data_needed" not in analyse(cells).tables


@pytest.mark.parametrize("key, value", [("delta", 0), ("delta", -0.01), ("alpha", 0.7), ("threshold", 40)])
def test_settings_that_cannot_be_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"{key}: found {value}, expected a number"):
        Settings(**{key: value})


def test_tables_of_the_report_are_those_of_the_analysis():
    cells, history = tables(EDGES["five seeds"])
    t = analyse(cells, history, Settings(targets=[0.5])).tables
    pd.testing.assert_frame_equal(t["scores"], scores(cells))
    pd.testing.assert_frame_equal(t["data_needed"], data_needed(cells, [0.5]))
    pd.testing.assert_frame_equal(t["time_to_threshold"], time_to_threshold(cells, history), check_dtype=False)
    ours = t["contrasts"].query("against == 'supervised'")
    assert (ours.by_seeds == ours.outcome).all()  # no shorter run takes a verdict back
    pd.testing.assert_frame_equal(ours.drop(columns=["against", "by_seeds"]), contrasts(cells))


def test_the_verdict_begins_with_who_won():
    lead = lambda method, l, seed, **_: (0.7 if method == "supervised" else 0.5) + noise(0.0005, method, l, seed)  # noqa: E731, E741
    first = findings(analyse(cells_of(lead)))[0]
    assert first == (
        "No: training on the labels alone beats the frozen pre-trained encoder at both numbers of labels,"
        " by 20.0 points."
    )


def test_the_verdict_of_a_large_study_tells_the_most_labels_only():
    def score(**run):
        return 0.5 + noise(0.002, *run.values())

    large = findings(analyse(results_table(score, methods=["autoencoder", "simclr", "byol"], seeds=range(3))))
    assert len(large) == 1 + 3 * 3
    assert all("With 22,500 labels" in sentence for sentence in large[1:7])
    small = findings(analyse(results_table(score, seeds=range(3))))
    assert len(small) == 1 + 5 + 5 + 1


# the command line


def test_the_sample_report_is_analysed_from_the_command_line(tmp_path, capsys):
    arguments = [str(SAMPLE / "cells.csv"), "--history", str(SAMPLE / "history.csv"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert {path.stem for path in (tmp_path / "out").glob("*.csv")} == WITH_HISTORY
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# cifar10-5seeds: what the unlabelled data is worth\n\n**")
    assert _row_by_hand(pd.read_csv(SAMPLE / "cells.csv"), l=0.1, u=1) in text
    assert text.splitlines()[2].strip("*") == capsys.readouterr().out.splitlines()[0]


def _row_by_hand(cells: pd.DataFrame, l: float, u: float) -> str:  # noqa: E741 - the design's word
    """The beginning of a row of the main table, from scipy's t interval; of the difference, whose interval takes its
    spread from other numbers of labels, too (see test_contrasts), the mean."""
    at = cells[cells.l == l]
    ours = at[(at.method == "autoencoder") & (at.u == u)].set_index("seed")
    theirs = at[at.method == "supervised"].set_index("seed").test_macro_f1
    text = f"| {ours.n_labelled.iloc[0]:,} | {ours.n_unlabelled.iloc[0]:,} |"
    for values in (ours.test_macro_f1, theirs):
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        text += f" {values.mean():.3f} [{low:.3f}, {high:.3f}] |"
    return f"{text} {100 * (ours.test_macro_f1 - theirs).mean():+.1f} ["


def test_tables_written_read_back_as_they_were(tmp_path):
    results = analyse(*tables(EDGES["five levels"]))
    write_results(results, tmp_path)
    for name, table in results.tables.items():
        read = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(read) == list(table) and len(read) == len(table)
        numbers = table.select_dtypes("number")
        assert np.allclose(read[list(numbers)].astype(float), numbers.astype(float), equal_nan=True)


def test_parquet_is_read_too(tmp_path):
    cells_of().to_parquet(tmp_path / "cells.parquet")
    assert main([str(tmp_path / "cells.parquet"), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    "content, options, expected",
    [
        (None, [], "No such file"),
        ("", [], "not a readable table"),
        ("a,b\n1,2\n", [], "no column method"),
        (
            cells_of().assign(test_accuracy=48.0).to_csv(index=False),
            [],
            "found 48 in row 1, expected a score from 0 to 1",
        ),
        (cells_of().to_csv(index=False), ["--price-per-label", "-1"], "price_per_label: found -1.0, expected"),
        (cells_of().to_csv(index=False), ["--target", "1.5"], "accuracy target: found 1.5, expected"),
        (cells_of().to_csv(index=False), ["--metric", "auc"], "no column auc"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(tmp_path, capsys, content, options, expected):
    path = tmp_path / "cells.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main([str(path), "--out", str(tmp_path / "out"), *options]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert expected in message
    assert not (tmp_path / "out").exists()


def test_it_runs_as_a_module_without_torch_and_without_what_the_workflow_needs(tmp_path):
    code = (
        f"import sys; sys.argv = ['analysis', {str(SAMPLE / 'cells.csv')!r}, '--out', {str(tmp_path)!r}]\n"
        "import runpy\n"
        "try: runpy.run_module('sslfast.analysis', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'torchvision', 'fastai', 'snakemake', 'matplotlib', 'sslfast.study.records'}\n"
        "assert not heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "summary.md").exists()


def test_a_config_that_says_nothing_asks_what_the_analysis_asks_by_default():
    given = {"study": "plain", "dataset": "digits", "unlabelled": [0, 1], "labelled": [1], "seeds": 3}
    study = check_config(given, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))
    asked = report_settings(study)
    own = Settings(threshold_metric=asked.threshold_metric, judged_by=asked.judged_by)  # None: by what the table has
    assert asked == own
