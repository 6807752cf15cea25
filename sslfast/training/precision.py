"""The number format of networks: float32, or bfloat16 where the processor is faster with it."""

import torch

from ..errors import ConfigError

__all__ = ["PRECISIONS", "resolve_precision"]

PRECISIONS = ("auto", "float32", "bfloat16")


def resolve_precision(precision: str, device: str | torch.device) -> str:
    """`float32` or `bfloat16`: what `precision` means on `device`.

    `auto` is bfloat16 if the processor has instructions for it: AMX or AVX512-BF16 on x86 CPUs, Ampere or later for
    NVIDIA GPUs. On other processors torch accepts bfloat16, too, but emulates it slowly. `benchmarks/limits.py` with
    `--precision` measures the gain. Raises `ConfigError` for another word.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: found {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    return "bfloat16" if _multiplies_bfloat16(torch.device(device)) else "float32"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.version.hip is None and torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        tests = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
        return torch.backends.mkldnn.is_available() and any(test() for test in tests if test)
    return False
