"""Mutation controls: break a row of the table, or the engine, on purpose; at least one claim must fall.

    python benchmarks/mutants.py [--list]

prints every mutant with the claim that fell first and the step that failed, and the kill rate. A mutant that leaves
the field as it was is no error: `EQUIVALENT` names each of them with its reason, and each is shown to be equivalent by
rational functions. Changes that a row refuses when it is built are listed as refused. An engine mutant takes the place
of the function in *every* module that holds it, so that the claims' own formulas break along with the engine: what
only a comparison of the engine with itself would see survives, and is reported. Exit code 1 if a mutant survives.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from dynamics import rules
from dynamics.fields import update as eq1
from dynamics.rules import TABLE, Rule
from dynamics.rules import formula as fm
from mdp import Student, evaluation
from proofs.claims import CLAIMS
from proofs.claims.claim import Claim
from proofs.claims.verification import verify
from proofs.exact import fields as exact
from proofs.exact import generic, points

# Quickest first; those that integrate flows for seconds come last.
ORDER = ("E1", "P1", "P4", "P3", "T2", "T1", "G1", "A1", "C1", "C3", "P2", "runaway")
SLOW = ("C5", "C4", "C2")
STOPPED = "the check stopped:"
SHAPES: tuple[tuple[int, int, list[int] | None], ...] = ((2, 2, None), (2, 2, [0, 0]), (1, 3, None))

_BASELINE = "-l(s_t) more in the reward is a baseline: times the score at s_t it has expectation 0"
_SHIFT = "V_pi(s_{i+1}) and V_pi(s_i) summed from t on differ by V_pi(s_t), a baseline"
EQUIVALENT: dict[str, str] = {
    "n-distill: reward -after(-total(t*log_p)): t for t + 1": _BASELINE,
    "n-distill-kl: reward -after(total(t*(log_t - log_p))): t for t + 1": _BASELINE,
    "reverse-kl-corrected: reward -after(total(p*(log_p - log_t))): t for t + 1": _BASELINE,
    "student-critic: reward after(v): t for t + 1": _SHIFT,
}


@dataclass(frozen=True)
class Mutant:
    """A named change: of a row of the table (`row`), or of functions (`engine`), as (holder, attribute, function)."""

    name: str
    row: Rule | None = None
    engine: tuple[tuple[Any, str, Callable[..., Any]], ...] = ()


# --- rows -------------------------------------------------------------------------------------------------------------

SWAPS = (
    ("H(pi‖pi_theta) for H(pi_theta‖pi)", rules.REVERSE_CROSS_ENTROPY.args[1], rules.CROSS_ENTROPY.args[1]),
    ("H(pi_theta‖pi) for H(pi‖pi_theta)", rules.CROSS_ENTROPY.args[1], rules.REVERSE_CROSS_ENTROPY.args[1]),
    ("KL(pi‖pi_theta) for KL(pi_theta‖pi)", rules.REVERSE_KL, rules.KL),
    ("KL(pi_theta‖pi) for KL(pi‖pi_theta)", rules.KL, rules.REVERSE_KL),
    ("H(pi‖pi_theta) for the entropy", rules.ENTROPY.args[1], rules.CROSS_ENTROPY.args[1]),
    ("log pi_theta for log pi", fm.log_t, fm.log_p),
)


def terms(x: fm.Formula) -> list[fm.Formula]:
    """The terms whose sum x is; none for 0."""
    if fm.is_zero(x):
        return []
    return [*terms(x.args[0]), *terms(x.args[1])] if x.op == "+" else [x]


def added(x: list[fm.Formula]) -> fm.Formula:
    """The sum of terms."""
    return sum(x, fm.ZERO)


def shifted(x: fm.Formula) -> tuple[str, fm.Formula]:
    """A term of a reward one step earlier if it is of the next step (t for t + 1), else one step later."""
    factor, inner = (x.args[0], x.args[1]) if x.op == "*" and x.args[0].op == "number" else (fm.ONE, x)
    if inner.op == "after":
        return "t for t + 1", factor * inner.args[0]
    return "t + 1 for t", fm.after(x)


def loss_changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every change of a row's loss, by name."""
    loss = rule.loss
    if fm.is_zero(loss):
        yield "loss: the cross-entropy added", {"loss": rules.CROSS_ENTROPY}
        return
    yield "loss: sign", {"loss": -loss}
    yield "loss: dropped", {"loss": fm.ZERO}
    yield "loss: twice", {"loss": 2 * loss}
    if fm.uses(loss, fm.teacher_better):
        yield "loss: gate dropped", {"loss": fm.substitute(loss, fm.teacher_better, fm.ONE)}
        yield "loss: gate the other way", {"loss": fm.substitute(loss, fm.teacher_better, 1 - fm.teacher_better)}


