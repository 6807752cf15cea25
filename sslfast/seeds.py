"""One seed in, separate named random streams out."""

import hashlib

__all__ = ["derive_seed"]


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream called `names` under the study's `seed`.

    Streams are independent of each other and of the order in which they are asked for, so two
    cells that share a seed share every stream that has the same name: initial weights, say,
    but not the order of batches of a different subset. Example: `derive_seed(0, "batches", 3)`.
    """
    text = ":".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
