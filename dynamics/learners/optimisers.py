"""Optimisers on the exact dynamics: momentum, Adam, clipping, and advantage normalisation.

The first three are maps on (theta, state) that are given the field's value; one update is

    F ← F · min(1, clip / ‖F‖),
    m ← beta1 m + (1 − beta1) F,        v ← beta2 v + (1 − beta2) F²,
    theta ← theta + eta · (m / (1 − beta1^k)) / (√(v / (1 − beta2^k)) + epsilon),

with the quotient and the corrections by 1 − beta^k only where there is a beta2 (Adam). Momentum is written as an
average, so that its limit for small steps is the flow at the flow's own speed; libraries that write m ← beta m + F take
the step eta (1 − beta1).

What is known for small steps: clipping divides the field by a common positive factor, so that the ODE keeps its orbits,
its rest points and their types, and only time changes. Momentum keeps the zeros of F; around one with eigenvalue
lambda its multipliers solve z² − (1 + beta1 + eta (1 − beta1) lambda) z + beta1 = 0. Adam with fixed betas tends to the
sign of F in each coordinate: it keeps the zeros of F, but scales coordinates apart, which can turn a source into a
sink; near a rest point it takes steps of size eta, so that it rattles instead of resting.
Advantage normalisation is another field (`normalised`), with other rest points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import Field, FunctionField, VectorField
from dynamics.fields import update as eq1
from dynamics.motion import Trajectory, start_of, stepped
from dynamics.sampling import Terms, terms
from mdp import Array, chain


@dataclass(frozen=True)
class Optimiser:
    """One optimiser, as data: see the head of this module. `beta2` None: no division; `clip` None: no clipping.

    Raises ValueError unless 0 <= beta < 1, epsilon >= 0 and clip > 0.
    """

    name: str
    beta1: float = 0.0
    beta2: float | None = None
    epsilon: float = 1e-8
    clip: float | None = None

    def __post_init__(self) -> None:
        for name, beta in (("beta1", self.beta1), ("beta2", self.beta2 or 0.0)):
            if not 0 <= beta < 1:
                raise ValueError(f"optimiser {self.name!r}: {name} is {beta}; must lie in [0, 1)")
        if not self.epsilon >= 0:
            raise ValueError(f"optimiser {self.name!r}: epsilon is {self.epsilon}; must be at least 0")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"optimiser {self.name!r}: clip is {self.clip}; must be positive")


PLAIN = Optimiser("plain")
MOMENTUM = Optimiser("momentum 0.9", beta1=0.9)
ADAM = Optimiser("Adam", beta1=0.9, beta2=0.999)
CLIPPED = Optimiser("clipping 0.1", clip=0.1)
OPTIMISERS = (PLAIN, MOMENTUM, ADAM, CLIPPED)


@dataclass(frozen=True, eq=False)
class State:
    """What an optimiser remembers: the averages m and v (both of theta's shape) and the number of updates k."""

    m: Array
    v: Array
    k: int = 0


def start(theta: Array) -> State:
    """Nothing remembered yet."""
    return State(np.zeros_like(theta), np.zeros_like(theta))


def advance(optimiser: Optimiser, F: Array, state: State, axes: int) -> tuple[Array, State]:
    """The direction that is multiplied by eta, and the new state; the last `axes` axes of F are one parameter array.

    >>> direction, state = advance(ADAM, np.array([0.3, -7.0]), start(np.zeros(2)), 1)
    >>> direction.round(6).tolist()
    [1.0, -1.0]
    """
    if optimiser.clip is not None:
        norm = np.sqrt((F**2).sum(tuple(range(-axes, 0)), keepdims=True))
        F = F * np.minimum(1.0, optimiser.clip / np.maximum(norm, 1e-300))
    k = state.k + 1
    m = optimiser.beta1 * state.m + (1 - optimiser.beta1) * F
    if optimiser.beta2 is None:
        return m, State(m, state.v, k)
    v = optimiser.beta2 * state.v + (1 - optimiser.beta2) * F**2
    size = np.sqrt(v / (1 - optimiser.beta2**k)) + optimiser.epsilon
    mean = m / (1 - optimiser.beta1**k)
    return np.divide(mean, size, out=np.zeros_like(mean), where=size > 0), State(m, v, k)


def optimise(
    optimiser: Optimiser, field: VectorField, theta0: ArrayLike, eta: float, n_steps: int, *, every: int = 1
) -> Trajectory:
    """The iteration of an optimiser from theta0 (*shape) or (members, *shape).

    Keeps every `every`-th state and the last. Ctrl-C, a state that is not finite or a policy without end ends it, with
    `complete=False`. Raises ValueError for a step size that is not
    positive and finite, or fewer than one step.
    Source: Polyak 1964 (momentum); Kingma and Ba, Adam, ICLR 2015, Algorithm 1; Pascanu et al., ICML 2013 (clipping).

    >>> from vorticity import FunctionField
    >>> well = FunctionField(lambda x: -x, (1,))
    >>> optimise(PLAIN, well, [1.0], 0.5, 2).theta.ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    theta = start_of(field, theta0, members=None)
    state = start(theta)

    def step(at: Array) -> Array:
        nonlocal state
        direction, state = advance(optimiser, field(at), state, len(field.shape))
        return np.asarray(at + eta * direction)

    return stepped(theta, step, eta, n_steps, every)


def multipliers(eigenvalues: ArrayLike, eta: float, beta1: float) -> Array:
    """The multipliers of momentum at a zero of F whose Jacobian has these eigenvalues (n,): (n, 2), largest first.

    The roots of z² − (1 + beta1 + eta (1 − beta1) lambda) z + beta1. For small eta the larger one is
    exp(eta lambda − eta² lambda² (1 + beta1) / (2 (1 − beta1)) + ...): at a centre lambda = i omega the step pushes
    outward at the rate eta omega² (1 + beta1) / (2 (1 − beta1)) per unit of time, 19 times Euler's for beta1 = 0.9.

    >>> growth = np.log(np.abs(multipliers([1j], 1e-4, 0.9)[0, 0])) / 1e-4
    >>> round(float(growth / (1e-4 / 2)), 2)
    19.0
    """
    middle = (1 + beta1 + eta * (1 - beta1) * np.asarray(eigenvalues, dtype=complex)) / 2
    root = np.sqrt(middle**2 - beta1)
    both = np.stack([middle + root, middle - root], -1)
    order = np.argsort(-np.abs(both), axis=-1)
    return np.take_along_axis(both, order, -1)


def normalised(field: Field) -> FunctionField:
    """The field under advantage normalisation, as with an infinite batch: what PPO's divide-by-the-deviation descends.

        F[s, a] = d(s) (q Â − pi_theta Σ_b q Â − alpha ∂l),   Â = A / (sigma + 1e-8),   A = Q − Σ_a q Q,
        sigma² = Σ_s d Σ_a q A² / Σ_s d

    Q are the action values of the row's whole reward, `Rhat`; A has mean 0 under d q, so nothing else is subtracted.
    With q = pi_theta that is eq. (1) with 1/sigma(theta) before the reward: a row without a loss keeps its orbits and
    only time changes; a row with a loss weighs it by alpha · sigma(theta), so its rest points move. With another q the
    baseline itself changes the mean. Where A = 0 everywhere the reward's part is 0.
    Source: Schulman et al., PPO, 2017 (as implemented: advantages are standardised over the batch).

    >>> from mdp import zoo
    >>> normalised(Field(zoo.load("bandit:2"), "reward"))(np.zeros((1, 2))).round(6).tolist()
    [[-0.5, 0.5]]
    """

    def function(theta: Array) -> Array:
        found, d, A, sigma = _advantages(field, theta)
        local = eq1.local_update(found.p, found.q, A / (sigma + 1e-8)[..., None, None], found.slope)
        return field.student.pull_back(eq1.weighted(d, local))

    return FunctionField(function, field.shape, vectorised=True, analytic=True)


def spread_of_advantages(field: Field, theta: ArrayLike) -> float:
    """sigma of `normalised` at theta (*shape): the standard deviation of A over the visited states and actions.

    >>> from mdp import zoo
    >>> spread_of_advantages(Field(zoo.load("bandit:2"), "reward"), np.zeros((1, 2)))
    0.5
    """
    return float(_advantages(field, np.asarray(theta, dtype=float))[3])


def _advantages(field: Field, theta: Array) -> tuple[Terms, Array, Array, Array]:
    """The tables, visits d, advantages A = Q − Σ_a q Q of the row's whole reward, and their spread sigma."""
    found = terms(field, theta)
    control = chain(field.mdp, found.q)
    d = control.visits(field.mdp.initial)
    ahead = eq1.dot(found.q, found.arrival)
    _, Q = eq1.action_values(field.mdp, control, found.q, found.now, ahead, one_step=found.one_step)
    A = Q - eq1.dot(found.q, Q)[..., None]
    variance = (d * eq1.dot(found.q, A * A)).sum(-1) / d.sum(-1)
    return found, d, A, np.sqrt(variance)
