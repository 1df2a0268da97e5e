"""Periodic orbits proved in any dimension: Krawczyk's operator on points of the orbit and its period (method K).

Unknown are the points x_1 .. x_m at fixed times 0 = t_1 < .. < t_m and the period T; the equations are

    phi_{d_i}(x_i) = x_{i+1} (i < m),   phi_{T − t_m}(x_m) = x_1,   x_1[k] = c,

d_i = t_{i+1} − t_i, k the coordinate that moves fastest at x_1. Every flow is one validated Taylor step from a tiny box
(`proofs.enclosures.steps`), so that nothing is propagated and nothing wraps. With G the equations, u the approximate
solution, U a box around it and Y an approximate inverse of DG, `K = u − Y G(u) + (I − Y DG(U)) (U − u)` inside the
interior of U proves that U holds exactly one solution, and K holds it.
Source: Krawczyk, Computing 4 (1969); Rump, "Verification methods", Acta Numerica 19 (2010), section 13; multiple
shooting as in Wilczak and Zgliczyński, "C^r-Lohner algorithm", Schedae Informaticae 20 (2011).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from scipy.interpolate import CubicSpline

from dynamics.fields import Field, reduced, to_reduced
from dynamics.orbits import Orbit
from mdp import Array
from proofs.certificates import Json, Refusal, field_json
from proofs.cycles import floquet
from proofs.enclosures import Balls, RationalSystem, Step, local, rational_system, step, velocity
from proofs.exact import contraction, fraction, precision

BITS = 128
ORDER = 20
REMAINDER = 1e-14  # a step's remainder is to be about this, in the coordinates' unit
RADIUS = 2.0**-32  # half the width of the box in which the solution is to be unique
RADII = (RADIUS, 2.0**-28)  # the wider one for long orbits, whose points are known less well
TOO_TIGHT = "Krawczyk's test fails"
MOST = 4000  # steps
STRAY = 1e-6  # of the orbit's size: an unstable orbit is left by more than this
TIGHTEN = 4  # times that Krawczyk's operator is applied again
SLACK = 32  # times that a certificate's intervals are wider than what was proved
Ends = tuple[Fraction, Fraction]  # of an interval, lower first


@dataclass(frozen=True, eq=False)
class OrbitProof:
    """A periodic orbit that was proved to exist, and what is known of it. All numbers are exact dyadic rationals.

    Exactly one pair (x, T) has x[section] = points[0][section], is within `unique` of points[0] and of Σ durations,
    has phi_t(x) within `unique` of points[i] at the times t = Σ_{j<i} durations[j], and phi_T(x) = x. For it T lies in
    `period` (lo, hi) and is the least period, and those points lie within `radii` (m, n) of `points` (m, n).
    `product` (lo, hi) encloses the product of its n − 1 non-trivial Floquet multipliers, exp ∫ div F, and `multipliers`
    each of them, largest first, as (real part, imaginary part), each (lo, hi): in the plane the product itself. They
    are None where they were not told apart, and for n > 3. Coordinates are the system's: logit differences for an MDP.
    `contraction` is the norm of I − Y DG(U), below 1: how easily the test was passed.
    """

    system: str
    period: Ends
    points: Array
    radii: Array
    durations: Array
    section: int
    unique: float
    product: Ends
    multipliers: tuple[tuple[Ends, Ends], ...] | None
    contraction: float
    method: str = "K"

    @property
    def steps(self) -> str:
        """How many points the proof rests on, in words."""
        return f"{len(self.points)} points of the orbit and its period"

    @property
    def width(self) -> float:
        """The width of the period's enclosure."""
        return float(self.period[1] - self.period[0])

    @property
    def stable(self) -> bool | None:
        """Whether all non-trivial multipliers lie inside the unit circle: proved, refuted, or None for not known."""
        if self.product[0] > 1:
            return False
        if self.multipliers is None:
            return None
        sizes = [[_square(part) for part in multiplier] for multiplier in self.multipliers]
        if all(real[1] + imaginary[1] < 1 for real, imaginary in sizes):
            return True
        return False if any(real[0] + imaginary[0] > 1 for real, imaginary in sizes) else None


