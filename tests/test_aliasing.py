"""Copying when states look alike: what docs/aliasing.md says, by derivations of its own and with controls that fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import oracle
import pytest
from scipy.integrate import solve_ivp

from dynamics.experiments import Row
from dynamics.experiments import aliasing as experiment
from dynamics.fields import Field
from dynamics.rules import CROSS_ENTROPY, TABLE
from mdp import MDP, Array, evaluation, kl, policy, random, zoo
from mdp.student import features
from proofs.claims import CLAIMS
from proofs.claims.aliasing import blind_corridor, relay
from proofs.claims.verification import verify


def flowed(field: Field, theta0: Array, time: float = 400.0, points: int = 2) -> Array:
    """Parameters (points, *shape) at equal times along the flow, by a stiff integrator."""
    done = solve_ivp(
        lambda _, x: field(x.reshape(field.shape)).ravel(),
        (0, time),
        np.ravel(theta0),
        method="LSODA",
        jac=lambda _, x: field.jacobian(x.reshape(field.shape)),
        t_eval=np.linspace(0, time, points),
        rtol=1e-10,
        atol=1e-12,
    )
    return done.y.T.reshape(-1, *field.shape)


def as_case(mdp: MDP, rule: str = "on-policy") -> oracle.Case:
    """The same question for the oracle, which shares no code with the field."""
    phi = np.kron(np.eye(mdp.n_observations)[mdp.observation], np.eye(mdp.n_actions))
    return oracle.Case(mdp.P, mdp.R, mdp.initial, mdp.discount, phi, np.asarray(mdp.teacher), rule)


# --- O1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_driven_by_the_teacher_every_start_ends_at_the_mean_of_its_rows(seed: int) -> None:
    mdp = random.episodic(seed, 5, 3, observations=2)
    visits = evaluation.visits(mdp, mdp.teacher)
    mean = [np.average(mdp.teacher[mdp.observation == o], axis=0, weights=visits[mdp.observation == o]) for o in (0, 1)]
    field, rng = Field(mdp, "teacher"), np.random.default_rng(seed)
    for _ in range(2):
        end = field.policy(flowed(field, 2 * rng.standard_normal(field.shape))[-1]).p
        np.testing.assert_allclose(end, np.array(mean)[mdp.observation], atol=1e-6)
    np.testing.assert_allclose(experiment.best_of_class(mdp), np.array(mean)[mdp.observation], rtol=1e-12)


def test_driven_by_the_student_the_start_decides() -> None:
    """Control for the test above, and O3: from either side of p = 1/2 the blind corridor has an end of its own."""
    field = Field(blind_corridor(), "on-policy")
    left, right = (field.policy(flowed(field, [[0.0, z]])[-1]).p[0, 1] for z in (-0.1, 0.1))
    assert left == pytest.approx(1 / (1 + np.exp(1.92361565)), abs=1e-6) and left + right == pytest.approx(1)
    driven = Field(blind_corridor(), "teacher")
    assert driven.policy(flowed(driven, [[0.0, 2.0]])[-1]).p[0, 1] == pytest.approx(0.5, abs=1e-6)


def test_at_the_bad_end_the_loss_is_twice_the_least() -> None:
    mdp = blind_corridor()
    losses = []
    for z in (1.92361565, 3.4341):
        p = np.tile([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], (3, 1))
        losses.append(float(evaluation.visits(mdp, p) @ kl(policy(mdp.teacher), policy(p))))
    assert losses[0] > 2 * losses[1]


def distance_rate(field: Field, theta: Array, target: Array) -> tuple[float, float]:
    """d/dt ½‖theta − target‖², and what O1 says it is, from the policies alone."""
    student, teacher = field.policy(theta), policy(np.asarray(field.mdp.teacher))
    q = teacher.p if field.control == "teacher" else student.p
    d = evaluation.visits(field.mdp, q)
    if field.rule.id == "reverse-kl":
        w = student.log_p - teacher.log_p
        spread = (student.p * w**2).sum(-1) - (student.p * w).sum(-1) ** 2
    else:
        spread = kl(teacher, student) + kl(student, teacher)
    return float(((theta - target) * field(theta)).sum()), float(-(d * spread).sum())


@pytest.mark.parametrize("rule", ["on-policy", "teacher", "reverse-kl"])
@pytest.mark.parametrize("seed", range(2))
def test_a_teacher_that_can_be_represented_attracts_for_any_features(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    student = features(rng.standard_normal((12, 4)), 3)
    target = rng.standard_normal(4)
    mdp = random.episodic(seed, 4, 3).replace(teacher=student.policy(target).p.tolist())
    field = Field(mdp, rule, student=student)
    for _ in range(4):
        rate, said = distance_rate(field, 3 * rng.standard_normal(4), target)
        assert rate == pytest.approx(said, rel=1e-9) and rate < 0
    path = flowed(field, 2 * rng.standard_normal(4), time=3000.0, points=200)
    distance = np.linalg.norm(path - target, axis=1)
    assert (np.diff(distance) <= 1e-9).all() and distance[-1] < 1e-3 < distance[0]


def test_a_teacher_that_cannot_be_represented_need_not() -> None:
    """Control: no parameters of a grid attract on `copying-cycle`: on the orbit the distance to each of them rises."""
    field = Field(zoo.load("copying-cycle"), "on-policy")
    path = flowed(field, np.zeros((2, 2)), time=200.0, points=2000)[1600:]
    z = path[..., 1] - path[..., 0]
    for target in np.stack(np.meshgrid(np.linspace(-3, 3, 7), np.linspace(-3, 3, 7)), -1).reshape(-1, 2):
        assert (np.diff(np.linalg.norm(z - target, axis=1)) > 1e-4).any()


# --- O2 ---------------------------------------------------------------------------------------------------------------


def by_hand(_: float, z: Array) -> list[float]:
    """`copying-cycle`'s field as docs/claims.md has it, in log-odds to go."""
    p, x = 1 / (1 + np.exp(-z))
    goes, stays = 19 / 20, 1 / 20
    return [
        2 * (goes - p) + 2 * (stays - p) * (1 - p) * (1 - x) / p**2,
        2 * (goes - x) * (1 - p) + 2 * (stays - x) * p / x,
    ]


