"""Reduced coordinates: a field on rows of logits without its gauge freedom, and the way there and back.

Adding a constant to a row of logits changes no policy, so that every Jacobian of such a field has a zero eigenvalue a
row. Differences of logits have none: rest points, periodic orbits and their multipliers are computed there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields.charts import ChartField, in_chart
from dynamics.fields.field import Field
from dynamics.fields.vector import VectorField
from mdp import Array


def reduced(field: VectorField) -> VectorField:
    """The field without gauge freedom: an MDP's field on rows of logits in the chart of differences, else itself.

    >>> from mdp import zoo
    >>> reduced(Field(zoo.load("swirl"), "on-policy")).shape
    (2, 1)
    """
    if isinstance(field, Field) and len(field.shape) == 2 and field.shape[1] > 1:
        return in_chart(field, "differences")
    return field


def to_reduced(seen: VectorField, theta: ArrayLike) -> Array:
    """Parameters as a flat point of the reduced chart."""
    theta = np.asarray(theta, dtype=float)
    return (seen.from_parameters(theta) if isinstance(seen, ChartField) else theta).ravel()


def to_parameters(seen: VectorField, x: Array, gauge: Array | float = 0.0) -> Array:
    """Flat points (..., n) of the reduced chart as parameters (..., *shape); rows of logits get the mean `gauge`.

    The mean of a row of logits never changes along the flow, since its update sums to 0.
    """
    shaped = x.reshape(*x.shape[:-1], *seen.shape)
    if not isinstance(seen, ChartField):
        return np.asarray(shaped)
    theta = seen.to_parameters(shaped)
    return np.asarray(theta - theta.mean(-1, keepdims=True) + gauge)


def gauge_of(seen: VectorField, theta: ArrayLike) -> Array | float:
    """What `to_parameters` needs to give back parameters with theta's row means."""
    return np.asarray(theta, dtype=float).mean(-1, keepdims=True) if isinstance(seen, ChartField) else 0.0
