"""The exact field: eq. (1) as rational functions of the policy and of logarithms, for all theta at once.

Generators are the probabilities p (those of the last action eliminated by Σ_a p = 1), their logarithms, logarithms of
the teacher, and, for a *generic* field, every number of the MDP as well, so that a verdict holds for all MDPs of that
size. `∂/∂theta_k` acts as a derivation: `∂p_b = p_b ∂ log p_b` with `∂ log p_b = phi_bk − Σ_c p_c phi_ck`.
The logarithm of anything else is a fresh generator w = log x with ∂w = ∂x / x. What is zero as a rational function of
free generators is zero for all theta: that is a proof.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np

from dynamics.fields import Field, build
from dynamics.fields import update as eq1
from dynamics.rules import parts
from mdp import MDP, Array, Policy, Student, rational
from mdp import student as students
from proofs.exact.arithmetic import Numbers, objects, teacher_table, world
from proofs.exact.ring import Derivation, Ratio, Ring

LARGEST_POWER = 1000  # the largest degree of exp(theta / m) in a policy of general features
MANY_DIGITS = "Phi holds numbers of many digits, so exp(Phi theta) is a rational function of too high a degree"


@dataclass(frozen=True, eq=False)
class ExactField:
    """A field as rational functions: `values[k]` is F_k, k running over the flattened parameters.

    `problem` and `student` are what `dynamics.fields.update` evaluates, `derivations[k]` is ∂/∂theta_k.
    """

    ring: Ring
    problem: eq1.Problem
    student: Policy
    learner: Student
    derivations: list[Derivation]

    @cached_property
    def values(self) -> list[Ratio]:
        """F_k, pulled back to the parameters."""
        return pull_back(self.learner, eq1.update(self.problem, self.student))

    @property
    def coordinates(self) -> list[int]:
        """Parameters that suffice to see the curl: rows of logits have one degree of freedom less than actions.

        Adding a constant to a row changes nothing, and a row of F sums to 0, so the curl's rows sum to 0 too.
        """
        if self.learner.observation is None:
            return list(range(self.learner.size))
        n_actions = self.learner.shape[1]
        return [k for k in range(self.learner.size) if k % n_actions]

    def curl(self, i: int, j: int) -> Ratio:
        """`∂F_i/∂theta_j − ∂F_j/∂theta_i`."""
        first: Ratio = self.values[i].derivative(self.derivations[j])
        found: Ratio = first - self.values[j].derivative(self.derivations[i])
        return found

    def first_curl(self) -> tuple[int, int] | None:
        """The first pair of coordinates whose curl is not zero as a rational function; None proves a gradient field."""
        chosen = self.coordinates
        for n, i in enumerate(chosen):
            for j in chosen[:n]:
                if self.curl(i, j) != 0:
                    return j, i
        return None

    def potential(self) -> Ratio:
        """The function the rule is said to climb (`dynamics.fields.update.potential`)."""
        value = np.asarray(eq1.potential(self.problem, self.student), dtype=object)  # 0-dimensional, or a bare 0
        found: Ratio = self.ring.number(0) + value.item()
        return found

    def climbs(self, potential: Ratio) -> bool:
        """Whether F is the gradient of this function, for every parameter: a proof by differentiation."""
        return all(
            potential.derivative(derivation) == value
            for value, derivation in zip(self.values, self.derivations, strict=True)
        )

    def equals(self, other: ExactField) -> bool:
        """Whether two fields over one ring are the same function."""
        return all(x == y for x, y in zip(self.values, other.values, strict=True))


def pull_back(learner: Student, update: Array) -> list[Any]:
    """Phi^T u of exact numbers, flattened."""
    if learner.observation is None:
        phi = rational_phi(learner)
        return [sum((phi[r, k] * x for r, x in enumerate(update.ravel()) if phi[r, k]), 0) for k in range(learner.size)]
    rows: list[Any] = [0] * learner.shape[0]
    for s, o in enumerate(learner.observation):
        rows[o] = rows[o] + update[s]
    return [x for row in rows for x in row]


def rational_phi(learner: Student) -> Array:
    """Phi as `Fraction`s, as written, (S·A, n)."""
    phi = np.eye(learner.size) if learner.phi is None else learner.phi
    dense = phi if isinstance(phi, np.ndarray) else phi.toarray()
    known: dict[Any, Fraction] = {}
    flat = [known.setdefault(x, rational(x, "Phi")) if x not in known else known[x] for x in dense.ravel().tolist()]
    return objects(flat, dense.shape)


def common_denominator(learner: Student) -> int | None:
    """The least m that makes m·Phi whole, or None where an entry of m·Phi is beyond 1000 in size.

    With y_k = exp(theta_k / m) every p is a rational function of the y_k, of the degree of m·Phi: useless where Phi
    holds numbers with many digits.

    >>> from mdp.student import features
    >>> common_denominator(features([[0.5], [0.25]], 2)), common_denominator(features([[0.123456789], [1.0]], 2))
    (4, None)
    """
    phi = rational_phi(learner).ravel()
    m = lcm(*(x.denominator for x in phi))
    return m if m * max(abs(x) for x in phi) <= LARGEST_POWER else None


def exact_field(field: Field) -> ExactField:
    """The exact field of `field`, for its own MDP.

    Raises ValueError for rules with the value gate, which is no rational function, and for features beyond
    `common_denominator`.

    >>> from mdp import zoo
    >>> exact = exact_field(Field(zoo.load("chain"), "on-policy"))
    >>> exact.first_curl(), exact.values[0]
    ((1, 3), -p0_0 + 1/3)
    """
    return fields(field)[0]


def fields(*several: Field) -> list[ExactField]:
    """Exact fields of one MDP and student over one ring, so that they can be compared."""
    first = several[0]
    builder = _Builder(first.student, list(several))
    arithmetic = builder.ring.arithmetic(builder.log)
    held = world(first.mdp, arithmetic)
    teacher = arithmetic.policy(teacher_table(first.mdp))
    return [builder.field(one, held, teacher, None) for one in several]


def generic(
    states: int, actions: int, *settings: dict[str, Any], observation: list[int] | None = None
) -> list[ExactField]:
    """Fields of *every* MDP of a size: P (rows of any sum), R, start, discount, alpha and teacher are generators.

    Each of `settings` holds `rule` and, if wanted, `control` and `reward`. What is proved of them holds wherever the
    denominators, det(I − g P_q), are not 0, so for every MDP whose policy ends, with P of any sparsity.

    >>> (field,) = generic(2, 2, {"rule": "n-distill"})
    >>> field.climbs(field.potential())
    True
    """
    weights = list(range(1, actions + 1))
    template = MDP(
        P=[[[0] * states] * actions] * states,
        R=[[0] * actions] * states,
        initial=[1] + [0] * (states - 1),
        observation=observation,
        teacher=[[Fraction(w, sum(weights)) for w in weights]] * states,
    )
    several = [Field(template, **one) for one in settings]
    builder = _Builder(students.of(template), several, numbers=True)
    held, teacher, alpha = builder.numbers(states, actions)
    return [builder.field(one, held, teacher, alpha) for one in several]


class _Builder:
    """Chooses the generators, and knows every generator's derivatives and logarithm."""

    def __init__(self, learner: Student, several: list[Field], *, numbers: bool = False) -> None:
        for field in several:
            if field.problem.gated:
                raise ValueError(f"rule {field.rule.id!r} has a value gate, which is no rational function of theta")
        self.learner = learner
        S, A = learner.table
        logs = {
            part
            for field in several
            for x in (field.effective_rule.loss, field.effective_rule.reward)
            for part in parts(x)
            if part.op == "log"
        }
        spare = [f"w{k}" for k in range(S * A * (1 + len(logs)) + 1)]
        rows = 0 if learner.observation is None else learner.shape[0]
        names = [f"p{o}_{a}" for o in range(rows) for a in range(A - 1)]
        names += [f"L{o}_{a}" for o in range(rows) for a in range(A) if A > 1]
        if not rows:
            names += [f"{letter}{k}" for letter in ("y", "theta") for k in range(learner.size)]
            names += [f"Z{s}" for s in range(S)]
        if numbers:
            names += [f"P{s}_{a}_{x}" for s in range(S) for a in range(A) for x in range(S)]
            names += [f"R{s}_{a}" for s in range(S) for a in range(A)]
            names += [f"t{s}_{a}" for s in range(S) for a in range(A - 1)]
            names += [*(f"start{s}" for s in range(S)), "g", "alpha"]
        self.ring = Ring(names + spare)
        self.spare = iter(spare)
        self.known: list[tuple[Ratio, Ratio]] = [(self.ring.number(1), self.ring.number(0))]
        self.derivations: list[dict[int, Ratio]] = [{} for _ in range(learner.size)]
        self.student = self._observed() if rows else self._features()

    def gen(self, name: str) -> Ratio:
        return self.ring.gens[name]

    def _row(self, letter: str, row: int, n_actions: int) -> list[Ratio]:
        """n − 1 generators and 1 less their sum."""
        first = [self.gen(f"{letter}{row}_{a}") for a in range(n_actions - 1)]
        return [*first, self.ring.number(1) - sum(first, self.ring.number(0))]

    def _observed(self) -> Policy:
        """Rows of free logits: p and log p of every observation."""
        rows, A = self.learner.shape
        observation = self.learner.observation
        p = [self._row("p", o, A) for o in range(rows)]
        logs = [[self.gen(f"L{o}_{a}") if A > 1 else self.ring.number(0) for a in range(A)] for o in range(rows)]
        for o in range(rows):
            for c in range(A):
                derivation = self.derivations[o * A + c]
                for a in range(A):
                    slope = int(a == c) - p[o][c]
                    if A > 1:
                        derivation[self.ring.index[f"L{o}_{a}"]] = slope
                    if a < A - 1:
                        derivation[self.ring.index[f"p{o}_{a}"]] = p[o][a] * slope
        self.known += [(x, y) for row, logrow in zip(p, logs, strict=True) for x, y in zip(row, logrow, strict=True)]
        pick = [] if observation is None else observation.tolist()
        shape = self.learner.table
        return Policy(
            objects([x for o in pick for x in p[o]], shape), objects([x for o in pick for x in logs[o]], shape)
        )

    def _features(self) -> Policy:
        """Any rational Phi: y_k = exp(theta_k / m) makes every p a rational function, and log p = Phi theta − Z_s."""
        S, A = self.learner.table
        phi = rational_phi(self.learner).reshape(S, A, -1)
        m = common_denominator(self.learner)
        if m is None:
            raise ValueError(MANY_DIGITS)
        p, logs = [], []
        for s in range(S):
            least = [min(phi[s, :, k]) for k in range(self.learner.size)]
            weights = []
            for a in range(A):
                weight = self.ring.context.constant(1)
                for k in range(self.learner.size):
                    power = m * (phi[s, a, k] - least[k])
                    weight = weight * self.gen(f"y{k}").top ** int(power)
                weights.append(Ratio(self.ring, weight, {}))
            total = sum(weights, self.ring.number(0))
            p.append([x / total for x in weights])
            mean = [sum((x * phi[s, b, k] for b, x in enumerate(p[s])), self.ring.number(0)) for k in range(len(least))]
            for k, slope in enumerate(mean):
                self.derivations[k][self.ring.index[f"Z{s}"]] = slope
            logits = [
                sum((self.gen(f"theta{k}") * x for k, x in enumerate(phi[s, a]) if x), self.ring.number(0))
                for a in range(A)
            ]
            logs.append([x - self.gen(f"Z{s}") for x in logits])
        for k, derivation in enumerate(self.derivations):
            derivation[self.ring.index[f"y{k}"]] = self.gen(f"y{k}") * Fraction(1, m)
            derivation[self.ring.index[f"theta{k}"]] = self.ring.number(1)
        self.known += [(x, y) for row, logrow in zip(p, logs, strict=True) for x, y in zip(row, logrow, strict=True)]
        flat = [[x for row in table for x in row] for table in (p, logs)]
        return Policy(objects(flat[0], (S, A)), objects(flat[1], (S, A)))

    def log(self, x: Any) -> Ratio:
        """The logarithm: that of p is known, any other is a fresh generator with ∂w = ∂x / x."""
        element = self.ring.number(0) + x
        for known, value in self.known:
            if known == element:
                return value
        name = next(self.spare)
        for derivation in self.derivations:
            slope = element.derivative(derivation)
            if slope != 0:
                derivation[self.ring.index[name]] = slope / element
        self.known.append((element, self.gen(name)))
        return self.gen(name)

    def numbers(self, S: int, A: int) -> tuple[Numbers, Policy, Ratio]:
        """A world, a teacher and an alpha made of generators."""
        P = objects([self.gen(f"P{s}_{a}_{x}") for s in range(S) for a in range(A) for x in range(S)], (S, A, S))
        R = objects([self.gen(f"R{s}_{a}") for s in range(S) for a in range(A)], (S, A))
        initial = objects([self.gen(f"start{s}") for s in range(S)], (S,))
        teacher = objects([x for s in range(S) for x in self._row("t", s, A)], (S, A))
        logs = objects([self.log(x) for x in teacher.ravel()], (S, A))
        arithmetic = self.ring.arithmetic(self.log)
        held = Numbers(P, R, initial, 1 - P.sum(-1), self.gen("g"), None, arithmetic.algebra)
        return held, Policy(teacher, logs), self.gen("alpha")

    def field(self, field: Field, held: Numbers, teacher: Policy, alpha: Ratio | None) -> ExactField:
        """The field of one rule over this ring."""
        arithmetic = self.ring.arithmetic(self.log)
        problem = build(field, held, teacher, arithmetic.number, arithmetic.log)
        if alpha is not None:
            problem = dataclasses.replace(problem, alpha=alpha)
        return ExactField(self.ring, problem, self.student, self.learner, list(self.derivations))
