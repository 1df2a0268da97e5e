"""Formulas once: eq. (1) stands in `dynamics/fields/update.py`, and a sign turned there turns everywhere.

Each break is of text that must stand in that file exactly once. Whatever is built on eq. (1), in any arithmetic, must
then give what the broken float field gives. What is derived apart from it must stay as it was, and so notices:
enumeration (`oracle`), the checker, and the enclosures over boxes (`proofs/enclosures/reduced.py`), where the equation
stands a second time, rearranged. `APART` names what else holds a part of it, and which.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import oracle
import pytest

from dynamics.fields import Field
from dynamics.fields import update as eq1
from dynamics.fields.batch import Fields, worlds
from dynamics.learners.critic import expected, joint
from dynamics.learners.curves import learn
from dynamics.learners.optimisers import normalised
from dynamics.sampling import moments, terms
from dynamics.sampling.estimator import estimates
from mdp import MDP, Array, evaluation, random, zoo
from proofs.certificates import field_json
from proofs.checker.identities.numerical import flow_of
from proofs.checker.reading.field import read_field
from proofs.enclosures import parametric, recentred, reduced
from proofs.enclosures.intervals import Interval
from proofs.enclosures.systems import field_and_jacobian, system
from proofs.exact import exact_field, objects, precision, rationals
from proofs.exact.points import setting

ROOT = Path(__file__).resolve().parent.parent
WORLD = zoo.load("chain").replace(initial=["3/4", "1/4"], discount="9/10")
CONTROL = "mix:1/3"  # teacher and student both act: nothing cancels
P = objects([Fraction(1, 5), Fraction(4, 5), Fraction(3, 5), Fraction(2, 5)], (2, 2))
THETA = np.log(P.astype(float))
TRAJECTORIES = 20_000

# What is broken: the rule that shows it, the text in `dynamics/fields/update.py`, and what stands there instead.
BREAKS = {
    "the sign of the loss": ("on-policy", "local - slope", "local + slope"),
    "the visits": ("on-policy", "(d[..., None] * local)", "(local)"),
    "the baseline": ("on-policy", "w - p * summed(w)", "w + p * summed(w)"),
    "the values": ("on-policy", "W, now + backup(world, W)", "W, now - backup(world, W)"),
    "who acts": ("on-policy", "center(p, q * Q)", "center(p, p * Q)"),
    "the control": (
        "on-policy",
        "problem.base + problem.share * p",
        "problem.share * problem.teacher.p + (1 - problem.share) * p",
    ),
    "the critic": ("student-critic", "p * (world.R + backup(world, values))", "p * (world.R - backup(world, values))"),
}


@contextmanager
def broken(module: types.ModuleType, old: str, new: str) -> Iterator[None]:
    """The module's functions as if `new` stood in the place of `old`, for whoever holds them under whatever name."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {module.__name__}"
    made: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), made)
    ours = [x for x in vars(module).values() if inspect.isfunction(x) and x.__module__ == module.__name__]
    right = [x.__code__ for x in ours]
    try:
        for function in ours:
            function.__code__ = made[function.__name__].__code__
        yield
    finally:
        for function, code in zip(ours, right, strict=True):
            function.__code__ = code


def field_of(rule: str, mdp: MDP = WORLD) -> Field:
    """A field that nothing has been kept of."""
    return Field(mdp, rule, reward=True, control=CONTROL)


def moved(one: Array, other: Array) -> bool:
    return not np.allclose(one, other, rtol=1e-9, atol=1e-12)


# --- what is built on eq. (1) -----------------------------------------------------------------------------------------


def differences(F: Any) -> Array:
    """Rows of logits as log-odds, the coordinates that all consumers have."""
    F = np.asarray(F, dtype=float).reshape(2, 2)
    return np.asarray(F[:, 1] - F[:, 0])


X = differences(THETA)


def floats(field: Field) -> Array:
    return differences(field(THETA))


def batch(field: Field) -> Array:
    both = Fields(field, worlds([field.mdp, field.mdp]))(np.array([0 * THETA, THETA]))
    return differences(both[1])


