"""Vector fields of any kind: what a Jacobian says, and any Python callable as a field.

A field maps parameters theta (..., *shape) to their velocity dtheta/dt of the same shape; leading axes are batches.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdp import Array


class VectorField:
    """What every field can do. Subclasses give `shape`, `__call__` and `jacobian`."""

    shape: tuple[int, ...]

    def __call__(self, theta: ArrayLike) -> Array:
        """The velocity F(theta), shape (..., *shape)."""
        raise TypeError(f"{type(self).__name__} does not say how it is evaluated")

    def jacobian(self, theta: ArrayLike) -> Array:
        """`J[..., i, j] = ∂F_i/∂theta_j`, theta flattened row by row, shape (..., n, n)."""
        raise TypeError(f"{type(self).__name__} does not say how it is differentiated")

    @property
    def size(self) -> int:
        """The number of parameters n."""
        return int(np.prod(self.shape))

    def asymmetry(self, theta: ArrayLike) -> Array:
        """`‖J − J^T‖ / ‖J‖` in the Frobenius norm, 0 where J = 0 to rounding; shape (...). 0 for a gradient field."""
        return asymmetry(self.jacobian(theta), self.rounding(theta))

    def is_symmetric(self, theta: ArrayLike) -> bool | None:
        """Whether the Jacobians at theta (any batch) are symmetric as far as floats can tell; None where they cannot.

        True: the asymmetry is within what rounding leaves (`rounding`), and that is below 1e-6. False: it is beyond.
        None also where the Jacobian is not finite.
        """
        theta = np.asarray(theta)
        jacobians = self.jacobian(theta).reshape(-1, self.size, self.size)
        floors = np.broadcast_to(self.rounding(theta), jacobians.shape[0])
        verdicts: list[bool | None] = []
        for jacobian, floor in zip(jacobians, floors, strict=True):
            size = np.linalg.norm(jacobian)
            if not np.isfinite(size):
                verdicts.append(None)
                continue
            noise = self.size * floor / size if size > 0 else 0.0
            seen = float(asymmetry(jacobian, floor))
            verdicts.append(False if seen > noise + 1e-14 else True if noise < 1e-6 else None)
        return False if False in verdicts else None if None in verdicts else True

    def rounding(self, theta: ArrayLike) -> Array | float:
        """The size below which an entry of the Jacobian is rounding; 0 where nothing is known of it."""
        return 0.0

    def curl(self, theta: ArrayLike) -> Array:
        """The curl `C_ij = ∂F_i/∂theta_j − ∂F_j/∂theta_i = J − J^T`, shape (..., n, n)."""
        jacobian = self.jacobian(theta)
        return np.asarray(jacobian - jacobian.swapaxes(-1, -2))

    def divergence(self, theta: ArrayLike) -> Array:
        """`Σ_i ∂F_i/∂theta_i = tr J`, shape (...)."""
        return np.asarray(np.trace(self.jacobian(theta), axis1=-2, axis2=-1))


def asymmetry(jacobian: Array, floor: Array | float = 0.0) -> Array:
    """`‖J − J^T‖ / ‖J‖` (Frobenius) of matrices (..., n, n); 0 where ‖J‖ ≤ floor (theory, section 3), NaN where J is.

    >>> float(asymmetry(np.array([[0.0, 1.0], [-1.0, 0.0]])))
    2.0
    """
    size = np.linalg.norm(jacobian, axis=(-2, -1))
    difference = np.linalg.norm(jacobian - jacobian.swapaxes(-1, -2), axis=(-2, -1))
    return np.asarray(np.divide(difference, size, out=np.zeros_like(size), where=~(size <= floor)))


@dataclass(frozen=True, eq=False)
class FunctionField(VectorField):
    """Any Python callable `theta -> update` as a field.

    `function` maps an array of shape `shape` to one of the same shape. The Jacobian is by complex step where the
    function accepts complex input analytically, else by central differences; `vectorised` says that it takes leading
    batch axes, `analytic` which of the two Jacobians to take (None: find out at each call).
    Raises ValueError when the function returns another shape.

    >>> rotation = FunctionField(lambda x: np.array([-x[1], x[0]]), (2,))
    >>> float(rotation.asymmetry([1.0, 2.0]))
    2.0
    """

    function: Callable[[Array], ArrayLike]
    shape: tuple[int, ...]
    vectorised: bool = False
    analytic: bool | None = None

    def __call__(self, theta: ArrayLike) -> Array:
        """The function's value at theta, one call per batch entry unless `vectorised`."""
        theta = np.asarray(theta)
        lead = _leading(theta, self.shape)
        if self.vectorised or not lead:
            return self._checked(self.function(theta.copy()), theta.shape)
        flat = theta.reshape(-1, *self.shape)
        return np.stack([self._checked(self.function(one.copy()), self.shape) for one in flat]).reshape(theta.shape)

    def jacobian(self, theta: ArrayLike) -> Array:
        """The Jacobian by complex step (exact to rounding), or by central differences (about ten digits)."""
        if self.analytic:
            stepped = _complex_step(self, theta)
            return _differences(self, theta) if stepped is None else stepped
        return numerical_jacobian(self, theta) if self.analytic is None else _differences(self, theta)

    def _checked(self, value: ArrayLike, shape: tuple[int, ...]) -> Array:
        result = np.asarray(value)
        if result.shape != shape:
            raise ValueError(f"the field returned shape {result.shape} for parameters {shape}; must be the same")
        return result


