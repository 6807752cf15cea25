"""The caption of each figure: the claim first, then seeds, interval and test images, and what it does not show."""

from ..analysis.checks import RANDOM, SUPERVISED
from ..analysis.intervals import MIN_SEEDS
from ..analysis.results import Results
from ..analysis.words import seeds
from ..figures import METRIC_NAMES
from .trust import devices

__all__ = ["captions"]


def captions(results: Results) -> dict[str, str]:
    """The caption of each figure by its name."""
    cells, tables, s = results.cells, results.tables, results.settings
    n, n_test = cells.seed.nunique(), int(cells.n_test.max())
    name, threshold = METRIC_NAMES[s.threshold_metric], s.threshold
    targets = tables["data_needed"].target.unique()
    base = f"{seeds(n)}; {n_test:,} test images"
    interval = "95 % t intervals over seeds" if n >= MIN_SEEDS else "too few seeds for intervals"
    times = tables["time_to_threshold"]
    never = int((times.n_reached == 0).sum())
    best = tables["scores"].dropna(subset=["mean"]).sort_values("mean")
    against = tables["contrasts"]
    learned = against[(against.against == SUPERVISED) & (against.method != RANDOM)]
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
            f" wall-clock on {devices(cells)}, and differ between machines."
        ),
        "wall_clock": (
            "Mean seconds of training a cell, pre-training (shared by all labelled fractions, unless the pool is"
            f" 'rest') under the classifier; {base}, {devices(cells)}, {int(cells.threads.max())} thread(s) a job."
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
