"""Proved Hopf points as facts of certificates (docs/certificates.md, kind `hopf-point`): exact and outward numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from proofs.certificates import field_json
from proofs.cycles.hopf import BITS, HopfProof
from proofs.exact import fraction, outward, precision

DIGITS = 12  # of the enclosures in a fact: few enough for a checker with less precision

Json = dict[str, Any]


def hopf_fact(proof: HopfProof) -> Json:
    """The fact that a proof shows. Raises ValueError for a system that is no field of an MDP.

    >>> from vorticity import Field
    >>> from mdp import zoo
    >>> from proofs.cycles.hopf import prove_hopf
    >>> from proofs.enclosures.parametric import of_field
    >>> swirl = of_field(Field(zoo.load("swirl"), "reverse-kl", reward=True), "alpha")
    >>> fact = hopf_fact(prove_hopf(swirl, 0.9918, [3.098, 1.551]))
    >>> fact["value"], fact["side"], fact["unstable"]
    (['0.991807242745', '0.991807242746'], -1, 0)
    """
    at = proof.system
    if at.field is None:
        raise ValueError(f"{at.name!r} is no field of an MDP; certificates hold no others")
    n = at.size
    exact = [str(Fraction(y)) for y in proof.centre]
    with precision(BITS):
        enclosed = {
            name: ends(ball)
            for name, ball in (
                ("value", proof.parameter),
                ("omega", proof.omega),
                ("l1", proof.l1),
                ("speed", proof.speed),
            )
        }
    return {
        "kind": "hopf-point",
        "field": field_json(at.field),
        "parameter": at.parameter,
        "centre": {
            "x": exact[:n],
            "value": exact[n],
            "omega": exact[n + 1],
            "q": [[a, b] for a, b in zip(exact[n + 2 : 2 * n + 2], exact[2 * n + 2 :], strict=True)],
        },
        "radius": str(Fraction(proof.radius)),
        "pivot": proof.pivot,
        **enclosed,
        "unstable": proof.unstable,
        "side": proof.side,
    }


def ends(ball: Any, digits: int = DIGITS) -> list[str]:
    """Two decimals that enclose a real ball, rounded outward to so many significant digits of the larger.

    >>> import flint
    >>> with precision(64):
    ...     ends(flint.arb(2).sqrt(), 5), ends(-flint.arb(1) / 3, 2), ends(flint.arb(12345), 2)
    (['1.4142', '1.4143'], ['-0.34', '-0.33'], ['12000', '13000'])
    """
    low, high = fraction(ball.lower()), fraction(ball.upper())
    size = max(abs(low), abs(high))
    places = 0
    while size and size * Fraction(10) ** places < Fraction(10) ** (digits - 1):
        places += 1
    while size * Fraction(10) ** places >= Fraction(10) ** digits:
        places -= 1
    return list(outward(low, high, places))
