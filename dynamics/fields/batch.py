"""Many MDPs of one shape at once: the fields of one rule on all of them, for searches.

Eq. (1) is the one of `dynamics.fields.update`: it takes a world whose arrays have a leading axis. The discount is
multiplied into P (an episode killed with probability 1 − g after every step ends with that probability), so that
members may differ in it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from dynamics.fields import update as eq1
from dynamics.fields.field import Field, build
from dynamics.fields.vector import VectorField
from mdp import MDP, Array, Policy, policy


@dataclass(frozen=True, eq=False)
class Worlds:
    """N MDPs of one shape: P (N, S, A, S) without the discount, R (N, S, A), initial (N, S), discount (N,),
    teacher (N, S, A). `world` is what `mdp.evaluation` takes.

    >>> from mdp import zoo
    >>> worlds([zoo.load("swirl")] * 3).P.shape
    (3, 2, 2, 2)
    """

    P: Array
    R: Array
    initial: Array
    discount: Array
    teacher: Array

    def __len__(self) -> int:
        return len(self.P)

    def take(self, index: ArrayLike) -> Worlds:
        """The members of that index array (integers, or True and False)."""
        chosen = np.asarray(index)
        return Worlds(*(getattr(self, part.name)[chosen] for part in dataclasses.fields(self)))


@dataclass(frozen=True, eq=False)
class _World:
    P: Array
    R: Array
    initial: Array
    ending: Array
    discount: float = 1.0
    loss: None = None


def worlds(mdps: list[MDP]) -> Worlds:
    """MDPs of one shape, each with a teacher, as a batch. Raises ValueError where one has no teacher, or own loss.

    >>> from mdp import zoo
    >>> worlds([zoo.load("chain"), zoo.load("swirl")]).discount.tolist()
    [1.0, 0.97]
    """
    for mdp in mdps:
        if mdp.teacher is None or mdp.loss is not None or mdp.is_sparse:
            raise ValueError(f"MDP {mdp.name!r}; a batch needs a teacher, dense P and no own loss")
    arrays = [[mdp.P, mdp.R, mdp.initial, mdp.discount, mdp.teacher] for mdp in mdps]
    return Worlds(*(np.array(part, dtype=float) for part in zip(*arrays, strict=True)))


@dataclass(frozen=True, eq=False)
class Fields(VectorField):
    """The fields of one rule on N MDPs: theta (N, O, A) to (N, O, A), the k-th row with the k-th MDP.

    `template` is the rule's field on any MDP of the shape: it gives the rule, alpha, control and the student.

    >>> from mdp import zoo
    >>> one = Field(zoo.load("swirl"), "reverse-kl", reward=True)
    >>> theta = np.array([[0.0, 1.0], [0.0, 2.0]])
    >>> bool(np.allclose(Fields(one, worlds([zoo.load("swirl")] * 2))([theta, theta]), one(theta), rtol=1e-12))
    True
    """

    template: Field
    worlds: Worlds

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """(O, A) of one member."""
        return self.template.shape

    def __call__(self, theta: ArrayLike) -> Array:
        """F(theta), (N, O, A)."""
        student = self.template.student
        return student.pull_back(eq1.update(self.problem, student.policy(np.asarray(theta))))

    def jacobian(self, theta: ArrayLike) -> Array:
        """∂F_i/∂theta_j of every member, (N, n, n)."""
        student = self.template.student
        return student.pull_back_jacobian(eq1.jacobian(self.problem, student.policy(np.asarray(theta))))

    @cached_property
    def problem(self) -> eq1.Problem:
        """The constants of eq. (1), with the members as a leading axis."""
        w = self.worlds
        ends = 1 - w.P.sum(-1)
        g = w.discount[:, None, None]
        world = _World(g[..., None] * w.P, w.R, w.initial, (1 - g) + g * ends)
        teacher: Policy = policy(w.teacher)
        return build(self.template, world, teacher, float, np.log)

    def terms(self, theta: ArrayLike) -> Array:
        """The sizes of what cancels in F: `Σ d(s) (max |Q| + alpha max |∂l|)` over a row's states, (N, O, A)."""
        student, problem = self.template.student, self.problem
        at = eq1.evaluate(problem, student.policy(np.asarray(theta)), visits_suffice=False)
        size = at.d * self.template.scales(at)[..., None]
        return student.pull_back(np.broadcast_to(size[..., None], at.local.shape))

    def take(self, index: ArrayLike) -> Fields:
        """The members of that index array."""
        return Fields(self.template, self.worlds.take(index))

    def with_rewards(self, R: Array) -> Fields:
        """The same with other rewards, (N, S, A)."""
        return Fields(self.template, dataclasses.replace(self.worlds, R=R))


def differences(theta: Array) -> Array:
    """Rows of logits (..., O, A), or their velocities, as differences to action 0: (..., O·(A−1)).

    >>> differences(np.array([[1.0, 3.0]])).tolist()
    [2.0]
    """
    d = theta[..., 1:] - theta[..., :1]
    return np.asarray(d.reshape(*d.shape[:-2], -1))


def logits(x: Array, shape: tuple[int, ...]) -> Array:
    """Differences (..., n) as rows of logits (..., O, A), action 0 at 0."""
    rows = x.reshape(*x.shape[:-1], shape[0], shape[1] - 1)
    return np.asarray(np.concatenate([np.zeros_like(rows[..., :1]), rows], -1))


def velocity(fields: Fields, x: Array) -> Array:
    """The fields in differences: (N, n) to (N, n)."""
    return differences(fields(logits(x, fields.shape)))


def slope(fields: Fields, x: Array) -> Array:
    """The Jacobians in differences, (N, n, n)."""
    rows, actions = fields.shape
    J = fields.jacobian(logits(x, fields.shape)).reshape(-1, rows, actions, rows, actions)
    J = (J[:, :, 1:] - J[:, :, :1])[..., 1:]
    return np.asarray(J.reshape(len(J), x.shape[-1], x.shape[-1]))
