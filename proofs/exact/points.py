"""The curl at one point, in any arithmetic, and what zero at a random point is worth.

Three uses: exact rational witnesses, balls where logarithms enter, and polynomial identity testing. For the last, the
entries of `J − J^T` are rational functions of free generators (p and logarithms) whose numerators have a degree and
coefficients bounded below (`degree_bound`, `height_bound`), so that a random point, or a random point modulo a random
prime, finds a curl that is not identically zero except with a stated probability (Schwartz, Zippel).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, log, log2
from typing import Any, TypeVar

import flint
import numpy as np

from dynamics.fields import Field, build
from dynamics.fields import update as eq1
from dynamics.rules import Formula, log_p, log_t, mixture_weight, parts, split
from mdp import MDP, Array, EndlessError, Policy, evaluation
from proofs.exact.arithmetic import (
    Arithmetic,
    Numbers,
    balls,
    objects,
    precision,
    rationals,
    residues,
    teacher_table,
    world,
)
from proofs.exact.fields import MANY_DIGITS, common_denominator, rational_phi

Found = TypeVar("Found")

SMALL_ERROR = 2.0**-60
LEAST_PRIME, MOST_PRIME = 1 << 61, 1 << 62
RANDOM_BITS = 80


@dataclass(frozen=True, eq=False)
class Setting:
    """A field in one arithmetic at hand for evaluation at points: see `at`."""

    field: Field
    arithmetic: Arithmetic
    world: Numbers
    problem: eq1.Problem

    def student(self, point: Array) -> Policy:
        """The policy (S, A) at a point: a table (O, A) of `Fraction`s, or for general features the y_k (n,).

        With features theta_k = m log y_k, m the common denominator of Phi; in balls theta_k = log y_k where that is
        too large. Raises ValueError in the other arithmetics there.
        """
        learner, numbers = self.field.student, self.arithmetic
        if learner.observation is not None:
            return numbers.policy(point[learner.observation])
        phi, m, y = rational_phi(learner), common_denominator(learner), numbers.array(point)
        theta = (m or 1) * numbers.log(y)
        logits = objects([_combination(theta, row, numbers) for row in phi], learner.table)
        if m is not None:
            weights = objects([_monomial(y, m * row) for row in phi], learner.table)
        elif numbers.name == "ball":
            weights = objects([x.exp() for x in logits.ravel()], learner.table)
        else:
            raise ValueError(MANY_DIGITS)
        sums = weights.sum(-1)
        return Policy(weights / sums[:, None], logits - numbers.log(sums)[:, None])

    def jacobian(self, point: Array) -> Array:
        """`∂F_i/∂theta_j`, (n, n), in full logits or features."""
        inner = eq1.jacobian(self.problem, self.student(point))
        learner = self.field.student
        if learner.observation is None:
            phi = self.arithmetic.array(rational_phi(learner))
            product = self.arithmetic.algebra.product
            return product(product(phi.T, inner), phi)
        if learner.phi is None:
            return inner
        n_actions = learner.shape[1]
        index = (learner.observation[:, None] * n_actions + np.arange(n_actions)).ravel()
        rows = np.zeros((learner.size, inner.shape[1]), dtype=object)
        np.add.at(rows, index, inner)
        result = np.zeros((learner.size, learner.size), dtype=object)
        np.add.at(result.T, index, rows.T)
        return result

    def curl(self, point: Array) -> Array:
        """`J − J^T` at the point, (n, n)."""
        jacobian = self.jacobian(point)
        return np.asarray(jacobian - jacobian.T)

    def visits_slopes(self, point: Array) -> Array:
        """`∂d(s)/∂logit[u, c]` as (s, u, c): how visits move with each state's own policy."""
        return eq1.visits_slopes(self.problem, self.student(point))


def setting(field: Field, arithmetic: Arithmetic) -> Setting:
    """The field's numbers in an arithmetic. Raises ZeroDivisionError where a residue has no inverse."""
    held = world(field.mdp, arithmetic)
    teacher = arithmetic.policy(teacher_table(field.mdp))
    problem = build(field, held, teacher, arithmetic.number, arithmetic.log)
    return Setting(field, arithmetic, held, problem)


def exp_theta(field: Field, point: Array) -> list[Fraction]:
    """exp theta_k at a point of general features: y_k^m, exactly (see `Setting.student`)."""
    m = common_denominator(field.student) or 1
    return [Fraction(x) ** m for x in point]


def _monomial(y: Array, powers: Array) -> Any:
    result = 1
    for x, power in zip(y, powers, strict=True):
        result = result * x ** int(power)
    return result


def _combination(theta: Array, row: Array, numbers: Arithmetic) -> Any:
    terms = (x * numbers.number(weight) for x, weight in zip(theta, row, strict=True) if weight)
    return sum(terms, numbers.number(Fraction(0)))