def test_the_cycle_of_copying_by_hand() -> None:
    """Its period between passages of z_1 = −1.8, from the closed form and a solver that shares nothing with ours."""

    def passes(_: float, z: Array) -> float:
        return float(z[0] + 1.8)

    passes.direction = 1.0  # type: ignore[attr-defined]
    for start in ([0.0, 0.0], [-1.7, 1.3], [3.0, 3.0]):
        done = solve_ivp(by_hand, (0, 200), start, method="DOP853", rtol=1e-11, atol=1e-12, events=passes)
        assert np.diff(done.t_events[0])[-3:] == pytest.approx(16.2116542, abs=1e-6)
        late = done.y[:, done.t > 150]
        assert np.ptp(late, axis=1) == pytest.approx([2.3508, 1.5482], abs=5e-3)


def test_the_field_by_hand_is_the_field_and_the_oracles() -> None:
    mdp = zoo.load("copying-cycle")
    field, rng = Field(mdp, "on-policy"), np.random.default_rng(0)
    for _ in range(5):
        theta = rng.standard_normal((2, 2))
        hand = by_hand(0, theta[:, 1] - theta[:, 0])
        other = oracle.pair_field(as_case(mdp), theta.ravel()).reshape(2, 2)
        for F in (field(theta), other):
            np.testing.assert_allclose(F[:, 1] - F[:, 0], hand, rtol=1e-9)


def test_the_square_of_the_teachers_rows_traps() -> None:
    edge, along = np.log(19), np.linspace(-np.log(19), np.log(19), 400)
    for u in along:
        assert by_hand(0, np.array([-edge, u]))[0] > 0 > by_hand(0, np.array([edge, u]))[0]
        assert by_hand(0, np.array([u, -edge]))[1] > 0 > by_hand(0, np.array([u, edge]))[1]


