"""How often what the analysis says is right: studies drawn from every world, judged, and counted."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .worlds import WORLDS, Study, World, draw

__all__ = ["BOUNDS", "Judge", "Rate", "rates", "table", "together"]

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
    judges: Iterable[Judge], n_seeds: int, repeats: int, seed: int = 0, worlds: Mapping[str, World] = WORLDS
) -> list[Rate]:
    """The rates of all claims of `judges` over `repeats` studies of each of `worlds`."""
    judges, found = list(judges), []
    for name, world in worlds.items():
        rng = np.random.default_rng([seed, n_seeds, *name.encode()])
        counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for _ in range(repeats):
            study = draw(world, n_seeds, rng)
            for judge in judges:
                for claim, so in judge(study):
                    counts[claim][0] += bool(so)
                    counts[claim][1] += 1
        found += [Rate(name, n_seeds, claim, hits, n) for claim, (hits, n) in counts.items()]
    return found


def together(found: Sequence[Rate]) -> list[Rate]:
    """The rates of advice over all worlds together, for each of them has little of it."""
    counts: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for rate in found:
        if rate.claim.startswith(("right", "acts")):
            counts[rate.seeds, rate.claim][0] += rate.hits
            counts[rate.seeds, rate.claim][1] += rate.n
    return [Rate("all together", seeds, claim, hits, n) for (seeds, claim), (hits, n) in counts.items()]


def table(found: Sequence[Rate]) -> str:
    """As Markdown, a table a claim: a row a world, a column a number of seeds; what is beyond its bound is bold."""
    found, parts = [*found, *together(found)], []
    for claim in dict.fromkeys(rate.claim for rate in found):
        ours = [rate for rate in found if rate.claim == claim]
        by_place = {(rate.world, rate.seeds): rate for rate in ours}
        numbers = sorted({rate.seeds for rate in ours})
        least, most = ours[0].bounds
        bound = "" if (least, most) == (0, 1) else f" (at most {most:g})" if not least else f" (at least {least:g})"
        lines = [f"### {claim}{bound}", "", f"| world | {' | '.join(f'{n} seeds' for n in numbers)} |"]
        lines.append(f"| --- |{' --- |' * len(numbers)}")
        for world in dict.fromkeys(rate.world for rate in ours):
            cells = [_cell(by_place[world, n]) if (world, n) in by_place else "–" for n in numbers]
            lines.append(f"| {world} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(rate: Rate) -> str:
    text = f"{rate.rate:.3f} ± {rate.error:.3f}"
    return f"**{text}**" if rate.beyond else text