# --- points -----------------------------------------------------------------------------------------------------------


def readable_point(rng: np.random.Generator, field: Field) -> Array:
    """A strictly positive policy with small denominators (or small y_k), as `Fraction`s."""
    shape = field.shape
    weights = rng.integers(1, 5, size=shape)
    if field.problem.gated:  # gates are opened by students much worse than the teacher
        weights = 9 ** (weights - 1)
    if field.student.observation is None:
        return objects([Fraction(int(w), 2) for w in weights.ravel()], shape)
    sums = weights.sum(-1, keepdims=True) + 0 * weights
    return objects([Fraction(int(w), int(s)) for w, s in zip(weights.ravel(), sums.ravel(), strict=True)], shape)


def random_point(rng: np.random.Generator, field: Field) -> Array:
    """A point whose generators are uniform on sets of 2^80 rationals, strictly positive."""

    def draw() -> int:
        return 1 + random_bits(rng)

    shape = field.shape
    if field.student.observation is None:
        return objects([Fraction(draw()) for _ in range(field.size)], shape)
    table = []
    for _ in range(shape[0]):
        row = [Fraction(draw(), shape[1] << RANDOM_BITS) for _ in range(shape[1] - 1)]
        table += [*row, 1 - sum(row)]
    return objects(table, shape)


