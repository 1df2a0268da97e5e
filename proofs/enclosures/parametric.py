"""Systems dx/dt = F(x, mu) in Taylor arithmetic: what proofs about bifurcations differentiate.

A system's `velocity` is run on truncated power series in one variable t with ball coefficients (Arb). Put x + t u and
mu + t w in, and the coefficients of 1, t, t², t³ that come out are F, its first derivative along (u, w), half the
second and a sixth of the third; polarisation gives the mixed ones (`proofs.cycles.hopf`). A field of an MDP is eq. (1)
as `dynamics.fields.update` has it, run on these series: no formula is written a second time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
import numpy as np

from dynamics.fields import Field, build
from dynamics.fields import update as eq1
from dynamics.rules import mixture_weight
from mdp import Algebra, Array, Policy
from proofs.exact import Arithmetic, Numbers, balls, objects, teacher_table, world

ORDER = 3  # the highest power of t kept
KINDS = ("alpha", "discount", "teacher", "sharpness", "mixture", "reward")


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """A truncated power series in t with ball coefficients, a_0 + … + a_3 t³; + − × ÷, `exp` and `log`.

    A thin coat over FLINT's `arb_series`: bare ones have a length, and numpy takes them for rows of numbers.

    >>> t = variable(2, 1)
    >>> [int(c.unique_fmpz()) for c in coefficients(t * t - 1)]
    [3, 4, 1, 0]
    """

    value: Any

    def __neg__(self) -> Series:
        return Series(-self.value)

    def __add__(self, other: Number) -> Any:
        return _bare(other, lambda y: self.value + y)

    def __sub__(self, other: Number) -> Any:
        return _bare(other, lambda y: self.value - y)

    def __rsub__(self, other: Number) -> Any:
        return _bare(other, lambda y: y - self.value)

    def __mul__(self, other: Number) -> Any:
        return _bare(other, lambda y: self.value * y)

    def __truediv__(self, other: Number) -> Any:
        return _bare(other, lambda y: self.value / y)

    def __rtruediv__(self, other: Number) -> Any:
        return _bare(other, lambda y: y / self.value)

    __radd__ = __add__
    __rmul__ = __mul__

    def exp(self) -> Series:
        """The exponential."""
        return Series(self.value.exp())

    def log(self) -> Series:
        """The natural logarithm; nothing is known of it (NaN) where a_0 may not be positive."""
        return Series(self.value.log())


Ball = Any
Balls = list[Any]
Number = Any  # a Series, a ball (Arb) or a whole number


def _bare(other: Number, operation: Callable[[Any], Any]) -> Any:
    if isinstance(other, Series):
        return Series(operation(other.value))
    return Series(operation(other)) if isinstance(other, (int, flint.arb)) else NotImplemented


def variable(a: Any, b: Any) -> Series:
    """The series a + b t."""
    return Series(flint.arb_series([a, b], prec=ORDER + 1))


@dataclass(frozen=True, eq=False)
class Parametric:
    """dx/dt = F(x, mu) in n = `size` coordinates: `velocity(x, mu)` maps n series and one to n series (or balls).

    `low` and `high` bound the open interval of parameters that make sense (None: no bound). `field` and `parameter`
    say which field of an MDP it is and what moves in it, as certificates say it; None for formulas of one's own.
    """

    name: str
    size: int
    velocity: Callable[[Sequence[Number], Number], Sequence[Number]]
    low: Fraction | None = None
    high: Fraction | None = None
    field: Field | None = None
    parameter: dict[str, Any] | None = None


def taylor(at: Parametric, x: Sequence[Any], mu: Any, dx: Sequence[Any], dmu: Any) -> list[list[Any]]:
    """The coefficients of 1, t, t², t³ of F(x + t dx, mu + t dmu), for each of the n components.

    All arguments are balls (or whole numbers); the coefficients hold the true ones for every point of the balls.

    >>> from proofs.exact import precision
    >>> cube = Parametric("cube", 1, lambda x, mu: [x[0] * x[0] * x[0] + mu])
    >>> with precision(64):
    ...     [float(c) for c in taylor(cube, [flint.arb(2)], flint.arb(5), [1], 0)[0]]
    [13.0, 12.0, 6.0, 1.0]
    """
    moved = [variable(y, dy) for y, dy in zip([*x, mu], [*dx, dmu], strict=True)]
    return [coefficients(y) for y in at.velocity(moved[:-1], moved[-1])]


def coefficients(y: Number) -> list[Any]:
    """The coefficients of 1, t, t², t³ of a series; a ball (or a number) has the first only.

    Raises ZeroDivisionError for a series that a division by t has shortened.
    """
    if isinstance(y, Series):
        if y.value.prec <= ORDER:
            raise ZeroDivisionError("a series was divided by one that starts with 0")
        return [y.value[k] for k in range(ORDER + 1)]
    return [flint.arb(y)] + [flint.arb(0)] * ORDER


@dataclass(frozen=True, eq=False)
class Derivatives:
    """`value` F (n,), `first` (n, n + 1) and `second` (n, n + 1, n + 1) derivatives in (x, mu), balls."""

    value: Array
    first: Array
    second: Array


def derivatives(at: Parametric, x: Balls, mu: Ball) -> Derivatives:
    """F and its derivatives at a point or over a box: `∂_i∂_j F = h(e_i + e_j) − h(e_i) − h(e_j)`, 2h(u) = D²F(u, u).

    >>> saddle = Parametric("xy", 1, lambda x, mu: [x[0] * mu])
    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     found = derivatives(saddle, [flint.arb(2)], flint.arb(3))
    >>> [[int(y.unique_fmpz()) for y in row] for row in found.second[0]]
    [[0, 1], [1, 0]]
    """
    n = at.size
    unit = np.eye(n + 1, dtype=int).tolist()
    along = [taylor(at, x, mu, e[:-1], e[-1]) for e in unit]
    half = [[c[2] for c in one] for one in along]
    second = np.empty((n, n + 1, n + 1), dtype=object)
    for i in range(n + 1):
        second[:, i, i] = [2 * h for h in half[i]]
        for j in range(i):
            both = taylor(at, x, mu, *_split_direction([a + b for a, b in zip(unit[i], unit[j], strict=True)]))
            second[:, i, j] = second[:, j, i] = [c[2] - a - b for c, a, b in zip(both, half[i], half[j], strict=True)]
    first = objects([one[r][1] for r in range(n) for one in along], (n, n + 1))
    return Derivatives(objects([c[0] for c in along[0]], (n,)), first, second)


def _split_direction(e: list[int]) -> tuple[list[int], int]:
    return e[:-1], e[-1]


# --- fields of MDPs ---------------------------------------------------------------------------------------------------


def of_field(field: Field, kind: str, *, state: int | None = None, action: int | None = None) -> Parametric:
    """A field in logit differences x[o, k] = theta[o, k+1] − theta[o, 0], flattened, with one number of it as mu.

    `kind`: "alpha", "discount"; "teacher", the teacher's probability of `action` in every state, the others keeping
    their proportions; "sharpness", the power k of `pi^k / Σ_b pi^k`; "mixture", the share W of the control
    `W pi + (1 − W) pi_theta`; "reward", R[state, action]. As in `dynamics.fields.families`. The value that the field
    itself has for it plays no part.

    Raises ValueError for another kind, for a place that is missing or not there, for a value gate (it is not smooth),
    for students with features, and for teachers that a family cannot be made of.

    >>> from mdp import zoo
    >>> from proofs.exact import precision
    >>> swirl = of_field(Field(zoo.load("swirl"), "on-policy"), "alpha")
    >>> with precision(64):
    ...     [round(float(c[0]), 6) for c in taylor(swirl, [flint.arb(0)] * 2, flint.arb(1), [0, 0], 1)]
    [-18.522267, -14.115073]
    """
    _check(field, kind, state, action)
    if kind == "mixture" and mixture_weight(field.control) in (None, 0, 1):
        field = Field(field.mdp, field.rule, control="mix:1/2", student=field.student)
    rows, n_actions = field.student.shape
    observation = field.student.observation

    @lru_cache(maxsize=8)
    def numbers(_bits: int) -> tuple[Arithmetic, Numbers, Policy]:
        arithmetic = series()
        return arithmetic, world(field.mdp, arithmetic), arithmetic.policy(teacher_table(field.mdp))

    def velocity(x: Sequence[Number], mu: Number) -> list[Number]:
        arithmetic, held, teacher = numbers(flint.ctx.prec)
        problem = _problem(field, kind, (state, action), mu, arithmetic, held, teacher)
        table = student(x, rows, n_actions)
        velocities = eq1.update(problem, Policy(table.p[observation], table.log_p[observation]))
        totals = np.full((rows, n_actions), flint.arb(0), dtype=object)
        for s, o in enumerate(np.asarray(observation).tolist()):
            totals[o] = totals[o] + velocities[s]
        return [y for row in totals for y in (row[1:] - row[0]).tolist()]

    parameter = {"kind": kind} | {k: v for k, v in (("state", state), ("action", action)) if v is not None}
    low, high = _domain(kind)
    name = f"{field.rule.id} on {field.mdp.name or 'an MDP'} in {kind}"
    return Parametric(name, rows * (n_actions - 1), velocity, low, high, field, parameter)


def student(x: Sequence[Number], rows: int, n_actions: int) -> Policy:
    """The policy (O, A) with log-odds z = (0, x): `p_a = 1 / Σ_b exp(z_b − z_a)` and its logarithm."""
    sums = []
    for o in range(rows):
        z = [flint.arb(0), *x[o * (n_actions - 1) : (o + 1) * (n_actions - 1)]]
        sums += [sum(((b - a).exp() for k, b in enumerate(z) if k != i), flint.arb(1)) for i, a in enumerate(z)]
    shape = (rows, n_actions)
    return Policy(objects([1 / y for y in sums], shape), objects([-y.log() for y in sums], shape))


def series() -> Arithmetic:
    """The arithmetic of balls in which matrices may hold power series: `inverse` works term by term."""
    plain = balls()

    def log(x: Array) -> Array:
        return objects([y.log() for y in x.ravel().tolist()], x.shape)

    def product(x: Array, y: Array) -> Array:
        return np.asarray(x @ y)

    return Arithmetic("series of balls", plain.number, log, Algebra(inverse, product))


def inverse(matrix: Array) -> Array:
    """The inverse of a square matrix M = Σ M_k t^k of series: N_0 = M_0⁻¹, N_k = −N_0 Σ_{j=1..k} M_j N_{k−j}.

    Raises ZeroDivisionError where M_0 may be singular.

    >>> from proofs.exact import precision
    >>> with precision(64):
    ...     found = inverse(objects([variable(1, 1)], (1, 1)))[0, 0]
    >>> [int(c.unique_fmpz()) for c in coefficients(found)]
    [1, -1, 1, -1]
    """
    n = len(matrix)
    parts = list(zip(*(coefficients(y) for y in matrix.ravel().tolist()), strict=True))
    M = [flint.arb_mat(n, n, list(part)) for part in parts]
    N = [M[0].inv()]
    for k in range(1, ORDER + 1):
        total = M[1] * N[k - 1]
        for j in range(2, k + 1):
            total = total + M[j] * N[k - j]
        N.append(-(N[0] * total))
    entries = zip(*(part.entries() for part in N), strict=True)
    return objects([Series(flint.arb_series(list(entry), prec=ORDER + 1)) for entry in entries], (n, n))


# --- what moves -------------------------------------------------------------------------------------------------------


def _problem(
    field: Field, kind: str, place: tuple[Any, Any], mu: Number, arithmetic: Arithmetic, held: Numbers, teacher: Policy
) -> eq1.Problem:
    """The field's problem with mu in the place of what moves."""
    number, log = arithmetic.number, arithmetic.log
    if kind == "discount":
        held = dataclasses.replace(held, discount=mu)
    if kind == "reward":
        rewards = held.R.copy()
        rewards[place] = mu
        held = dataclasses.replace(held, R=rewards)
    if kind == "teacher":
        teacher = _shared(teacher_table(field.mdp), place[1], mu, arithmetic)
    if kind == "sharpness":
        teacher = _sharpened(teacher, mu)
    problem = build(field, held, teacher, number, log)
    if kind == "alpha":
        return dataclasses.replace(problem, alpha=mu)
    if kind == "mixture":
        return dataclasses.replace(problem, base=mu * teacher.p, share=1 - mu)
    return problem


