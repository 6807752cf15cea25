"""How often what the analysis says is right: studies drawn from every world, judged, and counted."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .worlds import WORLDS, Study, draw

__all__ = ["BOUNDS", "Judge", "Rate", "rates", "table"]

# what a judge counts, by the first word of its claim: the least and the most that its rate may be
BOUNDS = {
    "false": (0.0, 0.055),  # studies with a wrong statement of this kind
    "covers": (0.93, 1.0),  # intervals of 95 % that hold the truth
    "holds": (0.78, 1.0),  # what is enough 'with 80 % assurance' is
    "right": (0.97, 1.0),  # of the studies that advise something
    "acts": (0.0, 1.0),  # studies that say something at all; of all worlds together half should
    "settled": (0.0, 1.0),  # comparisons with a verdict
}
# A judge looks at a study and yields what it claims and whether that is so: `("false plateau", False)`. What a study
# does not claim is not yielded; a claim that stands once for a study ('false …') is yielded once.
Judge = Callable[[Study], Iterator[tuple[str, bool]]]


@dataclass(frozen=True)
class Rate:
    """In a `world`, with so many `seeds`, `claim` was true `hits` times of `n`."""

    world: str
    seeds: int
    claim: str
    hits: int
    n: int

    @property
    def rate(self) -> float:
        return self.hits / self.n

    @property
    def error(self) -> float:
        """The standard error of the rate that so few simulated studies leave."""
        return math.sqrt(max(self.rate * (1 - self.rate), 1 / self.n) / self.n)

    @property
    def bounds(self) -> tuple[float, float]:
        return BOUNDS[self.claim.split()[0].rstrip(":")]

    @property
    def beyond(self) -> bool:
        """Whether the rate lies beyond its bound by more than the simulation's own error (two standard errors)."""
        least, most = self.bounds
        return self.rate < least - 2 * self.error or self.rate > most + 2 * self.error


def rates(
    judges: Iterable[Judge], n_seeds: int, repeats: int, seed: int = 0, worlds: Sequence[str] = tuple(WORLDS)
) -> list[Rate]:
    """The rates of all claims of `judges` over `repeats` studies of each of `worlds`."""
    judges, found = list(judges), []
    for name in worlds:
        rng = np.random.default_rng([seed, n_seeds, *name.encode()])
        counts = defaultdict(lambda: [0, 0])
        for _ in range(repeats):
            study = draw(WORLDS[name], n_seeds, rng)
            for judge in judges:
                for claim, so in judge(study):
                    counts[claim][0] += bool(so)
                    counts[claim][1] += 1
        found += [Rate(name, n_seeds, claim, hits, n) for claim, (hits, n) in counts.items()]
    return found


def table(found: Iterable[Rate]) -> str:
    """As Markdown, a row a rate; what is beyond its bound is marked."""
    lines = ["| world | seeds | claim | rate | bound | |", "| --- | --- | --- | --- | --- | --- |"]
    for r in found:
        least, most = r.bounds
        bound = f"≤ {most:g}" if not least else f"≥ {least:g}"
        bound = "" if (least, most) == (0, 1) else bound
        mark = "**beyond**" if r.beyond else ""
        lines.append(f"| {r.world} | {r.seeds} | {r.claim} | {r.rate:.3f} ± {r.error:.3f} | {bound} | {mark} |")
    return "\n".join(lines)