def random_bits(rng: np.random.Generator) -> int:
    """A whole number uniform below 2^80."""
    return int.from_bytes(rng.bytes(RANDOM_BITS // 8), "little")


def has_logarithms(field: Field) -> bool:
    """Whether a logarithm enters the field's Jacobian, so that its value at a rational policy is not rational."""
    return any(part in (log_p, log_t) or part.op == "log" for x in evaluated(field) for part in parts(x))


def is_rational(field: Field) -> bool:
    """Whether probabilities are rational functions of generators, of a degree that can be worked with."""
    return field.student.observation is not None or common_denominator(field.student) is not None


def check_rational(field: Field) -> None:
    """Raises ValueError for fields that are no rational functions of generators: gates, and Phi of many digits."""
    if field.problem.gated:
        raise ValueError(f"rule {field.rule.id!r} has a value gate, which is no rational function of theta")
    if not is_rational(field):
        raise ValueError(MANY_DIGITS)


def evaluated(field: Field) -> list[Formula]:
    """Every formula that eq. (1) and its Jacobian evaluate."""
    terms, slope = split(field.effective_rule), field.effective_rule.loss.gradient
    found = [terms.state, terms.state.gradient]
    for x in (slope, terms.now, terms.action):
        own, couplings = x.bend
        found += [x, own, *(one for pair in couplings for one in pair)]
    return found


@dataclass(frozen=True)
class Witness:
    """A point where the curl is not 0: `value` is a rational, or a ball where logarithms enter."""

    point: Array
    i: int
    j: int
    value: Any


def witness(field: Field, seed: int = 0, tries: int | None = None, *, in_balls: bool = False) -> Witness | None:
    """The first of a few readable points at which the curl is proved not to be 0, or None.

    Exact in rationals; in balls where logarithms enter (or `in_balls`, which large models need). A point on the gate
    of a gated rule is passed over.
    """
    rng = np.random.default_rng(seed)
    logarithms = has_logarithms(field) or in_balls or not is_rational(field)
    with precision():
        at = setting(field, balls() if logarithms else rationals())
        for _ in range(tries or (60 if field.problem.gated else 6)):
            point = readable_point(rng, field)
            if field.problem.gated and not gate_is_steady(field, point):
                continue
            try:
                curl = at.curl(point)
            except ZeroDivisionError:  # a formula of one's own need not be defined everywhere
                continue
            for i, j in _coordinates(field):
                if curl[i, j] != 0 and not (logarithms and curl[i, j].contains(0)):
                    return Witness(point, i, j, curl[i, j])
    return None


def _coordinates(field: Field) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(field.size) for j in range(i + 1, field.size))


def gate_is_steady(field: Field, point: Array) -> bool:
    """Whether the gate `V_pi(s) > V_theta(s)` is the same at every state in a neighbourhood of the point.

    It is where the values differ, and where they are equal for all theta: no action of the states reachable from s has
    an advantage over the teacher.
    """
    exact = field.mdp.exact
    p, t = point[field.student.observation], exact.teacher
    if t is None or p is None:
        return False
    theirs, ours = evaluation.evaluate(exact, t), evaluation.evaluate(exact, p)
    idle = idle_states(field.mdp)
    return bool(((theirs.values != ours.values) | idle).all())


def idle_states(mdp: MDP) -> Array:
    """Where every policy is worth what the teacher is, (S,): no state reachable from there has an advantage over it.

    Raises ValueError for an MDP without a teacher.

    >>> from mdp import zoo
    >>> idle_states(zoo.load("swirl")).any()
    np.False_
    """
    teacher = mdp.exact.teacher
    if teacher is None:
        raise ValueError("the MDP has no teacher to compare values with")
    idle = ~(evaluation.evaluate(mdp.exact, teacher).advantages != 0).any(-1)
    P = mdp.P.toarray() if mdp.is_sparse else mdp.P
    moves = (np.asarray(P) > 0).reshape(mdp.n_states, mdp.n_actions, -1)
    for _ in range(len(idle)):
        idle = idle & np.array([idle[moves[s].any(0)].all() for s in range(len(idle))])
    return np.asarray(idle)


# --- identity testing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZeroTest:
    """Whether the curl vanished at every random point, and the probability that it then is not identically 0."""

    zero: bool
    error_bound: float
    rounds: int

    @property
    def decided(self) -> bool:
        """Whether the answer is a proof, or wrong with a probability below 2^-60."""
        return not self.zero or self.error_bound < SMALL_ERROR


def identity_test(field: Field, seed: int = 0, most: int = 8) -> ZeroTest:
    """Is the curl identically 0? Asked modulo random primes at random points, until the error is below 2^-60.

    False is a proof that the curl is not zero as a rational function of free generators. True is wrong with a
    probability of at most `error_bound`, over the random choices: each round fails if the prime divides all
    coefficients of some numerator (at most height / 61 of the primes of 62 bits do) or if the point is a zero of it
    modulo the prime (at most degree / prime of the points are), or if two of k arguments of logarithms that differ
    agree there and share a logarithm (at most k² times the same). `error_bound` is 1 where nothing can be said. Raises
    ValueError for rules with a gate, and for features of many digits.
    """
    check_rational(field)
    rng = np.random.default_rng(seed)
    missed = height_bound(field) / log2(LEAST_PRIME) / _primes() + degree_bound(field) / LEAST_PRIME
    missed += _confused(field)
    bound = 1.0
    for rounds in range(1, most + 1):
        if not _vanishes(field, rng):
            return ZeroTest(False, 0.0, rounds)
        bound *= missed
        if bound < SMALL_ERROR:
            return ZeroTest(True, bound, rounds)
    return ZeroTest(True, min(bound, 1.0), most)


def _confused(field: Field) -> float:
    """At most the chance that two different arguments of logarithms agree at a random point modulo a random prime."""
    if not has_logarithms(field):
        return 0.0
    S, A = field.student.table
    kinds = {part.args[0] for x in evaluated(field) for part in parts(x) if part.op == "log"}
    above, below = _formula_degree(field)
    degree = 2 * (above + below + 1) * (1 if field.student.observation is not None else degree_bound(field))
    height = 2 * max(_bits(x) for x in (*teacher_table(field.mdp).ravel(), field.alpha)) * (above + below + 2)
    arguments = S * A * (2 + len(kinds))
    return float(arguments**2 * (degree / LEAST_PRIME + height / log2(LEAST_PRIME) / _primes()))


def _vanishes(field: Field, rng: np.random.Generator) -> bool:
    """Whether the curl is 0 at one random point modulo one random prime."""
    return at_random_residues(field, rng, lambda at, point: zero_matrix(at.curl(point)))


def at_random_residues(field: Field, rng: np.random.Generator, ask: Callable[[Setting, Array], Found]) -> Found:
    """What `ask` finds at one random point modulo one random prime; both are redrawn where a denominator vanishes.

    What is not 0 there is not 0 as a rational function: that much is a proof.
    """
    for _ in range(20):
        prime = random_prime(rng)
        try:
            return ask(setting(field, residues(prime, rng)), _residue_point(rng, field, prime))
        except (ZeroDivisionError, EndlessError):
            continue
    raise ValueError("no prime was found modulo which the model's numbers make sense")


def _residue_point(rng: np.random.Generator, field: Field, prime: int) -> Array:
    """A point with entries uniform modulo the prime, as whole `Fraction`s."""
    shape = field.shape
    table = rng.integers(1, prime, size=shape, dtype=np.int64)
    if field.student.observation is None:
        return objects([Fraction(int(x)) for x in table], shape)
    rows = [[int(x) for x in row] for row in table]
    return objects([Fraction(x) for row in rows for x in [*row[:-1], (1 - sum(row[:-1])) % prime]], shape)


def zero_matrix(matrix: Array) -> bool:
    """Whether every entry is exactly 0."""
    return all(x == 0 for x in matrix.ravel().tolist())


def point_test(field: Field, seed: int = 0) -> ZeroTest:
    """The same question at one random rational point with generators from sets of 2^80 numbers: no primes involved."""
    check_rational(field)
    rng = np.random.default_rng(seed)
    at = setting(field, rationals(rng))
    if not zero_matrix(at.curl(random_point(rng, field))):
        return ZeroTest(False, 0.0, 1)
    return ZeroTest(True, min(1.0, degree_bound(field) / 2.0**RANDOM_BITS), 1)


def random_prime(rng: np.random.Generator) -> int:
    """A prime drawn uniformly from those between 2^61 and 2^62."""
    while True:
        candidate = int(rng.integers(LEAST_PRIME, MOST_PRIME)) | 1
        if flint.fmpz(candidate).is_prime():
            return candidate


def _primes() -> float:
    """At least so many primes lie between x = 2^61 and 2x: 3x / (5 ln x) (Rosser and Schoenfeld 1962, (3.9))."""
    return 3 * LEAST_PRIME / (5 * log(LEAST_PRIME))


def degree_bound(field: Field) -> int:
    """The total degree of the numerators of the curl, over the common denominator, is at most this.

    An entry of J is a sum of products of at most: visits (degree S over det), a local bracket (S + phi + 4), two
    resolvents (S + 1 each), a value derivative (S + phi + 3) and four probabilities, phi being the degree of the
    rule's formulas; the common denominator is det(I − g P_q)^4 det(I − g P_theta)^2 times the formulas' own
    denominators, at most three at every state and action, and adds its degree. With general features a probability
    has the degree of Phi's largest exponent.
    """
    S, A = field.student.table
    above, below = _formula_degree(field)
    bound = 12 * S + 4 * above + 20 + 4 * S * A * below
    if field.student.observation is None:
        m, phi = common_denominator(field.student), rational_phi(field.student)
        if m is None:
            raise ValueError(MANY_DIGITS)
        bound *= 1 + 2 * int(m * max(abs(x) for x in phi.ravel())) * A * field.size
    return bound


def _formula_degree(field: Field) -> tuple[int, int]:
    """The largest degrees of numerators and denominators among the rule's formulas and their derivatives."""
    A = field.mdp.n_actions

    def degree(x: Formula) -> tuple[int, int]:
        if x.op == "number":
            return 0, 0
        if x.op in ("symbol", "log"):
            return 1, 0
        if x.op in ("total", "after"):
            n, d = degree(x.args[0])
            return n + (A - 1) * d, A * d
        (n1, d1), (n2, d2) = (degree(y) for y in x.args)
        if x.op == "+":
            return max(n1 + d2, n2 + d1), d1 + d2
        return (n1 + n2, d1 + d2) if x.op == "*" else (n1 + d2, d1 + n2)

    degrees = [degree(x) for x in evaluated(field)]
    return max(n for n, _ in degrees), max(d for _, d in degrees)


def height_bound(field: Field) -> float:
    """log2 of the coefficients of the same numerators, cleared of denominators, is at most this (generously).

    The l1 norm of a determinant is at most the product of its rows' l1 norms, and of a product at most the product of
    the norms; an entry of the curl over the common denominator has at most 24 factors of that size, with at most
    (S A + 2)^10 terms. Teacher's values have the teacher's determinant for a denominator, which counts as one more.
    """
    exact, S, A = field.mdp.exact, field.mdp.n_states, field.mdp.n_actions
    weight = mixture_weight(field.control)
    mixed = _bits(weight if weight is not None else Fraction(1, A))
    chain = 0.0
    teacher = 0.0 if exact.teacher is None else sum(_bits(x) for x in exact.teacher.ravel())
    for row in exact.rows:
        numbers = [x for moves in row for x in moves.values()]
        scale = lcm(*(x.denominator for x in numbers), exact.discount.denominator) if numbers else 1
        chain += log2(scale) + _bits(exact.discount) + mixed + 2 * log2(A + 2) + 1
    if weight not in (None, 0) or field.effective_rule.needs_teacher_values:
        chain += teacher
    tables = [exact.R, exact.initial, *([] if exact.loss is None else [exact.loss])]
    rest = teacher + sum(_bits(x) for table in tables for x in table.ravel()) + _bits(field.alpha)
    constants = [part.args[0] for x in evaluated(field) for part in parts(x) if part.op == "number"]
    rest += sum(_bits(x) for x in constants)
    if field.student.observation is None:
        rest += sum(_bits(x) for x in rational_phi(field.student).ravel())
    above, below = _formula_degree(field)
    size = 24 * (above + below * S * A + 2) * (2 * chain + rest) + 10 * log2(S * A + 2)
    if field.student.observation is None:
        size *= 1 + field.size
    return size


def _bits(x: Fraction) -> float:
    return abs(x.numerator).bit_length() + x.denominator.bit_length()
