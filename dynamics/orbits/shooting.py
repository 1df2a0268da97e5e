"""Newton shooting for periodic orbits, simple and multiple, and Floquet multipliers from the pieces.

A closed curve is cut into m segments: points x_1 .. x_m and the share of the period T that the flow spends from each to
the next. Newton's iteration solves `phi_{s_i T}(x_i) = x_{i+1}` (cyclically) in (x_1, .., x_m, T), the phase fixed by
keeping x_1 on a section across the flow. Where nearby orbits part by e^50 in a period they part by e^(50/m) in a
segment, which floats can hold. All segments are integrated together, so more of them also means fewer steps.
Sources: Stoer and Bulirsch, *Introduction to Numerical Analysis*, section 7.3.5 (multiple shooting); Seydel, *Practical
Bifurcation and Stability Analysis*, sections 7.1 to 7.4; Lust, Int. J. Bifurcation Chaos 11 (2001) 2389 (multipliers).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import DOP853

from dynamics.fields import VectorField
from mdp import Array

GROWTH = 100.0  # segments over which nearby orbits part by more than this are cut
MOST = 64  # segments at most
COARSE = 1e-6  # relative tolerance of the integrator in the first iterations
SETTLED = 3e-12  # relative Newton steps below this change nothing
BLOWN_UP = 1e12


@dataclass(frozen=True, eq=False)
class Segments:
    """A closed curve in pieces: points `x` (m, n), `shares` (m,) of the `period` from each to the next, sum 1."""

    x: Array
    shares: Array
    period: float


@dataclass(frozen=True, eq=False)
class Transport:
    """Where the flow takes the segments: `ends` (m, n), derivatives `matrices` (m, n, n), and the extent on the way."""

    ends: Array
    matrices: Array
    extent: float


def velocity(seen: VectorField, x: Array) -> Array:
    """The field at flat points (..., n)."""
    return np.asarray(seen(x.reshape(*x.shape[:-1], *seen.shape)).reshape(x.shape))


def together(function: Any, state: Array, rtol: float, *, most: int = 20_000) -> Iterator[Any]:
    """The solver after each accepted step of `state' = function(state)` over [0, 1], for m pieces (m, k) at once.

    The root mean square over all pieces is bounded, so the tolerance is divided by √m. Ends early, without an
    exception, where no step is small enough, the state leaves every bound, or `most` steps are taken.
    """
    share = np.sqrt(len(state))
    shape = state.shape
    with np.errstate(all="ignore"):
        solver: Any = DOP853(
            lambda _t, y: function(y.reshape(shape)).ravel(),
            0.0,
            state.ravel(),
            1.0,
            rtol=max(rtol / share, 100 * np.finfo(float).eps),
            atol=0.1 * rtol / share,
        )
        for _ in range(most):
            solver.step()
            if str(solver.status) == "failed" or not np.abs(solver.y).max() < BLOWN_UP:
                return
            yield solver
            if solver.status != "running":
                return


def transport(seen: VectorField, segments: Segments, rtol: float) -> Transport | None:
    """The flow over every segment with its derivative (variational equation `M' = J(x) M`); None if it blows up.

    >>> from vorticity import FunctionField
    >>> decay = FunctionField(lambda x: -x, (1,), analytic=True)
    >>> flown = transport(decay, Segments(np.array([[1.0], [2.0]]), np.array([0.5, 0.5]), 2.0), 1e-12)
    >>> flown.ends.ravel().round(9).tolist(), flown.matrices.ravel().round(9).tolist()
    ([0.367879441, 0.735758882], [0.367879441, 0.367879441])
    """
    m, n = segments.x.shape
    times = (segments.shares * segments.period)[:, None]

    def function(state: Array) -> Array:
        x, matrices = state[:, :n], state[:, n:].reshape(m, n, n)
        moved = seen.jacobian(x.reshape(m, *seen.shape)) @ matrices
        return np.asarray(times * np.concatenate([velocity(seen, x), moved.reshape(m, n * n)], 1))

    start = np.concatenate([segments.x, np.tile(np.eye(n).ravel(), (m, 1))], 1)
    low = high = segments.x
    done, state = 0.0, start
    for solver in together(function, start, rtol):
        done, state = solver.t, solver.y.reshape(start.shape)
        low, high = np.minimum(low, state[:, :n]), np.maximum(high, state[:, :n])
    if done < 1:
        return None
    extent = float(np.linalg.norm(high.max(0) - low.min(0)))
    return Transport(state[:, :n].copy(), state[:, n:].reshape(m, n, n).copy(), extent)


def along(seen: VectorField, segments: Segments, times: Array, rtol: float) -> Array | None:
    """States (k, n) at `times` (k,), shares of the period in [0, 1), each integrated from its own segment's start.

    None where the flow does not get to the end of a segment.

    >>> from vorticity import FunctionField
    >>> decay = FunctionField(lambda x: -x, (1,))
    >>> whole = Segments(np.array([[1.0]]), np.ones(1), 2.0)
    >>> along(decay, whole, np.array([0.0, 0.5]), 1e-12).ravel().round(9).tolist()
    [1.0, 0.367879441]
    """
    starts = np.concatenate([[0.0], np.cumsum(segments.shares)[:-1]])
    owner = np.searchsorted(starts, times, side="right") - 1
    within = (times - starts[owner]) / segments.shares[owner]
    durations = (segments.shares * segments.period)[:, None]
    states = segments.x[owner].copy()
    done = 0.0
    for solver in together(lambda x: durations * velocity(seen, x), segments.x, rtol):
        chosen = np.flatnonzero((within > done) & ((within <= solver.t) | (solver.t == 1)))
        if len(chosen):
            values = solver.dense_output()(np.minimum(within[chosen], 1.0)).reshape(*segments.x.shape, -1)
            states[chosen] = values[owner[chosen], :, np.arange(len(chosen))]
        done = solver.t
    return states if done == 1 else None


def cut(seen: VectorField, segments: Segments, pieces: int, rtol: float = COARSE) -> Segments | None:
    """Every segment in `pieces` equal parts, by the flow from its start; None where it does not get there.

    >>> from vorticity import FunctionField
    >>> parts = cut(FunctionField(lambda x: 0 * x + 1, (1,)), Segments(np.zeros((1, 1)), np.ones(1), 2.0), 4)
    >>> parts.x.ravel().round(9).tolist(), parts.shares.tolist()
    ([0.0, 0.5, 1.0, 1.5], [0.25, 0.25, 0.25, 0.25])
    """
    m = len(segments.x)
    starts = np.concatenate([[0.0], np.cumsum(segments.shares)[:-1]])
    times = (starts[:, None] + segments.shares[:, None] * np.arange(pieces) / pieces).ravel()
    x = along(seen, segments, times, rtol)
    if x is None:
        return None
    x.reshape(m, pieces, -1)[:, 0] = segments.x
    return Segments(x, np.repeat(segments.shares / pieces, pieces), segments.period)


def solve(
    seen: VectorField, guess: Segments, normal: Array, *, rtol: float, tol: float, most: int, refine: bool
) -> tuple[Segments, Transport] | None:
    """The closed orbit near `guess` on the section through guess.x[0] across `normal` (n,), or None.

    First at a coarse tolerance of the integrator, where, if `refine`, segments along which nearby orbits part by more
    than 100 are cut; then at `rtol`, until every gap is below `tol` and Newton's step no longer matters.
    """
    origin = guess.x[0]
    coarse = max(COARSE, rtol)
    if refine:
        first = transport(seen, guess, coarse)
        growth = np.inf if first is None else float(np.abs(first.matrices).max())
        pieces = int(np.ceil(np.log(min(growth, 1e30)) / np.log(GROWTH))) if growth > GROWTH else 1
        finer = cut(seen, guess, min(pieces, MOST // len(guess.x))) if pieces > 1 and len(guess.x) < MOST else None
        guess = finer or guess
    rough = None
    if most > 1:
        rough = newton(seen, guess, origin, normal, rtol=coarse, tol=1e3 * coarse, most=most, polish=False)
    for start in (rough[0] if rough else None, guess):
        if start is None:
            continue
        found = newton(seen, start, origin, normal, rtol=rtol, tol=tol, most=most, polish=True)
        if found is not None:
            return found
    return None


def newton(
    seen: VectorField,
    segments: Segments,
    origin: Array,
    normal: Array,
    *,
    rtol: float,
    tol: float,
    most: int,
    polish: bool,
) -> tuple[Segments, Transport] | None:
    """Gauss–Newton on the gaps; None where it does not converge. Of a family, the member nearest `origin` (n,)."""
    m, n = segments.x.shape
    reach, last, closed = 0.0, np.inf, None
    for _ in range(most):
        flown = transport(seen, segments, rtol)
        if flown is None:
            return None
        reach = max(reach, flown.extent)
        gaps = flown.ends - np.roll(segments.x, -1, 0)
        change = _correction(seen, segments, flown, gaps, normal, segments.x[0] - origin, rtol)
        if change is None or np.linalg.norm(change[:-1].reshape(m, n), axis=1).max() > 2 * reach + 1:
            return None
        size = 1 + np.linalg.norm(segments.x, axis=1).max()
        if np.linalg.norm(gaps, axis=1).max() <= tol * size:
            # The gaps are small, but where the flow is slow or a multiplier is near 1 the orbit may yet be far.
            step = max(np.abs(change[:-1]).max() / size, abs(change[-1]))
            if not polish or step <= SETTLED or step > 0.3 * last:
                return segments, flown
            last, closed = step, (segments, flown)
        damping = min(1.0, 0.3 / max(abs(change[-1]), 1e-300))
        moved = segments.x + damping * change[:-1].reshape(m, n)
        segments = replace(segments, x=moved, period=segments.period * (1 + damping * float(change[-1])))
    return closed


def _correction(
    seen: VectorField, segments: Segments, flown: Transport, gaps: Array, normal: Array, off: Array, rtol: float
) -> Array | None:
    """Newton's step: changes of x_1 .. x_m, flat, and the relative change of T, (mn + 1,).

    Where the equations leave a direction free, as along a family, x_1 is brought as near to its origin as they allow.
    """
    m, n = segments.x.shape
    matrix = np.zeros((m * n + 1, m * n + 1))
    speed = velocity(seen, flown.ends) * (segments.shares * segments.period)[:, None]
    for i in range(m):
        rows, following = slice(i * n, i * n + n), (i + 1) % m
        matrix[rows, rows] += flown.matrices[i]
        matrix[rows, following * n : following * n + n] -= np.eye(n)
        matrix[rows, -1] = speed[i]
    matrix[-1, :n] = normal
    right = np.append(-gaps.ravel(), -normal @ off)
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return None
    left, sizes, rows_of = np.linalg.svd(matrix)
    rank = int((sizes > max(1e-9, 10 * rtol) * sizes[0]).sum())
    change = rows_of[:rank].T @ ((left[:, :rank].T @ right) / sizes[:rank])
    free = rows_of[rank:]
    if len(free):
        change = change + np.linalg.lstsq(free[:, :n].T, -off - change[:n], rcond=1e-6)[0] @ free
    return np.asarray(change)


def multipliers(seen: VectorField, segments: Segments, flown: Transport) -> tuple[Array, float]:
    """The Floquet multipliers (n − 1,) without the trivial one, largest first, and the trivial one.

    In orthonormal frames whose first vector is along the flow the derivative over a segment is
    [[a, *], [0, B]], since it takes the velocity to the velocity: Π a is the trivial multiplier, and the others are the
    eigenvalues of B_m ... B_1, the derivative of the return map. Each is known to about `rtol` of the largest within
    its segments: what is far below that, for a single segment 1e-12, is zero as far as can be told.

    >>> from vorticity import FunctionField
    >>> ring = FunctionField(lambda x: np.array([x[0] - x[1], x[0] + x[1]]) - x * (x @ x), (2,), analytic=True)
    >>> closed = Segments(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.5]), 2 * np.pi)
    >>> others, trivial = multipliers(ring, closed, transport(ring, closed, 1e-10))
    >>> bool(abs(others[0] * np.exp(4 * np.pi) - 1) < 1e-6 and abs(trivial - 1) < 1e-8)
    True
    """
    flows = velocity(seen, segments.x)
    frames = np.stack([np.linalg.qr(v[:, None], mode="complete")[0] for v in flows])
    frames[:, :, 0] = flows / np.linalg.norm(flows, axis=1, keepdims=True)
    following = np.roll(frames, -1, 0)
    framed = following.swapaxes(1, 2) @ flown.matrices @ frames
    trivial = float(np.prod(framed[:, 0, 0]))
    values = product_eigenvalues(framed[:, 1:, 1:])
    values = values[np.argsort(-np.abs(values), kind="stable")]
    return values if values.imag.any() else values.real, trivial


def product_eigenvalues(matrices: Array, sweeps: int = 40) -> Array:
    """Eigenvalues (k,) of the product `B_m ... B_1` of matrices (m, k, k), small ones beside large ones too.

    Orthogonal iteration round the cycle, `B_i Q_i = Q_{i+1} R_i`, brings the product to block triangular form without
    ever forming it; each block's moduli are close, so that its own product loses nothing.

    >>> turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    >>> cut = [turn @ np.diag([1e12, 1e-12]), np.diag([1e-4, 1e-4]) @ turn.T]
    >>> [f"{value:.6g}" for value in product_eigenvalues(np.array(cut)).real]
    ['1e+08', '1e-16']
    """
    k = matrices.shape[-1]
    frame = np.eye(k)
    for _ in range(sweeps if len(matrices) and k > 1 else 1):
        start, upper = frame, np.eye(k)
        for matrix in matrices:
            frame, factor = np.linalg.qr(matrix @ frame)
            upper = factor @ upper
        turned = start.T @ frame  # the product, seen in the frame at the start, is turned @ upper
        splits = [j for j in range(1, k) if np.abs(turned[j:, :j]).max() < 1e-13]
        if len(splits) == k - 1:
            break
    edges = [0, *(j for j in range(1, k) if np.abs(turned[j:, :j]).max() < 1e-10), k]
    blocks = [slice(a, b) for a, b in pairwise(edges) if b > a]
    return np.concatenate([np.linalg.eigvals(turned[b, b] @ upper[b, b]).astype(complex) for b in blocks])
