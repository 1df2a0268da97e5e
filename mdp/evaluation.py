"""Visits, values, action values, advantages and return of a policy, from one factorisation of I − g P_q.

Every function takes a *world*: anything with `P`, `R`, `initial` and `discount`. That is an `MDP` (floats, dense or
sparse P) or `mdp.exact` (object arrays of exact numbers); the formulas are the same. Policies are plain arrays
`(..., S, A)` with leading batch axes. A world may itself be a batch, its arrays with a leading axis of their own that
the policies then share (`dynamics.fields.batch`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from mdp.model import MDP, endless_states
from mdp.policies import Array

# Below this many states one explicit inverse is quicker than a call to LAPACK's factor and solve routines.
_SMALL = 64


class World(Protocol):
    """What evaluation needs of a model, in any arithmetic."""

    @property
    def P(self) -> Any: ...
    @property
    def R(self) -> Any: ...
    @property
    def initial(self) -> Any: ...
    @property
    def ending(self) -> Any: ...
    @property
    def discount(self) -> Any: ...


@dataclass(frozen=True, eq=False)
class Algebra:
    """How exact matrices are inverted and multiplied, where a library does it quicker than Python's own loops.

    `inverse` maps (n, n) to (n, n) and raises ZeroDivisionError where there is none; `product` is the matrix product.
    A world of exact numbers may carry one as its attribute `algebra`.
    """

    inverse: Callable[[Array], Array]
    product: Callable[[Array, Array], Array]


@dataclass(frozen=True, eq=False)
class Chain:
    """The Markov chain of one policy (or a batch of them): I − g P_q, factorised once.

    `values(c)` solves (I − g P_q) V = c, `visits(rho)` solves d (I − g P_q) = rho with the same factors, and
    `resolvent()` is N = (I − g P_q)^{-1}. Built by `chain`. Small chains hold the inverse, large ones LU factors.
    """

    shape: tuple[int, ...]
    inverse: Array | None
    factors: tuple[Any, ...] = ()

    def values(self, c: Array) -> Array:
        """`V = N c` for c of shape (..., S)."""
        if self.inverse is not None:
            return _matvec(self.inverse, c)
        return self._solve(c, transposed=False)

    def visits(self, initial: Array) -> Array:
        """Expected visits `d = initial^T N` for a start distribution of shape (S,), or one a chain; shape (..., S)."""
        if self.inverse is not None:
            batch = np.ndim(initial) > 1  # one start a chain
            return np.asarray(np.vecmat(initial, self.inverse) if batch else initial @ self.inverse)
        return self._solve(np.broadcast_to(initial, self.shape), transposed=True)

    def resolvent(self) -> Array:
        """N = (I − g P_q)^{-1}, shape (..., S, S): N[s, t] is the expected number of visits to t from s."""
        if self.inverse is not None:
            return self.inverse
        size = self.shape[-1]
        columns = [solver(np.eye(size), False) for solver in self.factors]
        return np.stack(columns).reshape(*self.shape, size)

    def _solve(self, rhs: Array, *, transposed: bool) -> Array:
        shape = np.broadcast_shapes(self.shape, np.shape(rhs))
        rows = np.broadcast_to(rhs, shape).reshape(-1, shape[-1])
        solvers = self.factors if len(self.factors) == len(rows) else self.factors * len(rows)  # one chain, many rhs
        solved = [solver(row, transposed) for solver, row in zip(solvers, rows, strict=True)]
        return np.array(solved).reshape(shape)


def chain(world: World, q: Array) -> Chain:
    """Factorise I − g P_q with P_q[s, s'] = Σ_a q[s, a] P[s, a, s'], for policies q of shape (..., S, A).

    Raises ValueError when the matrix is singular: with discount 1 the policy then never ends from some state.
    Source: the paper, section 2; Puterman, *Markov Decision Processes*, section 6.1.

    >>> from vorticity import MDP
    >>> chain(MDP([[[0.5]]], [[1]], [1]), np.array([[1.0]])).visits(np.array([1.0]))
    array([2.])
    """
    q = np.asarray(q)
    shape = q.shape[:-1]
    size = shape[-1]
    if sp.issparse(world.P):
        tables = q.reshape(-1, *q.shape[-2:])
        return Chain(shape, None, tuple(_sparse_solver(world, table) for table in tables))
    matrix = chain_matrix(world, q)
    if matrix.dtype == object:
        return Chain(shape, _exact_inverse(world, matrix))
    try:
        if matrix.ndim > 2 or size <= _SMALL:
            return Chain(shape, np.linalg.inv(matrix))
        return Chain(shape, None, (_dense_solver(matrix),))
    except np.linalg.LinAlgError:
        raise EndlessError(_ENDLESS) from None


class EndlessError(ValueError):
    """A policy that never ends from some state, with discount 1: I − g P_q has no inverse."""


_ENDLESS = "I - g P_q is singular: from some state the policy never ends; with discount 1 it must"


def _exact_inverse(world: World, matrix: Array) -> Array:
    algebra: Algebra | None = getattr(world, "algebra", None)
    if algebra is None:
        return exact_inverse(matrix)
    try:
        return algebra.inverse(matrix)
    except ZeroDivisionError:
        raise EndlessError(_ENDLESS) from None


def product(world: World, left: Array, right: Array) -> Array:
    """The matrix product, by the world's own algebra for its exact numbers: (n, k) times (k, m).

    >>> product(MDP([[[0]]], [[1]], [1]), np.eye(1), np.array([[2.0]]))
    array([[2.]])
    """
    algebra: Algebra | None = getattr(world, "algebra", None)
    return left @ right if algebra is None else algebra.product(left, right)


def chain_matrix(world: World, q: Array) -> Array:
    """I − g P_q for a dense P, shape (..., S, S), with rows of q that sum to 1."""
    moves = ((world.discount * q)[..., None, :] @ world.P)[..., 0, :]
    # 1 − g P_q[s, s] as what leaves s: the chance that the episode ends plus what goes elsewhere. Nothing cancels, so
    # that a policy that stays almost for ever keeps its digits.
    diagonal = np.arange(moves.shape[-1])
    moves[..., diagonal, diagonal] = 0
    ends = (1 - world.discount) + world.discount * world.ending
    leaves = np.einsum("...t->...", moves) + np.einsum("...sa,...sa->...s", q, ends)
    matrix = np.negative(moves, out=moves)
    matrix[..., diagonal, diagonal] = leaves
    return np.asarray(matrix)


def visits_only(world: World, q: Array) -> Array:
    """Visits as `visits` gives them, for callers that need nothing else: one solve instead of an inverse.

    >>> from vorticity import MDP
    >>> visits_only(MDP([[[0.5]]], [[1]], [1]), np.array([[1.0]]))
    array([2.])
    """
    if sp.issparse(world.P) or q.dtype == object or q.ndim == 2:
        return chain(world, q).visits(world.initial)
    try:
        return np.asarray(np.linalg.solve(chain_matrix(world, q).swapaxes(-1, -2), world.initial[..., None])[..., 0])
    except np.linalg.LinAlgError:
        raise EndlessError(_ENDLESS) from None


def backup(world: World, values: Array) -> Array:
    """The discounted expectation of the next value, `(g P V)[s, a] = g Σ_s' P[s, a, s'] V[s']`, shape (..., S, A).

    >>> from vorticity import MDP
    >>> backup(MDP([[[0.5]]], [[1]], [1], "1/2"), np.array([4.0]))
    array([[1.]])
    """
    size = values.shape[-1]
    if sp.issparse(world.P):
        flat = values.reshape(-1, size)
        expected = np.asarray((world.P @ flat.T).T).reshape(*values.shape, np.shape(world.R)[-1])
    elif world.P.ndim > 3:  # a batch of worlds
        expected = np.einsum("...sat,...t->...sa", world.P, values)
    else:
        moves = world.P.reshape(-1, size).T
        expected = values @ moves if values.ndim != 2 else product(world, values, moves)
        expected = expected.reshape(*values.shape, np.shape(world.R)[-1])
    return np.asarray(world.discount * expected)


def backup_matrix(world: World, matrix: Array) -> Array:
    """`g P` applied to a matrix N (..., S, S): K[s, a, u] = g Σ_t P[s, a, t] N[t, u], shape (..., S, A, S)."""
    if not sp.issparse(world.P) and world.P.ndim > 3:
        return np.asarray(world.discount * (world.P @ matrix[..., None, :, :]))
    columns = backup(world, matrix.swapaxes(-1, -2))
    return np.moveaxis(columns, -3, -1)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything about one policy (or a batch): see `evaluate`."""

    visits: Array
    values: Array
    action_values: Array
    advantages: Array
    expected_return: Array


