"""What facts about boxes are made of: exact ends as text (docs/certificates.md), and boxes in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mdp import Array
from proofs.certificates.format import field_json
from proofs.enclosures import Interval, System

Json = dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """No proof, and why: the reason in a sentence. It does not say that there is nothing to prove."""

    reason: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"not proved: {self.reason}"


def field_of(at: System) -> Json:
    """The field of a fact. Raises ValueError for a system that is no field of an MDP, and for value gates."""
    if at.field is None:
        raise ValueError(f"{at.name!r} is no field of an MDP; certificates hold no others")
    if at.field.problem.gated:
        raise ValueError(
            f"rule {at.field.rule.id!r} has a value gate; facts about boxes are of fields that do not jump"
        )
    return field_json(at.field)


def box_json(box: Interval) -> list[list[str]]:
    """A box (n,) as exact numbers [[lo, hi], …].

    >>> import numpy as np
    >>> box_json(Interval(np.array([0.5]), np.array([2.0])))
    [['1/2', '2']]
    """
    return [[exact(a), exact(b)] for a, b in zip(box.lo.tolist(), box.hi.tolist(), strict=True)]


def point_json(points: Array) -> list[list[str]]:
    """Points (N, n) as exact numbers."""
    return [[exact(x) for x in row] for row in points.tolist()]


def exact(x: float) -> str:
    """A double as text, exactly.

    >>> exact(0.375)
    '3/8'
    """
    return str(Fraction(x))


def where(box: Interval) -> str:
    """A box (n,) in a sentence: [a, b]² where all sides are the same.

    >>> import numpy as np
    >>> where(Interval(np.zeros(2), np.ones(2))), where(Interval(np.zeros(2), np.array([1.0, 2.0])))
    ('[0, 1]^2', '[0, 1] x [0, 2]')
    """
    sides = [f"[{a:g}, {b:g}]" for a, b in zip(box.lo, box.hi, strict=True)]
    if len(sides) > 1 and len(set(sides)) == 1:
        return f"{sides[0]}^{len(sides)}"
    return " x ".join(sides)
