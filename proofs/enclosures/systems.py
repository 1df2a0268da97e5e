"""Systems dx/dt = F(x) that can be enclosed over boxes: MDP fields in log-odds, and formulas of one's own.

Two ways of asking. `scaled` gives G, which has the zeros of F and, where it says so, the signs of F coordinate by
coordinate: enough for rest points and for faces, and tighter. `field_and_jacobian` gives F itself, which everything
about directions, traces or eigenvalues needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynamics.fields import Field, FunctionField, VectorField, in_chart
from mdp import Array
from proofs.enclosures.intervals import Interval, concatenate, of
from proofs.enclosures.jets import Jet, along, constant, stacked, variables
from proofs.enclosures.reduced import Reduced, reduced

BATCH = 2048  # boxes evaluated at once: more would only fill memory


@dataclass(frozen=True, eq=False)
class System:
    """dx/dt = F(x) in `size` coordinates; `jets` maps their jets to what is known of F.

    `floats` is F in ordinary numbers, for guidance; `field` is the MDP's field behind the system, or None.
    """

    name: str
    size: int
    jets: Callable[[Sequence[Jet]], Reduced]
    floats: VectorField
    field: Field | None = None

    def sampled(self, points: Array) -> Array:
        """F at points (n, B) in ordinary numbers."""
        x = points.T.reshape(-1, *self.floats.shape)
        return np.asarray(self.floats(x).reshape(-1, self.size).T)


@dataclass(frozen=True, eq=False)
class Scaled:
    """G over boxes: `value` and, at middles, `centre` (n, B); `slope[i, j]` = ∂G_j/∂x_i.

    `sound` (B,): G = 0 exactly where F = 0; `signs` (B,): G has the signs of F as well.
    """

    value: Interval
    centre: Interval
    slope: Interval
    sound: Array
    signs: Array


def system(field: VectorField) -> System:
    """The system of an MDP's field, in the chart of differences.

    Raises ValueError for fields that are not an MDP's, general features, more than 12 states.

    >>> from mdp import zoo
    >>> system(Field(zoo.load("swirl"), "reverse-kl", reward=True)).size
    2
    """
    if not isinstance(field, Field):
        raise ValueError(f"a {type(field).__name__} cannot be enclosed over boxes; proofs need the field of an MDP")
    if field.student.observation is None or field.shape[1] < 2:
        raise ValueError("boxes are of rows of at least two logits, one row for each observation")
    name = f"{field.rule.id} on {field.mdp.name or 'an MDP'}"
    seen = in_chart(field, "differences")
    return System(name, seen.size, reduced(field), seen, field)


def from_function(name: str, size: int, function: Callable[..., Sequence[Any]]) -> System:
    """A system from a Python function of its coordinates, written with + − × ÷.

    A decimal in the function means that double: write 1/10 as `of_fractions(Fraction(1, 10))`.

    >>> centre = from_function("centre", 2, lambda x, y: [-y, x])
    >>> over = scaled(centre, Interval(np.array([[1.0], [0.0]]), np.array([[2.0], [1.0]])))
    >>> bool(over.value.lo[1, 0] > 0.9)
    True
    """

    def jets(x: Sequence[Jet]) -> Reduced:
        F = stacked([y if isinstance(y, Jet) else constant(y, x[0]) for y in function(*x)])
        return Reduced(F, F, np.array(True), True)

    def floats(x: Array) -> Array:
        parts = [y.mid if isinstance(y, Interval) else y for y in function(*np.moveaxis(x, -1, 0))]
        return np.stack(np.broadcast_arrays(*parts), -1)

    return System(name, size, jets, FunctionField(floats, (size,), vectorised=True))


def scaled(at: System, boxes: Interval) -> Scaled:
    """G over boxes (n, B), for zeros and signs."""
    found, sound, signs = [], [], []
    for chunk in _chunks(boxes):
        with np.errstate(all="ignore"):
            over = at.jets(variables(chunk))
        found.append(over.zeros)
        sound.append(np.broadcast_to(over.positive, chunk.shape[1:]))
        signs.append(sound[-1] & over.signs)
    return Scaled(
        concatenate((x.value for x in found), -1),
        concatenate((x.centre for x in found), -1),
        concatenate((x.slope for x in found), -1),
        np.concatenate(sound),
        np.concatenate(signs),
    )


def field_and_jacobian(at: System, boxes: Interval) -> tuple[Interval, Interval]:
    """F (n, B) and its Jacobian J[i, j] = ∂F_i/∂x_j (n, n, B) over boxes (n, B)."""
    values, slopes = [], []
    for chunk in _chunks(boxes):
        with np.errstate(all="ignore"):
            F = at.jets(variables(chunk)).field
        values.append(F.value)
        slopes.append(Interval(np.swapaxes(F.slope.lo, 0, 1), np.swapaxes(F.slope.hi, 0, 1)))
    return concatenate(values, -1), concatenate(slopes, -1)


def along_segments(at: System, start: Array, end: Array, low: Array, high: Array, normal: Interval) -> Interval:
    """Σ_i normal_i F_i at the points start + t (end − start), low ≤ t ≤ high, of segments (n, B): intervals (B)."""
    found = []
    for k in range(0, start.shape[1], BATCH):
        part = slice(k, k + BATCH)
        with np.errstate(all="ignore"):
            x = along(of(start[:, part]), of(end[:, part]), low[part], high[part])
            found.append((at.jets(x).field * normal[:, part]).sum(0).value)
    return concatenate(found, -1)


def _chunks(boxes: Interval) -> list[Interval]:
    return [boxes[:, k : k + BATCH] for k in range(0, max(boxes.shape[1], 1), BATCH)]
