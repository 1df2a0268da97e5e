"""What the prover's own engine says of a fact about boxes and orbits that the checker passed (for `tampering.py`)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from dynamics.fields import Field, reduced, to_parameters
from dynamics.motion.flows import sampled
from dynamics.orbits import Orbit, shoot
from proofs.cycles import OrbitProof, certified_rest_points, settles, trapping_box
from proofs.cycles.absence import Dulac, has_sign
from proofs.cycles.annulus import ring
from proofs.cycles.krawczyk import prove_orbit
from proofs.enclosures import Interval, system

Json = dict[str, Any]
CLOSE = 1e-11  # what integration in floats leaves open at the edge of a box


def ends(box: Any) -> Any:
    """A box of exact numbers as floats (n, 2)."""
    return np.array([[float(Fraction(x)) for x in pair] for pair in box])


def holds_points(found: Any, stated: list[Json]) -> bool | None:
    """Whether the stated boxes hold one each of the points that were found, and say their types."""
    if not found.complete:
        return None
    if len(found.points) != len(stated):
        return False
    for one in stated:
        lo, hi = ends(one["box"]).T
        inside = [p for p in found.points if (lo <= p.box.lo).all() and (p.box.hi <= hi).all()]
        apart = [p for p in found.points if (p.box.hi < lo).any() or (p.box.lo > hi).any()]
        if len(inside) + len(apart) < len(found.points):
            return None
        if len(inside) != 1 or one["type"] not in ("undecided", inside[0].type):
            return False
    return True


def rest_points(field: Field, fact: Json) -> bool | None:
    return holds_points(certified_rest_points(field, ends(fact["box"])), fact["points"])


def trap(field: Field, fact: Json) -> bool | None:
    found = trapping_box(field, ends(fact["box"]))
    if not found:
        return None if "seen" in str(found) or "undecided" in str(found) else False
    return holds_points(found.rest, [{"box": fact["rest_point"], "type": "source"}])  # type: ignore[union-attr]


def annulus(field: Field, fact: Json) -> bool | None:
    outer, inner = ends(fact["outer"]), ends(fact["inner"])
    found = ring(field, outer, inner, fact["crossing"])
    return True if found else None if "seen" in str(found) else False


def no_cycle(field: Field, fact: Json) -> bool | None:
    powers = fact["dulac"]
    given = {name: tuple(Fraction(x) for x in powers[name]) for name in ("exp", "bump", "visits")}
    lo, hi = ends(fact["box"]).T
    dulac = Dulac(given["exp"], given["bump"], Fraction(powers["det"]), given["visits"])
    return has_sign(system(field), Interval(lo, hi), dulac, fact["sign"]) or None


def settling(field: Field, fact: Json) -> bool | None:
    found = settles(field, ends(fact["box"]))
    if not found:
        return None if "seen" in str(found) or "undecided" in str(found) else False
    return holds_points(found.rest, fact["points"])  # type: ignore[union-attr]


def orbit(field: Field, fact: Json) -> bool | None:
    """Its period and multipliers against Krawczyk's own; the points against integration from the true start."""
    seen = reduced(field)
    points = np.array([[float(Fraction(x)) for x in row] for row in fact["points"]])
    durations = np.array([float(Fraction(x)) for x in fact["durations"]])
    theta = np.array([to_parameters(seen, x) for x in points])
    numerical = shoot(field, theta, float(durations.sum())) or shoot(field, theta[0], float(durations.sum()))
    if numerical is None:
        return None
    proof = prove_orbit(field, Orbit(numerical.period, numerical.theta, numerical.multipliers, 1.0, 0.0))
    if not isinstance(proof, OrbitProof):
        return None
    told = [_encloses(fact["period"], proof.period), _encloses(fact["product"], proof.product)]
    if "multipliers" in fact and proof.multipliers is not None:
        pairs = zip(fact["multipliers"], proof.multipliers, strict=True)
        told += [_encloses(a, b) for stated, true in pairs for a, b in zip(stated, true, strict=True)]
    told.append(_passes(field, fact, points, durations, numerical))
    return False if False in told else None if None in told else True


def _encloses(stated: Any, true: Any) -> bool | None:
    """Whether a stated interval holds all of a true enclosure; None where they only meet."""
    lo, hi = (Fraction(x) for x in stated)
    if lo <= true[0] and true[1] <= hi:
        return True
    return False if hi < true[0] or true[1] < lo else None


def _along(velocity: Callable[[Any], Any], sign: float, x: Any) -> Any:
    return sign * velocity(x)


def _passes(field: Field, fact: Json, points: Any, durations: Any, numerical: Orbit) -> bool | None:
    """Whether the orbit, started on the section, passes every stated box at its time."""
    seen, radius, k = reduced(field), float(Fraction(fact["radius"])), fact["section"]
    flat = seen.from_parameters(numerical.theta).reshape(len(numerical.theta), -1)  # type: ignore[attr-defined]
    near = int(np.argmin(np.abs(flat - points[0]).max(-1)))

    def velocity(x: Any) -> Any:
        return seen(x.reshape(seen.shape)).ravel()

    x = flat[near]
    for _ in range(20):  # on to the section
        late = float((points[0][k] - x[k]) / velocity(x)[k])
        if abs(late) < 1e-15:
            break
        way = partial(_along, velocity, float(np.sign(late)))
        x = sampled(way, x, np.array([0.0, abs(late)]), rtol=1e-13, atol=1e-14)[-1]
    times = np.concatenate([[0.0], np.cumsum(durations)[:-1]])
    path = sampled(velocity, x, times, rtol=1e-13, atol=1e-14)
    apart = float(np.abs(path - points).max())
    short = abs(float(durations.sum()) - numerical.period)
    worst = max(apart, short)
    return None if abs(worst - radius) < CLOSE else bool(worst < radius)


JUDGES: dict[str, Callable[[Field, Json], bool | None]] = {
    "rest-points": rest_points,
    "trapping-box": trap,
    "annulus": annulus,
    "no-cycle-box": no_cycle,
    "settles": settling,
    "periodic-orbit": orbit,
}
