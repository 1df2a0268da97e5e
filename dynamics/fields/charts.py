"""Charts: the same vector field in other coordinates.

Softmax logits have a gauge freedom: adding a number to one row changes nothing. The chart of logit differences has
none, so rest points are isolated and Jacobians regular there; the chart of probabilities shows the simplex.
A chart moves the *vector field*; whether a field is a gradient depends on the metric, and is asked in parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields.vector import VectorField
from mdp import Array

NAMES = ("parameters", "differences", "probabilities")


@dataclass(frozen=True, eq=False)
class ChartField(VectorField):
    """A field on rows of logits (O, A), seen in another chart. Built by `in_chart`.

    `differences`: x[o, k] = theta[o, k+1] − theta[o, 0], shape (O, A−1); for two actions the log-odds of action 1.
    `probabilities`: x[o, a] = pi_theta(a|o), shape (O, A), with `x' = x (F − Σ_b x F)`.
    """

    base: VectorField
    chart: str
    shape: tuple[int, ...]

    def to_parameters(self, x: ArrayLike) -> Array:
        """Parameters (..., O, A) at a point of the chart: differences behind a 0, or log-probabilities."""
        x = np.asarray(x)
        if self.chart == "probabilities":
            return np.asarray(np.log(x))
        return np.concatenate([np.zeros_like(x[..., :1]), x], axis=-1)

    def from_parameters(self, theta: ArrayLike) -> Array:
        """The point of the chart at parameters (..., O, A)."""
        theta = np.asarray(theta)
        if self.chart == "differences":
            return np.asarray(theta[..., 1:] - theta[..., :1])
        weights = np.exp(theta - theta.real.max(-1, keepdims=True))
        return np.asarray(weights / weights.sum(-1, keepdims=True))

    def __call__(self, x: ArrayLike) -> Array:
        """The velocity of the chart's coordinates, shape (..., *shape)."""
        x = np.asarray(x)
        velocity = self.base(self.to_parameters(x))
        if self.chart == "differences":
            return np.asarray(velocity[..., 1:] - velocity[..., :1])
        return np.asarray(x * (velocity - (x * velocity).sum(-1, keepdims=True)))

    def jacobian(self, x: ArrayLike) -> Array:
        """The Jacobian in the chart, shape (..., n, n), from the base field's own."""
        x = np.asarray(x)
        theta = self.to_parameters(x)
        n_rows, n_actions = theta.shape[-2:]
        lead = theta.shape[:-2]
        J = self.base.jacobian(theta).reshape(*lead, n_rows, n_actions, n_rows, n_actions)
        if self.chart == "differences":
            J = J[..., 1:, :, :] - J[..., :1, :, :]
            return np.asarray(J[..., 1:].reshape(*lead, self.size, self.size))
        F = self.base(theta)
        moved = x[..., None, None] * (J - (x[..., None, None] * J).sum(-3, keepdims=True)) / x[..., None, None, :, :]
        own = (F - (x * F).sum(-1, keepdims=True))[..., None] * np.eye(n_actions) - x[..., None] * F[..., None, :]
        rows = np.arange(n_rows)
        moved[..., rows, :, rows, :] += np.moveaxis(own, -3, 0)
        return np.asarray(moved.reshape(*lead, self.size, self.size))


def in_chart(field: VectorField, chart: str) -> VectorField:
    """`field` in a chart: "parameters" (the field itself), "differences" or "probabilities".

    Raises ValueError for an unknown chart, or when the field's parameters are not rows of logits (O, A).

    >>> from mdp import zoo
    >>> from vorticity import Field
    >>> in_chart(Field(zoo.load("swirl"), "on-policy"), "differences").shape
    (2, 1)
    """
    if chart not in NAMES:
        raise ValueError(f"chart is {chart!r}; must be one of {', '.join(NAMES)}")
    if chart == "parameters":
        return field
    if len(field.shape) != 2:
        raise ValueError(f"chart {chart!r} needs parameters of shape (O, A); these have shape {field.shape}")
    n_rows, n_actions = field.shape
    return ChartField(field, chart, (n_rows, n_actions - (chart == "differences")))
