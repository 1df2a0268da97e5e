"""Candidates of a hunt: random MDPs with a rest point in closed form, and which of these points are unstable.

The field of a rule with reward is linear in the rewards, so a rest point need not be searched for: draw the world, the
teacher and the student's policy p, and solve for rewards under which p rests. `R(s, last action) = 0` loses nothing:
the shaping `R + f(s) − g Σ P f` changes no field (Ng, Harada and Russell, ICML 1999), and some f makes it so. Where a
rule has no reward, or nothing but rewards, rest points are found by Newton's iteration from a random policy.

A cycle in the plane surrounds a rest point that is no saddle; what is looked for is one that repels (trace and
determinant positive), in more dimensions one with a complex pair that grows. `growth` is `Re v / |v|` of that pair:
positive beyond a Hopf point, and the larger the farther. Whether the flow then ends on a cycle is for
`dynamics.orbits.outcomes` to say.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from dynamics.fields import Field, Fields, Worlds, differences, logits, slope, velocity
from dynamics.rules import ZERO, Rule, is_zero, structural_potential
from mdp import MDP, Array, softmax

FAMILIES = ("random", "graph")
FARTHEST = 12.0  # log-odds beyond which no rest point is looked for
LARGEST = 1e3  # rewards beyond this, in units of the distillation terms, are no find


@dataclass(frozen=True)
class Hunt:
    """What is hunted: a rule on MDPs of one shape, drawn from a seed.

    `family`: "random" (rows of P drawn at every sparseness, so that dense ones and nearly deterministic ones occur) or
    "graph" (every (s, a) leads to one state or ends). `observation` (S,) shares rows of the student; `discount` is
    that of all. Raises ValueError for sizes below 1, an unknown family, observations that do not cover 0..O−1, a
    discount outside (0, 1), a rule with a gate (it jumps), and whatever `Field` refuses.

    >>> from dynamics.rules import get
    >>> Hunt(get("reverse-kl"), 2, 2).parameters
    2
    """

    rule: Rule
    states: int
    actions: int
    reward: bool = True
    control: str | None = None
    alpha: Fraction = Fraction(1)
    observation: tuple[int, ...] | None = None
    family: str = "random"
    discount: Fraction = Fraction(99, 100)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("states", self.states, 1), ("actions", self.actions, 2)):
            if value < least:
                raise ValueError(f"{name} is {value}; must be at least {least}")
        if self.states * self.actions > 64:
            raise ValueError(f"{self.states} states x {self.actions} actions; a hunt takes at most 64 together")
        if self.family not in FAMILIES:
            raise ValueError(f"family is {self.family!r}; must be one of {', '.join(FAMILIES)}")
        if not 0 < self.discount < 1:
            raise ValueError(f"discount is {self.discount}; must lie between 0 and 1, for graphs may never end")
        if self.observation is not None and len(self.observation) != self.states:
            raise ValueError(
                f"observations: {len(self.observation)} given; must be one for each of {self.states} states"
            )
        if self.rule.id == "value-gate":
            raise ValueError("rule 'value-gate' jumps at its gate; a hunt needs a smooth field")
        _ = self.template

    @property
    def template(self) -> Field:
        """The rule's field on a plain MDP of the shape."""
        S, A = self.states, self.actions
        plain = MDP(
            P=np.zeros((S, A, S)).tolist(),
            R=np.zeros((S, A)).tolist(),
            initial=[Fraction(1, S)] * S,
            discount=self.discount,
            observation=None if self.observation is None else list(self.observation),
            teacher=[[Fraction(1, A)] * A] * S,
        )
        return Field(plain, self.rule, control=self.control, alpha=self.alpha, reward=self.reward)

    @property
    def parameters(self) -> int:
        """The number of coordinates O (A − 1)."""
        rows = self.states if self.observation is None else max(self.observation) + 1
        return rows * (self.actions - 1)

    @property
    def solvable(self) -> bool:
        """Whether rewards that make a policy rest can be solved for: there are some, and a distillation term besides.

        Without one the field is linear in the rewards and nothing else: no rewards at all would be the answer.
        """
        problem = self.template.problem
        distils = not is_zero(problem.loss) or problem.terms != dataclasses.replace(
            problem.terms, now=ZERO, state=ZERO, action=ZERO
        )
        return bool(problem.terms.r) and distils

    def never(self) -> str | None:
        """Why no MDP of this hunt can cycle, where the rule itself says so; None where it does not.

        A gradient field climbs its potential; one coordinate moves one way. Where every state has its own parameters,
        and the reward is 0 or looks one step ahead at what does not depend on the student, each state climbs a function
        of its own policy at a positive rate, whatever else moves (P1 for any loss; P3).

        >>> from dynamics.rules import get
        >>> Hunt(get("n-distill"), 2, 2).never()[:10]
        'a gradient'
        >>> Hunt(get("on-policy"), 2, 2).never() is None
        True
        """
        field = self.template
        potential = structural_potential(field.rule, field.control)
        if potential is not None:
            return f"a gradient: the flow climbs {potential}, and returns nowhere but at rest"
        if self.parameters == 1:
            return "one coordinate: it moves one way between rest points"
        problem = field.problem
        local = not problem.rewarded or (problem.one_step and not problem.terms.depends_on_student)
        if self.parameters == self.states * (self.actions - 1) and local:
            return "every state climbs a function of its own policy, at the rate of its visits"
        return None