def numerical_jacobian(field: VectorField, theta: ArrayLike) -> Array:
    """Jacobian of a field by complex step `Im F(theta + i h e_j) / h`, or by differences where that is not analytic.

    Whether the complex step can be trusted is measured: its result must agree with central differences (to their own
    accuracy). Shape (..., n, n).

    >>> square = FunctionField(lambda x: x**2, (1,))
    >>> float(numerical_jacobian(square, [3.0])[0, 0])
    6.0
    """
    stepped = _complex_step(field, theta)
    for h in _STEPS:  # a field that bends within the step needs a shorter one
        differences = _differences(field, theta, h)
        if stepped is not None and _agree(stepped, differences):
            return stepped
    return _differences(field, theta)


def complex_step_holds(field: VectorField, theta: ArrayLike) -> bool:
    """Whether the field's complex step agrees with its central differences at theta."""
    stepped = _complex_step(field, theta)
    return stepped is not None and any(_agree(stepped, _differences(field, theta, h)) for h in _STEPS)


def _agree(stepped: Array, differences: Array) -> bool:
    scale = np.abs(differences).max(initial=0.0)
    return bool(np.allclose(stepped, differences, rtol=1e-4, atol=1e-6 * scale + 1e-12, equal_nan=True))


def _columns(field: VectorField, theta: Array, slope: Callable[[Array], Array]) -> Array:
    """A Jacobian from its columns, each the slope along one unit step."""
    lead = _leading(theta, field.shape)
    steps = np.eye(field.size).reshape(field.size, *(1,) * len(lead), *field.shape)
    columns = np.stack([slope(step) for step in steps])
    return np.moveaxis(columns.reshape(field.size, *lead, field.size), 0, -1)


def _complex_step(field: VectorField, theta: ArrayLike, h: float = 1e-30) -> Array | None:
    """The Jacobian by complex step; None where the field does not take complex numbers."""
    theta = np.asarray(theta, dtype=float)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return _columns(field, theta, lambda step: np.asarray(field(theta + 1j * h * step)).imag / h)
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        return None


_STEPS = (1e-3, 1e-5, 1e-7)


def _differences(field: VectorField, theta: ArrayLike, longest: float = 1e-3) -> Array:
    """The Jacobian by central differences with two steps, Richardson-extrapolated: error O(h^4)."""
    theta = np.asarray(theta, dtype=float)

    def central(h: float) -> Array:
        return _columns(field, theta, lambda step: (field(theta + h * step) - field(theta - h * step)) / (2 * h))

    return np.asarray((4 * central(longest / 2) - central(longest)) / 3)


def _leading(theta: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    split_at = theta.ndim - len(shape)
    if split_at < 0 or theta.shape[split_at:] != shape:
        raise ValueError(f"theta has shape {theta.shape}; must end in {shape}")
    return theta.shape[:split_at]
