"""One validated step of an ordinary differential equation: Taylor's expansion with Lagrange's remainder, in balls.

For x' = F(x) the coefficients of x(t) = Σ x_k t^k follow from `(k + 1) x_{k+1} = [F(x)]_k`, those of the derivative
M = ∂x(t)/∂x(0) from `(k + 1) M_{k+1} = Σ_j A_j M_{k−j}`, A(t) = J(x(t)) a power series too. Over a box B that holds the
solution on [0, h] the coefficient of the next order encloses the remainder, and B is verified by the same expansion
(`tube`). Everything runs within `proofs.exact.arithmetic.precision`; the length of series is set in `truncated` only.
Source: Moore, *Interval Analysis*, 1966, chapter 11; Nedialkov, Jackson, Pryce, "An effective high-order interval
method for validating existence and uniqueness of the solution of an IVP for an ODE", Reliable Computing 7 (2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import flint

from proofs.enclosures.recentred import Local, RationalSystem, local, velocity

PIECES = 8  # a step's tube is bounded in so many pieces of time
Balls = list[Any]


@dataclass(frozen=True, eq=False)
class Step:
    """What a step of duration h proves about the flow phi_h on the box X around the point x.

    `end` holds phi_h(x) for h the midpoint of the ball h; for all of h and X, `image` holds phi_h(X), `derivative`
    (arb_mat) ∂phi_h/∂x and `divergence` the integral ∫_0^h tr J dt. The boxes of `tube` hold phi_t(X) for t in the
    `PIECES` equal parts of [0, h].
    """

    end: Balls
    image: Balls
    derivative: Any
    divergence: Any
    tube: list[Balls]


@contextmanager
def truncated(length: int) -> Iterator[None]:
    """Power series of so many terms; restores the library's setting, which is global to the process."""
    before = flint.ctx.cap
    flint.ctx.cap = length
    try:
        yield
    finally:
        flint.ctx.cap = before


def expand(at: Local, start: Balls, order: int) -> list[Balls]:
    """The Taylor coefficients x_0 .. x_order (n balls each) of the solutions from every point of the box `start`.

    >>> from proofs.exact import precision
    >>> from proofs.enclosures.recentred import polynomial
    >>> with precision(53):
    ...     at = local(polynomial([{(2,): 1}]), [1])  # x' = x², x(0) = 1: x = 1 / (1 − t)
    ...     [float(x[0]) for x in expand(at, [flint.arb(1)], 3)]
    [1.0, 1.0, 1.0, 1.0]
    """
    columns = [[x] for x in start]
    for k in range(order):
        with truncated(k + 1):
            moved = at.velocity([flint.arb_series(column, k + 1) for column in columns])
        for column, v in zip(columns, moved, strict=True):
            column.append(_coefficient(v, k) / (k + 1))
    return [list(row) for row in zip(*columns, strict=True)]


def jacobian_along(at: Local, x: list[Balls]) -> list[Any]:
    """The coefficients A_0 .. A_order (arb_mat) of the Jacobian along the solutions with the coefficients x."""
    order, n = len(x) - 1, len(x[0])
    with truncated(order + 1):
        entries = at.slopes([flint.arb_series(list(column), order + 1) for column in zip(*x, strict=True)])
    return [flint.arb_mat(n, n, [_coefficient(y, k) for y in entries]) for k in range(order + 1)]


def variational(A: list[Any], order: int) -> list[Any]:
    """The coefficients M_0 .. M_order (arb_mat) of M' = A M, M(0) = I, from A_0 .. A_{order − 1}."""
    n = A[0].nrows()
    M = [flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])]
    for k in range(order):
        total = A[0] * M[k]
        for j in range(1, k + 1):
            total = total + A[j] * M[k - j]
        M.append(total / (k + 1))
    return M