@dataclass(frozen=True, eq=False)
class Draw:
    """N candidates: `fields`, and a policy `x` (N, n) of each, in differences of logits."""

    fields: Fields
    x: Array

    def take(self, index: Any) -> Draw:
        """The members of that index array."""
        return Draw(self.fields.take(index), self.x[index])

    def __len__(self) -> int:
        return len(self.x)


def draw(hunt: Hunt, k: int, n: int) -> Draw:
    """The k-th draw of n candidates, the same for the same (seed, k, n) whoever draws it, in whatever order.

    Rows of P and of the end, the start: Dirichlet, their concentration log-uniform in [0.05, 2] for each MDP; teacher:
    log-odds normal, their spread log-uniform in [0.5, 5]; the student's policy: log-odds normal, spread 2.5; rewards
    normal (where p leaves them free).

    >>> from dynamics.rules import get
    >>> hunt = Hunt(get("on-policy"), 2, 2, seed=3)
    >>> bool((draw(hunt, 7, 5).x == draw(hunt, 7, 5).x).all())
    True
    """
    rng = np.random.default_rng([hunt.seed, k])
    S, A = hunt.states, hunt.actions
    if hunt.family == "graph":
        P = np.eye(S + 1)[rng.integers(0, S + 1, size=(n, S, A))]
    else:
        P = _dirichlet(rng, n, (S, A, S + 1))
    initial = _dirichlet(rng, n, (S,))
    spread = np.exp(rng.uniform(np.log(0.5), np.log(5), size=(n, 1, 1)))
    teacher = softmax(spread * rng.standard_normal((n, S, A))).p
    x = 2.5 * rng.standard_normal((n, hunt.parameters))
    R = rng.standard_normal((n, S, A))
    R[..., -1] = 0
    worlds = Worlds(P[..., :-1], R, initial, np.full(n, float(hunt.discount)), teacher)
    return Draw(Fields(hunt.template, worlds), x)


