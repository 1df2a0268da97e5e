"""Centred forms: what a function is over boxes, at their middles, and how it slopes there, all enclosed.

A `Jet` holds for every box X of a batch, with the middle m and the offsets d = X − m,

    value:  all f(x), x in X          centre:  f(m)          slope:  all ∂f/∂x_i (x), x in X

and keeps `value` inside the mean-value form f(m) + Σ_i slope_i d_i after every operation, so that what cancels
between its parts does not blow up as it does in plain interval arithmetic.
Source: Moore, Kearfott and Cloud, *Introduction to Interval Analysis*, SIAM 2009, sections 6.3 and 6.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mdp import Array
from proofs.enclosures.intervals import Interval, Number, of, rising, stack


@dataclass(frozen=True, eq=False, slots=True)
class Jet:
    """A function over a batch of boxes: `value` and `centre` (..., B), `slope` (n, ..., B), `offset` (n, B).

    >>> (x,) = variables(Interval(np.array([[1.0]]), np.array([[3.0]])))
    >>> square = x * x
    >>> bool(square.value.lo[0] > 0.9), bool(square.slope.hi[0, 0] < 6.1)
    (True, True)
    """

    value: Interval
    centre: Interval
    slope: Interval
    offset: Interval

    __array_ufunc__ = None

    def tight(self) -> Jet:
        """The same with its value cut down to the mean-value form."""
        n, extra = len(self.offset.lo), len(self.value.shape) - 1
        offset = self.offset[(slice(None), *(None,) * extra)] if extra > 0 else self.offset
        form = self.centre
        for i in range(n):
            form = form + self.slope[i] * offset[i]
        return Jet(self.value.meet(form), self.centre, self.slope, self.offset)

    def __getitem__(self, key: Any) -> Jet:
        key = key if isinstance(key, tuple) else (key,)
        return Jet(self.value[key], self.centre[key], self.slope[(slice(None), *key)], self.offset)

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.centre, -self.slope, self.offset)

    def __add__(self, other: Term) -> Jet:
        if not isinstance(other, Jet):
            value, slope = self.value + other, self.slope
            return Jet(value, self.centre + other, _spread(slope, value), self.offset)
        value = self.value + other.value
        mine, theirs = _lift(self.slope, other.slope)
        return Jet(value, self.centre + other.centre, mine + theirs, self.offset).tight()

    def __sub__(self, other: Term) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Number) -> Jet:
        return -self + other

    def __mul__(self, other: Term) -> Jet:
        if not isinstance(other, Jet):
            value = self.value * other
            return Jet(value, self.centre * other, _padded(self.slope, len(value.shape) + 1) * other, self.offset)
        mine, theirs = _lift(self.slope, other.slope)
        slope = mine * other.value + theirs * self.value
        return Jet(self.value * other.value, self.centre * other.centre, slope, self.offset).tight()

    __radd__ = __add__
    __rmul__ = __mul__

    def __truediv__(self, other: Term) -> Jet:
        if not isinstance(other, Jet):
            return self * (1 / of(other))
        value = self.value / other.value
        mine, theirs = _lift(self.slope, other.slope)
        slope = (mine - theirs * value) / other.value
        return Jet(value, self.centre / other.centre, slope, self.offset).tight()

    def __rtruediv__(self, other: Number) -> Jet:
        value = other / self.value
        slope = -(self.slope * value) / self.value
        return Jet(value, other / self.centre, slope, self.offset).tight()

    def log(self) -> Jet:
        """The natural logarithm. Where an interval is not positive, nothing is known of it."""
        value, centre = log(self.value), log(self.centre)
        return Jet(value, centre, self.slope / self.value, self.offset).tight()

    def exp(self) -> Jet:
        """The exponential."""
        value = rising(lambda z: z.exp(), self.value)
        centre = rising(lambda z: z.exp(), self.centre)
        return Jet(value, centre, self.slope * value, self.offset).tight()

    def sum(self, axis: int) -> Jet:
        """The sum over an axis of the value (not the batch axis)."""
        axis = axis if axis >= 0 else len(self.value.shape) + axis
        return Jet(self.value.sum(axis), self.centre.sum(axis), self.slope.sum(axis + 1), self.offset).tight()


Term: TypeAlias = Jet | Interval | Array | float | int


def log(x: Interval) -> Interval:
    """The natural logarithm of intervals; (−∞, ∞) where they are not positive."""
    safe = x.lo > 0
    result = rising(lambda z: z.log(), Interval(np.where(safe, x.lo, 1.0), np.where(safe, x.hi, 1.0)))
    return Interval(np.where(safe, result.lo, -np.inf), np.where(safe, result.hi, np.inf))


def variables(boxes: Interval) -> list[Jet]:
    """The coordinates x_1, …, x_n over boxes (n, B), as jets."""
    n, count = boxes.shape
    middle = np.clip(boxes.mid, boxes.lo, boxes.hi)
    offset = boxes - middle
    unit = np.eye(n)[:, :, None] * np.ones(count)
    return [Jet(boxes[i], of(middle[i]), of(unit[:, i]), offset) for i in range(n)]


def along(start: Interval, end: Interval, low: Array, high: Array) -> list[Jet]:
    """The points start + t (end − start), low ≤ t ≤ high, of segments (n, B) as jets in the one variable t."""
    (t,) = variables(Interval(low[None], high[None]))
    return [t * (end[i] - start[i]) + start[i] for i in range(start.shape[0])]


def chosen(jet: Jet, value: Interval, centre: Interval, slope: Interval) -> Jet:
    """A jet over the same boxes with these parts."""
    return Jet(value, centre, slope, jet.offset).tight()


def stacked(jets: list[Jet], axis: int = 0) -> Jet:
    """Jets over the same boxes, stacked along a new axis of their values."""
    return Jet(
        stack((x.value for x in jets), axis),
        stack((x.centre for x in jets), axis),
        stack((x.slope for x in jets), axis + 1),
        jets[0].offset,
    )


def constant(x: Number, like: Jet) -> Jet:
    """A constant as a jet over the same boxes; x of shape (..., 1) or (..., B)."""
    value = of(x)
    zero = np.zeros((like.offset.shape[0], *value.shape))
    return Jet(value, value, of(zero), like.offset)


def _lift(x: Interval, y: Interval) -> tuple[Interval, Interval]:
    """Slopes (n, ..., B) of values of different ranks, so that they broadcast as the values do."""
    rank = max(len(x.shape), len(y.shape))
    return _padded(x, rank), _padded(y, rank)


def _padded(x: Interval, rank: int) -> Interval:
    missing = rank - len(x.shape)
    return x[(slice(None), *(None,) * missing)] if missing > 0 else x


def _spread(slope: Interval, value: Interval) -> Interval:
    padded = _padded(slope, len(value.shape) + 1)
    shape = (padded.shape[0], *value.shape)
    if padded.shape == shape:
        return padded
    return Interval(np.broadcast_to(padded.lo, shape), np.broadcast_to(padded.hi, shape))
