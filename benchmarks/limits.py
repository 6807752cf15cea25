"""How close training comes to the limit of the processor, and which operations take the rest.

    python benchmarks/limits.py

For each network: floating-point operations per image and training step (forward and backward, counted by torch's
FlopCounterMode); images per second of a single step on random images; the resulting rate of operations, and its share
of what a plain matrix product reaches on this processor in the same number format; the share of a step's time that
convolutions and products take, and their own rate; the three costliest operations.
"""

import argparse
import time

import torch
from timing import table
from torch import nn
from torch.nn import functional as F
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from sslfast.models import create_decoder, create_encoder, create_head
from sslfast.training.precision import resolve_precision

BATCH = 128
PRODUCTS = {"mkldnn_convolution", "convolution_backward", "cudnn_convolution", "addmm", "mm", "bmm", "baddbmm"}


def product_rate(device, dtype: torch.dtype, size: int = 1024) -> float:
    """Floating-point operations per second of a product of two square matrices."""
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _best(lambda: a @ b, device, 30)


def networks(name: str) -> dict:
    """(network, input shape, whether it reconstructs images), by kind of training."""
    encoder = create_encoder(name, 3, 32)
    image = (3, 32, 32)
    return {
        "autoencoder": (nn.Sequential(encoder, create_decoder(encoder)), image, True),
        "supervised": (nn.Sequential(create_encoder(name, 3, 32), create_head(encoder.out_shape, 10)), image, False),
        "head over features": (create_head(encoder.out_shape, 10), encoder.out_shape, False),
    }


def stepper(network: nn.Module, shape, rebuilds: bool, device, precision: str):
    """A function that does one training step on a fixed random batch, as the Learners do."""
    network = network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    x = torch.rand(BATCH, *shape, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (BATCH,), device=device)

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            out = network(x)
        loss = F.mse_loss(out.float(), x).sqrt() if rebuilds else F.cross_entropy(out.float(), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _best(run, device, repeats: int) -> float:
    """The shortest of `repeats` times, in seconds."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def shares(step) -> dict[str, float]:
    """The share of a step's time that each operation takes, costliest first."""
    with profile() as seen:
        for _ in range(20):
            step()
    rows = sorted(seen.key_averages(), key=lambda row: row.self_cpu_time_total, reverse=True)
    total = sum(row.self_cpu_time_total for row in rows)
    return {row.key.removeprefix("aten::"): row.self_cpu_time_total / total for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device, precision = torch.device(options.device), resolve_precision(options.precision, options.device)
    peak = product_rate(device, getattr(torch, precision))
    print(
        f"{device}, {precision}, one thread: a product of two 1024 x 1024 matrices runs at {peak / 1e9:.0f} GFLOP/s\n"
    )
    head = ("network", "training", "MFLOP an image", "images/s", "GFLOP/s", "share of product")
    rows = [(*head, "in products", "their rate", "costliest")]
    for name in ("original", "conv"):
        for what, (network, shape, rebuilds) in networks(name).items():
            step = stepper(network, shape, rebuilds, device, precision)
            with FlopCounterMode(display=False) as counter:
                step()
            flop = counter.get_total_flops() / BATCH
            rate = BATCH / _best(step, device, 40)
            share = flop * rate / peak
            times = shares(step)
            products = sum(time for name, time in times.items() if name in PRODUCTS)
            numbers = (f"{flop / 1e6:.1f}", f"{rate:,.0f}", f"{flop * rate / 1e9:.0f}", f"{share:.0%}")
            inside = (f"{products:.0%}", f"{flop * rate / products / 1e9:.0f}")
            costliest = ", ".join(f"{name} {time:.0%}" for name, time in [*times.items()][:3])
            rows.append((name, what, *numbers, *inside, costliest))
    print(table(rows))


if __name__ == "__main__":
    main()
