"""The step size above which a resting ODE starts to oscillate, and what appears beyond it.

At a rest point of F with eigenvalues lambda the iteration theta_{k+1} = theta_k + eta F(theta_k) has the multipliers
1 + eta lambda. They lie inside the unit circle for `eta < eta* = min −2 Re(lambda) / |lambda|²`. There the critical
multiplier is −1 (lambda real: a flip, two points are born) or a complex pair of modulus 1 (Neimark–Sacker: an invariant
circle is born). On the centre manifold, at eta*,

    flip:            xi -> −xi + c xi³ + ...,                  c = coefficient, x ≈ x* + xi q
    Neimark–Sacker:  w -> e^{i angle} w (1 + d |w|²) + ...,    Re d = coefficient, x ≈ x* + 2 Re(w q)

"supercritical" (c > 0, Re d < 0): what is born lives beyond eta* and attracts. "subcritical" (c < 0, Re d > 0): it
lives below eta*, repels, and bounds the basin of the rest point, which shrinks to nothing at eta*.
Source: Kuznetsov, Elements of Applied Bifurcation Theory, third edition, sections 4.4 to 4.7 and 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dynamics.bifurcations import STEP, TRIFLING, second_derivative, third_derivative
from dynamics.fields import VectorField, gauge_of, reduced, to_parameters, to_reduced
from dynamics.learners.iteration import iterated
from dynamics.orbits import Outcome, rest_point
from mdp import Array

FLIP, TURN = "flip", "Neimark–Sacker"
TIE = 1e-9  # eigenvalues whose limits agree to this share reach the unit circle together
RESONANT = (
    1e-6  # |mu^k − 1| below which the angle is a third or a quarter of a turn, and the cubic term does not decide
)
LEAST, MOST = 2_000, 40_000  # steps of an iteration that confirms a limit


@dataclass(frozen=True, eq=False)
class StepLimit:
    """The largest step size at which a rest point attracts; see the module for the formulas.

    `theta` (*shape) is the rest point and `eigenvalues` (n,) those of the reduced chart; `eta` the limit (time of F a
    step), None where no step size rests here, with the `reason`; `kind` is "flip" or "Neimark–Sacker"; `eigenvalue` the
    critical one, `direction` (n,) its unit eigenvector q; `coefficient` (± `error`, numerical) is c or Re d;
    `criticality` is "supercritical", "subcritical", "degenerate" (0 as far as can be told), or None where the
    coefficient does not decide or was not asked for.
    """

    theta: Array
    eigenvalues: Array
    eta: float | None
    kind: str | None = None
    eigenvalue: complex | None = None
    direction: Array | None = None
    coefficient: float | None = None
    error: float | None = None
    criticality: str | None = None
    reason: str = ""

    def amplitude(self, eta: float) -> Array | None:
        """Peak to peak (n,), in the reduced chart, of what is born, at the step size `eta`, to leading order.

        `2 |xi| |q|` with `xi² = (eta |lambda| − 2) / c`, or `4 |w| |q|` with `|w|² = (1 − |1 + eta lambda|) / Re d`.
        None on the side where nothing is born, or where the criticality is not known.

        >>> from vorticity import FunctionField
        >>> limit = step_limit(FunctionField(lambda x: -x - x**3, (1,)), [0.1])  # x -> (1 − eta) x − eta x³
        >>> limit.criticality, limit.amplitude(1.98).round(9).tolist()  # ±0.1 in turn, repelling
        ('subcritical', [0.2])
        """
        if self.eigenvalue is None or self.coefficient is None or self.direction is None:
            return None
        if self.criticality not in ("supercritical", "subcritical"):
            return None
        beyond = abs(1 + eta * self.eigenvalue) - 1
        squared = beyond / self.coefficient * (1 if self.kind == FLIP else -1)
        return (2 if self.kind == FLIP else 4) * np.sqrt(squared) * np.abs(self.direction) if squared > 0 else None

    @property
    def angle(self) -> float | None:
        """The critical multiplier's angle in radians, in (0, π]: π for a flip; 2π / angle steps make a turn."""
        if self.eta is None or self.eigenvalue is None:
            return None
        return float(abs(np.angle(1 + self.eta * self.eigenvalue)))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        value = self.eigenvalue
        return {
            "eta": self.eta,
            "kind": self.kind,
            "eigenvalue": None if value is None else [value.real, value.imag],
            "coefficient": self.coefficient,
            "criticality": self.criticality,
            "reason": self.reason,
        }


