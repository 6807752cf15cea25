"""`python -m sslfast.analysis.simulate --repeats 1000`: how often the analysis is right in worlds of known truth."""

import argparse

from .amounts import SHAPES, judge_needed, judge_worth
from .claims import CLAIM_WORLDS, claims_judged, looking_again
from .differences import detected, differences, plateau_claims, score_intervals_cover
from .nets import NET_WORLDS, judge_nets
from .next import any_curves, next_step
from .rates import Rate, rates, table
from .worlds import WORLDS

SEEDS = (3, 5, 10)
SLOW = 10  # studies of the slow parts take about so many times as long, so they are repeated less often by this factor
STEPS = ((3, 5), (3, 5, 7, 10))  # numbers of seeds after which somebody looks at the results


def _verdicts(n: int, repeats: int, seed: int) -> list[Rate]:
    return rates([differences, plateau_claims, detected, score_intervals_cover], n, repeats, seed)


def _amounts(n: int, repeats: int, seed: int) -> list[Rate]:
    return rates([judge_worth, judge_needed], n, max(repeats // SLOW, 1), seed, {**WORLDS, **SHAPES})


def _claims(n: int, repeats: int, seed: int) -> list[Rate]:
    return rates([claims_judged(seed)], n, max(repeats // SLOW, 1), seed, CLAIM_WORLDS)


def _next(n: int, repeats: int, seed: int) -> list[Rate]:
    few = max(repeats // SLOW, 1)
    return rates([next_step], n, few, seed) + any_curves(n, few, seed)


def _nets(n: int, repeats: int, seed: int) -> list[Rate]:
    return rates([judge_nets], n, max(repeats // SLOW, 1), seed, NET_WORLDS)


PARTS = {"verdicts": _verdicts, "amounts": _amounts, "claims": _claims, "next": _next, "nets": _nets}


def main() -> None:
    """Print the rates of every part, and the error rates of looking again after adding seeds."""
    parser = argparse.ArgumentParser(prog="python -m sslfast.analysis.simulate", description=__doc__.split(": ")[1])
    parser.add_argument("--repeats", type=int, default=1000, help="studies per world and number of seeds (%(default)s);"
                        " a tenth of them for all but 'verdicts'")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.parts:
        found = [rate for n in SEEDS for rate in PARTS[part](n, options.repeats, options.seed)]
        print(f"## {part}\n\n{table(found)}\n", flush=True)
        beyond = [rate for rate in found if rate.beyond]
        print(f"{len(beyond)} of {len(found)} rates are beyond their bounds (bold).\n", flush=True)
    for steps in STEPS:
        rate = looking_again(steps)
        print(f"Looking after {', '.join(map(str, steps))} seeds: a false verdict in {rate:.3f} of studies.")


if __name__ == "__main__":
    main()