def prove_orbit(
    system: RationalSystem | Field, orbit: Orbit, *, remainder: float = REMAINDER, order: int = ORDER, bits: int = BITS
) -> OrbitProof | Refusal:
    """Prove that a periodic orbit exists near a numerical one, that it is locally unique, and enclose its least period.

    `orbit` is what `dynamics.orbits.periodic.shoot` finds: of the same `Field`, or in the coordinates of the
    `RationalSystem`. Taylor steps of order `order` are as long as leaves a remainder of about `remainder` in the
    coordinates' unit (the period is known about a hundred times less well); `bits` is the precision. A `Refusal` says
    why there is no proof (one is that `rational_system` does not support the field) and
    never that there is no orbit.

    >>> from proofs.enclosures.recentred import polynomial
    >>> ring = polynomial([  # r' = r − r³, angle' = 1
    ...     {(1, 0): 1, (0, 1): -1, (3, 0): -1, (1, 2): -1}, {(1, 0): 1, (0, 1): 1, (2, 1): -1, (0, 3): -1}])
    >>> circle = np.array([[1.0, 0.0]])
    >>> proof = prove_orbit(ring, Orbit(6.28318, circle, np.zeros(1), 1.0, 0.0))
    >>> proof.period[0] < Fraction(6.283185307179586) < proof.period[1], proof.width < 1e-11
    (True, True)
    """
    try:
        chosen = rational_system(system) if isinstance(system, Field) else system
    except ValueError as error:
        return Refusal(str(error))
    path = _path(system, orbit)
    with precision(bits):
        for radius in RADII:
            found = _prove(chosen, path, float(orbit.period), order, remainder, radius)
            if isinstance(found, OrbitProof) or not found.reason.startswith(TOO_TIGHT):
                break
        return found


def _path(system: RationalSystem | Field, orbit: Orbit) -> Array:
    """The orbit's points (k, n) in the system's coordinates, from where it moves fastest (T is known best there)."""
    theta = orbit.theta
    if isinstance(system, Field):
        seen = reduced(system)
        points = np.array([to_reduced(seen, point) for point in theta])
    else:
        points = np.asarray(theta, dtype=float).reshape(len(theta), -1)
    if len(points) < 2:
        return points
    fastest = int(np.argmax(np.linalg.norm(np.diff(points, axis=0), axis=1)))
    turned = np.roll(points[:-1], -fastest, axis=0)
    return np.concatenate([turned, turned[:1]])


def _prove(
    system: RationalSystem, path: Array, period: float, order: int, remainder: float, radius: float
) -> OrbitProof | Refusal:
    speed = velocity(system, path[0].tolist())
    section = int(np.argmax(np.abs(speed)))
    if abs(speed[section]) * period < 1e-9:
        return Refusal("the field is almost 0 at the orbit's first point: that is a rest point, or all but one")
    laid = layout(system, path, period, order, remainder, radius)
    if isinstance(laid, Refusal):
        return laid
    points, durations, steps = laid
    for _ in range(4):
        residual, slopes = equations(system, points, steps, section)
        middle = _middle(slopes)
        if not np.isfinite(middle).all():
            return Refusal("the field is not defined at the orbit's end, as far as balls can tell")
        if np.linalg.cond(middle) > 1e12:
            return Refusal("the equations for points and period are singular: as far as floats tell, no isolated orbit")
        change = np.linalg.solve(middle, [-float(y.mid()) for y in residual])
        if np.abs(change).max() < radius / 4:
            return conclude(system, points, durations, steps, section, radius)
        moved = points + change[:-1].reshape(points.shape)
        last = durations[-1] + change[-1]
        size = float(np.ptp(points, axis=0).max())
        if np.abs(change[:-1]).max() > 0.05 * size or abs(change[-1]) > 1e-3 * period or last <= 0:
            return Refusal(
                f"no orbit of period {period:.9g} is near: Newton's correction of the points is "
                f"{np.abs(change[:-1]).max():.2g} (size {size:.2g}), of the period {change[-1]:.2g}"
            )
        points, durations = moved, np.append(durations[:-1], last)
        walked = walk(system, points, durations, order, radius)
        if isinstance(walked, Refusal):
            return walked
        steps = walked
    return Refusal("Newton's iteration does not settle")