def step_limit(field: VectorField, theta: ArrayLike) -> StepLimit:
    """The step size `eta* = min −2 Re(lambda) / |lambda|²` above which the rest point near `theta` (*shape) repels.

    eta is None, with the reason, where an eigenvalue has no negative real part: no Euler step comes to rest there.
    Raises ValueError where Newton's iteration finds no rest point from theta.
    Source: see the module.

    >>> from mdp import zoo
    >>> from vorticity import Field
    >>> swirl = Field(zoo.load("swirl"), "reverse-kl-corrected", reward=True)
    >>> limit = step_limit(swirl, [[0.0, 3.3], [0.0, 1.9]])
    >>> round(limit.eta, 8), limit.kind, limit.criticality
    (0.31682996, 'flip', 'supercritical')
    """
    rest = rest_point(field, theta)
    if rest is None:
        listed = np.asarray(theta, dtype=float).tolist()
        raise ValueError(f"no rest point of the field is found from theta = {listed}; a step limit belongs to one")
    return limit_at(field, rest.theta)


def limit_at(field: VectorField, theta: ArrayLike, *, normal_form: bool = True) -> StepLimit:
    """As `step_limit`, at a theta (*shape) that *is* a rest point; the coefficient only where `normal_form` is asked.

    >>> from vorticity import FunctionField
    >>> limit_at(FunctionField(lambda x: np.array([-x[1], x[0]]), (2,)), [0.0, 0.0]).reason
    'an eigenvalue is +1i, imaginary: |1 + eta lambda| > 1 for every step size, so that the iteration spirals outward'
    """
    seen = reduced(field)
    x = to_reduced(seen, theta)
    at = to_parameters(seen, x, gauge_of(seen, theta))
    jacobian = np.asarray(seen.jacobian(x.reshape(seen.shape)), dtype=float)
    values, vectors = np.linalg.eig(jacobian)
    reason = _why_none(values)
    if reason:
        return StepLimit(at, values, None, reason=reason)
    limits = -2 * values.real / np.abs(values) ** 2
    first = next(k for k in np.flatnonzero(limits <= limits.min() * (1 + TIE)) if values[k].imag >= 0)
    value, eta = complex(values[first]), float(limits[first])
    kind = TURN if value.imag else FLIP
    q = vectors[:, first] / np.linalg.norm(vectors[:, first])
    q = q if value.imag else q.real
    tied = int((limits <= eta * (1 + TIE)).sum()) > (2 if value.imag else 1)
    mu = 1 + eta * value
    if tied:
        reason = "several multipliers reach the unit circle at once"
    elif value.imag and min(abs(mu**3 - 1), abs(mu**4 - 1)) < RESONANT:
        reason = "strong resonance: the multiplier is a third or fourth root of 1, where the cubic term does not decide"
    if reason or not normal_form:
        return StepLimit(at, values, eta, kind, value, q, reason=reason)
    return StepLimit(at, values, eta, kind, value, q, *_coefficient(seen, x, jacobian, eta, value, q))


def _why_none(values: Array) -> str:
    """Why no step size comes to rest at eigenvalues such as these; empty where some does."""
    worst = complex(values[np.argmax(values.real)])
    shown = f"{worst.real:.6g}{worst.imag:+.6g}i" if worst.imag else f"{worst.real:.6g}"
    size = np.abs(values)
    if (size <= 1e-14 * size.max()).any():
        return "an eigenvalue is 0: the linear part does not decide"
    if worst.real > 1e-9 * abs(worst):
        return f"the ODE does not rest here: the eigenvalue {shown} has a positive real part, and so no step size does"
    if worst.real > -1e-9 * abs(worst):
        return (
            f"an eigenvalue is {worst.imag:+.6g}i, imaginary: |1 + eta lambda| > 1 for every step size, "
            "so that the iteration spirals outward"
        )
    return ""


def _coefficient(
    seen: VectorField, x: Array, jacobian: Array, eta: float, value: complex, q: Array
) -> tuple[float, float, str]:
    """The coefficient from third derivatives by two step lengths, whose difference is the error; the criticality."""
    others, lefts = np.linalg.eig(jacobian.T)
    p = lefts[:, np.argmin(np.abs(others - np.conj(value)))]
    p = p / (p.conj() @ q).conj()
    terms = _turn_terms if value.imag else _flip_terms
    coarse, fine = (terms(seen, x, jacobian, eta, value, q, p, h) for h in (STEP, STEP / 2))
    size, error = float(sum(fine)), float(abs(sum(fine) - sum(coarse)))
    floor = max(TRIFLING * sum(abs(term) for term in fine), 10 * error, 1e-9)
    attracts = size < 0 if value.imag else size > 0
    name = "degenerate" if abs(size) <= floor else "supercritical" if attracts else "subcritical"
    return size, error, name


