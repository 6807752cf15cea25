"""What to buy next: more labels, more unlabelled images, a bigger model, or nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..study.names import RANDOM
from .comparisons import DELTA
from .contrasts import contrasts
from .intervals import MIN_SEEDS, draw_means
from .predict import N_DRAWS, SURE, Gains, gains, measured_levels
from .score_grids import Grid, grids
from .table_checks import check_number
from .words import count, evidence, fraction, points, range_of_points

__all__ = ["Decision", "Prices", "decide", "what_next"]

COLUMNS = ["option", "factor", "amount", "cost", "gain", "upper", "share", "reason"]
RUN_COLUMNS = ["encoder", "method", "l", "u", "n_more_seeds"]

MAX_FACTOR = 4.0  # nothing is predicted for more than so many times the measured amount of a kind of data
ENOUGH = 0.875  # share of draws that have to agree on an option
NOTHING = 0.95  # the same for buying nothing; higher, since nobody would notice that this advice was wrong
UNKNOWN = {"pretrain": 0.0, "classify": 0.0}  # hours, where no time was recorded
TOO_DEAR = "the budget is too small"
LABELS, UNLABELLED = "more labels", "more unlabelled images"


@dataclass(frozen=True)
class Prices:
    """What data and computing cost, and the budget, all in one currency. None: not on offer, or not known.

    `price_per_gpu_hour`: the price of an hour on the machine that ran the study, with or without a GPU (None: computing
    is free). Raises `ConfigError` for a negative number or a budget of 0.
    """

    price_per_label: float | None = None
    price_per_unlabelled_image: float | None = None
    price_per_gpu_hour: float | None = None
    budget: float | None = None

    def __post_init__(self):
        for name, value in vars(self).items():
            if value is not None:
                check_number(name, value, 0, above=name == "budget")


@dataclass(frozen=True)
class Decision:
    """What to buy next, for one (encoder, method).

    * `action`: an option, `buy nothing`, `not settled` or `not asked` (no prices were given).
    * `options`: one row per option: `option`; `factor`, how many times the measured amount; `amount`, in images (NaN
      for a model); `cost`; `gain` in score, a guess: the median of the draws; `upper`, the most that it may gain;
      `share` of draws in which this option is the one to take (see `decide`); `reason` why it has no gain.
    * `run`: the cells whose runs would help most to settle it (encoder, method, l, u, n_more_seeds).
    * `n_seeds`: seeds that have a result with an encoder; `n_dropped`: seeds that have none.
    * `sentence`: the answer in words.
    """

    encoder: str
    method: str
    action: str
    options: pd.DataFrame
    run: pd.DataFrame
    n_seeds: int
    n_dropped: int
    sentence: str


def what_next(
    cells: pd.DataFrame,
    prices: Prices | None = None,
    metric: str = "test_macro_f1",
    *,
    delta: float = DELTA,
    against: pd.DataFrame | None = None,
) -> list[Decision]:
    """A `Decision` for each (encoder, method) of `cells`: which purchase adds most to the largest amounts of data.

    Each option spends the whole budget. Labels and images include the computing that they cause (seconds per image, as
    measured); a bigger model costs its extra training time only. Without a budget nothing is recommended, and the gain
    of doubling each amount is given. Gains are drawn (see `sslfast.analysis.predict`), and `decide` says how many draws
    have to agree on an option. If too few do, the answer is 'not settled', with cells to run. Nothing is predicted
    beyond 4 times the measured amounts. `against`: the study's `contrasts` with the baseline, if they exist already.

    A curve that stops rising right after the largest amount cannot be distinguished from one that goes on. Therefore a
    gain is called a guess, and has no lower bound. The choice of test images is not accounted for. In simulations
    (`docs/simulation.md`; 5 seeds, five levels) a purchase or 'buy nothing' is recommended in half of the studies, and
    is right in 97 to 98 % of them; 4 % of the recommended purchases gain less than `delta`. With three levels it
    recommends something in a quarter of the studies.
    """
    prices = prices or Prices()
    against = contrasts(cells, metric, delta=delta) if against is None else against
    made = grids(cells, metric)
    hours = _hours(cells)
    learned = [grid for grid in made if grid.learns]
    return [_decision(grid, hours, prices, _rivals(grid, made), delta, against) for grid in learned]


def decide(options: dict[str, np.ndarray], delta: float = DELTA) -> tuple[str, dict[str, float]]:
    """`(action, share of each option)`, from draws `[D]` of what each of `options` may gain.

    An option's share counts the draws in which it gains at least `delta` and no other option gains over a third of
    `delta` more. (An option so close to the best is a good choice.) The action is 'buy nothing' if no option gains
    `delta` in 95 % of draws; else the option with the largest share, if that is 7/8 or more; else 'not settled'. A
    share is not the probability that the option is right.
    """
    drawn = np.stack(list(options.values()))
    best = drawn.max(axis=0)
    won = (drawn >= delta) & (drawn >= best - delta / 3)
    shares = dict(zip(options, won.mean(axis=1).tolist(), strict=True))
    if (best < delta).mean() >= NOTHING:
        return "buy nothing", shares
    first = max(shares, key=shares.__getitem__)
    return first if shares[first] >= ENOUGH else "not settled", shares


def _rivals(grid: Grid, made: list[Grid]) -> list[Grid]:
    bigger = [other for other in made if other.method == grid.method and other.encoder != grid.encoder]
    return bigger + [net for net in made if _is_net(net) and net.encoder == grid.encoder]


def _is_net(grid: Grid) -> bool:
    """Whether it is of an existing net, which one takes as it is."""
    return grid.method == grid.start != RANDOM


def _decision(
    grid: Grid, hours: dict, prices: Prices, rivals: list[Grid], delta: float, against: pd.DataFrame
) -> Decision:
    i, j = measured_levels(grid)
    have = np.isfinite(grid.scores[:, :, grid.unlabelled > 0]).any(axis=(1, 2))
    n = int(have.sum())
    rows, predicted = _offers(grid, hours, prices, rivals, i, j) if n else ([], {})
    draws = {name: gain.draws for name, gain in predicted.items()}
    action, shares = decide(draws, delta) if draws else ("not settled", {})
    for row in rows:
        if row["option"] in predicted:
            row["gain"] = float(np.median(draws[row["option"]]))
            if n >= MIN_SEEDS:
                row |= {"upper": predicted[row["option"]].most, "share": shares[row["option"]]}
    asked = prices.budget is not None
    unknown = [row for row in rows if row["reason"] not in ("", TOO_DEAR)]
    if n < MIN_SEEDS or (asked and unknown):
        action = "not settled"  # an option that cannot be predicted might be the best
    if not asked:
        action = "not asked"
    options = pd.DataFrame(rows, columns=COLUMNS)
    run = _cells_to_run(grid, i, j) if action == "not settled" and n else pd.DataFrame(columns=RUN_COLUMNS)
    sentence = _sentence(grid, action, options, n, delta, prices) + (_caution(grid, against) if n else "")
    return Decision(grid.encoder, grid.method, action, options, run, n, int((~have).sum()), sentence)


def _offers(grid: Grid, hours: dict, prices: Prices, rivals: list[Grid], i, j) -> tuple[list[dict], dict]:
    """The row of each option on offer, and, by name, the `Gains` of the options that can be predicted."""
    rows, predicted = [], {}
    for option, along in ((LABELS, "l"), (UNLABELLED, "u")):
        row = _purchase(option, grid, prices, hours.get((grid.encoder, grid.method), UNKNOWN), i[-1], j[-1])
        if row is None:
            continue
        rows.append(row)
        gain = gains(grid, along, row["factor"]) if not row["reason"] else None
        if gain is not None:
            predicted[option] = gain
        else:
            row["reason"] = row["reason"] or "only one amount was measured"
    for rival in rivals:
        row, gain = _bigger(grid, rival, hours, prices, i[-1], j[-1])
        if row is not None:
            rows.append(row)
        if gain is not None:
            predicted[row["option"]] = gain
    return rows, predicted


def _hours(cells: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """Hours of training at the largest amounts, `pretrain` and `classify`, by (encoder, method); 0 where unknown."""
    finished = cells.loc[cells.status == "ok", ["encoder", "method", "l", "u"]]
    for phase in ("pretrain", "classify"):
        name = f"seconds_{phase}"
        finished[phase] = cells[name].reindex(finished.index) / 3600 if name in cells else np.nan
    largest = finished.groupby(["encoder", "method"])[["l", "u"]].transform("max")
    top = finished[(finished[["l", "u"]] == largest).all(axis=1)]
    means = top.groupby(["encoder", "method"])[["pretrain", "classify"]].mean().fillna(0.0)
    return means.to_dict("index")


def _purchase(option: str, grid: Grid, prices: Prices, hours: dict, i: int, j: int) -> dict | None:
    """The row of an option that buys labels or images, still without its gain; None if it is not on offer."""
    empty: dict[str, Any] = dict.fromkeys(("gain", "upper", "share"), np.nan) | {"option": option, "reason": ""}
    if not np.isfinite(grid.scores[:, i, j]).any():
        why = "the most labels and the most unlabelled images were not run together"
        return empty | {"factor": np.nan, "amount": np.nan, "cost": np.nan, "reason": why}
    price = prices.price_per_label if option == LABELS else prices.price_per_unlabelled_image
    have = grid.n_labelled[i] if option == LABELS else grid.n_unlabelled[i, j]
    if prices.budget is None:
        return empty | {"factor": 2.0, "amount": float(have), "cost": np.nan}
    if price is None:
        return None
    computing = hours["classify" if option == LABELS else "pretrain"] / have * (prices.price_per_gpu_hour or 0)
    each = price + computing
    amount = prices.budget / each if each else np.inf
    row = empty | {"factor": float(1 + amount / have), "amount": float(amount), "cost": float(prices.budget)}
    if row["factor"] > MAX_FACTOR:
        most = (MAX_FACTOR - 1) * have * each
        so = f"ask with a budget up to {most:,.4g}, or leave out its price" if each else "leave out its price"
        times = f"{row['factor']:.1f} times what was measured" if each else "any amount"
        row["reason"] = f"the budget buys {times}; beyond {MAX_FACTOR:g} times nothing is predicted: {so}"
    return row


def _bigger(grid: Grid, rival: Grid, hours: dict, prices: Prices, i: int, j: int):
    """`(row, Gains)` of a change to the rival's encoder; `(None, None)` if it is no bigger (trains no longer) and no
    existing net."""
    ours, theirs = (hours.get((g.encoder, g.method), UNKNOWN) for g in (grid, rival))
    extra = sum(theirs.values()) - sum(ours.values())
    net = _is_net(rival)
    if extra <= 0 and not net:
        return None, None
    top = {"l": grid.labelled[i], "u": 0.0 if net else grid.unlabelled[j]}
    at = [np.flatnonzero(values == top[name]) for name, values in (("l", rival.labelled), ("u", rival.unlabelled))]
    row: dict[str, Any] = dict.fromkeys(("gain", "upper", "share", "amount"), np.nan)
    option, cost = f"the existing net {rival.method}" if net else f"encoder {rival.encoder}", max(extra, 0.0)
    row |= {"option": option, "factor": np.nan, "cost": cost * (prices.price_per_gpu_hour or 0)}
    row["reason"] = "" if prices.budget is None or row["cost"] <= prices.budget else TOO_DEAR
    if not (len(at[0]) and len(at[1])):
        return row | {"reason": "it was not run with the largest amounts"}, None
    mine = pd.Series(grid.scores[:, i, j], grid.seeds)
    other = pd.Series(rival.scores[:, at[0][0], at[1][0]], rival.seeds)
    difference = (other - mine).dropna().to_numpy()  # paired by seed
    if row["reason"]:
        return row, None
    if len(difference) < MIN_SEEDS:
        return row | {"reason": "fewer than three seeds have both encoders"}, None
    draws = draw_means(difference, N_DRAWS)
    return row, Gains(draws, max(0.0, float(np.quantile(draws, SURE))))


def _cells_to_run(grid: Grid, i: np.ndarray, j: np.ndarray) -> pd.DataFrame:
    """The cells that would help most: more seeds at both ends of the last steps in l and u, and levels in between."""
    levels_l, levels_u = grid.labelled[i], grid.unlabelled[j]
    ends = {(levels_l[-1], levels_u[-1])}
    ends |= {(levels_l[-2], levels_u[-1])} if len(levels_l) > 1 else set()
    ends |= {(levels_l[-1], levels_u[-2])} if len(levels_u) > 1 else set()
    more = max(2, 5 - len(grid.seeds))
    rows = [(grid.encoder, grid.method, a, b, more) for a, b in sorted(ends, reverse=True)]
    everything = len(grid.seeds)
    if len(levels_l) < 4:  # a new level between the two largest shows how the curve bends there
        rows.append((grid.encoder, grid.method, _between(levels_l), levels_u[-1], everything))
    if len(levels_u) < 4:
        rows.append((grid.encoder, grid.method, levels_l[-1], _between(levels_u), everything))
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def _between(levels: np.ndarray) -> float:
    middle = np.sqrt(levels[-1] * levels[-2]) if len(levels) > 1 else levels[-1] / 2
    return float(f"{middle:.2g}")


def _prefix(grid: Grid) -> str:
    return f"{grid.title}: " if grid.title else ""


def _sentence(grid: Grid, action: str, options: pd.DataFrame, n: int, delta: float, prices: Prices) -> str:
    kind = evidence(n)
    known = options[options.gain.notna()]
    gain_text = "; ".join(f"{row.option} {_gain(row)}" for row in known.itertuples())
    why = "; ".join(f"{row.option}: {row.reason}" for row in options[options.reason != ""].itertuples())
    if not n:
        return f"{_prefix(grid)}Not settled: no run with an encoder has a result."
    if action == "not asked":
        would = "A guess at what doubling each would gain:" if gain_text else "Nothing is predicted:"
        return f"{_prefix(grid)}Without prices nothing is recommended. {would} {gain_text or why} ({kind})."
    if options.empty:
        return (
            f"{_prefix(grid)}Not settled: nothing is on offer; give a price per label, per unlabelled image, or both."
        )
    if action == "buy nothing":
        none = f"Buy nothing for {prices.budget:,.4g}: no option is likely to gain {points(delta)} or more"
        return f"{_prefix(grid)}{none} (a guess at the gains: {gain_text}; {kind})."
    if action == "not settled":
        few = f"fewer than three seeds have a result ({n})" if n < MIN_SEEDS else ""
        reason = why or few or "no option is clearly the one to take"
        guess = f"A guess at the gains: {gain_text}" if gain_text else "No gain can be predicted"
        return f"{_prefix(grid)}Not settled: {reason}. {guess}. Run the cells listed ({kind})."
    row = options[options.option == action].iloc[0]
    if np.isfinite(row.amount):
        what = f"{action} ({count(row.amount)} for {row.cost:,.4g}, {row.factor:.2g} times what there is)"
    else:
        what = f"{action} (computing {row.cost:,.4g})"
    others = f", and nothing else gains over {points(delta / 3)} more" if len(known) > 1 else ""
    share = fraction(round(row.share, 2))
    return (
        f"{_prefix(grid)}Get {what}: in {share} of the curves that fit what was measured, it gains {points(delta)} or"
        f" more{others}. This is not the probability of being right: a curve may stop rising beyond what was measured."
        f" A guess at the gains for the same money: {gain_text} ({kind})."
    )


def _caution(grid: Grid, against: pd.DataFrame) -> str:
    """A further sentence if the baseline, with the same data, is better: switching to it costs only computing."""
    rows = against[against.primary & (against.encoder == grid.encoder) & (against.method == grid.method)]
    most = rows[rows.l == rows.l.max()]
    if most.empty or most.outcome.iloc[0] != "worse":
        return ""
    row = most.iloc[0]
    lead = f"{points(-row.difference)}{range_of_points(-row.high, -row.low)}"
    return (
        f" All this is about the frozen encoder: the supervised baseline, with the same labels, is {lead} ahead of it."
    )


def _gain(row) -> str:
    most = f" (at most {points(row.upper, sign=True)})" if np.isfinite(row.upper) else ""
    return f"{points(row.gain, sign=True)}{most}"
