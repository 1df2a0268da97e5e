"""Ordinary differential equations in floats: Gragg's modified midpoint rule, extrapolated (Bulirsch and Stoer).

The midpoint rule over a step H in n substeps has an error in even powers of H/n, so the results for n = 2, 4, 6, 8, 10
are extrapolated to n = infinity by Neville's scheme: order 10 with an error estimate of order 8. Nothing is taken from
a library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Vector = list[float]
Flow = Callable[[Vector], Vector]

_SUBSTEPS = (2, 4, 6, 8, 10)
_ORDER = 9  # the local error estimate goes like H to this power


@dataclass(frozen=True)
class Step:
    """One step accepted: from `start` at time t to `end` at t + size, with its estimated error."""

    t: float
    size: float
    start: Vector
    end: Vector
    error: float


def steps(flow: Flow, x: Sequence[float], time: float, tolerance: float, longest: float, most: int) -> Iterator[Step]:
    """The steps from x over the given time, each with an estimated error of at most `tolerance`, none over `longest`.

    Raises ArithmeticError when more than `most` steps, tried or taken, would be needed.

    >>> turn = lambda x: [-x[1], x[0]]
    >>> *_, last = steps(turn, [1.0, 0.0], 3.0, 1e-13, 0.5, 100)
    >>> last.t + last.size, abs(last.end[0] - -0.9899924966004454) < 1e-12
    (3.0, True)
    """
    t, now, size = 0.0, list(x), min(longest, time) / 8
    for _ in range(most):
        rest = time - t
        if rest <= 1e-14 * time:
            return
        size = min(size, longest, rest)
        end, error = leap(flow, now, size)
        factor = 4.0 if error == 0 else min(4.0, max(0.2, 0.9 * (tolerance / error) ** (1 / _ORDER)))
        if error <= tolerance:
            yield Step(t, size, now, end, error)
            t = time if size == rest else t + size
            now = end
        size *= factor
    raise ArithmeticError(f"more than {most} steps over time {time:g}")


def leap(flow: Flow, x: Vector, size: float) -> tuple[Vector, float]:
    """x after one extrapolated step, and the estimated error: the largest difference of the last two extrapolations."""
    slope = flow(x)
    table: list[Vector] = []
    for k, n in enumerate(_SUBSTEPS):
        row = _midpoint(flow, x, slope, size, n)
        fresh = [row]
        for j in range(k):
            ratio = (n / _SUBSTEPS[k - 1 - j]) ** 2 - 1
            row = [u + (u - v) / ratio for u, v in zip(row, table[j], strict=True)]
            fresh.append(row)
        table = fresh
    return table[-1], max(abs(u - v) for u, v in zip(table[-1], table[-2], strict=True))


def _midpoint(flow: Flow, x: Vector, slope: Vector, size: float, n: int) -> Vector:
    """Gragg: one Euler substep, n − 1 midpoint substeps of size h, and a smoothing one that removes the odd powers."""
    h = size / n
    before, now = x, [u + h * v for u, v in zip(x, slope, strict=True)]
    for _ in range(n - 1):
        before, now = now, [u + 2 * h * v for u, v in zip(before, flow(now), strict=True)]
    return [(u + v + h * w) / 2 for u, v, w in zip(now, before, flow(now), strict=True)]