def _flip_terms(
    seen: VectorField, x: Array, J: Array, eta: float, value: complex, q: Array, p: Array, h: float
) -> tuple[float, ...]:
    """The terms of `c = ⟨p, C(q, q, q)⟩/6 − ⟨p, B(q, (A − I)⁻¹ B(q, q))⟩/2` of the map (A = I + eta J)."""
    p = p.real
    by_q = second_derivative(seen, x, q, h)
    cubic = p @ third_derivative(seen, x, q, q, h) @ q
    shift = p @ by_q @ np.linalg.solve(J, by_q @ q)
    return float(eta * cubic / 6), float(-eta * shift / 2)


def _turn_terms(
    seen: VectorField, x: Array, J: Array, eta: float, value: complex, q: Array, p: Array, h: float
) -> tuple[float, ...]:
    """The terms of `Re d = Re(e^{−i angle} (⟨p, C(q, q, q̄)⟩ + 2⟨p, B(q, (I − A)⁻¹ B(q, q̄))⟩
    + ⟨p, B(q̄, (e^{2i angle} I − A)⁻¹ B(q, q))⟩)) / 2` of the map."""
    a, b = q.real, q.imag
    by_q = second_derivative(seen, x, a, h) + 1j * second_derivative(seen, x, b, h)
    by_aa, by_ab, by_bb = (third_derivative(seen, x, u, v, h) for u, v in ((a, a), (a, b), (b, b)))
    mu = (1 + eta * value) / abs(1 + eta * value)
    cubic = (by_aa - by_bb + 2j * by_ab) @ q.conj()
    shift = by_q @ np.linalg.solve(J, (by_q @ q.conj()).real)
    twice = by_q.conj() @ np.linalg.solve((mu**2 - 1) * np.eye(len(x)) - eta * J, by_q @ q)
    parts = (eta * cubic, -2 * eta * shift, eta**2 * twice)
    first, second, third = (float((p.conj() @ part / mu).real / 2) for part in parts)
    return first, second, third


@dataclass(frozen=True, eq=False)
class Confirmation:
    """Iterations from beside a rest point, `below` and `above` its limit: at (1 − share) eta* and (1 + share) eta*.

    `agrees`: whether the one below comes to rest at the rest point and the one above does not; None where one of them
    gave no answer. `amplitude` (n,) is the peak-to-peak size seen above, in the reduced chart, `predicted` (n,) that of
    `StepLimit.amplitude`, None where nothing is predicted.
    """

    below: Outcome
    above: Outcome
    agrees: bool | None
    amplitude: Array
    predicted: Array | None


def confirm(field: VectorField, limit: StepLimit, *, share: float = 0.01) -> Confirmation:
    """Iterates on both sides of a step limit, from a little off the rest point in the critical direction.

    Raises ValueError where the limit has no eta, or for a share outside (0, 1).

    >>> from vorticity import FunctionField
    >>> field = FunctionField(lambda x: x - x**3, (1,))
    >>> seen = confirm(field, step_limit(field, [1.1]))
    >>> seen.below.kind, seen.above.kind, seen.above.period, seen.agrees
    ('rest', 'cycle', 2.0, True)
    """
    if limit.eta is None or limit.eigenvalue is None or limit.direction is None:
        raise ValueError(f"this rest point has no step limit to confirm: {limit.reason}")
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; must lie in (0, 1)")
    seen = reduced(field)
    x = to_reduced(seen, limit.theta)
    gauge = gauge_of(seen, limit.theta)
    found, leaves = [], []
    for eta in ((1 - share) * limit.eta, (1 + share) * limit.eta):
        size = limit.amplitude(eta)
        offset = 1e-3 if size is None else min(1e-3, 0.05 * float(np.abs(size).max()))
        start = to_parameters(seen, x + offset * limit.direction.real, gauge)
        n_steps = int(np.clip(12 / abs(np.log(abs(1 + eta * limit.eigenvalue))), LEAST, MOST))
        found.append(iterated(field, start, eta, n_steps, limit=MOST))
        late = _late(seen, found[-1])
        leaves.append(float(np.abs(late - x).max()) > 10 * offset)
    below, above = found
    stays = [one.kind == "rest" and float(np.abs(to_reduced(seen, one.at) - x).max()) < 1e-5 for one in found]
    told = all(one.kind != "undecided" or left for one, left in zip(found, leaves, strict=True))
    agrees = stays[0] and not stays[1] if told else None
    return Confirmation(below, above, agrees, np.ptp(late, axis=0), limit.amplitude((1 + share) * limit.eta))


def _late(seen: VectorField, found: Outcome) -> Array:
    """The last quarter of a trajectory (m, n), in the reduced chart."""
    theta = found.trajectory.theta
    return np.array([to_reduced(seen, one) for one in theta[-max(len(theta) // 4, 1) :]])
