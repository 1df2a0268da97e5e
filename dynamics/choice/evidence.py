"""Evidence for a choice of rule: what every row of the table does on one MDP, measured exactly.

For each candidate, a row with or without the task's reward: what guarantees its flow (`dynamics.choice.guarantees`),
how the flow from the uniform student ends and what the student is worth there, how soon it gets there, and how noisy
one trajectory's update is (`dynamics.sampling.exact`). Rows without a guarantee are run from a few random starts too: a
cycle from any of them counts. All of it is exact expectation but numerical integration; `Evidence` says which words are
proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dynamics.choice.guarantees import Decide, Guarantee, guarantee, seen
from dynamics.choice.tree import Choice
from dynamics.fields import Field
from dynamics.motion import flow, pass_on_interrupt
from dynamics.orbits import LEAST_KL, Outcome, divergences, first_times, halfway, mean_return, outcome, where_it_ends
from dynamics.rules import TABLE, Rule, label
from dynamics.sampling import noise
from mdp import MDP, Array, policy, solve
from mdp import student as students

STARTS = 4  # zero and three random ones
LIMIT = 5_000.0  # time of F after which a flow without a verdict is given up
LARGE = 120  # parameters above which a flow is followed for LARGE_TIME and not judged
LARGE_TIME = 200.0
MOST_STEPS = 10_000  # of the integrator, after which a flow is given up too


@dataclass(frozen=True)
class Scales:
    """What there is to gain on an MDP: returns of some policies, and the uniform student's KLs. None: not known."""

    uniform: float | None
    teacher: float | None
    optimal: float | None
    kl_teacher_states: float | None
    kl_student_states: float | None