def _shared(table: Array, action: int, mu: Number, arithmetic: Arithmetic) -> Policy:
    """The teacher with probability mu of one action, the others keeping their proportions; log 0 is 0."""
    p = np.full(table.shape, flint.arb(0), dtype=object)
    logs = p.copy()
    for s, row in enumerate(table):
        for a, share in enumerate(row):
            if a == action or share != 0:
                weight = arithmetic.number(share / (1 - row[action]))
                p[s, a] = mu if a == action else (1 - mu) * weight
                logs[s, a] = p[s, a].log()
    return Policy(p, logs)


def _sharpened(teacher: Policy, mu: Number) -> Policy:
    """The policy `pi^mu / Σ_b pi^mu`, by logarithms."""
    logits = mu * teacher.log_p
    weights = objects([z.exp() for z in logits.ravel().tolist()], logits.shape)
    totals = weights.sum(-1)
    logs = objects([y.log() for y in totals.tolist()], totals.shape)
    return Policy(weights / totals[:, None], logits - logs[:, None])


def _domain(kind: str) -> tuple[Fraction | None, Fraction | None]:
    low = None if kind in ("reward", "sharpness") else Fraction(0)
    return low, None if kind in ("reward", "sharpness", "alpha") else Fraction(1)


def _check(field: Field, kind: str, state: int | None, action: int | None) -> None:
    """Raise ValueError unless a family of this kind can be made of the field."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; must be one of {', '.join(KINDS)}")
    if field.problem.gated:
        raise ValueError(f"rule {field.rule.id!r} has a value gate; a Hopf point needs a smooth field")
    if field.student.observation is None or field.shape[1] < 2:
        raise ValueError("the parameters must be rows of at least two logits, one row for each observation")
    wanted = {"teacher": ("action",), "reward": ("state", "action")}.get(kind, ())
    sizes = {"state": field.mdp.n_states, "action": field.mdp.n_actions}
    for name, value in (("state", state), ("action", action)):
        if (value is not None) != (name in wanted):
            raise ValueError(f"{name} is {value}; kind {kind!r} needs {' and '.join(wanted) or 'no place'}")
        if value is not None and not 0 <= value < sizes[name]:
            raise ValueError(f"{name} is {value}; must be 0 to {sizes[name] - 1}")
    table = field.mdp.exact.teacher
    if kind not in ("teacher", "sharpness", "mixture"):
        return
    if table is None:
        raise ValueError(f"the MDP has no teacher; kind {kind!r} needs one")
    for s, row in enumerate(table):
        if kind == "teacher" and row[action] == 1:
            raise ValueError(f"teacher[{s}, {action}] is 1; must leave the other actions a probability to share")
        if kind == "sharpness" and min(row) == 0:
            raise ValueError(f"teacher[{s}] has a 0; must be positive to have log-odds")
