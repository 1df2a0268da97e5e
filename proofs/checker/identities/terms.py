"""Identities between rational functions of named generators, with derivations: `left = right`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs.checker.numbers.arithmetic import Arithmetic, Number
from proofs.checker.numbers.chance import Field as Points
from proofs.checker.numbers.chance import vanishes
from proofs.checker.numbers.dual import Dual, Duals
from proofs.checker.numbers.rational import Refused, rational, show
from proofs.checker.reading import strict

Term = Any  # JSON in prefix form

MOST_NODES = 50_000
MOST_DEPTH = 100
MOST_POWER = 1000
MOST_DERIVATIVES = 4  # one inside the other: each doubles the work
MOST_CHARACTERS = 40_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Algebra:
    """Generators, and derivations of the field of rational functions in them: D(generator), 0 where it is not named."""

    generators: tuple[str, ...]
    derivations: Mapping[str, Mapping[str, Term]]


def identity(fact: dict[str, Any]) -> float:
    """left = right as rational functions of the generators. Raises Refused where it is not shown."""
    algebra = _read_algebra(fact)
    sides = [fact["left"], fact["right"]]
    costs = {
        name: sum(_read(term, f"derivations.{name}.{key}", algebra, {}, 0, MOST_DEPTH) for key, term in rule.items())
        for name, rule in algebra.derivations.items()
    }
    count = sum(
        _read(side, name, algebra, costs, MOST_DERIVATIVES, MOST_DEPTH)
        for side, name in zip(sides, ["left", "right"], strict=True)
    )
    if count > MOST_NODES:
        raise Refused(f"left and right: {count} parts; at most {MOST_NODES} are checked")

    def claim(numbers: Points) -> list[tuple[str, Number]]:
        values = {name: numbers.unknown() for name in algebra.generators}
        left, right = (value(side, numbers, values, algebra) for side in sides)
        return [("left − right", left - right)]

    return vanishes(claim)


def value(term: Term, numbers: Arithmetic, at: Mapping[str, Number], algebra: Algebra) -> Number:
    """A term where the generators have the values `at`; a derivative is the slope of a dual whose generators move.

    >>> from proofs.checker.numbers.exact import Exact
    >>> algebra = Algebra(("x",), {"D": {"x": "1"}})
    >>> value(["D", "D", ["**", "x", 3]], Exact(), {"x": Fraction(2)}, algebra)
    Fraction(12, 1)
    """
    if isinstance(term, str):
        return at[term] if term in at else numbers.number(rational(term, "number"))
    operation, *operands = term
    if operation == "D":
        rule = algebra.derivations[operands[0]]
        zero = numbers.number(Fraction(0))
        moving = {
            name: Dual(x, {0: value(rule[name], numbers, at, algebra)} if name in rule else {})
            for name, x in at.items()
        }
        slope = value(operands[1], Duals(numbers), moving, algebra).slopes.get(0, zero)
        return slope
    x = value(operands[0], numbers, at, algebra)
    if operation == "**":
        return _power(x, operands[1], numbers)
    y = value(operands[1], numbers, at, algebra)
    if operation == "+":
        return x + y
    if operation == "-":
        return x - y
    return x * y if operation == "*" else x / y


def _power(x: Number, n: int, numbers: Arithmetic) -> Number:
    one = result = numbers.number(Fraction(1))
    for bit in bin(abs(n))[2:]:
        result = result * result
        if bit == "1":
            result = result * x
    return one / result if n < 0 else result


def _read_algebra(fact: dict[str, Any]) -> Algebra:
    names = [strict.text(x, f"generators[{k}]") for k, x in enumerate(strict.items(fact["generators"], "generators"))]
    for k, name in enumerate(names):
        if not _NAME.fullmatch(name) or name in names[:k]:
            raise Refused(f"generators[{k}]: {show(name)}; must be a new name of letters, digits and _")
    if len(names) > 100:
        raise Refused(f"generators: {len(names)}; at most 100 are checked")
    derivations = fact["derivations"]
    if not isinstance(derivations, dict):
        raise Refused(f"derivations: {show(derivations)} is no object")
    for name, rule in derivations.items():
        strict.record(rule, f"derivations.{name}", [], names)
    strict.limit([fact["left"], fact["right"], derivations], "left, right and derivations", MOST_CHARACTERS)
    return Algebra(tuple(names), derivations)


def _read(term: object, where: str, algebra: Algebra, costs: Mapping[str, int], derivatives: int, depth: int) -> int:
    """The work that a well-formed term is: its parts, those in a derivative 4 times, and the derivation's own parts."""
    if depth == 0:
        raise Refused(f"{where}: nested more than {MOST_DEPTH} deep")
    if isinstance(term, str):
        if term not in algebra.generators:
            if _NAME.fullmatch(term):
                raise Refused(f"{where}: {show(term)} is no generator")
            rational(term, where)
        return 1
    if not isinstance(term, list) or len(term) != 3 or term[0] not in ("+", "-", "*", "/", "**", "D"):
        raise Refused(f"{where}: {show(term)} is no term")
    operation, first, second = term
    if operation == "D":
        if not isinstance(first, str) or first not in algebra.derivations:
            raise Refused(f"{where}: {show(first)} is no derivation")
        if derivatives == 0:
            law = "none stands in a derivation's own terms" if where.startswith("derivations.") else "too many nested"
            raise Refused(f"{where}: a derivative inside; {law}")
        return 1 + costs[first] + 4 * _read(second, where, algebra, costs, derivatives - 1, depth - 1)
    if operation == "**":
        if type(second) is not int or abs(second) > MOST_POWER:
            raise Refused(f"{where}: the exponent {show(second)}; must be an integer within ±{MOST_POWER}")
        return 10 + _read(first, where, algebra, costs, derivatives, depth - 1)
    return 1 + sum(_read(x, where, algebra, costs, derivatives, depth - 1) for x in (first, second))
