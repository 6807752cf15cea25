"""A surface is the exact non-negative fit, finds the law that made the data, and says when not to extrapolate."""

import numpy as np
import pytest
from builders import noise, results_table
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from sslfast.analysis.surface import EXPONENTS, FORMS, fit_surface, held_out_error, surfaces

L, U = (a.ravel() for a in np.meshgrid([900.0, 2250, 4500, 13500], [450.0, 1350, 4500, 45000], indexing="ij"))


@given(st.sampled_from(list(FORMS)), st.integers(0, 1000))
def test_it_is_the_best_non_negative_fit_of_all_exponents(form, seed):
    scores = np.random.default_rng(seed).uniform(0.2, 0.8, len(L))
    fit = fit_surface(L, U, scores[:, None], form)
    best = np.inf
    for alpha in EXPONENTS:
        for beta in EXPONENTS:
            columns = np.stack(FORMS[form](L / L.max(), U / U.max(), np.array(alpha), np.array(beta)), axis=1)
            best = min(best, nnls(columns, 1 - scores)[1])
    ours = [fit.scores(*amounts)[0] for amounts in zip(L, U, strict=True)]
    assert np.linalg.norm(ours - scores) == pytest.approx(best, rel=1e-4)
    assert (fit.coefficients >= 0).all()


@pytest.mark.parametrize("form, true", [("additive", (0.3, 0.1, 0.05)), ("product", (0.4, 0.08))])
def test_it_finds_the_law_that_made_the_scores(form, true):
    columns = FORMS[form](L / L.max(), U / U.max(), np.array(0.3), np.array(0.5))
    scores = 1 - sum(b * column for b, column in zip(true, columns, strict=True))
    fit = fit_surface(L, U, scores[:, None], form)
    assert fit.coefficients[:, 0] == pytest.approx(true, abs=1e-6)
    assert (fit.alpha[0], fit.beta[0]) == (0.3, 0.5)
    beyond = FORMS[form](np.array(2.0), np.array(2.0), np.array(0.3), np.array(0.5))
    expected = 1 - sum(b * column for b, column in zip(true, beyond, strict=True))
    assert fit.scores(2 * L.max(), 2 * U.max())[0] == pytest.approx(float(expected))


def test_every_set_of_scores_is_fitted_by_itself():
    scores = np.random.default_rng(0).uniform(0.2, 0.8, (len(L), 3))
    together = fit_surface(L, U, scores)
    for k in range(3):
        alone = fit_surface(L, U, scores[:, k : k + 1])
        assert together.coefficients[:, k] == pytest.approx(alone.coefficients[:, 0])


def law(l, u, seed, method, **_):  # noqa: E741
    return 0.7 - 0.15 * l**-0.2 * 0.5**0.2 - 0.03 * (u or 0.005) ** -0.2 + noise(0.002, l, u, seed, method)


def test_a_law_may_be_extrapolated_a_little():
    found = surfaces(results_table(law))
    chosen = found[found.chosen].iloc[0]
    assert chosen.extrapolate and max(chosen.held_out_l, chosen.held_out_u) < 0.01
    assert "a modest step beyond the grid may be predicted (5 seeds)" in chosen.sentence


@pytest.mark.parametrize("amounts", [L, U])
def test_the_held_out_error_is_that_of_the_largest_level_which_the_fit_has_not_seen(amounts):
    scores = 0.6 - 0.1 * (L / L.max()) ** -0.3 - 0.02 * (U / U.max()) ** -0.5
    assert held_out_error(L, U, scores, "additive", amounts) == pytest.approx(0, abs=1e-5)
    off = scores - 0.05 * (amounts == amounts.max())
    assert held_out_error(L, U, off, "additive", amounts) == pytest.approx(0.05, abs=1e-5)


def test_a_curve_that_turns_at_its_end_may_not():
    found = surfaces(results_table(lambda **run: law(**run) - 0.1 * (run["l"] == 0.5)))
    assert not found.extrapolate.any()
    assert found.sentence.str.contains("do not extrapolate").all()


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"ls": [0.02, 0.1, 0.5]}, "3 labelled and 5 unlabelled fractions above 0"),
        ({"us": [0, 0.01, 0.1, 1]}, "5 labelled and 3 unlabelled"),
        ({"us": [0]}, "no seed has every cell"),
    ],
)
def test_fewer_than_four_levels_are_not_fitted(changes, why):
    found = surfaces(results_table(law, **changes))
    assert len(found) == 1 and not found.extrapolate[0]
    assert why in found.sentence[0] and "Do not extrapolate" in found.sentence[0]


def test_a_seed_with_a_missing_cell_is_dropped_and_counted():
    found = surfaces(results_table(lambda u, seed, **k: None if (u, seed) == (1, 2) else law(u=u, seed=seed, **k)))
    assert (found.n_seeds == 4).all() and (found.n_dropped == 1).all()


def test_images_are_counted_as_they_were_in_pool_rest():
    rest, everything = (surfaces(results_table(law, pool=pool)) for pool in ("rest", "all"))
    assert not np.allclose(rest.held_out_u, everything.held_out_u)