def layout(
    system: RationalSystem, path: Array, period: float, order: int, remainder: float, radius: float = RADIUS
) -> tuple[Array, Array, list[Step]] | Refusal:
    """Points (m, n), durations (m,) and validated steps along the orbit from path[0], by step control.

    The remainder of a step of duration h is about (h / h_1)^(order + 1), so h follows from the last step. A step begins
    where the last one ended, or, once that has strayed from the `path`, if it has more than one point, on the path.
    """
    points, durations, steps = [path[0]], [], []
    guide = CubicSpline(np.linspace(0, period, len(path)), path, bc_type="periodic") if len(path) > 9 else None
    far = STRAY * float(np.ptp(path, axis=0).max())
    h, t = period / 64, 0.0
    while t < period:
        left = period - t
        # The last step takes what is left, the last two share it; the others are short numbers, for sums to be exact.
        h = left if left <= 1.05 * h else float(np.float32(min(h, left / 2) if left < 2 * h else h))
        made = step(system, *_around(points[-1], radius), flint.arb(h), order)
        error = max(float(y.rad()) for y in made.end) if made else np.inf
        if made is None or error > 4 * remainder:
            h = h / 2 if made is None else h * _factor(error / remainder, order)
            if h < period / MOST:
                return Refusal(f"no validated step from {points[-1]} at t = {t:.6g}: it would be shorter than {h:.2g}")
            continue
        steps.append(made)
        durations.append(h)
        t = period if h == left else t + h
        end = np.array([float(y.mid()) for y in made.end])
        points.append(end if guide is None or np.abs(end - guide(t)).max() <= far else np.asarray(guide(t)))
        h = h * _factor(error / remainder, order)
        if len(steps) > MOST:
            return Refusal(f"more than {MOST} steps are needed")
    # The last step again, of an uncertain duration: the period is unknown.
    made = step(system, *_around(points[-2], radius), flint.arb(durations[-1], radius), order)
    if made is None:
        return Refusal("the last step cannot be validated with an uncertain duration")
    steps[-1] = made
    if len(steps) < 3:
        return Refusal("fewer than three steps: the orbit is too simple for this mesh")
    return np.array(points[:-1]), np.array(durations), steps


def _factor(error: float, order: int) -> float:
    """How much longer the next step may be than one whose remainder is `error` times what it should be."""
    return 0.95 * float(np.clip(max(error, 1e-300) ** (-1 / (order + 1)), 0.3, 2.0))


def _around(point: Array, radius: float) -> tuple[Balls, Balls]:
    """The point, and the box of that radius around it."""
    return [flint.arb(x) for x in point], [flint.arb(x, radius) for x in point]


def walk(system: RationalSystem, points: Array, durations: Array, order: int, radius: float) -> list[Step] | Refusal:
    """The validated step from every point; the last duration is uncertain by `radius`, as the period is."""
    steps = []
    for i, (point, h) in enumerate(zip(points, durations, strict=True)):
        last = i == len(points) - 1
        made = step(system, *_around(point, radius), flint.arb(h, radius if last else 0), order)
        if made is None:
            return Refusal(f"no validated step from {point} of duration {h:.3g}")
        steps.append(made)
    return steps


def equations(system: RationalSystem, points: Array, steps: list[Step], section: int) -> tuple[Balls, Any]:
    """G at the points, and an enclosure (arb_mat) of its Jacobian over the boxes, unknowns ordered x_1 .. x_m, T.

    The section is the one through the first point, so the last entry of G is 0.
    """
    m, n = points.shape
    size = m * n + 1
    slopes = [[0] * size for _ in range(size)]
    residual = []
    for i, made in enumerate(steps):
        following = (i + 1) % m
        for a in range(n):
            residual.append(made.end[a] - flint.arb(points[following, a]))
            slopes[i * n + a][i * n : i * n + n] = [made.derivative[a, b] for b in range(n)]
            entry = slopes[i * n + a][following * n + a]
            slopes[i * n + a][following * n + a] = entry - 1
    closing = local(system, points[0]).velocity(steps[-1].image)
    for a in range(n):
        slopes[(m - 1) * n + a][-1] = closing[a]
    residual.append(flint.arb(0))
    slopes[-1][section] = 1
    return residual, flint.arb_mat(slopes)


def _middle(matrix: Any) -> Array:
    entries = [float(y.mid()) for y in matrix.entries()]
    return np.array(entries).reshape(matrix.nrows(), matrix.ncols())


