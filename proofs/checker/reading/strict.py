"""Strict reading of JSON values: exact keys, exact types, exact shapes. Every refusal names its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from proofs.checker.numbers.rational import Refused, rational, show


def record(value: object, where: str, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """`value` as an object that has all the required keys and no others but the optional ones.

    >>> record({"a": 1}, "fact", ["a", "b"])
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: fact: the key 'b' is missing
    """
    if not isinstance(value, dict):
        raise Refused(f"{where}: {show(value)} is no object")
    needed = list(required)
    for key in needed:
        if key not in value:
            raise Refused(f"{where}: the key {key!r} is missing")
    known = {*needed, *optional}
    for key in value:
        if key not in known:
            raise Refused(f"{where}: the key {show(key)} is unknown; known here are {', '.join(sorted(known))}")
    return value


def items(value: object, where: str, length: int | None = None) -> list[Any]:
    """`value` as a list, of `length` entries where that is given."""
    if not isinstance(value, list):
        raise Refused(f"{where}: {show(value)} is no list")
    if length is not None and len(value) != length:
        raise Refused(f"{where}: {len(value)} entries; must be {length}")
    return value


def index(value: object, where: str, below: int) -> int:
    """`value` as an integer from 0 to below − 1; True is not 1 here.

    >>> index(2, "state", 3)
    2
    """
    if type(value) is not int or not 0 <= value < below:
        raise Refused(f"{where}: {show(value)}; must be an integer from 0 to {below - 1}")
    return value


def text(value: object, where: str) -> str:
    """`value` as a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Refused(f"{where}: {show(value)}; must be a text that is not empty")
    return value


def truth(value: object, where: str) -> bool:
    """`value` as true or false; 1 and 0 are neither."""
    if not isinstance(value, bool):
        raise Refused(f"{where}: {show(value)}; must be true or false")
    return value


def table(value: object, where: str, rows: int, columns: int) -> tuple[tuple[Fraction, ...], ...]:
    """`value` as a table of rationals of that shape.

    >>> table([["1", "1/2"]], "R", 1, 2)
    ((Fraction(1, 1), Fraction(1, 2)),)
    """
    shape = [items(row, f"{where}[{r}]", columns) for r, row in enumerate(items(value, where, rows))]
    limit(value, where)
    return tuple(tuple(rational(x, f"{where}[{r}][{c}]") for c, x in enumerate(row)) for r, row in enumerate(shape))


def policy(value: object, where: str, rows: int, columns: int, positive: bool) -> tuple[tuple[Fraction, ...], ...]:
    """A table whose rows are distributions: entries in [0, 1], strictly positive where that is asked, sums exactly 1.

    >>> policy([["1", "0"]], "policy", 1, 2, positive=True)
    Traceback (most recent call last):
    proofs.checker.numbers.rational.Refused: policy[0][1]: 0; must be positive
    """
    result = table(value, where, rows, columns)
    for r, row in enumerate(result):
        check_distribution(row, f"{where}[{r}]", positive)
    return result


def check_distribution(row: Sequence[Fraction], where: str, positive: bool = False) -> None:
    """Raises Refused unless the entries are in [0, 1], positive where that is asked, and their sum is exactly 1."""
    for c, x in enumerate(row):
        if not 0 <= x <= 1:
            raise Refused(f"{where}[{c}]: {show(x)}; must be a probability in [0, 1]")
        if positive and x == 0:
            raise Refused(f"{where}[{c}]: 0; must be positive")
    if sum(row) != 1:
        raise Refused(f"{where}: sums to {show(Fraction(sum(row)))}; must be exactly 1")


def limit(value: object, where: str, most: int = 12_000) -> None:
    """Raises Refused where the numbers in a JSON value are too long together: exact work multiplies them all."""
    if (size := sum(map(len, texts(value)))) > most:
        raise Refused(f"{where}: its numbers have {size} characters; at most {most} are checked")


def texts(value: object) -> Iterator[str]:
    """Every text inside a JSON value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for x in value.values() if isinstance(value, dict) else value:
            yield from texts(x)
