"""Facts about policies and their values on a given MDP, all of it in exact rationals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from proofs.checker.numbers.exact import Exact
from proofs.checker.numbers.rational import Refused, show
from proofs.checker.reading import strict
from proofs.checker.reading.model import Model, Table, never_ends, read_model

MOST_POLICIES = 10_000


def value_gate(fact: dict[str, Any]) -> float:
    """Where the student gets to: V_student >= V_teacher or equal policies; E V_student >= E V_teacher at the start."""
    model, teacher = _with_teacher(fact)
    student = strict.policy(fact["student"], "student", model.n_states, model.n_actions, positive=False)
    if (stuck := never_ends(model, student)) is not None:
        raise Refused(f"student: never ends from state {stuck}; with discount 1 it must")
    own, best = policy_values(model, student), policy_values(model, teacher)
    for s in sorted(_reached(model, student)):
        if own[s] < best[s] and student[s] != teacher[s]:
            gap = f"V_student is {show(own[s])}, V_teacher {show(best[s])}"
            raise Refused(f"student[{s}]: reached, {gap}, and the policies differ there")
    totals = [sum((x * y for x, y in zip(model.initial, V, strict=True)), Fraction(0)) for V in (own, best)]
    if totals[0] < totals[1]:
        raise Refused(f"E V_student is {show(totals[0])}, less than E V_teacher, {show(totals[1])}")
    return 0.0


def greedy_improves(fact: dict[str, Any]) -> float:
    """Every deterministic policy greedy for Q_teacher that ends has V >= V_teacher everywhere; and there is one."""
    model, teacher = _with_teacher(fact)
    V = policy_values(model, teacher)
    Q = [[model.R[s][a] + ahead(model, s, a, V) for a in range(model.n_actions)] for s in range(model.n_states)]
    choices = [[a for a, x in enumerate(row) if x == max(row)] for row in Q]
    if (count := prod(map(len, choices))) > MOST_POLICIES:
        raise Refused(f"mdp: {count} greedy policies; at most {MOST_POLICIES} are checked")
    ended = 0
    for choice in product(*choices):
        policy = tuple(tuple(Fraction(int(a == b)) for b in range(model.n_actions)) for a in choice)
        if never_ends(model, policy) is not None:
            continue
        ended += 1
        for s, (x, y) in enumerate(zip(policy_values(model, policy), V, strict=True)):
            if x < y:
                raise Refused(f"the greedy policy {list(choice)} has V({s}) = {show(x)}, less than {show(y)}")
    if not ended:
        raise Refused("no greedy policy ends")
    return 0.0


def advantage(fact: dict[str, Any]) -> float:
    """R + g P V − V = Q − V for the teacher's V and Q; `optimal`: <= 0, 0 somewhere in each state and where it acts."""
    model, teacher = _with_teacher(fact)
    optimal = strict.truth(fact["optimal"], "optimal")
    V, Q = policy_values(model, teacher), _action_values(model, teacher)
    for s in range(model.n_states):
        gains = [model.R[s][a] + ahead(model, s, a, V) - V[s] for a in range(model.n_actions)]
        for a, x in enumerate(gains):
            if x != Q[s][a] - V[s]:
                raise Refused(f"at state {s}, action {a} the step reward is {show(x)}, not {show(Q[s][a] - V[s])}")
            if optimal and x > 0:
                raise Refused(
                    f"optimal: action {a} at state {s} has advantage {show(x)} > 0: the teacher is not optimal"
                )
            if optimal and x != 0 and teacher[s][a] > 0:
                raise Refused(f"optimal: the teacher takes action {a} at state {s}, whose advantage is {show(x)}")
        if optimal and 0 not in gains:
            raise Refused(f"optimal: no action at state {s} has advantage 0")
    return 0.0


def policy_values(model: Model, policy: Table) -> list[Fraction]:
    """V = r_pi + g P_pi V, as a linear system in V."""
    n = model.n_states
    matrix = [[Fraction(int(s == t)) for t in range(n)] for s in range(n)]
    right = []
    for s in range(n):
        for x, move in zip(policy[s], model.P[s], strict=True):
            for t, y in move.items():
                matrix[s][t] -= model.discount * x * y
        right.append([sum((x * y for x, y in zip(policy[s], model.R[s], strict=True)), Fraction(0))])
    return [row[0] for row in Exact().solve(matrix, right)]


def ahead(model: Model, s: int, a: int, V: Sequence[Fraction]) -> Fraction:
    """g Σ_s' P(s'|s, a) V(s')."""
    return model.discount * sum((x * V[t] for t, x in model.P[s][a].items()), Fraction(0))


def _action_values(model: Model, policy: Table) -> list[list[Fraction]]:
    """Q(s, a) = R(s, a) + g Σ P(s'|s, a) policy(b|s') Q(s', b), as a linear system in Q: no V is formed."""
    n, k = model.n_states, model.n_actions
    matrix = [[Fraction(int(i == j)) for j in range(n * k)] for i in range(n * k)]
    for s in range(n):
        for a in range(k):
            for t, x in model.P[s][a].items():
                for b, y in enumerate(policy[t]):
                    matrix[s * k + a][t * k + b] -= model.discount * x * y
    flat = [row[0] for row in Exact().solve(matrix, [[x] for row in model.R for x in row])]
    return [flat[s * k : s * k + k] for s in range(n)]


def _reached(model: Model, policy: Table) -> set[int]:
    """The states that the policy visits from the start with positive probability."""
    found = {s for s, x in enumerate(model.initial) if x}
    todo = list(found)
    while todo:
        s = todo.pop()
        new = {t for x, move in zip(policy[s], model.P[s], strict=True) if x for t in move} - found
        found |= new
        todo += new
    return found


def _with_teacher(fact: dict[str, Any]) -> tuple[Model, Table]:
    """The MDP of a fact and its teacher, which ends."""
    model = read_model(fact["mdp"], "mdp")
    if model.n_states * model.n_actions > 60:
        raise Refused(f"mdp: {model.n_states} states times {model.n_actions} actions; at most 60 are checked here")
    if model.teacher is None:
        raise Refused("mdp.teacher: there is none")
    if (stuck := never_ends(model, model.teacher)) is not None:
        raise Refused(f"mdp.teacher: never ends from state {stuck}; with discount 1 it must")
    return model, model.teacher
