"""How much faster the convolutions of `sslfast.models.winograd` are than torch's (CPU, float32), and how they round.

    python benchmarks/winograd.py

For each network with such layers: the time of a training step (batch 128, random images) with torch's layers divided by
that with ours, as median and range over rounds that take turns; and for both the relative error of the gradients,
against float64.
"""

import argparse
import copy
import time

import torch
from limits import BATCH, networks, stepper
from timing import ratio_text, side_by_side, table, with_torchs_layers
from torch.nn import functional as F

from sslfast.models.winograd import Conv2d, ConvTranspose2d


def seconds(step, steps: int):
    """A function that does so many steps; returns seconds per step."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - start) / steps

    return run


def gradients(network, x, y, rebuilds: bool) -> list[torch.Tensor]:
    out = network.eval()(x)
    loss = F.mse_loss(out, x).sqrt() if rebuilds else F.cross_entropy(out, y)
    return torch.autograd.grad(loss, list(network.parameters()))


def rounding(network, x, y, rebuilds: bool) -> float:
    """The largest relative error of a parameter's gradient."""
    exact = gradients(copy.deepcopy(network).double(), x.double(), y, rebuilds)
    pairs = zip(gradients(network, x, y, rebuilds), exact, strict=True)
    return max(float((g - e).norm() / e.norm()) for g, e in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10, help="of a round")
    parser.add_argument(
        "--encoders", default="original,conv", help="resnet18 takes a minute a round: --steps 1 --rounds 3"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cpu")
    rows = [("network", "training", "torch's time over ours", "ms a step", "error of gradients, torch's", "ours")]
    for name in options.encoders.split(","):
        for what, (network, shape, rebuilds) in networks(name).items():
            if not any(isinstance(layer, Conv2d | ConvTranspose2d) for layer in network.modules()):
                continue
            torchs = with_torchs_layers(copy.deepcopy(network), Conv2d, ConvTranspose2d)
            x, y = torch.rand(BATCH, *shape), torch.randint(10, (BATCH,))
            errors = [f"{rounding(n, x, y, rebuilds):.0e}" for n in (torchs, network)]
            ways = {"torch's": torchs, "ours": network}
            ways = {k: seconds(stepper(n, shape, rebuilds, device, "float32"), options.steps) for k, n in ways.items()}
            times = side_by_side(ways, options.rounds)
            ms = ", ".join(f"{sorted(t)[len(t) // 2] * 1e3:.1f}" for t in times.values())
            rows.append((name, what, ratio_text(times["torch's"], times["ours"]), ms, *errors))
    print(table(rows))


if __name__ == "__main__":
    main()
