"""The variance of the single-trajectory estimator of eq. (1), by enumerating the trajectories of an acyclic MDP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dynamics.fields import Field, center
from dynamics.fields import update as eq1
from dynamics.rules import is_zero
from mdp import Array, Policy, summed
from proofs.certificates import field_json, table, value_json
from proofs.exact import balls, objects, precision, pull_back, setting

Path = list[tuple[int, int]]
LONGEST = 10_000


def estimator_variance(field: Field, policy: Array) -> tuple[Any, dict[str, Any]]:
    """`E‖Fhat‖² − ‖E Fhat‖²` of `Fhat = Σ_t ∇ log pi_theta(a_t|s_t) Rhat_t − alpha ∇l(s_t)`, as a ball, and its fact.

    `policy` (O, A) of `Fraction`s. Rewards are those of the trajectory: values at the next state count where there is
    one. Raises ValueError for cyclic MDPs (more than 10,000 trajectories), general features, and rules with a gate.
    """
    if field.problem.gated:
        raise ValueError(f"rule {field.rule.id!r} has a value gate; no variance is enumerated for it")
    with precision():
        at = setting(field, balls())
        student = at.student(policy)
        reached = eq1.evaluate(at.problem, student)
        q = reached.q
        mean: Any = 0
        square: Any = 0
        for n, (chance, path) in enumerate(_paths(at.world, q)):
            if n > LONGEST:
                raise ValueError(f"more than {LONGEST} trajectories; the variance is enumerated on small acyclic MDPs")
            estimate = _estimate(at.problem, student, reached, path)
            flat = _rows(field, estimate)
            mean = mean + chance * flat
            square = square + chance * sum(x * x for x in flat)
        value = square - sum(x * x for x in mean)
    fact = {"kind": "variance", "field": field_json(field), "policy": table(policy)} | value_json(value)
    return value, fact


def _paths(world: Any, q: Array) -> Iterator[tuple[Any, Path]]:
    """Every trajectory with its probability."""
    n_states = len(world.initial)

    def onwards(s: int, chance: Any, path: Path) -> Iterator[tuple[Any, Path]]:
        if len(path) > n_states:
            raise ValueError("the MDP has cycles; the variance is enumerated on acyclic MDPs")
        for a in range(q.shape[1]):
            here = [*path, (s, a)]
            go: Any = 0
            for x in range(n_states):
                move = world.discount * world.P[s, a, x]
                if move != 0:
                    go = go + move
                    yield from onwards(x, chance * q[s, a] * move, here)
            if 1 - go != 0:
                yield chance * q[s, a] * (1 - go), here

    for s in range(n_states):
        if world.initial[s] != 0:
            yield from onwards(s, world.initial[s], [])


def _estimate(problem: eq1.Problem, student: Policy, reached: eq1.Point, path: Path) -> Array:
    """One trajectory's update of the logits."""
    values = reached.values
    now = problem.fixed_now + problem.alpha * problem.terms.now.function(values) + 0 * student.p
    if reached.critic is not None and problem.terms.v_student_now:
        now = now + problem.number(problem.terms.v_student_now) * summed(reached.critic[1])
    state = problem.fixed_next + problem.alpha * (problem.terms.state.function(values) + 0 * student.p)[:, 0]
    action = problem.alpha * problem.terms.action.function(values) + 0 * student.p
    rewards = []
    for k, (s, a) in enumerate(path):
        later = path[k + 1] if k + 1 < len(path) else None
        rewards.append(now[s, a] + (0 if later is None else state[later[0]] + action[later]))
    result = 0 * student.p
    slope = None if is_zero(problem.loss) else center(student.p, problem.loss.gradient.function(values) + 0 * student.p)
    for k, (s, a) in enumerate(path):
        total = rewards[k] if problem.one_step else sum(rewards[k:])
        for b in range(student.p.shape[1]):
            result[s, b] = result[s, b] + (int(a == b) - student.p[s, b]) * total
            if slope is not None:
                result[s, b] = result[s, b] - problem.alpha * slope[s, b]
    return np.asarray(result)


def _rows(field: Field, update: Array) -> Array:
    """Rows that share an observation, added up and flattened."""
    return objects(pull_back(field.student, update), (field.size,))
