"""What to get next for the money: more labels, more unlabelled images, a bigger model, or nothing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .checks import RANDOM, check_number
from .grids import Grid, grids
from .intervals import draw_means, mean_interval
from .predict import gains
from .surface import surface_points
from .words import count, evidence, fraction, points, range_of_points

__all__ = ["Decision", "Prices", "decide", "what_next"]

COLUMNS = ["option", "factor", "amount", "cost", "gain", "low", "high", "upper", "share", "reason"]
RUN_COLUMNS = ["encoder", "method", "l", "u", "n_more_seeds"]

N_DRAWS = 300
MAX_FACTOR = 4.0  # more of a kind of data than this times what was measured is not predicted
ENOUGH = 0.8  # share of models and draws in which an option has to win
UPPER = 0.9
UNKNOWN = {"pretrain": 0.0, "classify": 0.0}  # hours
TOO_DEAR = "the budget is too small"
LABELS, UNLABELLED = "more labels", "more unlabelled images"


@dataclass(frozen=True)
class Prices:
    """What things cost, in one currency, and how much there is to spend. None: not on offer (or not known).

    `price_per_gpu_hour`: an hour of the machine that the study ran on, whatever it is (None: computing is free).
    Raises `ConfigError` for negative numbers.
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
    """What to get next, for one (encoder, method).

    `action`: an option, `buy nothing`, `not settled` or `not asked` (no prices). `options`: a row an option:
    option, factor (times what was measured), amount (images; NaN: a model), cost, gain (median), low, high (90 %
    interval of models and draws), upper (90 % quantile), share (of models and draws in which it wins), reason (why it
    has no gain). `run`: cells that would settle it (l, u, encoder, n_more_seeds). `sentence`: the answer in words.
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
    cells: pd.DataFrame, prices: Prices | None = None, metric: str = "test_macro_f1", *, delta: float = 0.015
) -> list[Decision]:
    """A `Decision` for each (encoder, method) of `cells`: what adds most to the study's largest amounts of data.

    Each option spends the whole budget: labels and images with the computing that they cause (seconds an image, as
    measured); a bigger model costs its extra training time only. Without a budget the gain of doubling each is
    told, and nothing is recommended. An option is recommended if it wins in 80 % of models and draws (see
    `sslfast.analysis.predict`) and its median gain is `delta` or more; 'buy nothing' if the 90 % upper gain of all
    is below `delta`; otherwise the answer is 'not settled', with cells to run. No factor above 4 is predicted. That
    share is not a probability of being right.
    """
    prices = prices or Prices()
    made = grids(cells, metric)
    hours = _hours(cells)
    return [_decision(grid, hours, prices, _rivals(grid, made), delta) for grid in made if grid.method != RANDOM]


def decide(options: dict[str, np.ndarray], delta: float = 0.015) -> tuple[str, dict[str, float]]:
    """`(action, share won by each option)` from gains `[predictors, D]` of options, by the rule of `what_next`."""
    names, stacked = list(options), np.stack(list(options.values()))
    best = stacked.max(axis=0)
    wins = (stacked == best) & ((stacked == best).sum(axis=0) == 1)  # a draw that ties is won by nobody
    if len(names) == 1:
        wins = stacked > 0
    shares = {name: float(won.mean()) for name, won in zip(names, wins, strict=True)}
    if all(np.quantile(gain, UPPER) < delta for gain in stacked):
        return "buy nothing", shares
    for name, gain in options.items():
        if shares[name] >= ENOUGH and np.median(gain) >= delta:
            return name, shares
    return "not settled", shares


def _rivals(grid: Grid, made: list[Grid]) -> list[Grid]:
    return [other for other in made if other.method == grid.method and other.encoder != grid.encoder]


def _decision(grid: Grid, hours: dict, prices: Prices, rivals: list[Grid], delta: float) -> Decision:
    used = surface_points(grid)
    if used is None:
        sentence = f"{_prefix(grid)}Not settled: no seed has every cell; run the cells that are missing."
        empty, run = pd.DataFrame(columns=COLUMNS), _cells_to_run(grid, None)
        return Decision(grid.encoder, grid.method, "not settled", empty, run, 0, len(grid.seeds), sentence)
    i, j, scores, whole = used
    n = int(whole.sum())
    draws = draw_means(scores, N_DRAWS)
    points_only = not len(draws)
    if points_only:
        draws = scores.mean(axis=0, keepdims=True)
    rows, predicted = _offers(grid, hours, prices, rivals, i, j, draws)
    n_models = max((len(gain) for gain in predicted.values()), default=1)
    predicted = {name: np.broadcast_to(gain, (n_models, gain.shape[-1])) for name, gain in predicted.items()}
    action, shares = decide(predicted, delta) if predicted else ("not settled", {})
    for row in rows:
        if row["option"] in predicted:
            gain = predicted[row["option"]]
            low, upper, high = [np.nan] * 3 if points_only else np.quantile(gain, [0.05, UPPER, 0.95])
            row |= {"gain": float(np.median(gain)), "low": low, "high": high, "upper": upper}
            row["share"] = np.nan if points_only else shares[row["option"]]
    asked = prices.budget is not None
    unknown = [row for row in rows if row["reason"] not in ("", TOO_DEAR)]
    if points_only or (asked and unknown):
        action = "not settled"  # of an option that cannot be predicted nobody knows that it is not the best
    if not asked:
        action = "not asked"
    options = pd.DataFrame(rows, columns=COLUMNS)
    run = _cells_to_run(grid, (i, j) if action == "not settled" else ())
    sentence = _sentence(grid, action, options, n, delta, prices) + _caution(grid, i.max(), j.max())
    return Decision(grid.encoder, grid.method, action, options, run, n, int((~whole).sum()), sentence)


def _offers(grid: Grid, hours: dict, prices: Prices, rivals: list[Grid], i, j, draws) -> tuple[list[dict], dict]:
    """The row of each option on offer, and by its name the gains `[predictors, D]` of those that can be predicted."""
    rows, predicted = [], {}
    for option, along in ((LABELS, "l"), (UNLABELLED, "u")):
        row = _purchase(option, grid, prices, hours.get((grid.encoder, grid.method), UNKNOWN), i, j)
        if row is None:
            continue
        rows.append(row)
        gain = gains(grid, i, j, draws, along, row["factor"]) if not row["reason"] else None
        if gain is not None:
            predicted[option] = gain
        else:
            row["reason"] = row["reason"] or "only one amount was measured"
    for rival in rivals:
        row, gain = _bigger(grid, rival, hours, prices, i, j, points_only=len(draws) == 1)
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


def _purchase(option: str, grid: Grid, prices: Prices, hours: dict, i: np.ndarray, j: np.ndarray) -> dict | None:
    """The row of an option that buys images, without its gain; None if it is not on offer."""
    empty = dict.fromkeys(("gain", "low", "high", "upper", "share"), np.nan) | {"option": option, "reason": ""}
    if not np.any((i == i.max()) & (j == j.max())):
        why = "the most labels and the most unlabelled images were not run together"
        return empty | {"factor": np.nan, "amount": np.nan, "cost": np.nan, "reason": why}
    price = prices.price_per_label if option == LABELS else prices.price_per_unlabelled_image
    have = grid.n_labelled[i.max()] if option == LABELS else grid.n_unlabelled[i.max(), j.max()]
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


def _bigger(grid: Grid, rival: Grid, hours: dict, prices: Prices, i, j, points_only: bool):
    """`(row, gains [1, D])` of changing to the rival's encoder; None if it is no bigger (it trains no longer)."""
    ours, theirs = (hours.get((g.encoder, g.method), UNKNOWN) for g in (grid, rival))
    extra = sum(theirs.values()) - sum(ours.values())
    if extra <= 0:
        return None, None
    top = {"l": grid.labelled[i.max()], "u": grid.unlabelled[j.max()]}
    at = [np.flatnonzero(values == top[name]) for name, values in (("l", rival.labelled), ("u", rival.unlabelled))]
    row = dict.fromkeys(("gain", "low", "high", "upper", "share", "amount"), np.nan)
    row |= {"option": f"encoder {rival.encoder}", "factor": np.nan, "cost": extra * (prices.price_per_gpu_hour or 0)}
    row["reason"] = "" if prices.budget is None or row["cost"] <= prices.budget else TOO_DEAR
    if not (len(at[0]) and len(at[1])):
        return row | {"reason": "it was not run with the largest amounts"}, None
    # at the same seeds; the same seed of the draws pairs them with those of the data
    mine = pd.Series(grid.scores[:, i.max(), j.max()], grid.seeds)
    other = pd.Series(rival.scores[:, at[0][0], at[1][0]], rival.seeds)
    difference = (other - mine).dropna().to_numpy()[:, None]
    if row["reason"] or not len(difference):
        return row | {"reason": row["reason"] or "no seed has both encoders"}, None
    draws = draw_means(difference, N_DRAWS)
    gain = difference.mean(axis=0, keepdims=True) if points_only else draws
    return row if len(gain) else row | {"reason": "fewer than three seeds have both encoders"}, gain.T if len(
        gain
    ) else None