def evaluate(world: World, q: Array, reward: Array | None = None) -> Evaluation:
    """Evaluate the policy q (..., S, A) for a reward c[s, a] (default R), from one factorisation.

    `d = rho^T (I − g P_q)^{-1}` visits, `V = (I − g P_q)^{-1} c_q` values, `Q = c + g P V` action values,
    `A = Q − V` advantages, `J = rho·V` return. Shapes (..., S) and (..., S, A); rewards and values in reward units,
    visits in expected steps. Raises ValueError when the shapes do not fit, or with discount 1 when q never ends.
    Source: the paper, section 2.

    >>> from vorticity import MDP
    >>> m = MDP([[[0.5, 0.5], [0, 0]], [[0, 0], [0, 0]]], [[1, 0], [2, 0]], [1, 0])
    >>> float(evaluate(m, np.array([[0.5, 0.5], [0.5, 0.5]])).expected_return)
    1.0
    """
    c = world.R if reward is None else reward
    q = np.asarray(q)
    _check(world, q, np.asarray(c))
    factored = chain(world, q)
    values = factored.values((q * c).sum(-1))
    action_values = c + backup(world, values)
    advantages = action_values - values[..., None]
    return Evaluation(
        factored.visits(world.initial), values, action_values, advantages, np.asarray(values @ world.initial)
    )


