"""Mutation controls: break a row of the table, or the engine, on purpose; at least one claim must fall.

    python benchmarks/mutants.py

prints every mutant with the claim that fell and the step that failed, and the kill rate. Mutants that leave the field
as it was are no errors: they are listed with the reason, and each is shown to be equivalent.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from dynamics import formula as fm
from dynamics import rules
from dynamics import update as eq1
from dynamics.rules import TABLE, Rule
from mdp import evaluation
from proofs.claims.claim import Claim, Finding
from proofs.exact import generic
from proofs.verify import CLAIMS, verify

QUICK: list[Claim] = [claim for claim in CLAIMS.values() if claim.expected == "proved"]
EQUIVALENT = "the reward -l(s_t) in place of -l(s_{t+1}) adds a baseline that does not depend on the action"


@dataclass(frozen=True)
class Mutant:
    """A named change: of rows of the table, or (`engine`) of a function, as what `patch.object` takes."""

    name: str
    table: dict[str, Rule]
    engine: tuple[Any, str, Callable[..., Any]] | None = None


# --- rows -------------------------------------------------------------------------------------------------------------

SWAPS = {
    rules.CROSS_ENTROPY.args[1]: rules.REVERSE_CROSS_ENTROPY.args[1],
    rules.REVERSE_CROSS_ENTROPY.args[1]: rules.CROSS_ENTROPY.args[1],
    rules.KL: rules.REVERSE_KL,
    rules.REVERSE_KL: rules.KL,
    rules.ENTROPY.args[1]: rules.CROSS_ENTROPY.args[1],
}


def now(x: fm.Formula) -> fm.Formula:
    """Every `after(y)` as y: t for t + 1."""
    for part in list(fm.parts(x)):
        if part.op == "after":
            x = fm.substitute(x, part, part.args[0])
    return x


def changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every change of one row, by name."""
    loss, reward = rule.loss, rule.reward
    if not fm.is_zero(loss):
        yield from (
            ("loss: sign", {"loss": -loss}),
            ("loss: dropped", {"loss": fm.ZERO}),
            ("loss: twice", {"loss": 2 * loss}),
        )
        for one, other in SWAPS.items():
            if any(part == one for part in fm.parts(loss)):
                swapped = fm.substitute(loss, one, other)
                yield "loss: arguments swapped", {"loss": swapped}
                if any(part == one for part in fm.parts(reward)):
                    yield "both: arguments swapped", {"loss": swapped, "reward": fm.substitute(reward, one, other)}
    if fm.is_zero(reward):
        if not fm.uses(loss, fm.teacher_better):
            yield "reward: minus the next loss", {"reward": -fm.after(loss)}
            yield "reward: plus the next loss", {"reward": fm.after(loss)}
    else:
        for what, changed in (
            ("sign", -reward),
            ("dropped", fm.ZERO),
            ("twice", 2 * reward),
            ("t for t + 1", now(reward)),
        ):
            yield f"reward: {what}", {"reward": changed}
        if not any(part.op == "after" for part in fm.parts(reward)):
            yield "reward: t + 1 for t", {"reward": fm.after(reward)}
        if reward.op == "+":
            for what, kept in zip(("last", "first"), reward.args, strict=True):
                yield f"reward: {what} term dropped", {"reward": kept}
        yield "horizon", {"horizon": "step" if rule.horizon == "episode" else "episode"}
    yield "control", {"control": "teacher" if rule.control == "student" else "student"}


def rows() -> Iterator[Mutant]:
    """Every mutant of a row that is another row, and the misprinted one."""
    for name, rule in TABLE.items():
        for what, change in changes(rule):
            try:
                mutant = dataclasses.replace(rule, **change)
            except ValueError:
                continue  # the row itself refuses the change
            if mutant != rule:
                yield Mutant(f"{name}: {what}", {name: mutant})
    misprint = dataclasses.replace(TABLE["teacher-v"], reward=TABLE["student-critic"].reward)
    yield Mutant("teacher-v: as Table 1 misprints it", {"teacher-v": misprint})


# --- the engine -------------------------------------------------------------------------------------------------------