def conclude(
    system: RationalSystem, points: Array, durations: Array, steps: list[Step], section: int, radius: float
) -> OrbitProof | Refusal:
    """Krawczyk's test on the box of that radius, and the argument that the period is the least one."""
    residual, slopes = equations(system, points, steps, section)
    size = len(residual)
    inverse = np.linalg.inv(_middle(slopes))
    Y = flint.arb_mat(size, size, inverse.ravel().tolist())
    off = contraction(Y, slopes)
    newton = Y * flint.arb_mat(size, 1, residual)
    norm = max(sum(float(abs(off[i, j]).upper()) for j in range(size)) for i in range(size))
    box = flint.arb_mat(size, 1, [flint.arb(0, radius)] * size)
    found = off * box - newton
    if not all(box[i, 0].contains_interior(found[i, 0]) for i in range(size)):
        furthest = max(float(abs(found[i, 0]).upper()) for i in range(size))
        return Refusal(
            f"{TOO_TIGHT}: the box of radius {radius:.2g} is mapped as far as {furthest:.2g}, norm {norm:.2g}"
        )
    for _ in range(TIGHTEN):  # the solution lies in what was found, so the operator may be applied to that
        found = off * found - newton
    deviations = [found[i, 0] for i in range(size)]
    shorter = least_period(points, durations, steps, deviations)
    if shorter is not None:
        return shorter
    period = sum((flint.arb(h) for h in durations), flint.arb(0)) + deviations[-1]
    product = sum((made.divergence for made in steps), flint.arb(0)).exp()
    found_multipliers = floquet.multipliers(floquet.product([made.derivative for made in steps]), product)
    multipliers = None
    if found_multipliers is not None:
        multipliers = tuple((_ends(y.real), _ends(y.imag)) for y in found_multipliers)
    radii = np.array([_up(y) for y in deviations[:-1]]).reshape(points.shape)
    return OrbitProof(
        system.name, _ends(period), points, radii, durations, section, radius, _ends(product), multipliers, norm
    )


def least_period(points: Array, durations: Array, steps: list[Step], deviations: Balls) -> Refusal | None:
    """None where the period T is proved to be the least: the orbit does not meet its first box while t_2 ≤ t ≤ t_m.

    Were T / k with k ≥ 2 a period τ, some multiple of it below T would lie in [t_2, t_m]: τ itself, or if τ < t_2 the
    first multiple from t_2 on, which is at most 2 t_2. There the orbit would be at x_1. Needs 2 t_2 ≤ t_m ≥ T / 2.
    """
    n = points.shape[1]
    first = [flint.arb(x) + d for x, d in zip(points[0], deviations[:n], strict=True)]
    total = sum((flint.arb(h) for h in durations), flint.arb(0)) + deviations[-1]
    until = sum((flint.arb(h) for h in durations[:-1]), flint.arb(0))
    if not (2 * flint.arb(durations[0]) <= until and 2 * until >= total):
        return Refusal("the first or the last step is too long for the argument that the period is the least")
    t = 0.0
    for i, made in enumerate(steps):
        if 0 < i < len(steps) - 1:
            for box in made.tube:
                if all(x.overlaps(y) for x, y in zip(box, first, strict=True)):
                    return Refusal(
                        f"the orbit may be back at its first point near t = {t:.6g}: that the period "
                        f"{float(total.mid()):.9g} is its least is not proved"
                    )
        t += durations[i]
    return None


def fact(field: Field, proof: OrbitProof, *, multipliers: bool = False) -> Json:
    """What was proved of an MDP's field as a fact of a certificate, kind "periodic-orbit": exact rationals as text.

    Intervals are stated `SLACK` times wider than they were proved, so that a checker with coarser steps of its own can
    confirm them; `multipliers` adds each of them. Raises ValueError as `proofs.certificates.format.field_json` does.

    >>> [str(x) for x in _widened((Fraction(1), Fraction(3)))]
    ['-30', '34']
    """
    content: Json = {
        "kind": "periodic-orbit",
        "field": field_json(field),
        "points": [_texts(point) for point in proof.points.tolist()],
        "durations": _texts(proof.durations.tolist()),
        "section": proof.section,
        "radius": str(Fraction(proof.unique)),
        "period": _texts(_widened(proof.period)),
        "product": _texts(_widened(proof.product)),
    }
    if multipliers and proof.multipliers is not None:
        content["multipliers"] = [[_texts(_widened(part)) for part in pair] for pair in proof.multipliers]
    return content


def _widened(ends: Ends) -> Ends:
    """The interval, `SLACK` times as wide."""
    spare = (ends[1] - ends[0]) * (SLACK - 1) / 2
    return ends[0] - spare, ends[1] + spare


def _texts(numbers: Iterable[Any]) -> list[str]:
    return [str(Fraction(x)) for x in numbers]


def _up(y: Any) -> float:
    """The largest |y|, as a float rounded up."""
    return float(np.nextafter(float(abs(y).upper()), np.inf))


def _ends(y: Any) -> Ends:
    """The ends of a ball, rounded outwards to 64 bits, or a few more than it is accurate to."""
    with precision(min(max(64, y.rel_accuracy_bits() + 8), flint.ctx.prec)):
        return fraction(y.lower()), fraction(y.upper())


def _square(ends: Ends) -> Ends:
    """The range of x² over an interval."""
    low, high = sorted(x * x for x in ends)
    return (Fraction(0) if ends[0] <= 0 <= ends[1] else low), high
