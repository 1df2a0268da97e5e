"""Policies as a pair (p, log p), the softmax, and the entropies built from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Policy:
    """A stochastic policy with its logarithms: `p[..., s, a]` and `log_p = log p`, both of shape `(..., S, A)`.

    Carrying both is what lets one formula serve several arithmetics: with `log_p` at hand every rule needs only
    + − × ÷ and a linear solve, so the entries may be floats, complex numbers, `Fraction`s or elements of a
    rational-function field. Where an entry of `p` is 0 the logarithm is −inf.

    >>> softmax(np.zeros((1, 2))).p
    array([[0.5, 0.5]])
    """

    p: Array
    log_p: Array


def softmax(logits: Array) -> Policy:
    """The softmax policy `p[a] = exp(z[a]) / Σ_b exp(z[b])` and its logarithm, over the last axis.

    `logits` has shape (..., S, A) and may be complex (for complex-step derivatives). Shifting by the largest real
    part keeps the exponentials finite, and `log p = z − log Σ exp z` stays finite even where p underflows.

    >>> softmax(np.log([[1.0, 3.0]])).p
    array([[0.25, 0.75]])
    """
    shifted = logits - _largest(logits.real)
    weights = np.exp(shifted)
    total = summed(weights)
    return Policy(weights / total, shifted - np.log(total))


def _largest(x: Array) -> Array:
    """Largest entry over the last axis, kept. numpy reduces short rows of large batches slowly, columns quickly."""
    if x.ndim == 2 or x.shape[-1] > 16:
        return np.asarray(np.maximum.reduce(x, -1, keepdims=True))
    largest = x[..., 0]
    for a in range(1, x.shape[-1]):
        largest = np.maximum(largest, x[..., a])
    return np.asarray(largest[..., None])


def summed(x: Array) -> Array:
    """`Σ_a x[..., a]`, kept as an axis of length one, in any arithmetic.

    The same as `x.sum(-1, keepdims=True)`, by the route that is quicker for the shape.

    >>> summed(np.array([[1.0, 2.0]]))
    array([[3.]])
    """
    if x.ndim == 2:
        return np.asarray(np.add.reduce(x, -1, keepdims=True))
    return np.asarray(np.einsum("...a->...", x)[..., None])


def policy(table: ArrayLike) -> Policy:
    """The policy with probabilities `table` (..., S, A); where an entry is 0 its logarithm is −inf.

    >>> policy([[0.0, 1.0]]).log_p
    array([[-inf,   0.]])
    """
    p = np.array(table, dtype=float)
    with np.errstate(divide="ignore"):
        return Policy(p, np.log(p))


def entropy(p: Policy) -> Array:
    """Entropy per state in nats, `H(p) = − Σ_a p log p`, shape (..., S); 0 log 0 = 0.

    >>> entropy(policy([[0.0, 1.0]]))
    array([0.])
    """
    return cross_entropy(p, p)


def cross_entropy(p: Policy, q: Policy) -> Array:
    """Cross-entropy per state in nats, `H(p‖q) = − Σ_a p log q`, shape (..., S); 0 log 0 = 0, else +inf where q = 0.

    >>> cross_entropy(policy([[0.0, 1.0]]), policy([[0.5, 0.5]])).round(6)
    array([0.693147])
    """
    where = p.p != 0
    log_q = np.broadcast_to(q.log_p, np.broadcast_shapes(p.p.shape, q.log_p.shape))
    terms = np.multiply(p.p, log_q, out=np.zeros(log_q.shape), where=np.broadcast_to(where, log_q.shape))
    return np.asarray(0.0 - terms.sum(-1))


def kl(p: Policy, q: Policy) -> Array:
    """Kullback–Leibler divergence per state in nats, `KL(p‖q) = H(p‖q) − H(p‖p)`, shape (..., S).

    Computed as Σ p (log p − log q), which does not lose the small divergences of near-equal policies to cancellation.

    >>> kl(policy([[0.5, 0.5]]), policy([[0.25, 0.75]])).round(6)
    array([0.143841])
    """
    with np.errstate(invalid="ignore"):
        ratio = p.log_p - q.log_p
    shape = np.broadcast_shapes(p.p.shape, ratio.shape)
    where = np.broadcast_to(p.p != 0, shape)
    return np.asarray(np.multiply(p.p, ratio, out=np.zeros(shape), where=where).sum(-1))
