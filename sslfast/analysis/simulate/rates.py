"""Draws studies from every world, has them judged, and counts how often statements of the analysis are right."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .worlds import WORLDS, Study, World, draw

__all__ = ["BOUNDS", "Judge", "Rate", "rates", "table", "together"]

# the least and the most that the rate of a claim may be, by the first word of the claim
BOUNDS = {
    "false": (0.0, 0.055),  # studies with a wrong statement of this kind
    "covers": (0.93, 1.0),  # 95 % intervals that cover the truth
    "holds": (0.78, 1.0),  # amounts called enough with 80 % assurance that are enough
    "right": (0.97, 1.0),  # correct advice, among studies that advise something
    "acts": (0.0, 1.0),  # studies that advise something; over all worlds, half of them should
    "settled": (0.0, 1.0),  # comparisons with a verdict
}
# A judge yields the claims of a study, each with whether it is true: `("false: plateau", False)`. A claim about single
# statements is yielded once per statement, a claim about the whole study ('false …') once.
Judge = Callable[[Study], Iterator[tuple[str, bool]]]


@dataclass(frozen=True)
class Rate:
    """In studies of a `world` with so many `seeds`, `claim` was true `hits` of `n` times."""

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
        """The standard error of the rate, due to the number of simulated studies."""
        return math.sqrt(max(self.rate * (1 - self.rate), 1 / self.n) / self.n)

    @property
    def bounds(self) -> tuple[float, float]:
        return BOUNDS[self.claim.split()[0].rstrip(":")]

    @property
    def beyond(self) -> bool:
        """Whether the rate is outside its bounds by more than two standard errors of the simulation."""
        least, most = self.bounds
        return self.rate < least - 2 * self.error or self.rate > most + 2 * self.error


def rates(
    judges: Iterable[Judge], n_seeds: int, repeats: int, seed: int = 0, worlds: Mapping[str, World] = WORLDS
) -> list[Rate]:
    """The rates of all claims of `judges`, each over `repeats` studies of each of `worlds`."""
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
    """The rates of advice over all worlds together, since a single world has few studies with advice."""
    counts: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for rate in found:
        if rate.claim.startswith(("right", "acts")):
            counts[rate.seeds, rate.claim][0] += rate.hits
            counts[rate.seeds, rate.claim][1] += rate.n
    return [Rate("all together", seeds, claim, hits, n) for (seeds, claim), (hits, n) in counts.items()]


def table(found: Sequence[Rate]) -> str:
    """One Markdown table per claim: worlds as rows, numbers of seeds as columns; rates beyond their bounds are bold."""
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
