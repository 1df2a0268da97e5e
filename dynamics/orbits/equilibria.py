"""Rest points: Newton's iteration, the eigenvalues of the Jacobian there, and what they say of the motion nearby.

Everything is done in the chart of differences where the field has rows of logits
(`dynamics.fields.coordinates.reduced`), so that the gauge freedom adds no zero eigenvalue. At the boundary of the
simplex every field is small, and smallness alone proves nothing: a rest point must also have a Newton step that is
small and a Jacobian that is regular, both relative to the size of the field's own derivatives nearby.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import ChartField, Field, VectorField, reduced, to_parameters, to_reduced
from mdp import Array

Limits = tuple[float, float]  # the ends of an interval, lower first
BOUND = 30.0  # |log-odds| beyond which a probability is within 1e-13 of the boundary: no rest point is looked for there
STEP = 2.0  # the longest step of Newton's iteration, in nats
STILL = 1e-9  # |F_i| / (size of dF_i nearby), in nats, below which the i-th coordinate is at rest
REGULAR = 1e8  # condition number of the scaled Jacobian beyond which a rest point is called degenerate


@dataclass(frozen=True, eq=False)
class RestPoint:
    """A zero of the field: `theta` (*shape), rows of logits centred; `eigenvalues` (n,), largest real part first.

    `type` is one of "stable node", "unstable node", "stable focus", "unstable focus", "saddle", "centre (linear)",
    "degenerate" in the plane, and "stable", "unstable", "saddle, k unstable", "saddle-focus, k unstable" (one with
    complex eigenvalues), "centre (linear)", "degenerate" in other dimensions; `residual` is max |F_i| / (size of dF_i
    nearby): about the distance, in nats, from the true zero.
    """

    theta: Array
    eigenvalues: Array
    type: str
    residual: float


def classify(eigenvalues: ArrayLike) -> str:
    """What the linear part says of a rest point with these eigenvalues.

    A real part below 1e-9 of the eigenvalue is taken as zero: "centre (linear)", which the linear part cannot decide.

    >>> [classify(x) for x in ([1j, -1j], [0.1 + 1j, 0.1 - 1j], [1.0, -2.0], [-1.0, -2.0], [1.0, -1.0, -1.0], [-3.0])]
    ['centre (linear)', 'unstable focus', 'saddle', 'stable node', 'saddle, 1 unstable', 'stable']
    """
    values = np.asarray(eigenvalues, dtype=complex)
    size = np.abs(values)
    if (size <= 1e-14 * size.max(initial=0.0)).any():
        return "degenerate"
    if (np.abs(values.real) <= 1e-9 * size).any():
        return "centre (linear)"
    unstable = int((values.real > 0).sum())
    if 0 < unstable < len(values):
        turns = (np.abs(values.imag) > 1e-6 * size).any()
        name = "saddle-focus" if turns else "saddle"
        return name if len(values) == 2 else f"{name}, {unstable} unstable"
    way = "unstable" if unstable else "stable"
    if len(values) != 2:
        return way
    return f"{way} {'focus' if abs(values[0].imag) > 1e-6 * size[0] else 'node'}"


def rest_point(field: VectorField, theta: ArrayLike, *, tol: float = 1e-12, most: int = 50) -> RestPoint | None:
    """The rest point that damped Newton steps reach from `theta` (*shape), or None.

    The iteration solves `h(x) = F(x) / D(x) = 0` with D = p(1 − p) for rows of two logits, else 1, and stops when its
    step is below `tol` (1 + |x|). None where it does not settle, or settles on a false rest point: beyond 30 nats, not
    still relative to the field's derivatives half a nat away, or with a singular Jacobian whose rows do not vanish.
    Raises ValueError for a theta of another shape.
    Source: Deuflhard, Newton Methods for Nonlinear Problems, section 3.3 (damping by natural monotonicity).

    >>> from mdp import zoo
    >>> swirl = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    >>> found = rest_point(swirl, [[0.0, 2.5], [0.0, 1.0]])
    >>> found.type, [round(float(row[1] - row[0]), 5) for row in found.theta]
    ('unstable focus', [2.79304, 1.136])
    """
    theta = np.asarray(theta, dtype=float)
    if theta.shape != field.shape:
        raise ValueError(f"theta has shape {theta.shape}; must be {field.shape}")
    seen = reduced(field)
    with np.errstate(all="ignore"):
        x = _newton(seen, to_reduced(seen, theta), tol, most)
        return None if x is None else _judged(seen, x, isinstance(field, Field))


def rest_points(field: VectorField, starts: Iterable[ArrayLike]) -> tuple[RestPoint, ...]:
    """The different rest points that Newton's iteration reaches from some starts, ordered by their coordinates.

    >>> from vorticity import FunctionField
    >>> [p.type for p in rest_points(FunctionField(lambda x: x - x**3, (1,)), [[-2.0], [0.1], [0.2], [2.0]])]
    ['stable', 'unstable', 'stable']
    """
    found: list[RestPoint] = []
    for start in starts:
        point = rest_point(field, start)
        if point is not None and all(np.abs(point.theta - other.theta).max() > 1e-6 for other in found):
            found.append(point)
    return tuple(sorted(found, key=lambda point: tuple(to_reduced(reduced(field), point.theta).round(6))))


def rest_points_in_plane(field: VectorField, xlim: Limits, ylim: Limits, *, n: int = 97) -> tuple[RestPoint, ...]:
    """All rest points in a window of a planar field that a grid of n x n cells can see, ordered by their coordinates.

    Planar: two coordinates in the chart of differences (or of the field, where it has none). A cell where both
    components change sign, or that touches such a change in each, starts a Newton iteration. Two rest points closer
    than a cell may be missed, and so may one that both nullclines touch without crossing.
    Raises ValueError for a field that is not planar, or an empty window.

    >>> from vorticity import FunctionField
    >>> pendulum = FunctionField(lambda x: np.array([x[1], -np.sin(x[0])]), (2,))
    >>> [(p.type, round(float(p.theta[0]), 6)) for p in rest_points_in_plane(pendulum, (-1, 4), (-1, 1))]
    [('centre (linear)', 0.0), ('saddle', 3.141593)]
    """
    seen = reduced(field)
    if seen.size != 2:
        raise ValueError(f"the field has {seen.size} coordinates; a plane has 2")
    window = np.array([checked_limits(xlim, "xlim"), checked_limits(ylim, "ylim")])
    axes = [np.linspace(low, high, n + 1) for low, high in window]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    with np.errstate(all="ignore"):
        values = seen(grid.reshape(n + 1, n + 1, *seen.shape)).reshape(n + 1, n + 1, 2)
    turns = [_near(_changes_sign(values[..., k])) for k in (0, 1)]
    cells = np.argwhere(turns[0] & turns[1] & (_changes_sign(values[..., 0]) | _changes_sign(values[..., 1])))
    if len(cells) > 4 * n:  # nullclines that coincide: a line of rest points
        cells = cells[:: len(cells) // (4 * n) + 1]
    starts = np.stack([(axes[k][cells[:, k]] + axes[k][cells[:, k] + 1]) / 2 for k in (0, 1)], -1)
    found = rest_points(field, to_parameters(seen, starts))
    room = 1e-9 * (window[:, 1] - window[:, 0])
    inside = [to_reduced(seen, point.theta) for point in found]
    keep = [((window[:, 0] - room <= x) & (x <= window[:, 1] + room)).all() for x in inside]
    return tuple(point for point, here in zip(found, keep, strict=True) if here)


def checked_limits(limits: Limits, name: str) -> Limits:
    """The two ends of an axis as floats; ValueError unless both are finite and the first is the smaller.

    >>> checked_limits((1, 0), "xlim")
    Traceback (most recent call last):
    ValueError: xlim is (1, 0); must be two finite numbers, the smaller first
    """
    try:
        low, high = (float(x) for x in limits)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"{name} is {limits}; must be two finite numbers, the smaller first")
    return low, high


def _changes_sign(values: Array) -> Array:
    """Cells (n, n) of a grid (n + 1, n + 1) whose corners do not all have one sign; False next to NaN."""
    corners = np.stack([values[:-1, :-1], values[1:, :-1], values[:-1, 1:], values[1:, 1:]])
    return np.asarray((corners.min(0) <= 0) & (corners.max(0) >= 0))


def _near(cells: Array) -> Array:
    """The cells and the eight around each."""
    padded = np.pad(cells, 1)
    n, m = cells.shape
    return np.asarray(np.any([padded[i : i + n, j : j + m] for i in range(3) for j in range(3)], axis=0))


def _scaled(seen: VectorField, x: Array, *, slope: bool) -> tuple[Array, Array]:
    """h = F / D at x (n,) and, with `slope`, its Jacobian (n, n)."""
    shaped = x.reshape(seen.shape)
    if not np.isfinite(x).all():
        return np.full(x.size, np.nan), np.full((x.size, x.size), np.nan)
    F = np.asarray(seen(shaped), dtype=float).ravel()
    logits = isinstance(seen, ChartField) and seen.shape[-1] == 1
    D = 0.25 / np.cosh(x / 2) ** 2 if logits else np.ones_like(x)
    if not slope:
        return F / D, np.empty((0, 0))
    own = np.diag(F * np.tanh(x / 2)) if logits else 0.0  # −F D'/D
    return F / D, (seen.jacobian(shaped) + own) / D[:, None]


def _newton(seen: VectorField, x: Array, tol: float, most: int) -> Array | None:
    """Damped Newton on h = 0 in flat coordinates; None when it does not settle."""
    logits = isinstance(seen, ChartField)
    for _ in range(most):
        h, J = _scaled(seen, x, slope=True)
        if not (np.isfinite(h).all() and np.isfinite(J).all() and (not logits or np.abs(x).max() < 2 * BOUND)):
            return None
        step = -np.linalg.lstsq(J, h)[0] if _singular(J) else -np.linalg.solve(J, h)
        length = float(np.abs(step).max())
        if length <= tol * (1 + np.abs(x).max()):
            return np.asarray(x + step)
        share = min(1.0, STEP / length)
        for _ in range(8):  # natural monotonicity: the next Newton step, by the same Jacobian, must be shorter
            after, _none = _scaled(seen, x + share * step, slope=False)
            if np.isfinite(after).all() and (
                _singular(J) or np.abs(np.linalg.solve(J, after)).max() <= (1 - share / 4) * length
            ):
                break
            share /= 2
        x = x + share * step
    # Rounding may keep the last steps above a tight tolerance; what was reached is judged all the same.
    return np.asarray(x) if length <= 1e-6 * (1 + np.abs(x).max()) else None


def _singular(J: Array) -> bool:
    return not np.linalg.cond(J) < 1e14


def _judged(seen: VectorField, x: Array, logits: bool) -> RestPoint | None:
    """The rest point at x (n,), or None where the field merely vanishes."""
    if not np.isfinite(x).all() or (logits and np.abs(x).max() > BOUND):
        return None
    shaped = x.reshape(seen.shape)
    F, J = np.asarray(seen(shaped), dtype=float).ravel(), seen.jacobian(shaped)
    signs = np.where(np.arange(x.size) % 2, -0.5, 0.5)
    around = np.stack([x + 0.5, x - 0.5, x + signs, x - signs]).reshape(4, *seen.shape)
    rates = np.abs(seen.jacobian(around)).max((0, -1))  # the size of dF_i half a nat away
    if not (np.isfinite(J).all() and np.isfinite(rates).all() and (rates > 0).all()):
        return None
    residual = float((np.abs(F) / rates).max())
    if residual > STILL:
        return None
    flat = bool((np.abs(J).max(-1) < 1e-6 * rates).any())  # a row of the Jacobian vanishes here, and not nearby
    condition = _condition(J)
    if not flat and condition > 1e12:
        return None
    values = np.linalg.eigvals(J)
    values = values[np.lexsort((-values.imag, -values.real))]
    kind = "degenerate" if flat or condition > REGULAR else classify(values)
    return RestPoint(to_parameters(seen, x), values, kind, residual)


def _condition(J: Array) -> float:
    """Condition number after a few rounds of dividing rows and columns by their largest entries."""
    scaled = np.abs(J)
    if not (scaled.max(0) > 0).all() or not (scaled.max(1) > 0).all():
        return np.inf
    rows, columns = np.ones(len(J)), np.ones(len(J))
    for _ in range(5):
        rows /= np.sqrt((np.abs(J) * rows[:, None] * columns).max(1))
        columns /= np.sqrt((np.abs(J) * rows[:, None] * columns).max(0))
    return float(np.linalg.cond(J * rows[:, None] * columns))