def visits(world: World, q: Array) -> Array:
    """Expected visits `d_q(s)` per episode, `d = rho^T (I − g P_q)^{-1}`, shape (..., S). See `evaluate`.

    >>> from vorticity import MDP
    >>> visits(MDP([[[0.0]]], [[1]], [1]), np.array([[1.0]]))
    array([1.])
    """
    q = np.asarray(q)
    _check(world, q, np.asarray(world.R))
    return chain(world, q).visits(world.initial)


def values(world: World, q: Array, reward: Array | None = None) -> Array:
    """State values `V = (I − g P_q)^{-1} c_q`, shape (..., S). See `evaluate`."""
    return evaluate(world, q, reward).values


def action_values(world: World, q: Array, reward: Array | None = None) -> Array:
    """Action values `Q = c + g P V`, shape (..., S, A). See `evaluate`."""
    return evaluate(world, q, reward).action_values


def advantages(world: World, q: Array, reward: Array | None = None) -> Array:
    """Advantages `Q − V`, shape (..., S, A). See `evaluate`."""
    return evaluate(world, q, reward).advantages


def expected_return(world: World, q: Array, reward: Array | None = None) -> Array:
    """Return `J = rho·V`, shape (...). See `evaluate`."""
    return evaluate(world, q, reward).expected_return


def exact_inverse(matrix: Array) -> Array:
    """Inverse of a matrix (..., n, n) of exact numbers by Gauss–Jordan elimination with any non-zero pivot.

    The entries need only + − × ÷ and a comparison with 0. Raises ValueError when a matrix is singular.

    >>> from fractions import Fraction
    >>> exact_inverse(np.array([[Fraction(2)]], dtype=object))
    array([[Fraction(1, 2)]], dtype=object)
    """
    if matrix.ndim > 2:
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        return np.stack([exact_inverse(one) for one in flat]).reshape(matrix.shape)
    size = len(matrix)
    work = np.concatenate([matrix, np.eye(size, dtype=object)], axis=1)
    for column in range(size):
        pivot = next((row for row in range(column, size) if work[row, column] != 0), None)
        if pivot is None:
            raise EndlessError(_ENDLESS)
        work[[column, pivot]] = work[[pivot, column]]
        work[column] = work[column] / work[column, column]
        for row in range(size):
            if row != column and work[row, column] != 0:
                work[row] = work[row] - work[row, column] * work[column]
    return work[:, size:]


