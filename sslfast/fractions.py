"""Fractions as people write them, in the one form that names files and rows."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from .errors import ConfigError

__all__ = ["canonical", "canonical_list", "count"]


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
    except InvalidOperation:
        hint = " (write 10 % as 0.1)" if "%" in str(value) else ""
        raise ConfigError(f"{key}: found {value!r}, expected a number from 0 to 1{hint}") from None
    if not 0 <= number <= 1:
        raise ConfigError(f"{key}: found {value}, expected a fraction from 0 to 1 (10 % is 0.1)")
    text = format(abs(number), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def canonical_list(values: Iterable[object], key: str) -> list[str]:
    """Canonical fractions in increasing order; `ConfigError` if two entries are the same fraction."""
    seen: dict[str, object] = {}
    for value in values:
        text = canonical(value, key)
        if text in seen:
            raise ConfigError(f"{key}: {seen[text]} and {value} are the same fraction; remove one of them")
        seen[text] = value
    return sorted(seen, key=Decimal)


def count(fraction: object, n: int) -> int:
    """How many of `n` images a fraction stands for: round(fraction · n), halves upwards."""
    return int(Decimal(canonical(fraction)) * n + Decimal("0.5"))