def _cells_to_run(grid: Grid, used) -> pd.DataFrame:
    """Which cells would help most: the ends of both last doublings with more seeds, and levels that are missing."""
    if used == ():
        return pd.DataFrame(columns=RUN_COLUMNS)
    if used is None:
        asked = np.isfinite(grid.n_unlabelled) & (grid.unlabelled > 0)
        missing = np.argwhere(asked & ~np.isfinite(grid.scores).all(axis=0))
        rows = [(grid.encoder, grid.method, grid.labelled[a], grid.unlabelled[b], 1) for a, b in missing]
        return pd.DataFrame(rows, columns=RUN_COLUMNS)
    i, j = used
    levels_l, levels_u = grid.labelled[np.unique(i)], grid.unlabelled[np.unique(j)]
    ends = {(levels_l[-1], levels_u[-1])}
    ends |= {(levels_l[-2], levels_u[-1])} if len(levels_l) > 1 else set()
    ends |= {(levels_l[-1], levels_u[-2])} if len(levels_u) > 1 else set()
    more = max(2, 5 - len(grid.seeds))
    rows = [(grid.encoder, grid.method, a, b, more) for a, b in sorted(ends, reverse=True)]
    everything = len(grid.seeds)
    if len(levels_l) < 4:  # a new level between the two largest: the last doubling becomes visible
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
    if action == "not asked":
        would = f"Doubling each would gain: {gain_text or why} ({kind})."
        return f"{_prefix(grid)}Without prices nothing is recommended. {would}"
    if options.empty:
        return (
            f"{_prefix(grid)}Not settled: nothing is on offer; give a price per label, per unlabelled image, or both."
        )
    if action == "buy nothing":
        none = f"Buy nothing for {prices.budget:,.4g}: no option is likely to gain {points(delta)} or more"
        return f"{_prefix(grid)}{none} ({gain_text}; {kind})."
    if action == "not settled":
        few = f"fewer than three seeds have every cell ({n})" if n < 3 else ""
        reason = why or few or "no option wins clearly"
        return f"{_prefix(grid)}Not settled: {reason}. {_capital(gain_text)}. Run the cells listed ({kind})."
    row = options[options.option == action].iloc[0]
    if np.isfinite(row.amount):
        what = f"{action} ({count(row.amount)} for {row.cost:,.4g}, {row.factor:.2g} times what there is)"
    else:
        what = f"{action} (computing {row.cost:,.4g})"
    ahead = f"it comes out ahead in {fraction(round(row.share, 2))} of models and draws"
    return (
        f"{_prefix(grid)}Get {what}: {ahead}, which is no probability of being right."
        f" Gains for the same money: {gain_text} ({kind})."
    )


def _caution(grid: Grid, i: int, j: int) -> str:
    """A sentence more where the baseline does better with what there is already: that costs nothing but computing."""
    ahead = mean_interval(grid.baseline[:, i] - grid.scores[:, i, j])
    if not ahead.low > 0:
        return ""
    lead = f"{points(ahead.mean)}{range_of_points(ahead.low, ahead.high)}"
    return (
        f" All this is about the frozen encoder: the supervised baseline, with the same labels, is {lead} ahead of it."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text else "No gain can be predicted"


def _gain(row) -> str:
    interval = f" [{100 * row.low:+z.1f}, {100 * row.high:+z.1f}]" if np.isfinite(row.low) else ""
    return f"{points(row.gain, sign=True)}{interval}"