def exact_point(field: Field) -> Array:
    at = setting(field, rationals())
    return differences(eq1.update(at.problem, at.student(P)))


def rational_functions(field: Field) -> Array:
    exact = exact_field(field)
    at = {f"p{o}_0": flint.fmpq(P[o, 0].numerator, P[o, 0].denominator) for o in range(2)}
    point = [at.get(name, flint.fmpq(0)) for name in exact.ring.names]
    found = []
    for value in exact.values:
        y = value.top(*point)
        for k, power in value.powers.items():
            y = y / exact.ring.factors[k](*point) ** power
        found.append(Fraction(int(y.p), int(y.q)))
    return differences(found)


def taylor(field: Field) -> Array:
    with precision(64):
        at = parametric.of_field(field, "alpha")
        found = parametric.taylor(at, [flint.arb(float(y)) for y in X], flint.arb(1), [0, 0], 0)
        return np.array([float(c[0]) for c in found])


def recentred_system(field: Field) -> Array:
    with precision(64):
        at = recentred.local(recentred.rational_system(field), X.tolist())
        return np.array([float(y) for y in at.velocity([flint.arb(float(y)) for y in X])])


def mean_of_moments(field: Field) -> Array:
    return differences(moments(field, THETA).mean)


def actor(field: Field) -> Array:
    found = expected(field, terms(field, THETA))[0]
    assert not moved(differences(found), joint(field, "monte-carlo", 1.0)(np.array([*X, 0.0, 0.0]))[:2])
    return differences(found)


def normalised_actor(field: Field) -> Array:
    return differences(normalised(field)(THETA))


def learning_curve(field: Field) -> Array:
    return np.array(learn(field, eta=0.1, updates=3, horizon=3, target=None).returns)


def steps_of_the_field(field: Field) -> Array:
    """The returns of theta += 0.1 F(theta) from 0: what `learning_curve` ought to be."""
    theta, found = np.zeros(field.shape), []
    for _ in range(4):
        p = field.policy(theta).p
        values = evaluation.chain(field.mdp, p).values((p * field.mdp.R).sum(-1))
        found.append(values @ field.mdp.initial)
        theta = theta + 0.1 * field(theta)
    return np.array(found)


