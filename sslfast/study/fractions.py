"""Fractions as people write them, in the one form that names files and rows."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from ..errors import ConfigError, shown

__all__ = ["canonical", "canonical_list", "count", "set_aside"]

MAX_DECIMALS = 30  # a fraction names files, and "1e-999999999" would be a name of a billion letters


def canonical(value: object, key: str = "fraction") -> str:
    """The shortest decimal text of a fraction in [0, 1]: `0.10`, `.1` and `"0.1"` give `"0.1"`.

    Raises `ConfigError` naming `key` for anything that is not a number in [0, 1].
    """
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(str(value).strip())
        if not number.is_finite():
            raise InvalidOperation
    except (InvalidOperation, ValueError, RecursionError):  # the last two: what cannot even be written as text
        hint = " (write 10 % as 0.1)" if isinstance(value, str) and "%" in value else ""
        raise ConfigError(f"{key}: found {shown(value)}, expected a number from 0 to 1{hint}") from None
    if not 0 <= number <= 1:
        raise ConfigError(f"{key}: found {shown(value)}, expected a fraction from 0 to 1 (10 % is 0.1)")
    if number == 0:
        return "0"
    text = format(number, "f") if number.adjusted() > -MAX_DECIMALS else ""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if not 0 < len(text) <= len("0.") + MAX_DECIMALS:
        raise ConfigError(f"{key}: found {shown(value)}, expected a fraction of at most {MAX_DECIMALS} decimals")
    return text


def canonical_list(values: Iterable[object], key: str) -> list[str]:
    """Canonical fractions in increasing order; `ConfigError` if two entries are the same fraction."""
    seen: dict[str, object] = {}
    for value in values:
        text = canonical(value, key)
        if text in seen:
            same = f"{_plain(seen[text])} and {_plain(value)}"
            raise ConfigError(f"{key}: {same} are the same fraction; remove one of them")
        seen[text] = value
    return sorted(seen, key=Decimal)


def count(fraction: object, n: int) -> int:
    """How many of `n` images a fraction stands for: round(fraction · n), halves upwards."""
    return int(Decimal(canonical(fraction)) * n + Decimal("0.5"))


def _plain(value: object) -> str:
    return shown(value).strip("'")


def set_aside(n: int, fraction: float) -> int:
    """How many of the `n` images of a class a split takes from training: at least one, never all."""
    return min(max(1, round(fraction * n)), n - 1)
