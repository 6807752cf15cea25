"""Ways to spend the same labels, where an existing net is one of them: each against each, in one family of comparisons.

An arm is the labels alone, or a method at its largest u under one evaluation: frozen, or fine-tuned. Other studies have
no arms, since there `contrasts` has all of their comparisons.
"""

import numpy as np
import pandas as pd

from ..study.names import SUPERVISED
from ..study.stage_table import first_to_judge
from .base_nets import BASE_NET, arm_runs, keeps_encoder, on_net
from .comparisons import ALPHA, DELTA, compare, suspect_runs, verdicts
from .equivalence import label_equivalence
from .judged import main_cells
from .length_check import RISE
from .scores import by_setting, with_intervals

__all__ = ["ALONE", "LABELS", "NET", "PLACE", "TUNED", "arm_pairs", "arms"]

LABELS = "labels alone"
PLACE = ["encoder", "l"]
TUNED = "finetune"
# what made the encoder of an arm
ALONE, OWN, NET, ONWARDS = "labels", "own images", "existing net", "existing net and own images"


def arm_pairs(
    every: pd.DataFrame,
    judged_by: str,
    metric: str = "test_macro_f1",
    *,
    delta: float = DELTA,
    alpha: float = ALPHA,
    image_noise: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`first` minus `second`, two arms, paired by seed: one row per (encoder, l) and pair; none without existing nets.

    `every`: all checked cells; `judged_by`: the evaluation of frozen encoders, if it is one of those. Columns as in
    `contrasts`; all rows are one family. `primary`: whether it is one of the primary comparisons of `contrasts`, too.
    """
    runs = _runs(every, judged_by, metric)
    key = [*PLACE, "seed"]
    both = runs.merge(runs[[*key, "arm", "place", metric, "suspect"]], on=key, suffixes=("", "_second"))
    both = both[both.place > both.place_second]
    both = both.assign(
        value=both[metric] - both[f"{metric}_second"],
        suspect=both.suspect | both.suspect_second,
        method=both.arm + "|" + both.arm_second,  # `check_cells` allows no bar in a name
        u=0.0,
    )
    columns = [*PLACE, "n_labelled", "first", "second", "primary", "difference", "se", "free", "low", "high", "n_seeds"]
    columns += ["p", "p_holm", "outcome", "image_se"]
    if both.empty:
        return pd.DataFrame(columns=columns).astype({"p": float, "primary": bool})
    found = compare(both, _noise(image_noise, runs), metric)
    found[["first", "second"]] = found.method.str.split("|", expand=True)
    judged = set(runs.arm[runs.evaluate == judged_by])
    found["primary"] = (found.second == LABELS) & found["first"].isin(judged)
    return verdicts(found, pd.Series(True, found.index), delta, alpha)[columns]


def arms(
    every: pd.DataFrame,
    judged_by: str,
    pairs: pd.DataFrame,
    contrasts: pd.DataFrame,
    check: pd.DataFrame,
    metric: str = "test_macro_f1",
) -> pd.DataFrame:
    """One row per (encoder, l, arm), the labels alone first; none without existing nets.

    * `arm` in words, of `method`, `u` and `evaluate`; `kind`: what made its encoder.
    * `mean` of `metric`, `low`, `high`, `n_seeds`. `difference`, `difference_low`, `difference_high`, `p_holm` and
      `outcome`: against the labels alone, from `pairs` (see `arm_pairs`), or `length` where `contrasts` say so.
    * `moved`: how far twice the training moved that difference, from `check` (see `length_check`), at the nearest
      number of labels where it was tried; infinite if both arms rise, NaN if not known.
    * `worth`: in labels, as text (see `label_equivalence`).
    * `seconds` of a seed's jobs (pre-training, encoding, classifier, test), and `seconds_once`, of computing features
      of an existing net, which all seeds share. `pixels`: the side to which it scales images; NaN of other encoders.
    """
    runs = _runs(every, judged_by, metric)
    if runs.empty:
        return pd.DataFrame(columns=[*PLACE, "n_labelled", "arm", *_SHOWN])
    found = with_intervals(by_setting(runs.assign(method=runs.arm, u=0.0), metric)).rename(columns={"method": "arm"})
    told = runs.drop_duplicates([*PLACE, "arm"])
    found = found.drop(columns="u").merge(told[[*PLACE, "arm", "place", "method", "u", "evaluate", "kind", "pixels"]])
    against = pairs[pairs.second == LABELS].rename(
        columns={"first": "arm", "low": "difference_low", "high": "difference_high"}
    )
    own = ["difference", "difference_low", "difference_high", "p_holm", "outcome", "image_se"]
    found = found.merge(against[[*PLACE, "arm", *own]], on=[*PLACE, "arm"], how="left")
    unsure = set(
        contrasts[contrasts.outcome == "length"][["encoder", "l", "method"]].itertuples(index=False, name=None)
    )
    judged = (found.evaluate == judged_by) & (found.method != SUPERVISED)
    doubtful = [key in unsure for key in found[["encoder", "l", "method"]].itertuples(index=False, name=None)]
    found.loc[judged & np.array(doubtful, dtype=bool), "outcome"] = "length"
    moved = pd.Series([_moved(check, row) for row in found.itertuples()], found.index, dtype=float)
    found["moved"] = moved.where(judged).mask(found.arm == LABELS, 0.0)
    worth = [_worth(every, name, rows, metric) for name, rows in found[found.arm != LABELS].groupby("evaluate")]
    found = found.merge(pd.concat(worth), on=[*PLACE, "arm"], how="left") if worth else found.assign(worth="")
    found = found.merge(_seconds(runs, every), on=[*PLACE, "arm"], how="left")
    return found.sort_values([*PLACE, "place"], ignore_index=True)[[*PLACE, "n_labelled", "arm", *_SHOWN]]


_SHOWN = ["kind", "method", "u", "evaluate", "n_unlabelled", "mean", "low", "high", "n_seeds", "difference"]
_SHOWN += ["difference_low", "difference_high", "p_holm", "outcome", "moved"]
_SHOWN += ["worth", "seconds", "seconds_once", "pixels"]


def _runs(every: pd.DataFrame, judged_by: str, metric: str) -> pd.DataFrame:
    """The runs of all arms with `arm`, its `place` among them, `kind`, `pixels` and `suspect`."""
    learned = arm_runs(every)
    frozen = set(filter(keeps_encoder, learned.evaluate.unique()))
    chosen = judged_by if judged_by in frozen else first_to_judge(frozen) or min(frozen, default="")
    learned = learned[learned.evaluate.isin([chosen, TUNED])]
    tuned = np.where(learned.evaluate == TUNED, "fine-tuned", "frozen")
    net = on_net(learned)
    kind = np.select([net & (learned.u == 0), net | _taught(learned)], [NET, ONWARDS], OWN)
    learned = learned.assign(arm=tuned + " " + learned.method, kind=kind)
    base = every[(every.method == SUPERVISED) & every.encoder.isin(learned.encoder)].assign(arm=LABELS, kind=ALONE)
    runs = pd.concat([base, learned], ignore_index=True)
    order = [ALONE, OWN, NET, ONWARDS]
    names = runs[["arm", "kind", "method"]].drop_duplicates("arm")
    names = sorted(names.itertuples(index=False), key=lambda row: (order.index(row.kind), row.method, row.arm))
    places = {row.arm: place for place, row in enumerate(names)}
    suspects = pd.concat(
        [_suspects(every, name, judged_by, metric) for name in learned.evaluate.unique()] or [pd.Series()]
    )
    size = runs[BASE_NET].str.extract(r" (\d+)$")[0].astype(float) if BASE_NET in runs else np.nan
    known = ["encoder", "method", "evaluate", "u", "l", "seed"]
    runs = runs.assign(place=runs.arm.map(places), pixels=size)
    if runs.empty:
        return runs.assign(suspect=False)
    return (
        runs.merge(suspects.drop_duplicates(known), on=known, how="left")
        .fillna({"suspect": False})
        .astype({"suspect": bool})
    )


def _moved(check: pd.DataFrame, row) -> float:
    """How far twice the training moved the difference of an arm, at the nearest number of labels where it was tried."""
    tried = check[(check.encoder == row.encoder) & (check.method == row.method) & check.moved.notna()]
    if tried.empty:
        return np.nan
    nearest = tried.loc[(np.log(tried.l) - np.log(row.l)).abs().idxmin()]
    return np.inf if nearest.outcome == RISE else float(nearest.moved)


def _taught(cells: pd.DataFrame) -> pd.Series:
    """Which runs are of encoders that learned from an existing net's features, if their settings are there."""
    told = [name for name in cells if name.endswith("_teacher_net")]
    return cells[told].notna().any(axis=1)


def _suspects(every: pd.DataFrame, evaluation: str, judged_by: str, metric: str) -> pd.DataFrame:
    """Outliers among the runs of one evaluation, the same ones as conclusions by that evaluation know."""
    cells = main_cells(every, evaluation)
    cells = cells.assign(suspect=suspect_runs(cells, metric))
    cells = cells[(cells.method != SUPERVISED) | (evaluation == judged_by)]
    return cells[["encoder", "method", "evaluate", "u", "l", "seed", "suspect"]]


def _noise(image_noise: pd.DataFrame | None, runs: pd.DataFrame) -> pd.DataFrame | None:
    """What test images add to the difference of each pair, as `compare` takes it."""
    if image_noise is None:
        return None
    told = runs[runs.arm != LABELS].drop_duplicates([*PLACE, "arm"])
    arm = {(r.encoder, r.l, r.method, r.u, r.evaluate): (r.arm, r.place) for r in told.itertuples()}
    rows = []
    for row in image_noise.to_dict("records"):
        ours = arm.get((row["encoder"], row["l"], row["method"], row["u"], row["evaluate"]))
        key = (row["encoder"], row["l"], row["other"], row["other_u"], row.get("other_evaluate"))
        theirs = (LABELS, 0) if row["other"] == SUPERVISED else arm.get(key)
        if ours and theirs:
            (first, _), (second, _) = sorted((ours, theirs), key=lambda named: -named[1])
            rows.append({**row, "method": f"{first}|{second}", "u": 0.0})
    return pd.DataFrame(rows) if rows else None


def _worth(every: pd.DataFrame, evaluation: str, rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    found = label_equivalence(main_cells(every, evaluation), metric, rows.assign(primary=True))
    found = rows.merge(found[["encoder", "method", "l", "u", "text"]], on=["encoder", "method", "l", "u"], how="left")
    return found[[*PLACE, "arm", "text"]].rename(columns={"text": "worth"})


def _seconds(runs: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """What a seed's jobs of each arm took, and what all seeds share."""
    phases = ["seconds_pretrain", "seconds_data", "seconds_classify", "seconds_evaluate"]
    runs = runs.reindex(columns=[*dict.fromkeys([*runs, *phases])]).fillna(dict.fromkeys(phases, 0.0))
    stored = (runs.kind == NET) & runs.evaluate.map(keeps_encoder)  # whichever job came first has computed the features
    own = runs[phases].sum(axis=1) - np.where(stored, runs.seconds_data, 0)
    runs = runs.assign(seconds=own.where(runs.status == "ok"))
    found = runs.groupby([*PLACE, "arm"]).agg(seconds=("seconds", "mean"), method=("method", "first")).reset_index()
    shared = every[(every.u == 0) & every.evaluate.map(keeps_encoder)].reindex(columns=["method", "seconds_data"])
    # beside each encoder stands the same run
    once = shared.groupby("method").seconds_data.sum() / every.encoder[every.method == SUPERVISED].nunique()
    nets = set(runs.arm[stored])
    found["seconds_once"] = found.method.map(once).where(found.arm.isin(nets))
    return found.drop(columns="method")