Values = Callable[[Field], Array]
CONSUMERS: dict[str, tuple[Values, Values]] = {  # what it gives, and what that ought to be
    "batches": (batch, floats),
    "exact rationals": (exact_point, floats),
    "rational functions": (rational_functions, floats),
    "Taylor series": (taylor, floats),
    "recentred system": (recentred_system, floats),
    "learning curve": (learning_curve, steps_of_the_field),
    "moments": (mean_of_moments, floats),
    "actor with a critic": (actor, floats),
}
# Who does not give what the broken field gives. Moments are of trajectories (an expectation of their own over the row's
# formulas), as the sampled estimates are: "part" is where what they read off the row goes through eq. (1)'s functions.
APART = {
    "moments": {"the sign of the loss", "the visits", "the baseline", "the values", "who acts"},
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_what_is_built_on_eq_1_agrees_with_the_field(name: str) -> None:
    """Nothing is broken: the positive control of the tests below."""
    got, wanted = CONSUMERS[name]
    for rule in {rule for rule, _, _ in BREAKS.values()}:
        assert not moved(got(field_of(rule)), wanted(field_of(rule)))


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("name", CONSUMERS)
def test_what_is_built_on_eq_1_breaks_with_it(name: str, fault: str) -> None:
    (rule, old, new), (got, wanted) = BREAKS[fault], CONSUMERS[name]
    right = got(field_of(rule))
    with broken(eq1, old, new):
        wrong, ought = got(field_of(rule)), wanted(field_of(rule))
    follows = not moved(wrong, ought)
    assert follows == (fault not in APART.get(name, ()))
    assert moved(wrong, right) or not follows


@pytest.mark.parametrize("fault", [None, *BREAKS])
def test_sampled_estimates_follow_their_exact_mean(fault: str | None) -> None:
    """Broken alike, or not at all: the estimates and their moments read one table of terms."""
    rule, old, new = BREAKS[fault or "the visits"]
    with broken(eq1, old, new if fault else old):
        field = field_of(rule)
        drawn = estimates(field, THETA, TRAJECTORIES, np.random.default_rng(0))
        exact = moments(field, THETA)
    z = (drawn.mean(0) - exact.mean) / np.sqrt(exact.variance / len(drawn))
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("fault", [name for name in BREAKS if name != "the critic"])  # a baseline, so no advantage
def test_normalised_advantages_follow_as_the_actor_does(fault: str) -> None:
    """What divides the advantages by their spread gives them to eq. (1)."""
    rule, old, new = BREAKS[fault]
    right = normalised_actor(field_of(rule))
    with broken(eq1, old, new):
        assert moved(normalised_actor(field_of(rule)), right)


# The Jacobian is a second row of formulas in the same file; what it shares with eq. (1) must break it as well.
JACOBIAN = {
    **{name: BREAKS[name] for name in BREAKS if name != "the visits"},
    "its visits": ("on-policy", "block = at.d[..., None, None] * _local", "block = _local"),
    "the slope of visits": ("on-policy", "* (K - mean[..., None, :])  #", "* (K + mean[..., None, :])  #"),
}


def jacobian_of_rationals(field: Field) -> Array:
    return np.asarray(setting(field, rationals()).jacobian(P).astype(float))


def jacobian_of_a_batch(field: Field) -> Array:
    return np.asarray(Fields(field, worlds([field.mdp, field.mdp])).jacobian(np.array([0 * THETA, THETA]))[1])


@pytest.mark.parametrize("fault", JACOBIAN)
@pytest.mark.parametrize("got", [jacobian_of_rationals, jacobian_of_a_batch])
def test_the_jacobian_breaks_everywhere(got: Values, fault: str) -> None:
    rule, old, new = JACOBIAN[fault]
    right = got(field_of(rule))
    assert not moved(right, field_of(rule).jacobian(THETA))
    with broken(eq1, old, new):
        wrong, ought = got(field_of(rule)), field_of(rule).jacobian(THETA)
    assert moved(wrong, right) and not moved(wrong, ought)


def test_slopes_of_visits_follow_the_jacobian() -> None:
    """∂d, which explanations use, is the Jacobian's: right against a complex step, and moved by what moves that."""
    field, point = field_of("on-policy"), setting(field_of("on-policy"), rationals())
    steps = THETA + 1e-30j * np.eye(4).reshape(4, 2, 2)
    stepped = np.array([eq1.evaluate(field.problem, field.policy(theta)).d.imag / 1e-30 for theta in steps])
    slopes = point.visits_slopes(P).astype(float)
    assert not moved(slopes, np.moveaxis(stepped.reshape(2, 2, 2), -1, 0))
    with broken(eq1, *JACOBIAN["the slope of visits"][1:]):
        assert moved(point.visits_slopes(P).astype(float), slopes)


# --- what is derived apart from eq. (1) -------------------------------------------------------------------------------


def enumeration(field: Field) -> Array:
    mdp = field.mdp
    numbers = (mdp.P, mdp.R, mdp.initial, mdp.discount, np.eye(4), mdp.teacher)
    case = oracle.Case(*numbers, field.rule.id, f"mix:{1 / 3!r}", True)
    return differences(oracle.enumerate_field(case, THETA.ravel()))


def checker(field: Field) -> Array:
    return differences(flow_of(read_field(field_json(field), "field"))(THETA.ravel().tolist()))


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("apart", [enumeration, checker])
def test_what_is_derived_apart_notices(apart: Values, fault: str) -> None:
    rule, old, new = BREAKS[fault]
    right = apart(field_of(rule))
    assert not moved(right, floats(field_of(rule)))
    with broken(eq1, old, new):
        assert np.array_equal(apart(field_of(rule)), right)
        assert moved(right, floats(field_of(rule)))


# --- the same equation, rearranged for boxes --------------------------------------------------------------------------

THREE = random.episodic(7, 3, 3, discount="9/10", observations=2)
REARRANGED = {  # the text in `proofs/enclosures/reduced.py`, and what stands there instead
    "the sign of the loss": ("E = -((u[:, 1:]", "E = ((u[:, 1:]"),
    "alpha": ("- u[:, :1]) * alpha)", "- u[:, :1]) * 2.0)"),
    "the bend": ("return p[1:] * E + (p[:1]", "return p[1:] * E - (p[:1]"),
    "the bend for two actions": ("p[0] * p[1] * 2", "p[0] * p[1]"),
    "the visits": ("_bent(table[o][0], G) * first", "_bent(table[o][0], G)"),
    "visits of states that look alike": ("(d[s] / d[first]) * E[s]", "E[s]"),
    "the step's own reward": (".sum(2) + of_fractions(fixed)", ".sum(2) - of_fractions(fixed)"),
    "the next step": ("moves = problem.world.discount *", "moves ="),
    "the control": ("return p * of_fractions(problem.share) + base", "return p"),
    "what may go on": ("_mean(q, world.discount * world.P)", "_mean(q, world.P)"),
}


def box_fields() -> list[Field]:
    """Two and three actions, shared observations, control by both, alpha other than 1."""
    rule = {"reward": True, "control": CONTROL, "alpha": "3/2"}
    return [Field(WORLD, "on-policy", **rule), Field(THREE, "on-policy", **rule)]


def contained(field: Field) -> bool:
    """Whether the enclosures over small boxes, and over points, hold F in floats."""
    at, rng = system(field), np.random.default_rng(0)
    points = rng.normal(size=(at.size, 20))
    F = at.sampled(points)
    size = 1e-12 * np.abs(F).max()
    for width in (0.0, 1e-4):
        over, _ = field_and_jacobian(at, Interval(points - width, points + width))
        if not ((over.lo - size <= F) & (over.hi + size >= F)).all():
            return False
    return True


def test_enclosures_hold_the_field() -> None:
    assert all(contained(field) for field in box_fields())


@pytest.mark.parametrize("fault", REARRANGED)
def test_broken_enclosures_do_not_hold_the_field(fault: str) -> None:
    with broken(reduced, *REARRANGED[fault]):
        assert not all(contained(field) for field in box_fields())


@pytest.mark.parametrize("fault", [name for name, (rule, _, _) in BREAKS.items() if rule == "on-policy"])
def test_enclosures_do_not_hold_a_broken_field(fault: str) -> None:
    with broken(eq1, *BREAKS[fault][1:]):
        assert not all(contained(field) for field in box_fields())


# --- where it could stand a second time -------------------------------------------------------------------------------

CENTRED = {  # who puts a derivative in log p into the logits, and so writes a part of eq. (1)
    "dynamics/fields/update.py": "eq. (1)",
    "dynamics/sampling/estimator.py": "the loss's slope at a visited state",
    "proofs/claims/variance.py": "trajectories, enumerated: the loss's slope at a visited state",
}


def centres(source: str) -> bool:
    """Whether the source calls `center`."""
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(getattr(x, "attr", getattr(x, "id", "")) == "center" for x in called)


def test_nobody_else_writes_a_part_of_eq_1() -> None:
    files = [path for room in ("mdp", "dynamics", "proofs", "vorticity") for path in (ROOT / room).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix() for path in files if centres(path.read_text("utf-8"))}
    assert found == set(CENTRED)
    assert centres("eq1.center(p, q * Q)") and not centres("centre = table.center")


def test_nothing_is_left_broken() -> None:
    before = floats(field_of("on-policy"))
    with pytest.raises(ZeroDivisionError), broken(eq1, "local - slope", "local + slope"):
        raise ZeroDivisionError
    assert np.array_equal(floats(field_of("on-policy")), before)
    with pytest.raises(AssertionError, match="stands 0 times"), broken(eq1, "no such line", ""):
        pass