@dataclass(frozen=True)
class Evidence:
    """What one candidate did: see `measure`. `refused` says why it cannot run; everything else is then None or empty.

    `expected_return` and the KLs are those of the student at the end; `reaches`, `copies_teacher_states` and
    `copies_student_states` times of F; `variance_start` and `variance_halfway` trajectories an update. `starts` are the
    outcomes from each start tried, `period` that of a cycle.
    """

    rule: str
    reward: bool
    label: str
    refused: str | None = None
    guarantee: Guarantee | None = None
    outcome: str | None = None
    period: float | None = None
    starts: tuple[str, ...] = ()
    expected_return: float | None = None
    kl_teacher_states: float | None = None
    kl_student_states: float | None = None
    reaches: float | None = None
    copies_teacher_states: float | None = None
    copies_student_states: float | None = None
    settled_by: float | None = None
    variance_start: float | None = None
    variance_halfway: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def choice(self) -> Choice:
        """The candidate: (id, +R)."""
        return self.rule, self.reward

    @property
    def variance(self) -> float | None:
        """The larger of the two variances: what the dearer of the two updates needs."""
        known = [x for x in (self.variance_start, self.variance_halfway) if x is not None]
        return max(known, default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = asdict(self)
        found["return"] = found.pop("expected_return")
        if self.guarantee is not None:
            found["guarantee"]["group"] = self.guarantee.group
        return found


def candidates(table: Mapping[str, Rule] = TABLE) -> tuple[Choice, ...]:
    """Every row, and every row with + R where that makes a difference.

    >>> len(candidates()), ("reward", True) in candidates()
    (25, False)
    """
    return tuple((name, reward) for name, rule in table.items() for reward in (False, True)[: 2 - rule.has_reward])


def scales(mdp: MDP) -> Scales:
    """The returns of the uniform student, the teacher and an optimal policy, and the uniform student's KLs.

    >>> from mdp import zoo
    >>> round(scales(zoo.load("chain")).kl_student_states, 3)
    0.081
    """
    field = Field(mdp, "reward")
    uniform = field.policy(np.zeros(field.shape))
    kls = divergences(field, uniform)
    best: Array | None
    try:
        best = solve.optimal(mdp)
    except ValueError:  # the reward has no upper bound
        best = None

    def earned(q: Array | None) -> float | None:
        return None if q is None else mean_return(field, policy(q))

    return Scales(earned(uniform.p), earned(mdp.teacher), earned(best), *kls)


def survey(
    mdp: MDP,
    *,
    alpha: Any = 1,
    starts: int = STARTS,
    seed: int = 0,
    limit: float = LIMIT,
    decide: Decide | None = None,
    table: Mapping[str, Rule] = TABLE,
) -> Iterator[Evidence]:
    """`measure` for every candidate, in the table's order, as each is done; those that cannot run say why.

    The first start is zero, the uniform student; the others are `starts − 1` normal ones from `seed`, the same for
    every rule. Raises ValueError for fewer than one start.

    >>> from mdp import zoo
    >>> rows = survey(zoo.load("bandit:2"), starts=1, table={"on-policy": TABLE["on-policy"]})
    >>> [row.guarantee.claim for row in rows]
    ['P1', 'A1']
    """
    if starts < 1:
        raise ValueError(f"{starts} starts; must be at least 1")
    shape = students.of(mdp).shape
    thetas = np.concatenate([np.zeros((1, *shape)), np.random.default_rng(seed).standard_normal((starts - 1, *shape))])
    offered = scales(mdp)
    for name, reward in candidates(table):
        try:
            field = Field(mdp, table[name], reward=reward, alpha=alpha)
        except ValueError as error:
            yield Evidence(name, reward, name + (" + R" if reward else ""), refused=str(error))
            continue
        yield measure(field, thetas, offered, limit=limit, decide=decide)


def measure(
    field: Field, thetas: Array, offered: Scales, *, limit: float = LIMIT, decide: Decide | None = None
) -> Evidence:
    """One candidate's evidence, from the starts thetas (starts, *shape), the first of which is measured.

    Without a guarantee every start is run, until one cycles; with one, the first only. Return and KLs are those where
    the student comes to rest, means over a period where it cycles, those of the policy that it runs to where it runs to
    the boundary (a KL is None where that policy has given up an action of the teacher's), and those where it was when
    given up where there is no verdict. `reaches`: the first time at which the return has done 95 % of its way from the
    uniform student's to the teacher's, None if never, or if the teacher's is no larger. `copies_...`: the first time at
    which the KL is 5 % of the uniform student's. Variances: `E‖Fhat − F‖² / ‖F‖²` of one trajectory, the number of
    trajectories whose mean has as much noise as signal, at the first start and where the policy is half as far from
    where it starts as where it ends; None where F is 0. More than `LARGE` parameters: one flow, not judged.
    """
    known = guarantee(field, decide)
    large = field.size > LARGE
    runs = [_run(field, thetas[0], large, limit)]
    if known is None and not large:
        for theta0 in thetas[1:]:
            if runs[-1].kind == "cycle":
                break
            runs.append(_run(field, theta0, large, limit))
    first, kinds = runs[0], tuple(run.kind for run in runs)
    turn = runs[-1].period
    if known is None or "cycle" in kinds:
        known = _contradicted(known, seen(kinds, turn))
    end = where_it_ends(field, first)
    reaches, *copies = first_times(
        field,
        first.trajectory,
        (offered.uniform, offered.teacher),
        (offered.kl_teacher_states, offered.kl_student_states),
    )
    kls = [0.0 if x is not None and x < LEAST_KL else x for x in divergences(field, end)]
    return Evidence(
        field.rule.id,
        label(field.rule) != field.rule.id,
        label(field.rule),
        guarantee=known,
        outcome=first.kind,
        period=turn,
        starts=kinds,
        expected_return=mean_return(field, end),
        kl_teacher_states=kls[0],
        kl_student_states=kls[1],
        reaches=reaches,
        copies_teacher_states=copies[0],
        copies_student_states=copies[1],
        settled_by=first.evidence.get("settled_by"),
        variance_start=noise(field, thetas[0]),
        variance_halfway=noise(field, halfway(field, first.trajectory.theta, end)),
        notes=(*field.warnings, *([first.trajectory.note] if first.trajectory.note else [])),
    )


def _run(field: Field, theta0: Array, large: bool, limit: float) -> Outcome:
    """The outcome from theta0; of large fields, and where a policy comes to end no more, a flow without a verdict."""
    note = f"{field.size} parameters (more than {LARGE}): followed to time {LARGE_TIME:g} and not judged"
    if not large:
        try:
            found = outcome(field, theta0, limit=limit, most_steps=MOST_STEPS)
            pass_on_interrupt(found.trajectory)
            return found
        except ValueError as error:
            note = str(error)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 1.0, 80) * min(limit, LARGE_TIME)])
    path = flow(field, theta0, float(times[-1]), samples=times, rtol=1e-6, atol=1e-8)
    pass_on_interrupt(path)
    path = replace(path, note="; ".join(text for text in (note, path.note) if text))
    return Outcome("undecided", None, None, np.ptp(path.theta, axis=0), path.theta[-1], {}, path)


def _contradicted(known: Guarantee | None, shown: Guarantee) -> Guarantee:
    """What was seen; where it is a cycle against what is known, both."""
    if known is None:
        return shown
    return replace(shown, reason=f"{shown.reason}, against what is known ({known.reason}): one of the two is wrong")