def engines() -> Iterator[Mutant]:
    """Formulas of eq. (1) and of evaluation, broken one at a time."""
    backup, visits = evaluation.backup, evaluation.Chain.visits

    def undiscounted(world: Any, values: Any) -> Any:
        return backup(world, values) / world.discount

    def own_values(world: Any, values: Any) -> Any:
        return world.discount * (values[..., None] + 0 * world.R)

    def twice(world: Any, values: Any) -> Any:
        return world.discount * backup(world, values)

    def uncentred(p: Any, w: Any) -> Any:
        return np.asarray(w + 0 * p)

    def doubled(p: Any, w: Any) -> Any:
        return np.asarray(w - 2 * p * eq1.summed(w))

    def start_only(self: Any, initial: Any) -> Any:
        return np.asarray(initial + 0 * visits(self, initial))

    def backwards(self: Any, initial: Any) -> Any:
        return self.values(initial)

    def scaled_reward(problem: Any, student: Any, **more: Any) -> Any:
        changed = dataclasses.replace(problem, fixed_now=problem.alpha * problem.fixed_now)
        return evaluate(changed, student, **more)

    def no_now(problem: Any, student: Any, **more: Any) -> Any:
        return evaluate(dataclasses.replace(problem, fixed_now=0 * problem.fixed_now), student, **more)

    def teacher_acts(problem: Any, p: Any) -> Any:
        return problem.teacher.p

    def no_visit_slope(problem: Any, student: Any) -> Any:
        return jacobian(dataclasses.replace(problem, share=0, base=student.p), student)

    evaluate, jacobian = eq1.evaluate, eq1.jacobian
    broken: list[tuple[str, Any, str, Callable[..., Any]]] = [
        ("no discount in the backup", eq1, "backup", undiscounted),
        ("discount twice in the backup", eq1, "backup", twice),
        ("values of s for those of s'", eq1, "backup", own_values),
        ("no baseline in the score", eq1, "center", uncentred),
        ("baseline twice", eq1, "center", doubled),
        ("visits of the first step only", evaluation.Chain, "visits", start_only),
        ("visits transposed", evaluation.Chain, "visits", backwards),
        ("alpha scales r", eq1, "evaluate", scaled_reward),
        ("the reward left out", eq1, "evaluate", no_now),
        ("the teacher acts throughout", eq1, "control_policy", teacher_acts),
        ("Jacobian without the visits' slope", eq1, "jacobian", no_visit_slope),
    ]
    for name, place, attribute, function in broken:
        yield Mutant(f"engine: {name}", {}, (place, attribute, function))


# --- claims against mutants -------------------------------------------------------------------------------------------


@contextmanager
def broken(mutant: Mutant) -> Iterator[dict[str, Rule]]:
    """The table, with the mutant in force."""
    table = {**TABLE, **mutant.table}
    if mutant.engine is None:
        yield table
        return
    place, attribute, function = mutant.engine
    with patch.object(place, attribute, function):
        yield table


def killer(mutant: Mutant, claims: list[Claim] | None = None) -> tuple[str, str] | None:
    """The first claim that falls, and the step that failed; None where all stand."""
    with broken(mutant) as table:
        for claim in QUICK if claims is None else claims:
            try:
                finding: Finding = verify(claim, table=table)
            except Exception as error:  # a broken engine may break anything
                return claim.id, f"{type(error).__name__}: {error}"
            if not finding.as_expected:
                return claim.id, (finding.failed or ["a step was not decided"])[0]
    return None


def equivalent(mutant: Mutant) -> bool:
    """Whether the mutant's row has the very field of the original, on every 2 x 2 MDP."""
    if mutant.engine is not None:
        return False
    ((name, rule),) = mutant.table.items()
    one, two = generic(2, 2, {"rule": TABLE[name]}, {"rule": rule})
    same = {"rule": TABLE[name], "reward": True}, {"rule": rule, "reward": True}
    return one.equals(two) and (lambda a, b: a.equals(b))(*generic(2, 2, *same))


def main() -> int:
    """Print the table and the kill rate; 1 where a mutant that changes the field survives."""
    killed, spared, alive = 0, [], []
    for mutant in [*rows(), *engines()]:
        found = killer(mutant)
        if found is not None:
            killed += 1
            print(f"{mutant.name:55s} {found[0]:8s} {found[1][:110]}", flush=True)
        else:
            (spared if equivalent(mutant) else alive).append(mutant.name)
    for name in spared:
        print(f"{name:55s} equivalent: {EQUIVALENT}")
    for name in alive:
        print(f"{name:55s} SURVIVES")
    print(f"kill rate {killed} of {killed + len(alive)}; {len(spared)} equivalent mutants besides")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