def step(system: RationalSystem, x: Balls, X: Balls, h: Any, order: int) -> Step | None:
    """A validated step of duration h (a positive ball) from the box X and the point x in it.

    None where no box that holds the solution could be verified, or something is not finite: take a smaller step.

    >>> from proofs.exact import precision
    >>> from proofs.enclosures.recentred import polynomial
    >>> with precision(64):
    ...     decay = step(polynomial([{(1,): -1}]), [flint.arb(1)], [flint.arb(1)], flint.arb(1) / 4, 12)
    ...     decay.end[0].contains((-flint.arb(1) / 4).exp()), float(decay.end[0].rad()) < 1e-16
    (True, True)
    """
    here, half = [float(y) for y in x], float(h) / 2
    at = local(system, [y + half * v for y, v in zip(here, velocity(system, here), strict=True)])
    point, box = expand(at, x, order), expand(at, X, order)
    found = tube(at, box, h, order)
    if found is None:
        return None
    rough, rough_A, pieces = found
    rest, last = rough[order + 1], h ** (order + 1)
    middle = h.mid()
    end = [_horner([c[i] for c in point], middle) + rest[i] * middle ** (order + 1) for i in range(system.size)]
    image = [_horner([c[i] for c in box], h) + rest[i] * last for i in range(system.size)]
    A = jacobian_along(at, box)
    derivative = _derivative(A, rough_A, h, order)
    traces = [flint.arb(0)] + [_trace(A[k]) / (k + 1) for k in range(order)]
    divergence = _horner(traces, h) + _trace(rough_A[order]) * last / (order + 1)
    if not all(y.is_finite() for y in [*end, *image, *derivative.entries(), divergence]):
        return None
    return Step(end, image, derivative, divergence, pieces)


def tube(at: Local, box: list[Balls], h: Any, order: int) -> tuple[list[Balls], list[Any], list[Balls]] | None:
    """A box B that holds the solutions on [0, h]: (x_0 .. x_{order+1} over B, A_0 .. A_order over B, boxes by pieces).

    With x_0 .. x_order the coefficients `box` over the box X of starts: if `Σ_k x_k t^k + x_{order+1}(B) t^{order+1}`
    lies in the interior of B for all t in [0, h], no solution from X leaves B before h, since at the first time it
    stood on B's boundary Taylor's formula would put it inside. None where no B was found so.
    """
    n = len(box[0])
    width = (flint.arb(h.upper()) / (2 * PIECES)).upper()
    times = [width * (2 * j + 1) + flint.arb(0, width) for j in range(PIECES)]
    ranges = [[_horner([c[i] for c in box], t) for i in range(n)] for t in times]
    hull = [_hull([r[i] for r in ranges]) for i in range(n)]
    if not all(y.is_finite() for y in hull):
        return None
    margin = flint.arb(1) / 1024
    for _ in range(3):
        grown = [y + flint.arb(0, ((y.rad() + flint.arb(2) ** -40) * margin).upper()) for y in hull]
        try:
            x = expand(at, grown, order + 1)
            rest = x[order + 1]
            pieces = [[r[i] + rest[i] * t ** (order + 1) for i in range(n)] for r, t in zip(ranges, times, strict=True)]
            if all(b.contains_interior(y) for piece in pieces for b, y in zip(grown, piece, strict=True)):
                return x, jacobian_along(at, x[: order + 1]), pieces
        except (ValueError, ZeroDivisionError):  # the field is not defined on all of the box, as far as balls can tell
            return None
        margin = margin * 16
    return None


def _derivative(A: list[Any], rough: list[Any], h: Any, order: int) -> Any:
    """∂phi_h/∂x over X: the series over X, and as remainder the coefficient over B times M on [0, h].

    On [0, h] every entry of M − I is at most e^{L h} − 1, L the largest row sum of |J| on B.
    """
    n = A[0].nrows()
    M = variational(A, order)
    L = flint.arb(0)
    for i in range(n):
        L = L.max(sum((abs(rough[0][i, j]).upper() for j in range(n)), flint.arb(0)).upper())
    off = flint.arb(0, (L * h).expm1().upper())
    within = flint.arb_mat(n, n, [off + int(i == j) for i in range(n) for j in range(n)])
    rest = variational(rough, order + 1)[order + 1] * within * h ** (order + 1)
    entries = [_horner([m[i, j] for m in M], h) for i in range(n) for j in range(n)]
    return flint.arb_mat(n, n, entries) + rest


def _coefficient(y: Any, k: int) -> Any:
    """The coefficient of t^k. Raises ValueError where the series was cut before it (the setting is global)."""
    if not isinstance(y, flint.arb_series):
        return flint.arb(y if k == 0 else 0)
    if y.prec <= k:
        raise ValueError(f"a power series was cut at t^{y.prec}; the coefficient of t^{k} is needed")
    return y[k]


def _horner(coefficients: Balls, t: Any) -> Any:
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * t + c
    return total


def _trace(matrix: Any) -> Any:
    return sum((matrix[i, i] for i in range(matrix.nrows())), flint.arb(0))


def _hull(balls: Balls) -> Any:
    total = balls[0]
    for y in balls[1:]:
        total = total.union(y)
    return total