def _dirichlet(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> Array:
    """Distributions over the last axis, one concentration for each of n."""
    concentration = np.exp(rng.uniform(np.log(0.05), np.log(2), size=(n, *[1] * len(shape))))
    weights = rng.gamma(np.broadcast_to(concentration, (n, *shape))) + 1e-12
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def rested(candidates: Draw) -> Draw:
    """The candidates with rewards under which x rests: of those that solve `F(x; R) = F0 + L R = 0` the nearest ones.

    L is read off the field itself, at unit rewards: it is linear in them. Members are dropped whose rewards come out
    beyond 1e3 or do not solve the equation (to 1e-8 of its terms).

    >>> from dynamics.rules import get
    >>> found = rested(draw(Hunt(get("on-policy"), 2, 2), 0, 10))
    >>> bool(np.abs(velocity(found.fields, found.x)).max() < 1e-6)
    True
    """
    fields, x = candidates.fields, candidates.x
    given = fields.worlds.R
    theta = logits(x, fields.shape)
    base = differences(fields.with_rewards(np.zeros_like(given))(theta))
    free = [(s, a) for s in range(given.shape[1]) for a in range(given.shape[2] - 1)]
    L = np.empty((*base.shape, len(free)))
    for j, place in enumerate(free):
        unit = np.zeros_like(given)
        unit[:, *place] = 1
        L[..., j] = differences(fields.with_rewards(unit)(theta)) - base
    kept = np.isfinite(base).all(-1) & np.isfinite(L).all((-1, -2))
    L, base, given = L[kept], base[kept], given[kept]
    r = np.stack([given[:, s, a] for s, a in free], -1)
    # Rows are scaled by their own size: visits may differ by many orders of magnitude.
    size = np.linalg.norm(L, axis=-1, keepdims=True) + 1e-300
    gap = base + np.einsum("nij,nj->ni", L, r)
    r = r - np.einsum("nji,ni->nj", np.linalg.pinv(L / size, rcond=1e-10), gap / size[..., 0])
    R = np.zeros_like(given)
    for j, (s, a) in enumerate(free):
        R[:, s, a] = r[:, j]
    found = candidates.take(np.flatnonzero(kept))
    found = Draw(found.fields.with_rewards(R), found.x)
    terms = np.abs(base) + np.abs(L * r[:, None, :]).sum(-1)
    left = np.abs(velocity(found.fields, found.x))
    good = (np.abs(r).max(-1) < LARGEST) & (left <= 1e-8 * terms + 1e-13).all(-1)
    return found.take(good)


def newton(candidates: Draw, most: int = 12) -> Draw:
    """The candidates moved to the rest points that damped Newton steps from x reach; those that reach none dropped.

    >>> from dynamics.rules import get
    >>> there = rested(draw(Hunt(get("on-policy"), 2, 2), 0, 10))
    >>> back = newton(Draw(there.fields, there.x + 0.01))
    >>> len(back) > 5 and bool(np.abs(velocity(back.fields, back.x)).max() < 1e-6)
    True
    """
    fields, x = candidates.fields, candidates.x.copy()
    step = np.full(x.shape, np.inf)
    for _ in range(most):
        at = x.clip(-2 * FARTHEST, 2 * FARTHEST)
        J, F = slope(fields, at), velocity(fields, at)
        size = np.linalg.norm(J, axis=-1, keepdims=True) + 1e-300
        bad = ~(np.isfinite(J).all((-1, -2)) & np.isfinite(F).all(-1))
        J[bad], F[bad], size[bad] = np.eye(x.shape[-1]), 1.0, 1.0
        step = -np.einsum("nij,nj->ni", np.linalg.pinv(J / size, rcond=1e-12), F / size[..., 0])
        longest = np.abs(step).max(-1, keepdims=True)
        x = x + step * np.minimum(1.0, 1.5 / (longest + 1e-300))
    there = (np.abs(step).max(-1) < 1e-7) & (np.abs(x).max(-1) < FARTHEST)
    return candidates.take(there) if not there.any() else Draw(fields, x).take(there)


def growth(candidates: Draw) -> Array:
    """`Re v / |v|` of the complex pair of eigenvalues that grows most, shape (N,), from −1 to 1; above 0: x repels.

    In the plane trace / (2 √det) where det > 0, cut at ±1 (nodes), and −1 at saddles. −1 also where there is no complex
    pair, where J is singular as far as rounding can tell, or a row of it is below 1e-7 of the terms that cancel in F:
    its eigenvalues say nothing. One coordinate cannot cycle: −1.
    """
    if not len(candidates) or candidates.x.shape[-1] == 1:
        return np.full(len(candidates), -1.0)
    fields, x = candidates.fields, candidates.x
    J = slope(fields, x)
    terms = fields.terms(logits(x, fields.shape))[..., 1:].reshape(x.shape)
    return np.where((np.abs(J).max(-1) > 1e-7 * terms).all(-1), repulsion(J), -1.0)


def repulsion(J: Array) -> Array:
    """The `growth` of Jacobians (N, n, n), n at least 2.

    >>> J = np.array([[[0.1, 1.0], [-1.0, 0.1]], [[1.0, 0.0], [0.0, -1.0]], [[1.0, -1.0], [2.0, -2.0]]])
    >>> repulsion(J).round(3)
    array([ 0.1, -1. , -1. ])
    """
    found = np.full(len(J), -1.0)
    size = np.linalg.norm(J, axis=-1)
    good = np.isfinite(J).all((-1, -2)) & (size > 0).all(-1)
    det = np.linalg.det(np.where(good[:, None, None], J / np.where(size > 0, size, 1)[..., None], 0))
    good &= np.abs(det) > 1e-9
    if J.shape[-1] == 2:
        trace, product = np.trace(J, axis1=1, axis2=2), det * size.prod(-1)
        turning = good & (np.abs(trace) > 1e-9 * size.sum(-1)) & (product > 0)
        found[turning] = np.clip(trace[turning] / (2 * np.sqrt(product[turning])), -1, 1)
        return found
    values = np.linalg.eigvals(J[good])
    length = np.abs(values)
    spiral = np.abs(values.imag) > 1e-6 * length
    found[good] = np.where(spiral, values.real / np.where(length > 0, length, 1), -1.0).max(-1)
    return found


def resting(hunt: Hunt, drawn: Draw) -> Draw:
    """The drawn candidates that rest at their x: `rested` where the rewards can be solved for, else `newton`."""
    with np.errstate(all="ignore"):
        return rested(drawn) if hunt.solvable else newton(drawn)


def wandering(candidates: Draw, *, steps: int = 1500, length: float = 0.06) -> Array:
    """Which of the candidates neither come to rest nor run off, from beside x: a quick look at all of them at once.

    Runge–Kutta steps of equal length along the orbit (`x' = F/(|F| + 1 % of |J|)`: the same orbits), `steps · length`
    nats in all. True, (N,): during the last third no coordinate left ±14, some coordinate moved by 0.05 or more, and
    every coordinate turned back twice. It is no verdict: `dynamics.orbits.outcomes` gives that.
    """
    fields, x = candidates.fields, candidates.x
    tilt = np.where(np.arange(x.shape[-1]) % 2, -0.05, 0.05)
    slow = 0.01 * np.linalg.norm(slope(fields, x), axis=(-1, -2))[:, None]
    y = x + tilt
    low, high = np.full(x.shape, np.inf), np.full(x.shape, -np.inf)
    alive = np.ones(len(x), dtype=bool)
    turns, last = np.zeros(x.shape, dtype=int), np.zeros(x.shape)

    def speed(at: Array) -> Array:
        F = velocity(fields, at.clip(-20, 20))
        return np.asarray(F / (np.linalg.norm(F, axis=-1, keepdims=True) + slow))

    for step in range(steps):
        a = speed(y)
        b = speed(y + length / 2 * a)
        c = speed(y + length / 2 * b)
        y = y + length / 6 * (a + 2 * b + 2 * c + speed(y + length * c))
        if step % 100 == 0:
            alive &= np.isfinite(y).all(-1) & (np.abs(y).max(-1) < 14)
            if not alive.any():
                break
        if step >= 2 * steps // 3:
            low, high = np.minimum(low, y), np.maximum(high, y)
            turns += a * last < 0
            last = a
    moved = ((high - low).max(-1) > 0.05) & (turns >= 2).all(-1)
    return np.asarray(alive & (np.abs(y).max(-1) < 14) & moved)


def model(fields: Fields, k: int, name: str = "") -> MDP:
    """The k-th member as an MDP, its floats read as the decimals they print as."""
    w, template = fields.worlds, fields.template.mdp
    return MDP(
        P=w.P[k].tolist(),
        R=w.R[k].tolist(),
        initial=w.initial[k].tolist(),
        discount=float(w.discount[k]),
        observation=template.observation.tolist() if template.n_observations < template.n_states else None,
        teacher=w.teacher[k].tolist(),
        name=name,
    )


def entropy(teacher: Array) -> Array:
    """The teacher's mean entropy over the states, in nats, of tables (N, S, A): (N,)."""
    return np.asarray(-(teacher * np.log(np.maximum(teacher, 1e-300))).sum(-1).mean(-1))
