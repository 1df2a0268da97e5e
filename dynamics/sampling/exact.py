"""The exact mean and variance of the single-trajectory estimator, on any MDP, cyclic ones included.

With R the sum of rewards still to come at (s, a), H = h(s, a) + R (h: what arriving there pays) and Y one entry of the
estimator from here on, a trajectory obeys

    R = now + w H',     Y = u R − l + w Y',

the primed quantities at the next step, 0 where the episode ends; u(s, a) is the entry's score and l(s) its slope of the
loss. Multiplied out, E H, E Y, E H², E HY and E Y² of a state follow from each other by linear solves with
I − w c P_q and I − w² c P_q, where c is the probability to survive (g for killing, 1 for weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import Field
from dynamics.sampling.episodes import DISCOUNTS
from dynamics.sampling.estimator import Terms, terms
from mdp import MDP, Array, Chain, backup, chain

ENTRIES = 2_000_000  # of the largest table of (entry, state, action)
NOISE_UP_TO = 2_000  # parameters up to which `noise` is computed


@dataclass(frozen=True, eq=False)
class Moments:
    """`mean` and `variance` of one trajectory's estimate, per parameter (*shape); `total` = Σ variance."""

    mean: Array
    variance: Array

    @property
    def total(self) -> float:
        """`E‖Fhat‖² − ‖E Fhat‖²`."""
        return float(self.variance.sum())


@dataclass(frozen=True, eq=False)
class _Kernel:
    """w c P and w² c P with their factorised chains under q."""

    first: MDP
    second: MDP
    once: Chain
    twice: Chain
    found: Terms


def moments(field: Field, theta: ArrayLike, *, discount: str = "killing") -> Moments:
    """Exact mean (the field, a second derivation of it) and variance of `dynamics.sampling.estimates`, to rounding.

    `discount="weights"` is the estimator without a horizon. Raises ValueError for an unknown discount, a theta of
    another shape, and a control that never ends. Method: the moment equations of a Markov reward process (Sobel, The
    variance of discounted Markov decision processes, 1982), for the pair (rewards to come, entry of the estimator).
    Weights never have the larger variance: they are killing's expectation given the trajectory that nothing kills.

    >>> from mdp import zoo
    >>> found = moments(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2)))
    >>> found.mean.tolist(), found.variance.tolist()
    ([[-0.25, 0.25]], [[0.0625, 0.0625]])
    """
    if discount not in DISCOUNTS:
        raise ValueError(f"discount is {discount!r}; must be 'killing' or 'weights'")
    theta = np.asarray(theta, dtype=float)
    if theta.shape != field.shape:
        raise ValueError(f"theta has shape {theta.shape}; must be {field.shape}")
    return moments_of(field, terms(field, theta), discount=discount)


def noise(field: Field, theta: ArrayLike | None) -> float | None:
    """`E‖Fhat − F‖² / ‖F‖²` of one trajectory at theta.

    None where F is 0 to rounding, where a policy does not end, and beyond `NOISE_UP_TO` parameters.

    >>> from mdp import zoo
    >>> noise(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2)))
    1.0
    """
    if theta is None or field.size > NOISE_UP_TO:
        return None
    try:
        found = moments(field, theta)
    except ValueError:  # a policy that does not end
        return None
    signal = float((found.mean**2).sum())
    floor = float(np.max(field.rounding(theta)))  # of one entry
    return found.total / signal if signal > field.size * floor**2 else None


def moments_of(field: Field, found: Terms, *, discount: str = "killing") -> Moments:
    """`moments` for given tables, such as those that a critic has changed (`dynamics.learners.critic.shaped`)."""
    kernel = _kernel(field, found, discount)
    size = max(1, ENTRIES // kernel.found.p.size)
    parts = []
    for k in range(0, field.size, size):
        rows = np.eye(min(size, field.size - k), field.size, k)
        parts.append(_entries(kernel, field.student.logits(rows.reshape(-1, *field.shape))))
    mean, square = (np.concatenate(x) for x in zip(*parts, strict=True))
    variance = np.maximum(square - mean**2, 0.0)
    return Moments(mean.reshape(field.shape), variance.reshape(field.shape))


def _kernel(field: Field, found: Terms, discount: str) -> _Kernel:
    """The chains of w c P and w² c P: discounts g and g for killing (w = 1, c = g), g and g² for weights."""
    first = field.mdp
    squared = discount == "weights" and first.discount < 1
    second = first.replace(discount=first.exact.discount**2) if squared else first
    once = chain(first, found.q)
    return _Kernel(first, second, once, chain(second, found.q) if squared else once, found)


def _entries(kernel: _Kernel, directions: Array) -> tuple[Array, Array]:
    """E Y and E Y² from the start, for the entries whose logits move along `directions` (k, S, A): both (k,)."""
    found = kernel.found
    q, now, h = found.q, found.now, found.arrival

    def mean(x: Array) -> Array:
        return np.asarray((q * x).sum(-1))

    def ahead(values: Array) -> Array:
        return backup(kernel.first, values)

    def ahead_squared(values: Array) -> Array:
        return backup(kernel.second, values)

    u = directions - (found.p * directions).sum(-1, keepdims=True)
    slope = 0 * u[..., :1] if found.slope is None else (directions * found.slope).sum(-1, keepdims=True)
    later = ahead(mean(h) if found.one_step else kernel.once.values(mean(h + now)))
    R = now + later
    squares = now**2 + 2 * now * later
    arriving = mean(h**2) if found.one_step else kernel.twice.values(mean(h**2 + 2 * h * R + squares))
    RR = squares + ahead_squared(arriving)
    Y = kernel.once.values(mean(u * R - slope))
    Y_ahead = ahead(Y)
    own = u * RR - slope * R + now * Y_ahead
    HY = h * (u * R - slope + Y_ahead)
    R_Y_ahead = now * Y_ahead + ahead_squared(mean(HY) if found.one_step else kernel.twice.values(mean(HY + own)))
    YY = u**2 * RR + slope**2 - 2 * u * slope * R + 2 * u * R_Y_ahead - 2 * slope * Y_ahead
    rho = kernel.first.initial
    return Y @ rho, kernel.twice.values(mean(YY)) @ rho