def test_the_witness_of_rising_kl_by_the_oracle() -> None:
    """At p = 1/5, x = 1/4: Σ_s d/dt KL(pi(s)‖pi_theta(s)) = 19/20, from the oracle's field by the chain rule."""
    mdp = zoo.load("copying-cycle")
    case = as_case(mdp)
    theta = np.log([0.8, 0.2, 0.75, 0.25])
    F = (case.phi @ oracle.pair_field(case, theta)).reshape(5, 2)
    p = np.exp(oracle.log_policy(case, theta))
    assert ((p - case.teacher) * F).sum() == pytest.approx(19 / 20, rel=1e-12)
    alike = dataclasses.replace(case, teacher=case.teacher[[0, 1, 1, 0, 0]])
    F = (case.phi @ oracle.pair_field(alike, theta)).reshape(5, 2)
    assert ((p - alike.teacher) * F).sum(-1).max() < 0  # control: one row for each observation


def test_reverse_kl_cycles_too_and_by_the_oracle_repels_at_the_uniform_student() -> None:
    mdp = zoo.load("reverse-copying-cycle")
    case = as_case(mdp, "reverse-kl")
    assert np.abs(oracle.pair_field(case, np.zeros(4))).max() < 1e-12
    J = oracle.complex_step_jacobian(lambda theta: oracle.pair_field(case, theta), np.zeros(4))
    assert np.linalg.eigvals(J).real.max() == pytest.approx(0.14878, abs=1e-4)


# --- O3 and the claims themselves -------------------------------------------------------------------------------------


def test_bootstrapping_ends_worse_than_the_uniform_student() -> None:
    field = Field(relay(), "bootstrap")
    for z in (-3.0, 0.0, 5.0):
        end = field.policy(flowed(field, [[0.0, z]], time=4000.0)[-1]).p
        assert end[0, 1] == pytest.approx(0.95, abs=1e-4)
        assert evaluation.expected_return(field.mdp, end) == pytest.approx(19 / 400, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "rule", "change"),
    [
        ("O1", "teacher", {"loss": -CROSS_ENTROPY}),
        ("O1", "reverse-kl", {"loss": CROSS_ENTROPY}),
        ("O3", "on-policy", {"loss": -CROSS_ENTROPY}),
        ("O3", "bootstrap", {"horizon": "episode"}),
    ],
)
def test_broken_rows_make_the_claims_fall(name: str, rule: str, change: dict[str, object]) -> None:
    """That they hold of the rows as they are: test_claims.py."""
    row = dataclasses.replace(TABLE[rule], **change)  # type: ignore[arg-type]
    found = verify(CLAIMS[name], table=dict(TABLE) | {rule: row})
    assert found.verdict == "refuted" and found.failed


@pytest.mark.slow
def test_a_broken_row_makes_the_cycle_fall() -> None:
    row = dataclasses.replace(TABLE["on-policy"], reward=TABLE["n-distill"].reward)  # the correction: it rests
    assert verify(CLAIMS["O2"], table=dict(TABLE) | {"on-policy": row}).verdict == "refuted"


# --- the experiment ---------------------------------------------------------------------------------------------------


def made(sight: int | None, rule: str, rise: float, gap: float = 0.0) -> Row:
    base = {"mdp": 0, "teacher": "t", "sight": sight, "rule": rule, "kind": "rest", "rise": rise, "start": 1.0}
    return base | {"gap": gap, "kl_teacher": 0.1, "kl_student": 0.1, "return": 1.0}


def test_the_experiment_is_judged() -> None:
    good = [made(None, "on-policy", 0), made(0, "on-policy", 0.1), made(None, "teacher", 0), made(0, "teacher", 0)]
    assert experiment.summary(good).holds is True
    assert experiment.summary([made(None, "on-policy", 0.1), *good[1:]]).holds is False
    assert experiment.summary([*good[:3], made(0, "teacher", 0.1)]).holds is False
    assert experiment.summary([*good[:3], made(0, "teacher", 0, gap=0.5)]).holds is False
    assert experiment.summary([good[0], made(0, "on-policy", 0), *good[2:]]).holds is False
    assert experiment.summary(good[:2]).holds is None


def test_a_window_of_sight_lets_the_kl_rise() -> None:
    rows = {s: experiment.run({"mdp": 1, "size": 6, "teacher": "epsilon:0.1", "sight": s})[1] for s in (0, None)}
    assert experiment.rose(rows[0]) and not experiment.rose(rows[None])
    assert rows[0]["rule"] == "on-policy" and rows[0]["gap"] > 0