def reward_changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every change of a row's reward, by name: term by term, and as a whole where there are several."""
    found = terms(rule.reward)
    for k, term in enumerate(found):
        moved, later = shifted(term)
        for what, changed in (("sign", -term), ("dropped", fm.ZERO), ("twice", 2 * term), (moved, later)):
            yield f"reward {term}: {what}", {"reward": added([*found[:k], changed, *found[k + 1 :]])}
    if len(found) > 1:
        yield "reward: sign", {"reward": -rule.reward}
        yield "reward: dropped", {"reward": fm.ZERO}
        yield "reward: twice", {"reward": 2 * rule.reward}
    if not found and not fm.uses(rule.loss, fm.teacher_better):
        yield "reward: minus the next loss", {"reward": -fm.after(rule.loss)}
        yield "reward: plus the next loss", {"reward": fm.after(rule.loss)}
    if fm.r not in found:
        yield "reward: r added", {"reward": rule.reward + fm.r}


def swaps(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arguments of every cross-entropy, KL and logarithm, in the loss, in the reward, and in both."""
    for what, old, new in SWAPS:
        holds = {key for key in ("loss", "reward") if any(part == old for part in fm.parts(getattr(rule, key)))}
        changed = {key: fm.substitute(getattr(rule, key), old, new) for key in sorted(holds)}
        for key, formula in changed.items():
            yield f"{key}: {what}", {key: formula}
        if len(changed) == 2:
            yield f"both: {what}", changed


def changes(rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every change of one row, by name."""
    yield from loss_changes(rule)
    yield from reward_changes(rule)
    yield from swaps(rule)
    yield "horizon", {"horizon": "step" if rule.horizon == "episode" else "episode"}
    yield "control", {"control": "teacher" if rule.control == "student" else "student"}


def rows() -> tuple[list[Mutant], dict[str, str]]:
    """Every mutant of a row, the misprinted one last; and the changes that a row refuses, with its message."""
    found: list[Mutant] = []
    refused: dict[str, str] = {}
    for name, rule in TABLE.items():
        seen = {rule}
        for what, change in changes(rule):
            try:
                mutant = dataclasses.replace(rule, **change)
            except ValueError as error:
                refused[f"{name}: {what}"] = str(error)
                continue
            if mutant not in seen:
                seen.add(mutant)
                found.append(Mutant(f"{name}: {what}", mutant))
    misprint = dataclasses.replace(TABLE["teacher-v"], reward=TABLE["student-critic"].reward)
    return [*found, Mutant("teacher-v: as Table 1 misprints it", misprint)], refused


# --- the engine -------------------------------------------------------------------------------------------------------


def everywhere(function: Callable[..., Any], changed: Callable[..., Any]) -> tuple[tuple[Any, str, Any], ...]:
    """`changed` for a function of a module, in every module of the project that holds it."""
    return tuple(
        (module, attribute, changed)
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("mdp", "dynamics", "proofs") and not name.startswith("proofs.checker")
        for attribute, value in list(vars(module).items())
        if value is function
    )


def evaluations() -> Iterator[Mutant]:
    """Mutants of the evaluation of a policy, and of what a point of eq. (1) is made of."""
    backup, matrix, visits = evaluation.backup, evaluation.chain_matrix, evaluation.Chain.visits
    evaluate, center = eq1.evaluate, eq1.center

    def undiscounted(world: Any, values: Any) -> Any:
        return backup(world, values) / world.discount

    def twice(world: Any, values: Any) -> Any:
        return world.discount * backup(world, values)

    def own_values(world: Any, values: Any) -> Any:
        return np.asarray(world.discount * (values[..., None] + 0 * world.R))

    def first_action(world: Any, values: Any) -> Any:
        found = backup(world, values)
        return np.asarray(found[..., :1] + 0 * found)

    def undiscounted_chain(world: Any, q: Any) -> Any:
        return matrix(_changed_world(world, world.P, 0 * world.discount + 1), q)

    def transposed_chain(world: Any, q: Any) -> Any:
        return np.asarray(matrix(world, q).swapaxes(-1, -2))

    def backwards(self: Any, initial: Any) -> Any:
        return self.values(initial)

    def start_only(self: Any, initial: Any) -> Any:
        return np.asarray(initial + 0 * visits(self, initial))

    def whole(name: str, function: Any, changed: Any) -> Mutant:
        return Mutant(f"engine: {name}", None, everywhere(function, changed))

    yield whole("no discount in the backup", backup, undiscounted)
    yield whole("the discount twice in the backup", backup, twice)
    yield whole("values of s for those of s'", backup, own_values)
    yield whole("every action leads where action 0 does", backup, first_action)
    yield whole("no discount in the chain", matrix, undiscounted_chain)
    both = (*everywhere(backup, undiscounted), *everywhere(matrix, undiscounted_chain))
    yield Mutant("engine: no discount anywhere", None, both)
    yield whole("the chain transposed", matrix, transposed_chain)
    yield Mutant("engine: visits transposed", None, ((evaluation.Chain, "visits", backwards),))
    yield Mutant("engine: visits of the first step only", None, ((evaluation.Chain, "visits", start_only),))
    yield whole("no baseline in the score", center, lambda p, w: np.asarray(w + 0 * p))
    yield whole("the baseline twice", center, lambda p, w: np.asarray(w - 2 * p * eq1.summed(w)))
    yield whole("the baseline is the mean", center, lambda p, w: np.asarray(w - eq1.summed(p * w)))
    yield whole("sums weighted by p twice", eq1.dot, lambda x, y: np.asarray(np.einsum("...a,...a,...a->...", x, x, y)))
    yield whole("the teacher acts throughout", eq1.control_policy, lambda problem, p: problem.teacher.p + 0 * p)
    yield whole("the student acts throughout", eq1.control_policy, lambda problem, p: p)

    def of_problem(name: str, change: Callable[[Any], dict[str, Any]]) -> Mutant:
        def changed(problem: Any, student: Any, **more: Any) -> Any:
            return evaluate(dataclasses.replace(problem, **change(problem)), student, **more)

        return whole(name, evaluate, changed)

    yield of_problem("alpha scales r", lambda x: {"fixed_now": x.alpha * x.fixed_now})
    yield of_problem("alpha left out", lambda x: {"alpha": 0 * x.alpha + 1})
    yield of_problem("alpha twice", lambda x: {"alpha": x.alpha * x.alpha})
    yield of_problem("no environment's part of the step", lambda x: {"fixed_now": 0 * x.fixed_now})
    yield of_problem("no environment's part of the next step", lambda x: {"fixed_next": 0 * x.fixed_next})
    for field in ("now", "state", "action"):
        name = f"no {field} term of the rule in Q"
        yield of_problem(name, lambda x, f=field: {"terms": dataclasses.replace(x.terms, **{f: fm.ZERO})})  # type: ignore[misc]
    yield of_problem("the horizon is always the episode", lambda x: {"one_step": False})
    yield of_problem("the horizon is always one step", lambda x: {"one_step": True})

    def without_now(problem: Any, student: Any, **more: Any) -> Any:
        at = evaluate(problem, student, **more)
        if at.Q is None:
            return at
        Q = backup(problem.world, at.W)
        return dataclasses.replace(at, Q=Q, local=at.local - center(student.p, at.q * (at.Q - Q)))

    yield whole("Q without the step's own reward", evaluate, without_now)

    def weighted_by_p(problem: Any, student: Any, **more: Any) -> Any:
        at = evaluate(problem, student, **more)
        if at.Q is None:
            return at
        return dataclasses.replace(at, local=at.local + center(student.p, (student.p - at.q) * at.Q))

    yield whole("p for q as the weight of Q", evaluate, weighted_by_p)


def _changed_world(world: Any, P: Any, discount: Any) -> Any:
    """A world with another P and discount, for `evaluation.chain_matrix`."""
    from types import SimpleNamespace

    return SimpleNamespace(P=P, R=world.R, initial=world.initial, ending=world.ending, discount=discount)


def derivatives() -> Iterator[Mutant]:
    """Mutants of the Jacobian, of the derivatives of formulas, and of the way back to the parameters."""
    local, values_of, following = eq1._local_block, eq1._value_derivatives, eq1._next_derivative
    jacobian, bent, pull = eq1.jacobian, eq1.action_jacobian, exact.pull_back

    def whole(name: str, function: Any, changed: Any) -> Mutant:
        return Mutant(f"engine: {name}", None, everywhere(function, changed))

    def held(problem: Any, student: Any) -> Any:
        return jacobian(dataclasses.replace(problem, share=0, base=student.p), student)

    def no_block(problem: Any, student: Any, at: Any) -> Any:
        return 0 * local(problem, student, at)

    def diagonal(x: Any, values: Any) -> Any:
        found = bent(x, values)
        return found * eq1._eye(values.student.p)

    def own_only(x: fm.Formula) -> fm.Formula:
        return fm.own(x.args[0]) if x.op == "total" else fm.ZERO

    yield whole("Jacobian without the visits' slope", jacobian, held)
    yield whole("Jacobian transposed", jacobian, lambda a, b: np.asarray(jacobian(a, b).swapaxes(-1, -2)))
    yield whole("Jacobian made symmetric", jacobian, lambda a, b: _symmetric(jacobian(a, b)))
    yield whole("Jacobian without the values' derivative", values_of, lambda *_: [])
    yield whole("Jacobian with the first of the values' derivatives only", values_of, lambda *x: values_of(*x)[:1])
    yield whole("Jacobian without the next step's own derivative", following, lambda *_: None)
    yield whole("Jacobian without its blocks", local, no_block)
    yield whole("formulas bend on the diagonal only", bent, diagonal)
    yield whole("a formula's own derivative without that of log p", fm.own, lambda x: fm._derivative(x, {fm.p: fm.p}))
    yield whole("a formula's own derivative without that of p", fm.own, lambda x: fm._derivative(x, {fm.log_p: fm.ONE}))
    descriptor = type("Own", (), {"__get__": lambda self, x, owner=None: own_only(x)})()
    yield Mutant("engine: the slope of totals of totals left out", None, ((fm.Formula, "gradient", descriptor),))

    def forgets(learner: Student, update: Any) -> Any:
        kept = np.array(update, dtype=object)
        kept[-1] = 0 * kept[-1]
        return pull(learner, kept)

    def first_of_row(learner: Student, update: Any) -> Any:
        if learner.observation is None or learner.phi is None:
            return pull(learner, update)
        seen = [int(np.flatnonzero(learner.observation == o)[0]) for o in range(learner.shape[0])]
        return [x for s in seen for x in update[s]]

    def float_forgets(self: Student, update: Any) -> Any:
        kept = np.array(update)
        kept[..., -1, :] = 0
        return back(self, kept)

    back = Student.pull_back
    yield whole("the exact pull-back forgets the last state", pull, forgets)
    yield whole("the exact pull-back of aliased states takes the first", pull, first_of_row)
    yield Mutant("engine: the float pull-back forgets the last state", None, ((Student, "pull_back", float_forgets),))
    point = points.Setting.jacobian

    def unpulled(self: Any, at: Any) -> Any:
        found = point(self, at)
        return found if self.field.student.phi is None else 0 * found

    yield Mutant("engine: aliased Jacobians vanish", None, ((points.Setting, "jacobian", unpulled),))


def _symmetric(jacobian: Any) -> Any:
    half = jacobian + jacobian.swapaxes(-1, -2)
    return np.asarray(half / 2)


def engines() -> list[Mutant]:
    """Every mutant of the engine."""
    return [*evaluations(), *derivatives()]


# --- claims against mutants -------------------------------------------------------------------------------------------


@contextmanager
def broken(mutant: Mutant) -> Iterator[dict[str, Rule]]:
    """The table, with the mutant in force. Formulas forget their compiled derivatives before and after."""
    table = dict(TABLE) if mutant.row is None else {**TABLE, mutant.row.id: mutant.row}
    with ExitStack() as stack:
        if mutant.engine:
            forget()
            stack.callback(forget)
        for holder, attribute, function in mutant.engine:
            stack.enter_context(patch.object(holder, attribute, function))
        yield table


def forget() -> None:
    """Drop what formulas of the table and of the rules module keep of their derivatives."""
    formulas = [x for rule in TABLE.values() for x in (rule.loss, rule.reward)]
    formulas += [x for x in vars(rules).values() if isinstance(x, fm.Formula)]
    for x in formulas:
        for part in fm.parts(x):
            for kept in ("gradient", "bend"):
                vars(part).pop(kept, None)


def killer(mutant: Mutant, claims: tuple[str, ...] = ORDER) -> tuple[str, str] | None:
    """The first claim that falls, and the step that failed; None where all of them stand.

    A step that is false comes before a check that merely cannot be carried out (`STOPPED`), whichever claim it is of.
    """
    stopped = None
    with broken(mutant) as table:
        for name in claims:
            claim: Claim = CLAIMS[name]
            try:
                finding = verify(claim, table=table)
            except Exception as error:  # a broken engine may break anything
                stopped = stopped or (name, f"{STOPPED} {type(error).__name__}: {error}")
                continue
            false = [step for step in finding.failed if not step.startswith(STOPPED)]
            if false:
                return name, false[0]
            if not finding.as_expected:
                stopped = stopped or (name, finding.open[0] if finding.open else "nothing failed")
    return stopped


def equivalent(rule: Rule, other: Rule) -> bool:
    """Whether two rows have one field under the row's own control, on every MDP of three shapes, with +R and without.

    Rational functions of the policy, the logarithms and every number of the MDP are compared, so True is a proof.
    """
    for S, A, observation in SHAPES:
        for reward in (False, True):
            pair = ({"rule": rule, "reward": reward}, {"rule": other, "reward": reward})
            one, two = generic(S, A, *pair, observation=observation)
            if not one.equals(two):
                return False
    return True


def main() -> int:
    """Print the table and the kill rate; 1 where a mutant that is not equivalent survives."""
    found, refused = rows()
    mutants = [*found, *engines()]
    if "--list" in sys.argv:
        print("\n".join(mutant.name for mutant in mutants))
        return 0
    killed, stops, alive = 0, 0, []
    for mutant in mutants:
        if mutant.name in EQUIVALENT and mutant.row is not None:
            same = equivalent(TABLE[mutant.row.id], mutant.row)
            print(f"{mutant.name:66s} {'equivalent' if same else 'NOT EQUIVALENT'}: {EQUIVALENT[mutant.name]}")
            alive += [] if same else [mutant.name]
            continue
        shown = killer(mutant) or killer(mutant, SLOW)
        if shown is None:
            alive.append(mutant.name)
            also = mutant.row is not None and not fm.uses(mutant.row.loss, fm.teacher_better)
            also = also and mutant.row is not None and equivalent(TABLE[mutant.row.id], mutant.row)
            print(f"{mutant.name:66s} SURVIVES{' (it is equivalent)' if also else ''}", flush=True)
        else:
            killed += 1
            stops += shown[1].startswith(STOPPED)
            print(f"{mutant.name:66s} {shown[0]:8s} {shown[1][:100]}", flush=True)
    for name, why in refused.items():
        print(f"{name:66s} refused by the row: {why[:100]}")
    spared = len(mutants) - killed - len(alive)
    print(f"kill rate {killed} of {killed + len(alive)}; {spared} equivalent, {len(refused)} refused by the row itself")
    print(f"{stops} of the killed by no false step, only by a check that could not be carried out")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