def _matvec(matrix: Array, vector: Array) -> Array:
    if matrix.dtype == object:
        return np.asarray((matrix @ vector[..., None])[..., 0])
    return np.asarray(np.matvec(matrix, vector))


def _dense_solver(matrix: Array) -> Any:
    """A function (rhs, transposed) -> solution for one dense matrix."""
    factors: Any = sl.lu_factor(matrix, check_finite=False)
    if (np.diag(factors[0]) == 0).any():
        raise EndlessError(_ENDLESS)
    return lambda rhs, transposed: sl.lu_solve(factors, rhs, trans=1 if transposed else 0, check_finite=False)


def _sparse_solver(world: World, table: Array) -> Any:
    """A function (rhs, transposed) -> solution for the sparse chain of one policy table (S, A)."""
    n_states, n_actions = table.shape
    rows = np.repeat(np.arange(n_states), n_actions)
    choose = sp.csr_array((table.ravel(), (rows, np.arange(table.size))), shape=(n_states, table.size))
    matrix = sp.eye_array(n_states, format="csc") - world.discount * (choose @ world.P).tocsc()
    try:
        factors: Any = spl.splu(matrix.tocsc())
    except RuntimeError:
        raise EndlessError(_ENDLESS) from None

    def solve(rhs: Array, transposed: bool) -> Array:
        mode = "T" if transposed else "N"
        if np.iscomplexobj(rhs) and not np.iscomplexobj(matrix.data):
            return np.asarray(factors.solve(rhs.real, mode) + 1j * factors.solve(rhs.imag, mode))
        return np.asarray(factors.solve(np.asarray(rhs, dtype=matrix.dtype), mode))

    return solve


def visit_return(d: Array, q: Array, R: Array) -> Array:
    """`Σ_s d(s) Σ_a q(a|s) R(s, a)`, shape (...): the return of a policy q (..., S, A) from its visits d (..., S).

    >>> float(visit_return(np.array([2.0]), np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])))
    1.0
    """
    return np.asarray((d[..., None] * q * R).sum((-2, -1)))


def visit_mean(d: Array, x: Array) -> Array:
    """`Σ_s d(s) x(s) / Σ_s d(s)` over the last axis; where d is 0 any x will do, an infinite one too.

    >>> visit_mean(np.array([1.0, 3.0, 0.0]), np.array([1.0, 2.0, np.inf]))
    array(1.75)
    """
    return np.asarray((d * np.where(d > 0, x, 0.0)).sum(-1) / d.sum(-1))


def _check(world: World, q: Array, c: Array) -> None:
    """Raise ValueError unless q and c fit the world, q is a policy, and with discount 1 it ends."""
    table = np.shape(world.R)
    for label, array in (("policy", q), ("reward", c)):
        if array.shape[-2:] != table:
            raise ValueError(f"{label} has shape {array.shape}; must end in (states, actions) = {table}")
    if q.dtype.kind != "f":
        return
    if not ((q >= 0) & (q <= 1 + 1e-9)).all():
        place = np.argwhere(~((q >= 0) & (q <= 1 + 1e-9)))[0]
        raise ValueError(f"policy[{', '.join(map(str, place))}] is {q[tuple(place)]:g}; must lie in [0, 1]")
    sums = q.sum(-1)
    if (abs(sums - 1) > 1e-9).any():
        place = np.argwhere(abs(sums - 1) > 1e-9)[0]
        raise ValueError(f"policy[{', '.join(map(str, place))}] sums to {sums[tuple(place)]:g}; must sum to 1")
    if isinstance(world, MDP) and world.discount == 1 and (q == 0).any():
        for one in q.reshape(-1, *table):
            endless = endless_states(world, one > 0)
            if len(endless):
                s = int(endless[0])
                raise ValueError(f"policy at s={s} {world.states[s]!r} never ends the episode; with discount 1 it must")
