"""Runs that chance does not explain are named, and never pass for certainty or go without a word."""

import numpy as np
from builders import noise, results_table

from sslfast.analysis.checks import check_cells
from sslfast.analysis.results import analyse
from sslfast.analysis.summary import summary
from sslfast.analysis.unusual import FAR, SAME, unusual


def study(change=lambda score, **_: score, **shape):
    def score(method, u, l, seed, **_):  # noqa: E741
        lead = -0.04 if method != "supervised" else 0.0
        return change(0.6 + lead + noise(0.005, method, u, l, seed), method=method, u=u, l=l, seed=seed)

    return check_cells(results_table(score, us=[0, 0.1, 1], ls=[0.05, 0.1, 0.5], **shape))


def test_nothing_is_unusual_in_an_ordinary_study():
    assert unusual(study()).empty


def test_a_collapsed_run_that_ended_well_is_named_and_the_others_keep_their_verdict():
    def collapsed(score, method, u, l, seed):  # noqa: E741
        return 0.1 if (method, l, seed) == ("supervised", 0.1, 2) else score

    cells = study(collapsed)
    found = unusual(cells)
    assert found[["method", "l", "seed", "what"]].values.tolist() == [["supervised", 0.1, 2, FAR]]
    results = analyse(cells)
    verdicts = results.tables["contrasts"].query("primary").set_index("l").outcome
    assert verdicts[0.05] == verdicts[0.5] == "worse" and verdicts[0.1] == "open"
    assert "1 run or setting should be looked at" in summary(results)
    assert "seed 2, lies -" in summary(results) and "1 seed far from the others" in summary(results)


def test_an_arm_that_varies_more_than_the_others_is_no_outlier():
    def loud(score, method, u, l, seed):  # noqa: E741
        return score + noise(0.06, l, seed) if method == "random" else score

    assert unusual(study(loud)).empty


def test_a_seed_that_was_not_applied_is_named_and_concludes_nothing():
    cells = study(lambda score, method, u, l, seed: 0.55 if method == "autoencoder" else 0.6)  # noqa: E741
    found = unusual(cells)
    assert (found.what == SAME).all() and np.isnan(found.seed).all()
    assert found.sentence.str.contains("was the seed applied").all()
    assert set(analyse(cells).tables["contrasts"].outcome) == {"unknown"}
