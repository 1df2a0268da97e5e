"""Students: softmax policies whose logits depend linearly on the parameters, logits = Phi theta."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from mdp.model import MDP
from mdp.policies import Array, Policy, softmax


@dataclass(frozen=True, eq=False)
class Student:
    """A softmax student with `logits[s, a] = Σ_k Phi[s*A + a, k] theta[k]`.

    `phi` is an (S·A, n) matrix, dense, or scipy-sparse where that is smaller, or None for the identity; `shape` is the
    shape of one parameter array theta (n = its size) and `table` the (S, A) shape of one policy; `observation`
    (S,) says which row of logits a state uses, where parameters are rows of logits (O, A), and is None elsewhere.
    Theta may carry leading batch axes and be complex; with a dense (or identity) Phi it may hold exact numbers.
    Theory: policies of the paper, section 2, with linear logits; rows shared between states are aliasing.

    >>> tabular(2, 3).logits(np.arange(6.0).reshape(2, 3))[1]
    array([3., 4., 5.])
    """

    phi: Array | sp.csr_array | None
    shape: tuple[int, ...]
    table: tuple[int, int]
    observation: Array | None = None

    @property
    def size(self) -> int:
        """Number of parameters n."""
        return int(np.prod(self.shape))

    def logits(self, theta: Array) -> Array:
        """Phi theta: (..., *shape) to (..., S, A).

        Raises ValueError when the trailing axes of theta are not `shape`.
        """
        theta = np.asarray(theta)
        lead = self._leading(theta.shape)
        if self.phi is None:
            return theta.reshape(lead + self.table)
        flat = theta.reshape(math.prod(lead), self.size)
        return np.asarray((self.phi @ flat.T).T).reshape(lead + self.table)

    def policy(self, theta: Array) -> Policy:
        """The softmax policy of Phi theta, shape (..., S, A)."""
        return softmax(self.logits(theta))

    def pull_back(self, update: Array) -> Array:
        """Phi^T u: an update of the logits (..., S, A) as an update of the parameters (..., *shape).

        This is the one place where rows that share parameters add up.
        """
        lead = update.shape[:-2]
        if self.phi is None:
            return update.reshape(lead + self.shape)
        flat = update.reshape(math.prod(lead), math.prod(self.table))
        return np.asarray((self.phi.T @ flat.T).T).reshape(lead + self.shape)

    def pull_back_jacobian(self, jacobian: Array) -> Array:
        """Phi^T J Phi: (..., S·A, S·A) in the logits to (..., n, n) in the parameters."""
        if self.phi is None:
            return jacobian
        if not sp.issparse(self.phi):
            return np.asarray(self.phi.T @ jacobian @ self.phi)
        lead, size = jacobian.shape[:-2], jacobian.shape[-1]
        columns = (jacobian.reshape(-1, size) @ self.phi).reshape(*lead, size, self.size)
        rows = columns.swapaxes(-1, -2).reshape(-1, size) @ self.phi
        return np.asarray(rows).reshape(*lead, self.size, self.size).swapaxes(-1, -2)

    def _leading(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        split = len(shape) - len(self.shape)
        if split < 0 or shape[split:] != self.shape:
            raise ValueError(f"theta has shape {shape}; must end in {self.shape}")
        return shape[:split]


def tabular(n_states: int, n_actions: int) -> Student:
    """A free logit for every state and action: Phi = identity, theta of shape (S, A).

    >>> tabular(2, 2).phi is None
    True
    """
    return Student(None, (n_states, n_actions), (n_states, n_actions), np.arange(n_states))


def observed(observation: ArrayLike, n_actions: int) -> Student:
    """Logits shared by states with one observation: `logits[s] = theta[observation[s]]`, theta of shape (O, A).

    Raises ValueError when the observations are not integers covering 0..O−1.

    >>> observed([0, 1, 1], 2).logits(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 4.],
           [3., 4.]])
    """
    labels = np.asarray(observation)
    n_observations = _covering(labels)
    if np.array_equal(labels, np.arange(len(labels))):
        return tabular(len(labels), n_actions)
    phi = sp.kron(_one_hot(labels, n_observations), sp.eye_array(n_actions), format="csr")
    return Student(_dense_if_small(phi), (n_observations, n_actions), (len(labels), n_actions), labels.copy())


def sigmoid(observation: ArrayLike) -> Student:
    """Two actions and one parameter per observation: Phi = [[0], [1]], so `pi(1|s) = 1 / (1 + exp(−theta[o(s)]))`.

    theta has shape (O,). Its dynamics are those of the softmax logit difference at half the speed.

    >>> float(sigmoid([0]).policy(np.array([0.0])).p[0, 1])
    0.5
    """
    labels = np.asarray(observation)
    n_observations = _covering(labels)
    phi = sp.kron(_one_hot(labels, n_observations), sp.csr_array([[0.0], [1.0]]), format="csr")
    return Student(_dense_if_small(phi), (n_observations,), (len(labels), 2))


def features(phi: ArrayLike, n_actions: int) -> Student:
    """Any linear features: Phi of shape (S·A, n) or (S, A, n), theta of shape (n,).

    Raises ValueError when Phi is not finite or its rows are not a whole number of states.

    >>> features([[0.0], [1.0]], 2).policy(np.array([0.0])).p
    array([[0.5, 0.5]])
    """
    matrix = np.array(phi)
    if matrix.dtype != object:
        matrix = matrix.astype(float)
        if not np.isfinite(matrix).all():
            raise ValueError("Phi has an entry that is not finite; every entry must be a finite number")
    if matrix.ndim == 3:
        matrix = matrix.reshape(-1, matrix.shape[-1])
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.shape[0] % n_actions:
        raise ValueError(f"Phi has shape {np.shape(phi)}; must be (S*A, n) with A = {n_actions}, or (S, A, n)")
    matrix.setflags(write=False)
    return Student(matrix, (matrix.shape[1],), (matrix.shape[0] // n_actions, n_actions))


def of(mdp: MDP) -> Student:
    """The student an MDP describes: one row of logits per observation.

    >>> of(MDP([[[0.0], [0.5]]], [[0, 1]], [1])).shape
    (1, 2)
    """
    return observed(mdp.observation, mdp.n_actions)


def _covering(labels: Array) -> int:
    """Number of observations O, after checking that the labels are integers covering 0..O−1."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise ValueError("observation must be one integer per state")
    seen = np.unique(labels)
    if not np.array_equal(seen, np.arange(len(seen))):
        raise ValueError(f"observation takes the values {seen.tolist()}; they must cover 0..O-1")
    return len(seen)


def _one_hot(labels: Array, n_observations: int) -> sp.csr_array:
    rows = np.arange(len(labels))
    return sp.csr_array((np.ones(len(labels)), (rows, labels)), shape=(len(labels), n_observations))


def _dense_if_small(phi: sp.csr_array, limit: int = 250_000) -> Array | sp.csr_array:
    """Dense products are quicker, and work on exact numbers, while the matrix is small."""
    return np.asarray(phi.toarray()) if phi.shape[0] * phi.shape[1] <= limit else phi
