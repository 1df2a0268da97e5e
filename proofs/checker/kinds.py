"""The kinds of facts: which keys each has, and by what it is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proofs.checker.boxes import planar
from proofs.checker.hopf import point as hopf
from proofs.checker.identities import always, decisions, numerical, terms, values, variance
from proofs.checker.numbers.rational import Refused, show
from proofs.checker.orbits import orbit
from proofs.checker.reading import strict


@dataclass(frozen=True)
class Kind:
    """The keys of a fact besides `kind`; what decides it, giving an error bound or raising; is it numerical?"""

    keys: tuple[str, ...]
    decide: Callable[[dict[str, Any]], float]
    optional: tuple[str, ...] = ()
    numerical: bool = False


_EITHER = ("value", "ball")

KINDS: dict[str, Kind] = {
    "not-a-gradient": Kind(("field", "policy", "i", "j"), values.not_a_gradient, _EITHER),
    "a-gradient": Kind(("field", "potential"), always.a_gradient),
    "curl-free": Kind(("field",), always.curl_free),
    "same-field": Kind(("left", "right"), always.same_field),
    "field-value": Kind(("field", "policy", "i"), values.field_value, _EITHER),
    "rests-at-teacher": Kind(("field",), always.rests_at_teacher),
    "kl-rate": Kind(("field",), always.kl_rate),
    "kl-rises": Kind(("field", "policy", "state", "value"), values.kl_rises),
    "acyclic-structure": Kind(("field",), always.acyclic_structure),
    "value-gate": Kind(("mdp", "student"), decisions.value_gate),
    "greedy-improves": Kind(("mdp",), decisions.greedy_improves),
    "advantage": Kind(("mdp", "optimal"), decisions.advantage),
    "variance": Kind(("field", "policy"), variance.variance, _EITHER),
    "identity": Kind(("generators", "derivations", "left", "right"), terms.identity),
    "rest-point": Kind(("field", "theta", "bound"), numerical.rest_point, numerical=True),
    "closed-orbit": Kind(("field", "theta", "period", "bound", "amplitude"), numerical.closed_orbit, numerical=True),
    "rest-points": Kind(("field", "box", "points"), planar.rest_points),
    "trapping-box": Kind(("field", "box", "rest_point"), planar.trapping_box),
    "annulus": Kind(("field", "outer", "inner", "crossing"), planar.annulus),
    "no-cycle-box": Kind(("field", "box", "dulac", "sign"), planar.no_cycle_box),
    "settles": Kind(("field", "box", "points"), planar.settles),
    "periodic-orbit": Kind(
        ("field", "points", "durations", "section", "radius", "period", "product"),
        orbit.periodic_orbit,
        ("multipliers",),
    ),
    "hopf-point": Kind(
        ("field", "parameter", "centre", "radius", "pivot", "value", "omega", "l1", "speed", "unstable", "side"),
        hopf.hopf_point,
    ),
    "same-visits": Kind(("field", "state", "by"), always.same_visits),
    "visits-differ": Kind(("field", "state", "by", "policy", "i", "value"), values.visits_differ),
}


def name_of(fact: object) -> str:
    """The kind of a fact, known or not, short enough for a message."""
    kind = fact.get("kind") if isinstance(fact, dict) else None
    return kind if isinstance(kind, str) and kind in KINDS else show(kind)


def decide(fact: object) -> float:
    """The error bound (0 where nothing was left to chance) of a fact that holds. Raises Refused where it does not.

    >>> fact = {"kind": "identity", "generators": ["x"], "derivations": {}, "left": "x", "right": ["-", "x", "0"]}
    >>> decide(fact) < 1e-30
    True
    """
    if not isinstance(fact, dict):
        raise Refused(f"{show(fact)} is no object")
    name = fact.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Refused(f"kind: {show(name)} is unknown; known are {', '.join(KINDS)}")
    strict.record(fact, "fact", ["kind", *kind.keys], kind.optional)
    try:
        return kind.decide(fact)
    except ArithmeticError as e:  # a denominator that is 0, a float that overflows, a logarithm inside a logarithm
        raise Refused(f"cannot be evaluated: {e}") from None
