"""The caption of each figure: the claim first, then seeds, interval and test images, and what it does not show."""

import numpy as np
import pandas as pd

from ..analysis.card import plateau_answers, unsure_ways
from ..analysis.checks import SUPERVISED
from ..analysis.intervals import MIN_SEEDS
from ..analysis.results import Results, card_of
from ..analysis.scores import best_setting
from ..analysis.units import UPDATES
from ..analysis.words import count, points, seeds
from .examples import Examples, rmse
from .figures import METRIC_NAMES
from .trust import devices

__all__ = ["captions"]


def captions(results: Results, examples: Examples | None = None) -> dict[str, str]:
    """The caption of each figure by its name; those of images need the `examples`."""
    cells, tables, s = results.cells, results.tables, results.settings
    n, n_test = cells.seed.nunique(), int(cells.n_test.max())
    base = f"{seeds(n)}; {n_test:,} test images"
    interval = "95 % intervals over seeds" if n >= MIN_SEEDS else "too few seeds for intervals"
    machine = f"{devices(cells)}, {int(cells.threads.max())} thread(s) a job"
    judged = f" {results.judged}".rstrip()
    unsure = unsure_ways(tables["contrasts"])
    headline = card_of(results).headline
    by_updates = " An update is a step of the optimiser over one batch; where the lines of a panel have batches of one"
    by_updates += " size, the images seen stand above it, repeats counted."
    training = (
        "{claim} Means over seeds on validation images, shaded from the lowest to the highest seed (if there are few"
        f" lines), without runs that did not finish; {seeds(n)}.{by_updates if results.unit == UPDATES else ''} Test"
        " scores are in the figures above, not here."
    )
    alike = "Macro-F1 counts every class alike, so it lies below accuracy where some classes are learned late."
    return {
        "f1_against_unlabelled": (
            f"More unlabelled images? {' '.join(plateau_answers(tables['plateau'], s.delta, unsure))} Dots are seeds,"
            f" lines means, shading and the dashed supervised band {interval}; {base}.{judged} It does not show what"
            " more data than was tried would give."
        ),
        "self_supervised_against_supervised": (
            f"{headline} Each method with the most unlabelled images, paired by seed, {interval} (the verdict is also"
            f" corrected for the number of comparisons); {base}. Grey: less than {points(s.delta)}, not worth"
            " having. It does not show that another way of pre-training would do the same."
        ),
        "against_controls": _controls(results, interval, base),
        "across_evaluations": _evaluated(tables, interval, base),
        "accuracy_in_training": training.format(claim=_best(results.cells, s.metric)),
        "f1_in_training": training.format(claim=alike),
        "time_to_threshold": _times(results, machine),
        "wall_clock": (
            f"{_seconds(tables['scores'])} Mean seconds of training a cell, pre-training (shared by all labelled"
            f" fractions, unless the pool is 'rest') under the classifier; {seeds(n)}, {machine}. Jobs may run side by"
            " side: it does not show how long the study took."
        ),
        "score_map": _map(tables["surface"], base),
        "data_needed": _needed(tables["data_needed"], base),
        **(_of_images(examples) if examples else {}),
    }  # fmt: skip


def _of_images(examples: Examples) -> dict[str, str]:
    cells = "One run each, the best and the worst of those over a frozen encoder by test macro-F1; it does not show"
    cells += " what other runs do."
    return {
        "embeddings": (
            f"{_alike(examples)} Each dot is a validation image of one seed; t-SNE puts images together whose features"
            " are alike. Distances between groups, and their sizes, mean little."
        ),
        "inventions": (
            f"{_invented(examples)} One seed, the most unlabelled images of each. A good likeness need not make a good"
            " encoder."
        ),
        "reconstructions": (
            f"{_sharper(examples)} The same {examples.n_shown} validation images in every row, without"
            " augmentation, of one seed. A better likeness need not make a better classifier."
        ),
        "confusion": f"{_confused(examples)} Percent of the test images of the true class (the row). {cells}",
        "mistakes": (
            f"{_surest(examples)} Under each image the answer, how sure the classifier was (softmax), and the truth."
            f" Mistakes that look right may be wrong labels. {cells}"
        ),
    }


def _alike(examples: Examples) -> str:
    if not examples.embeddings:
        return "No encoder of this study finished."
    n = len(examples.embeddings[0].points)
    return f"Where classes form groups of their own, few labels are enough. {count(n)} images in each panel."


def _invented(examples: Examples) -> str:
    kinds = sorted({p.kind for p in examples.invented})
    if not kinds:
        return "No network of this study makes images out of nothing."
    return f"What networks make out of random numbers: {' and '.join(kinds)}."


def _evaluated(tables: dict, interval: str, base: str) -> str:
    order = tables["evaluation_order"]
    told = order[order.n_evaluations > 1].sort_values(["n_opposite", "n_labelled"], ascending=False)
    if told.empty:
        return f"Every encoder is judged in one way here; 'evaluate' in the config adds others. {interval}; {base}."
    rest = f" ({len(told) - 1} more in tables/evaluation_order.csv)" if len(told) > 1 else ""
    return (
        f"{told.sentence.iloc[0]}{rest} Lines that cross are orders that change; {interval}; {base}. It does not show"
        " what another head, or longer training of it, would give."
    )


