"""Curves of rest points in a family's parameter, by pseudo-arclength continuation; their folds and Hopf points.

A *family* is a callable `parameter -> VectorField` (`dynamics.fields.families`). Its rest points form curves F(x; λ) =
0 in the pairs (x, λ), x in the reduced chart (`dynamics.fields.coordinates.reduced`). A curve is followed by its
arclength: predicted along the tangent, corrected by Newton's iteration in the hyperplane across it, so that it may turn
back in λ. The parameter is measured in units of the interval asked for, x in nats (in its own units where the field is
no MDP's).
Sources: Keller, Numerical solution of bifurcation and nonlinear eigenvalue problems, 1977; Kuznetsov, Elements of
Applied Bifurcation Theory, third edition, chapter 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from dynamics.fields import (
    ChartField,
    Family,
    FunctionField,
    VectorField,
    complex_step_holds,
    reduced,
    to_parameters,
    to_reduced,
)
from dynamics.orbits import BOUND, rest_point
from mdp import Array

FIRST, SHORTEST = 0.02, 1e-9  # the first step along a curve, and the one below which it is given up
CLOSEST = 1e-5  # crossings closer than this along a curve are not told apart
TURN = 0.9  # cosine of the largest angle between the tangents at two neighbouring points
ZERO = 1e-10  # a pair of eigenvalues whose sum is below this share of them crosses nothing


# --- the equations in (x, parameter) ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Extended:
    """The family's equation in y = (x, mu), x flat in the reduced chart, parameter = start + mu (stop − start).

    The family is asked within [start, stop] only. `analytic` is what `FunctionField` wants to know, found out once.
    """

    family: Family
    start: float
    stop: float
    analytic: bool | None = None

    def parameter(self, mu: float) -> float:
        """The parameter at mu in [0, 1]; the ends exactly."""
        return self.stop if mu >= 1 else float(self.start + max(mu, 0.0) * (self.stop - self.start))

    def at(self, mu: float) -> VectorField:
        """The field at mu in the reduced chart."""
        seen = reduced(self.family(self.parameter(mu)))
        if isinstance(seen, FunctionField) and seen.analytic is None:
            return replace(seen, analytic=self.analytic)
        return seen

    def value(self, x: Array, mu: float) -> Array:
        """F(x; mu), shape (n,)."""
        seen = self.at(mu)
        return np.asarray(seen(x.reshape(seen.shape)), dtype=float).ravel()

    def jacobian(self, x: Array, mu: float) -> Array:
        """∂F/∂x, shape (n, n)."""
        seen = self.at(mu)
        return np.asarray(seen.jacobian(x.reshape(seen.shape)))

    def matrix(self, y: Array) -> Array:
        """(∂F/∂x | ∂F/∂mu), shape (n, n + 1)."""
        x, mu = y[:-1], float(y[-1])
        slope = parameter_slope(lambda m: self.value(x, m), mu)
        return np.column_stack([self.jacobian(x, mu), slope])


def extended(family: Family, theta: ArrayLike, start: float, stop: float) -> Extended:
    """The family between two parameters. Raises ValueError unless they are finite and differ.

    >>> extended(lambda a: FunctionField(lambda x: a - x, (1,)), [0.0], 0.0, 0.0)
    Traceback (most recent call last):
    ValueError: the parameter goes from 0.0 to 0.0; must be two different finite numbers
    """
    if not (np.isfinite([start, stop]).all() and start != stop):
        raise ValueError(f"the parameter goes from {start} to {stop}; must be two different finite numbers")
    seen = reduced(family(float(start)))
    analytic = None
    if isinstance(seen, FunctionField):
        analytic = complex_step_holds(seen, theta) if seen.analytic is None else seen.analytic
    return Extended(family, float(start), float(stop), analytic)


def check_step(largest: float) -> None:
    """Raises ValueError unless the longest step is a positive number."""
    if not largest > 0:
        raise ValueError(f"largest is {largest}; the longest step along a curve must be positive")


def parameter_slope(function: Callable[[float], Array], mu: float, h: float = 1e-3) -> Array:
    """d function / d mu by the quartic through five points of [0, 1] around mu (shifted inwards near the ends).

    >>> round(float(parameter_slope(lambda m: np.array(m**3), 1.0)), 9)
    3.0
    """
    nodes = min(max(mu, 2 * h), 1 - 2 * h) + h * np.arange(-2, 3)
    offsets = (nodes - mu) / h
    weights = np.linalg.solve(np.vander(offsets, increasing=True).T, [0.0, 1.0, 0.0, 0.0, 0.0]) / h
    return np.asarray(sum(w * function(float(m)) for w, m in zip(weights, nodes, strict=True) if w))


def correct(system: Extended, guess: Array, normal: Array, *, most: int = 10) -> tuple[Array, int] | None:
    """Newton's iteration for F(y) = 0 with `normal · (y − guess)` = 0, and how many steps it took; None if it fails.

    It fails where it leaves the interval of the parameter, or does not settle at once: the step was too long.
    """
    y, last = guess, np.inf
    for count in range(1, most + 1):
        try:
            value, matrix = system.value(y[:-1], y[-1]), system.matrix(y)
            size = np.abs(matrix).max(1)
            full = np.vstack([matrix / size[:, None], normal])
            change = np.linalg.solve(full, -np.append(value / size, normal @ (y - guess)))
        except np.linalg.LinAlgError:
            return None
        length = float(np.abs(change).max())
        floor = length <= 1e-6 and length > last / 2  # near the boundary rounding keeps the steps above the tolerance
        if not (floor or length < min(2.0, 2 * last)):
            return None
        y, settled = y + change, floor or length <= 1e-12 * (1 + np.abs(y).max())
        if not -1e-12 <= y[-1] <= 1 + 1e-12:
            return None
        y[-1] = min(max(y[-1], 0.0), 1.0)
        if settled:
            return y, count
        last = length
    return None


def tangent(matrix: Array, along: Array) -> Array:
    """The unit null vector of a matrix (n, n + 1) that points along `along`; where there are several, the nearest."""
    scaled = matrix / np.maximum(np.abs(matrix).max(1, keepdims=True), 1e-300)
    _, values, rows = np.linalg.svd(scaled)
    null = rows[np.append(values <= 1e-9 * values[0], True)]
    found = null.T @ (null @ along)
    if not np.linalg.norm(found) > 1e-8:
        found = rows[-1]
    return np.asarray(found / np.linalg.norm(found))


# --- curves of rest points --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Branch:
    """A curve of rest points, in the order it was followed.

    `parameter` (n,), `theta` (n, *shape), `eigenvalues` (n, m) of the reduced chart, largest real part first, `stable`
    (n,) whether all of them lie in the left half-plane. `folds` and `hopf` are the rows where the curve turns back in
    the parameter and where a complex pair crosses the imaginary axis, located to rounding. `end` says why it ends:
    "stop", "start" (it came back), "boundary" (beyond 30 nats, or so near the simplex's boundary that a row of the
    Jacobian is below what rounding leaves), "most" (as many points as were asked for) or "lost". `interval` is the pair
    of parameters (start, stop).
    """

    parameter: Array
    theta: Array
    eigenvalues: Array
    stable: Array
    folds: tuple[int, ...]
    hopf: tuple[int, ...]
    end: str
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Node:
    y: Array
    tangent: Array
    values: Array
    mark: str = ""

    @property
    def sign(self) -> int:
        test = pair_test(self.values)
        return 0 if abs(test) <= ZERO else int(np.sign(test))

    @property
    def unstable(self) -> int:
        return int((self.values.real > ZERO * np.abs(self.values)).sum())


def rest_branch(
    family: Family, theta: ArrayLike, start: float, stop: float, *, largest: float = 0.1, most: int = 2000
) -> Branch:
    """The curve of rest points through the one near `theta` (*shape) at `start`, followed towards `stop`.

    `largest` bounds the step along the curve, in nats and shares of the interval; `most` the number of points. Folds
    and Hopf points between two points are located and put in as points of their own. A curve that another one crosses
    is followed straight on; two pairs that cross together, as in a model of two equal halves, are not told apart, and
    show in `stable` only. Raises ValueError when no rest point is found near theta at `start`, for two equal ends, and
    for a step that is not positive.

    >>> fold = lambda a: FunctionField(lambda x: a + x**2, (1,))
    >>> curve = rest_branch(fold, [-1.0], -1.0, 0.5)
    >>> curve.end, [abs(round(float(curve.parameter[k]), 9)) for k in curve.folds], curve.stable[[0, -1]].tolist()
    ('start', [0.0], [True, False])
    """
    check_step(largest)
    system = extended(family, theta, start, stop)
    first = rest_point(family(system.start), theta)
    if first is None:
        raise ValueError(f"no rest point is found near theta at the parameter {start}; theta must be close to one")
    seen = system.at(0.0)
    y = np.append(to_reduced(seen, first.theta), 0.0)
    ahead = np.zeros(len(y))
    ahead[-1] = 1.0
    nodes, end = [_node(system, y, ahead)], "most"
    for found, reason in _follow(system, nodes[0], largest):
        nodes.extend(found)
        if reason or len(nodes) >= most:
            end = reason or end
            break
    nodes = _marked(nodes)
    values = np.stack([node.values for node in nodes])
    return Branch(
        np.array([system.parameter(node.y[-1]) for node in nodes]),
        to_parameters(seen, np.stack([node.y[:-1] for node in nodes])),
        values,
        np.asarray((values.real < 0).all(1)),
        tuple(k for k, node in enumerate(nodes) if node.mark == "fold"),
        tuple(k for k, node in enumerate(nodes) if node.mark == "hopf"),
        end,
        (system.start, system.stop),
    )


def _node(system: Extended, y: Array, along: Array, mark: str = "") -> _Node:
    matrix = system.matrix(y)
    values = np.linalg.eigvals(matrix[:, :-1]).astype(complex)
    return _Node(y, tangent(matrix, along), values[np.lexsort((-values.imag, -values.real))], mark)


def _follow(system: Extended, node: _Node, largest: float) -> Iterator[tuple[list[_Node], str]]:
    """The nodes of each step of the curve, and why it ends there ("" while it goes on)."""
    step, reason = min(FIRST, largest), ""
    while not reason:
        taken = _step(system, node, step)
        if taken is None:
            step /= 2
            if step < SHORTEST:
                yield [], "lost"
                return
            continue
        found, count = taken
        node = found[-1]
        mu = node.y[-1]
        if mu in (0.0, 1.0):
            reason = "stop" if mu else "start"
        elif _at_boundary(system, node.y):
            reason = "boundary"
        yield found, reason
        step = min(largest, step * (1.5 if count <= 4 else 1.0 if count <= 6 else 0.7))


def _at_boundary(system: Extended, y: Array) -> bool:
    seen = system.at(y[-1])
    if not isinstance(seen, ChartField):
        return False
    x = y[:-1].reshape(seen.shape)
    floor = float(np.max(seen.base.rounding(seen.to_parameters(x))))
    return bool(np.abs(x).max() > BOUND or (np.abs(seen.jacobian(x)).max(-1) <= floor).any())


def predicted(y: Array, along: Array, step: float) -> tuple[Array, Array]:
    """`y + step·along` and the normal of the plane to correct in; beyond an end of the interval, the point on it."""
    guess, normal = y + step * along, along
    if not 0 < guess[-1] < 1:
        bound = 0.0 if guess[-1] <= 0 else 1.0
        guess = y + (bound - y[-1]) / along[-1] * along
        guess[-1] = bound
        normal = np.zeros(len(guess))
        normal[-1] = 1.0
    return guess, normal


def _step(system: Extended, node: _Node, step: float) -> tuple[list[_Node], int] | None:
    """The next node, those located before it, and the Newton steps it took; None when the step is too long."""
    guess, normal = predicted(node.y, node.tangent, step)
    done = correct(system, guess, normal)
    if done is None:
        return None
    after = _node(system, done[0], node.tangent)
    if after.tangent @ node.tangent < TURN or np.linalg.norm(done[0] - node.y) > 2 * step:
        return None
    many = abs(after.unstable - node.unstable) > (2 if node.sign * after.sign < 0 else 1)
    if many and step > CLOSEST:  # more crossings than can be told apart
        return None
    try:
        return [*_located(system, node, after), after], done[1]
    except ArithmeticError:
        return None


def _located(system: Extended, before: _Node, after: _Node) -> list[_Node]:
    """The fold and the Hopf point between two neighbours, in their order."""
    found: list[tuple[float, _Node]] = []
    chord = after.y - before.y

    def between(share: float, mark: str = "") -> _Node:
        if not mark and share in (0.0, 1.0):
            return after if share else before
        done = correct(system, before.y + share * chord, chord / np.linalg.norm(chord))
        if done is None:
            raise ArithmeticError
        return _node(system, done[0], before.tangent, mark)

    if before.tangent[-1] * after.tangent[-1] < 0:
        share = brentq(lambda t: between(t).tangent[-1], 0.0, 1.0, xtol=1e-14)
        found.append((share, between(share, "fold")))
    if before.sign * after.sign < 0:
        share = brentq(lambda t: pair_test(between(t).values), 0.0, 1.0, xtol=1e-15)
        here = between(share, "hopf")
        if crossing_pair(here.values) is not None:
            found.append((share, here))
    return [node for _, node in sorted(found, key=lambda pair: pair[0])]


def _marked(nodes: list[_Node]) -> list[_Node]:
    """The nodes, with those marked that happen to lie on a Hopf point: no sign themselves, different ones beside."""
    marked = list(nodes)
    for k in range(1, len(nodes) - 1):
        here, beside = nodes[k], nodes[k - 1].sign * nodes[k + 1].sign
        if not here.mark and here.sign == 0 and beside < 0 and crossing_pair(here.values) is not None:
            marked[k] = replace(here, mark="hopf")
    return marked


def pair_test(values: Array) -> float:
    """A number that changes sign where two eigenvalues sum to zero: a Hopf point, or a real pair ±a.

    The sign is that of `Π_{i<j} (v_i + v_j)`, the determinant of the bialternate product 2J ⊙ I; the size is the least
    `|v_i + v_j| / (|v_i| + |v_j|)`, so that the number is smooth near its zeros.
    Source: Kuznetsov, section 10.2.

    >>> [round(pair_test(np.array(v)), 6) for v in ([-0.6 + 0.8j, -0.6 - 0.8j], [3.0, -1.0], [-2.0])]
    [-0.6, 0.5, 1.0]
    """
    i, j = np.triu_indices(len(values), 1)
    if not len(i):
        return 1.0
    values = values.astype(complex)
    sums = values[i] + values[j]
    sizes = np.abs(values[i]) + np.abs(values[j])
    shares = np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0)
    least = float(np.abs(shares).min())
    if least == 0:
        return 0.0
    return float(np.sign(np.prod(shares / np.abs(shares)).real)) * least


def crossing_pair(values: Array) -> int | None:
    """The place of the eigenvalue +iω of a complex pair on the imaginary axis; None where the nearest pair is real."""
    upper = np.flatnonzero(values.imag > 1e-6 * np.abs(values))
    if not len(upper):
        return None
    k = int(upper[np.argmin(np.abs(values[upper].real) / np.abs(values[upper]))])
    return k if abs(values[k].real) <= 1e-6 * abs(values[k]) else None
