"""A study of CIFAR-10 with the original study's encoder and method stands beside its numbers."""

import pandas as pd
import pytest
from builders import results_table

from sslfast.analysis.results import Settings, analyse
from sslfast.report.original_study import beside_original

CIFAR10 = {"classes": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]}


def score(method, u, l, seed, **_):  # noqa: E741
    return 0.4 + 0.1 * l + 0.05 * (u or 0) + 0.001 * seed + 0.1 * (method == "supervised")


def found(images=CIFAR10, settings=None, **grid) -> pd.DataFrame:
    return beside_original(analyse(results_table(score, us=(0, 0.01, 0.1, 1), **grid), settings=settings), images)


def test_fractions_that_both_have_are_compared():
    rows = found(ls=(0.02, 0.1, 0.5))
    assert rows.labelled.tolist() == ["10 %", "50 %"]
    assert rows["baseline, there"].tolist() == ["≈ .40", "≈ .48"]
    assert rows["here"].str.startswith(("0.512", "0.552")).all()
    ours = rows["here (1 % → 100 %)"].str.extract(r"^(\S+) \[.*\] → (\S+) \[").astype(float)
    assert abs(ours.to_numpy() - [[0.4125, 0.462], [0.4525, 0.502]]).max() < 1e-3


@pytest.mark.parametrize(
    "what",
    [
        {"images": {"classes": ["cat", "dog"]}},
        {"images": {}},
        {"encoders": ("conv",)},
        {"methods": ("vae",)},
        {"settings": Settings(metric="test_accuracy")},
        {"ls": (0.02, 0.2)},
    ],
    ids=str,
)
def test_a_study_of_something_else_is_not(what):
    assert found(**{"ls": (0.1,), **what}).empty