def _controls(results: Results, interval: str, base: str) -> str:
    table = results.tables["controls"]
    learned = table[(table.n_seeds > 0) & (table.evaluate == results.judged_by)]
    if learned.empty:
        return "No control of this study can be compared with a pre-trained encoder."
    better, n = int((learned.outcome == "better").sum()), len(learned)
    return (
        f"Pre-trained encoders beat controls, which learned nothing, in {better} of {n} comparisons (Holm). Drawn: the"
        f" most labels, paired by seed, {interval}; {base}. 'Shuffled' keeps the size of every weight and loses what"
        " was learned: a lead over 'random' that is none over 'shuffled' is one of scale."
    )


def _sharper(examples: Examples) -> str:
    if not examples.rebuilt:
        return "No encoder of this study rebuilds images."
    spec = examples.rebuilt[0].spec
    alike = [r for r in examples.rebuilt if (r.spec.encoder, r.spec.method) == (spec.encoder, spec.method)]
    few, many = (f"{count(r.spec.n_unlabelled)} unlabelled images" for r in (alike[0], alike[-1]))
    first, last = (rmse(r.images, examples.originals) for r in (alike[0], alike[-1]))
    if len(alike) == 1:
        return f"With {few}, these images are rebuilt to an RMSE of {first:.3f}."
    return f"From {few} to {many}, the error on these images goes from RMSE {first:.3f} to {last:.3f}."


def _confused(examples: Examples) -> str:
    if not examples.outcomes:
        return "No cell has a result."
    counts = np.array(examples.outcomes["best"].confusion, float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    true, predicted = np.unravel_index(share.argmax(), share.shape)
    names = examples.classes
    if not share.any():
        return "The best cell takes no class for another."
    what = f"{share.max():.0%} of {names[true]} for {names[predicted]}"
    return f"What the best cell takes for another most often: {what}."


def _surest(examples: Examples) -> str:
    wrong = [m for outcome in examples.outcomes.values() for m in outcome.mistakes]
    if not wrong:
        return "No cell that is shown made a mistake."
    return f"Classifiers can be sure and wrong: up to {max(m['confidence'] for m in wrong):.0%} here."


def _best(cells: pd.DataFrame, metric: str) -> str:
    found = best_setting(cells, metric)
    if found is None:
        return "No run finished."
    (encoder, label, method, _), score = found
    n_labelled = cells.n_labelled[(cells.encoder == encoder) & (cells.l == label)].iloc[0]
    who = "the supervised baseline" if method == SUPERVISED else method
    best = f"The highest mean of the grid is that of {who} with {count(n_labelled)} labels"
    if not np.isfinite(score):
        return f"{best}; as the highest of many it is flattered by chance."
    name = METRIC_NAMES.get(metric.removeprefix("test_"), metric)
    return f"{best}. A setting that some seeds choose scores test {name} {score:.3f} in the seeds that did not choose."


def _times(results: Results, machine: str) -> str:
    times, s = results.tables["time_to_threshold"], results.settings
    name = f"{METRIC_NAMES[s.threshold_metric]} {s.threshold:g}"
    never = int((times.n_reached == 0).sum())
    claim = f"{never} of {len(times)} settings never reached {name}." if never else f"Every setting reached {name}."
    return (
        f"{claim} {results.unit.many.capitalize()} and seconds on validation images: bars are medians over seeds,"
        f" labelled by how many got there; no bar where half or fewer did. Seconds are wall-clock on {machine}; other"
        " machines differ."
    )


def _seconds(scores: pd.DataFrame) -> str:
    learned = scores[(scores.seconds_pretrain > 0)]
    if learned.empty:
        return "Nothing was pre-trained."
    share = (learned.seconds_pretrain / (learned.seconds_pretrain + learned.seconds_classify)).max()
    return f"Pre-training is up to {100 * share:.0f} % of the time of a cell that has its encoder to itself."


def _map(surface: pd.DataFrame, base: str) -> str:
    chosen = surface[surface.chosen.astype(bool)]
    trusted = chosen[chosen.extrapolate.astype(bool)]
    if chosen.empty:
        return "Nothing was pre-trained, so there is nothing to map."
    if len(trusted) < len(chosen):
        why = chosen[~chosen.extrapolate.astype(bool)].sentence.iloc[0]
        text = f"Only measured cells are shown. {why}"
        return f"{text} Squares are means of test macro-F1; {base}."
    error = np.nanmax(trusted[["held_out_l", "held_out_u"]].to_numpy())
    return (
        f"Along a line the score is the same. A fitted surface, which predicted held-out cells within {points(error)};"
        f" dots were measured, hatched is beyond them; {base}. It does not show how seeds differ."
    )


def _needed(needed: pd.DataFrame, base: str) -> str:
    if needed.empty:
        return "No target accuracy lies within what the study reached."
    reached = needed[needed.n_needed.notna()].target
    top = f"{reached.max():g} is the highest target that was reached" if len(reached) else "No target was reached"
    targets = ", ".join(f"{target:g}" for target in sorted(needed.target.unique()))
    return (
        f"{top} (of {targets}). Above, the fewest labels of the grid whose mean test accuracy gets there, by unlabelled"
        f" fraction; below, the fewest unlabelled images, by labelled fraction (0: a random encoder is enough). {base}."
        " Nothing is interpolated: less than the grid's next amount may be enough."
    )
