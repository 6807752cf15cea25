"""Numbers in sentences: points, counts, seeds and p-values as readers see them."""

import math
from collections.abc import Sequence

from ..study.names import RANDOM, SUPERVISED

__all__ = [
    "LOOKING_AGAIN",
    "about",
    "badge",
    "count",
    "duration",
    "evidence",
    "fraction",
    "listed",
    "p_value",
    "plural",
    "points",
    "range_of_points",
    "seeds",
    "who",
]

EXPLORATORY_BELOW = 5  # seeds
SMALLEST_P = 0.001  # a smaller p-value depends more on the model of the noise than on the data
# the rates are those of `simulate.claims.looking_again`
LOOKING_AGAIN = (
    "Error rates hold for a number of seeds fixed beforehand: adding seeds and looking again turns 5 % into 9 %"
    " (3 seeds, then 5) or 14 % (3, 5, 7, 10); fix the number beforehand, or accept a p only below 0.05 divided by the"
    " number of looks"
)


def points(score: float, sign: bool = False) -> str:
    """A score or difference (0 to 1) in percentage points: `3.2 points`, with `sign` `+3.2 points`."""
    return f"{100 * score:{'+' if sign else ''}z.1f} points"


def range_of_points(low: float, high: float) -> str:
    """` [+1.1, +3.0]`: an interval in points, with a blank before it; empty if there is no interval."""
    return f" [{100 * low:+z.1f}, {100 * high:+z.1f}]" if math.isfinite(low) and math.isfinite(high) else ""


def p_value(p: float) -> str:
    """A p-value to two digits, never 0: `0.032`, `< 0.001`; a dash if there is none."""
    return "–" if not math.isfinite(p) else f"< {SMALLEST_P}" if p < SMALLEST_P else f"{p:.2g}"


def count(number: float) -> str:
    """A number of images, with commas."""
    return f"{round(number):,}"


def about(number: float) -> str:
    """An estimated number of images, to three digits, with commas."""
    return f"{float(f'{number:.3g}'):,.0f}"


def duration(seconds: float) -> str:
    """As people say it: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def who(row) -> str:
    """What a `row` (with method, encoder, u and n_unlabelled) is about: `the supervised baseline`, say."""
    named = {SUPERVISED: "the supervised baseline", RANDOM: f"a random encoder ({row.encoder})"}
    if row.u == 0 and row.method not in named:
        return f"the existing net {row.method}"
    return named.get(row.method) or f"{row.method} ({row.encoder}) on {count(row.n_unlabelled)} unlabelled images"


def fraction(value: float) -> str:
    """A fraction in percent: `10 %`, `0.5 %`."""
    return f"{100 * value:.4g} %"


def evidence(n: int) -> str:
    """How many seeds a result rests on, and the `badge` if they are too few: `3 seeds; exploratory`."""
    return "; ".join(filter(None, [seeds(n), badge(n)]))


def seeds(n: int) -> str:
    """`1 seed`, `5 seeds`."""
    return plural(n, "seed")


def plural(n: int, one: str, many: str = "") -> str:
    """`1 seed`, `1,200 runs`; `many`: the plural, if it is not `one` with an s."""
    return f"{count(n)} {one if n == 1 else many or f'{one}s'}"


def badge(n: int) -> str:
    """`exploratory` if there are fewer seeds than a conclusion needs, else empty."""
    return "exploratory" if n < EXPLORATORY_BELOW else ""
